#!/usr/bin/env bash
# Installs cargo-deny when it is missing (about three minutes on two cores).
set -euo pipefail
command -v cargo-deny >/dev/null && exit 0
echo "installing cargo-deny"
exec cargo install --locked --quiet --no-default-features --version 0.20.2 cargo-deny
