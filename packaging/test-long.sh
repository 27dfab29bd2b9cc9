#!/usr/bin/env bash
# `make test-long`: hours of what `make test` does in minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
packaging/prerequisites.sh test
. packaging/environment.sh
. packaging/part.sh

built_twice() {
    local target first second
    target=$(cargo metadata --no-deps --format-version 1 --locked |
        sed -E 's/.*"target_directory":"([^"]*)".*/\1/')
    first=$PWD/artefacts/first second=$PWD/artefacts/second
    ROOST_ARTEFACTS=$first cargo xtask package
    CARGO_TARGET_DIR="$target/second" ROOST_ARTEFACTS=$second cargo xtask package
    diff "$first/package/SHA256SUMS" "$second/package/SHA256SUMS"
}

part "simulation" cargo xtask --release sim --seeds "${SIM_SEEDS:-100000}" --from "${SIM_FROM:-1}"
part "kill -9 under load" cargo xtask --release crash --rounds "${CRASH_ROUNDS:-2000}"
part "planted bugs" cargo xtask plant --all
part "release built twice" built_twice
part "property tests, many cases" env PROPTEST_CASES=100000 cargo test --locked --release --lib \
    --package roost-wire --package roost-mls --package roost-client --package roost-web
