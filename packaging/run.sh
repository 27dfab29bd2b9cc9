#!/usr/bin/env bash
# `make run`: builds the server with its browser client and starts it.
# LISTEN, DATA and PROFILE come from the Makefile; arguments go to `roost serve`.
set -euo pipefail
cd "$(dirname "$0")/.."
packaging/prerequisites.sh build
. packaging/environment.sh

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_address() {
    local port
    for port in $(seq 8443 8543); do
        if ! taken "$port"; then
            echo "127.0.0.1:$port"
            return
        fi
    done
    echo "127.0.0.1:0"
}

profile=${PROFILE:-release}
folder=$profile
[ "$profile" != dev ] || folder=debug
target=$(cargo metadata --no-deps --format-version 1 --locked |
    sed -E 's/.*"target_directory":"([^"]*)".*/\1/')
if [ ! -x "$target/$folder/roost" ]; then
    echo "Building Roost. The first time takes 10 to 15 minutes on two cores;" \
        "\`make run PROFILE=dev\` starts sooner and runs slower."
fi
cargo build --locked --profile "$profile" --package roost
address=${LISTEN:-$(free_address)}
exec "$target/$folder/roost" serve --data "${DATA:-roost-data}" --listen "$address" "$@"
