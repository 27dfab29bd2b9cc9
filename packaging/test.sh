#!/usr/bin/env bash
# `make test`: all that .ci/run tests, part by part with its time. The test runner comes last, so
# that its summary closes the output.
set -euo pipefail
cd "$(dirname "$0")/.."
packaging/prerequisites.sh test
. packaging/environment.sh
. packaging/part.sh

target=$(cargo metadata --no-deps --format-version 1 --locked |
    sed -E 's/.*"target_directory":"([^"]*)".*/\1/')
export ROOST_BIN="$target/debug/roost" ROOST_CLI_BIN="$target/debug/roost-cli"
export ROOST_ARTEFACTS="${ROOST_ARTEFACTS:-$PWD/artefacts}"

# Without cargo-nextest, cargo runs the same tests, one program after the other.
if cargo nextest --version >/dev/null 2>&1; then
    build_tests=(cargo nextest run --locked --workspace --no-run)
    run_tests=(cargo nextest run --locked --workspace)
else
    build_tests=(cargo test --locked --workspace --all-targets --no-run)
    run_tests=(cargo test --locked --workspace --all-targets --no-fail-fast)
fi

# Each alone: in one call with the clients, cargo would give the server features it must not have.
part "build the server and its browser client" cargo build --locked --package roost
part "build roost-cli" cargo build --locked --package roost-cli
part "build the tests" "${build_tests[@]}"
part "examples in the documentation" cargo test --locked --workspace --doc --quiet
part "simulation" cargo xtask sim --seeds "${SIM_SEEDS:-100}" --from "${SIM_FROM:-1}" --regressions
part "power loss" cargo xtask power-loss
part "kill -9 under load" cargo xtask crash --rounds "${CRASH_ROUNDS:-20}"
part "gun test" cargo xtask gun
part "tests" "${run_tests[@]}"
