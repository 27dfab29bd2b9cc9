//! Builds the browser client and embeds it, with all of `static/`, into the server.
//!
//! Owns: the nested cargo run for `crates/web`, wasm-bindgen, and the asset table.
//! Never: changes a file outside `OUT_DIR` and the nested target folder, or needs an installed tool
//! besides a Rust compiler that can make WebAssembly.
//!
//! # What it writes
//!
//! `$OUT_DIR/assets.rs`, for a module that defines `Asset` and includes it:
//!
//! ```ignore
//! pub struct Asset {
//!     pub path: &'static str,            // "js/app.js", no leading slash
//!     pub content_type: &'static str,    // a whole header value
//!     pub bytes: &'static [u8],
//!     pub brotli: Option<&'static [u8]>, // only when smaller
//!     pub sha256: [u8; 32],              // of `bytes`
//! }
//! include!(concat!(env!("OUT_DIR"), "/assets.rs"));
//! ```
//!
//! It defines `pub const ASSET_SET: &str` (16 hex characters over all paths and contents) and
//! `pub static ASSETS: &[Asset]`, sorted by path. Modules and style sheets name each other by
//! relative path, so the set has one hash: serve `/assets/<ASSET_SET>/<path>` as immutable.
//! The client is `wasm/roost_web.js`, `wasm/roost_web_bg.wasm` and `wasm/snippets/…`.
//!
//! # Environment
//!
//! - `ROOST_WASM_PREBUILT=none`: embed no client at all. For clippy and the IDE only.
//! - `ROOST_WASM_PREBUILT=/abs/roost_web.wasm`: take this module, as cargo makes it before
//!   wasm-bindgen, instead of compiling one.

#[path = "build/assets.rs"]
mod assets;
#[path = "build/client.rs"]
mod client;
#[path = "build/toolchain.rs"]
mod toolchain;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};

const PREBUILT: &str = "ROOST_WASM_PREBUILT";

/// The error alone: a stack of this program's frames would hide the commands it names.
fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<()> {
    let root = variable_path("CARGO_MANIFEST_DIR")?;
    let out = variable_path("OUT_DIR")?;
    let release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    announce_inputs(&root)?;

    let bindings = out.join("client");
    let wasm = match env::var_os(PREBUILT) {
        Some(value) if value == "none" => None,
        Some(file) => Some(prebuilt(PathBuf::from(file))?),
        None => Some(client::compile(&root, &out, release)?),
    };
    client::empty_folder(&bindings)?;
    if let Some(wasm) = wasm {
        client::bind(&wasm, &bindings, release)?;
    }

    let mut set = assets::Set::default();
    set.add_folder(&root.join("static"), "")?;
    set.add_folder(&bindings, client::FOLDER)?;
    set.write(&out, release)
}

/// The IDE and clippy re-run this only when something that ends up in the table may have moved.
fn announce_inputs(root: &Path) -> Result<()> {
    println!("cargo:rerun-if-env-changed={PREBUILT}");
    for path in [
        "build.rs",
        "build",
        "static",
        "templates",
        "Cargo.toml",
        "Cargo.lock",
    ] {
        println!("cargo:rerun-if-changed={}", root.join(path).display());
    }
    for name in client::CRATES {
        let folder = root.join("crates").join(name);
        let entries = folder
            .read_dir()
            .with_context(|| format!("reading {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            if !matches!(
                entry.file_name().to_str(),
                Some("tests" | "benches" | "examples")
            ) {
                println!("cargo:rerun-if-changed={}", entry.path().display());
            }
        }
    }
    Ok(())
}

fn prebuilt(file: PathBuf) -> Result<PathBuf> {
    anyhow::ensure!(
        file.is_absolute() && file.is_file(),
        "{PREBUILT} must be `none` or the absolute path of a .wasm file, not {}",
        file.display()
    );
    println!("cargo:rerun-if-changed={}", file.display());
    Ok(file)
}

fn variable_path(name: &str) -> Result<PathBuf> {
    env::var_os(name)
        .map(PathBuf::from)
        .with_context(|| format!("cargo did not set {name}"))
}
