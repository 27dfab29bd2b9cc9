#!/usr/bin/env bash
# Installs cargo-deny when it is missing (about three minutes on two cores).
set -euo pipefail
command -v cargo-deny >/dev/null && exit 0
echo "installing cargo-deny"
# Its own checks need no speed: unoptimised builds in a third of the time.
export CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off
exec cargo install --locked --quiet --no-default-features --version 0.20.2 cargo-deny
