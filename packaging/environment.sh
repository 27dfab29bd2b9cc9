# Sourced by the Makefile and .ci/run: which Rust builds this, on this machine.
#
# rustup installs the toolchain and target that rust-toolchain.toml names by itself. Where it cannot
# fetch the WebAssembly target but Debian's compiler can build for it, rustup must not try.

wasm_target="wasm32-unknown-unknown"

# The active toolchain's folder; empty when there is none. Installs nothing.
active_sysroot() {
    RUSTUP_AUTO_INSTALL=0 rustc --print sysroot 2>/dev/null || true
}

active_has_wasm() {
    local sysroot
    sysroot=$(active_sysroot)
    [ -n "$sysroot" ] && compgen -G "$sysroot/lib/rustlib/$wasm_target/lib/libstd-*" >/dev/null
}

# Either a compiled standard library, or its sources and a linker.
debian_has_wasm() {
    [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] || return 1
    local library
    library=$(/usr/bin/rustc --print sysroot)/lib/rustlib
    compgen -G "$library/$wasm_target/lib/libstd-*" >/dev/null ||
        { [ -f "$library/src/rust/library/Cargo.lock" ] && command -v wasm-ld >/dev/null; }
}

if ! active_has_wasm && debian_has_wasm; then
    export RUSTUP_AUTO_INSTALL=0
fi
