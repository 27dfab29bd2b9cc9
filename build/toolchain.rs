//! Which compiler makes the WebAssembly.
//!
//! Owns the order: the toolchain of this build, then Debian's; each with a ready standard library
//! first, else one built from its sources. Answers with absolute paths, so that rustup's proxies
//! and whatever stands first in `PATH` have no say in the nested build.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

pub const TARGET: &str = "wasm32-unknown-unknown";

const DEBIAN: &str = "/usr/bin";

const NO_TOOLCHAIN: &str = "
No Rust compiler here can make WebAssembly for the browser client. Run one of these, then try again:
    rustup target add wasm32-unknown-unknown                          (with rustup and a network)
    apt-get install rustc-web cargo-web rust-web-src lld              (Debian; as root)
    make prerequisites                                                (chooses for you)
To compile the server without its browser client, for checks only: ROOST_WASM_PREBUILT=none
";

/// A compiler with its cargo, and how it comes by a standard library for the target.
#[derive(Debug)]
pub struct Toolchain {
    pub rustc: PathBuf,
    pub cargo: PathBuf,
    pub sysroot: PathBuf,
    pub standard_library: StandardLibrary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandardLibrary {
    Installed,
    FromSource,
}

/// The first toolchain that can do it.
///
/// # Errors
/// None can: the message holds the commands that change this.
pub fn choose() -> Result<Toolchain> {
    let candidates: Vec<Toolchain> = [host(), debian()].into_iter().flatten().collect();
    candidates.into_iter().next().context(NO_TOOLCHAIN)
}

fn host() -> Option<Toolchain> {
    let rustc = env::var_os("RUSTC")?;
    let cargo = PathBuf::from(env::var_os("CARGO")?);
    let sysroot = sysroot(&rustc)?;
    let real = sysroot.join("bin").join("rustc");
    let rustc = if real.is_file() {
        real
    } else {
        PathBuf::from(rustc)
    };
    usable(rustc, cargo, sysroot)
}

fn debian() -> Option<Toolchain> {
    let rustc = Path::new(DEBIAN).join("rustc");
    let sysroot = sysroot(rustc.as_os_str())?;
    usable(rustc, Path::new(DEBIAN).join("cargo"), sysroot)
}

fn usable(rustc: PathBuf, cargo: PathBuf, sysroot: PathBuf) -> Option<Toolchain> {
    let library = sysroot.join("lib/rustlib");
    let standard_library = if has_compiled_std(&library.join(TARGET).join("lib")) {
        StandardLibrary::Installed
    } else if library.join("src/rust/library/Cargo.lock").is_file() && linker_installed() {
        StandardLibrary::FromSource
    } else {
        return None;
    };
    (rustc.is_absolute() && cargo.is_absolute() && cargo.is_file()).then_some(Toolchain {
        rustc,
        cargo,
        sysroot,
        standard_library,
    })
}

fn has_compiled_std(folder: &Path) -> bool {
    let Ok(entries) = folder.read_dir() else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

/// Debian's compiler has no `rust-lld` of its own.
pub fn linker_installed() -> bool {
    Command::new("wasm-ld")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

fn sysroot(rustc: impl Into<OsString>) -> Option<PathBuf> {
    let output = Command::new(rustc.into())
        .args(["--print", "sysroot"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(text.trim()))
}
