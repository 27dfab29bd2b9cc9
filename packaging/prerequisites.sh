#!/usr/bin/env bash
# What this machine needs to build (`build`) or also to test (`test`) or to measure (`bench`) Roost. Installs what is missing
# when it may (root, or sudo without a password), otherwise prints the one line to run. Installs
# nothing when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/environment.sh

# Where ip and nft are, for those who are not root.
export PATH="$PATH:/usr/sbin:/sbin"
purpose=${1:-build}
missing=()

need() { # COMMAND PACKAGE…
    command -v "$1" >/dev/null || missing+=("${@:2}")
}

need_rust() {
    if [ -n "$(active_sysroot)" ]; then return; fi
    if command -v rustup >/dev/null; then
        echo "prerequisites: installing the Rust toolchain that rust-toolchain.toml names"
        rustup toolchain install && return
        echo "prerequisites: rustup could not install it" >&2
    else
        echo "prerequisites: Rust is missing; get it from https://rustup.rs" >&2
    fi
    exit 1
}

need_wasm() {
    if active_has_wasm || debian_has_wasm; then return; fi
    if command -v rustup >/dev/null; then
        echo "prerequisites: fetching the $wasm_target target"
        if RUSTUP_AUTO_INSTALL=0 RUST_BACKTRACE=0 \
            timeout 300 rustup target add "$wasm_target" 2>/dev/null; then return; fi
        echo "prerequisites: rustup could not fetch it; Debian's compiler will do"
    fi
    missing+=(rustc-web cargo-web rust-web-src lld)
}

need cc gcc libc6-dev
need git git
need_rust
need_wasm
if [ "$purpose" = test ] || [ "$purpose" = bench ]; then
    need chromium chromium
    need chromedriver chromium-driver
    need firefox-esr firefox-esr
    need certutil libnss3-tools
    need turnutils_uclient coturn
    need unshare util-linux
    need ip iproute2
    need nft nftables
    compgen -G "/usr/share/fonts/*/*/NotoColorEmoji*" >/dev/null || missing+=(fonts-noto-color-emoji)
fi
if [ "$purpose" = bench ]; then
    need janus janus
fi

if [ ${#missing[@]} -eq 0 ]; then exit 0; fi
if ! command -v apt-get >/dev/null; then
    echo "prerequisites: this system has no apt-get; install what Debian calls: ${missing[*]}" >&2
    exit 1
fi

# --no-remove: rather fail than uninstall another compiler.
install=(apt-get install --yes --no-remove --no-install-recommends "${missing[@]}")
if [ "$(id -u)" -eq 0 ]; then
    as_root=()
elif sudo -n true 2>/dev/null; then
    as_root=(sudo)
else
    echo "prerequisites: please run this line, then try again:" >&2
    echo "    sudo ${install[*]}" >&2
    exit 1
fi
echo "prerequisites: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"${as_root[@]}" apt-get update >"$log" 2>&1 || true
if ! "${as_root[@]}" "${install[@]}" >"$log" 2>&1; then
    cat "$log" >&2
    echo "prerequisites: this failed: ${as_root[*]} ${install[*]}" >&2
    exit 1
fi
