//! The browser client: compiled by a nested cargo, then bound to JavaScript.
//!
//! Owns the nested build's environment, target folder and flags. Never shares a target folder with
//! the build that called it: cargo would wait for itself.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use wasm_bindgen_cli_support::Bindgen;

use crate::toolchain::{self, StandardLibrary, TARGET, Toolchain};

/// Folder of the client in the asset table.
pub const FOLDER: &str = "wasm/";

/// Folders under `crates/` whose code ends up in the client.
pub const CRATES: [&str; 4] = ["wire", "mls", "client", "web"];

const PACKAGE: &str = "roost-web";
const NAME: &str = "roost_web";

/// Compiles `crates/web` and answers with the path of the raw module.
pub fn compile(root: &Path, out: &Path, release: bool) -> Result<PathBuf> {
    let toolchain = toolchain::choose()?;
    let folder = target_folder(root, out);
    let profile = if release { "wasm" } else { "wasm-dev" };
    let status = nested_cargo(&toolchain, root, &folder, profile)
        .status()
        .with_context(|| format!("starting {}", toolchain.cargo.display()))?;
    ensure!(
        status.success(),
        "the browser client did not compile ({}, {TARGET}): see the compiler's messages above",
        toolchain.rustc.display()
    );
    Ok(folder
        .join(TARGET)
        .join(profile)
        .join(NAME)
        .with_extension("wasm"))
}

/// Writes `roost_web.js`, `roost_web_bg.wasm` and `snippets/` into `folder`.
/// Released modules keep no function names: half of the module and a fifth of the download.
pub fn bind(wasm: &Path, folder: &Path, release: bool) -> Result<()> {
    Bindgen::new()
        .input_path(wasm)
        .web(true)?
        .typescript(false)
        .remove_producers_section(true)
        .remove_name_section(release)
        .out_name(NAME)
        .generate(folder)
        .with_context(|| format!("wasm-bindgen on {}", wasm.display()))
}

/// Leaves `folder` existing and empty.
pub fn empty_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("emptying {}", folder.display()));
        }
        Ok(()) | Err(_) => {}
    }
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))
}

/// `<target>/wasm-client`, the same for every profile and `--target` of the calling build. Cargo
/// marks its target folder with `CACHEDIR.TAG`, somewhere above `OUT_DIR`, and with `--target` also
/// the folder of that name inside it.
fn target_folder(root: &Path, out: &Path) -> PathBuf {
    let is_marked = |folder: &&Path| folder.join("CACHEDIR.TAG").is_file();
    let is_target = |folder: &&Path| folder.file_name() != env::var_os("TARGET").as_deref();
    let target = out.ancestors().filter(is_marked).find(is_target);
    target
        .map_or_else(|| root.join("target"), Path::to_path_buf)
        .join("wasm-client")
}

fn nested_cargo(toolchain: &Toolchain, root: &Path, folder: &Path, profile: &str) -> Command {
    let mut command = Command::new(&toolchain.cargo);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(belongs_to_the_outer_build) {
            command.env_remove(name);
        }
    }
    command
        .current_dir(root)
        .env("RUSTC", &toolchain.rustc)
        .env("CARGO_TARGET_DIR", folder)
        .env("CARGO_INCREMENTAL", "0")
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            flags(toolchain, root).join("\u{1f}"),
        )
        .args(["build", "--locked", "--lib", "--package", PACKAGE])
        .args(["--profile", profile, "--target", TARGET])
        // Cargo reads this script's standard output as instructions.
        .stdout(std::io::stderr());
    if toolchain.standard_library == StandardLibrary::FromSource {
        command
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld")
            .args(["-Z", "build-std=std,panic_abort"]);
    }
    command
}

/// What cargo and rustup told this script about its own build would mislead the nested one.
/// Settings about where crates come from are the user's and stay.
fn belongs_to_the_outer_build(name: &str) -> bool {
    const KEPT: [&str; 2] = ["CARGO_HOME", "RUSTUP_HOME"];
    const KEPT_PREFIXES: [&str; 4] = [
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTRIES_",
        "CARGO_SOURCE_",
    ];
    const OF_CARGO: [&str; 10] = [
        "TARGET",
        "HOST",
        "OUT_DIR",
        "PROFILE",
        "DEBUG",
        "OPT_LEVEL",
        "NUM_JOBS",
        "MAKEFLAGS",
        "MFLAGS",
        "LD_LIBRARY_PATH",
    ];
    if KEPT.contains(&name) || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return false;
    }
    OF_CARGO.contains(&name)
        || ["CARGO", "RUST", "DEP_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// No path of the building machine may reach the module.
fn flags(toolchain: &Toolchain, root: &Path) -> Vec<String> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let home = env::var_os("HOME")?;
        Some(PathBuf::from(home).join(".cargo"))
    });
    let library = toolchain.sysroot.join("lib/rustlib/src/rust");
    let sources = fs::canonicalize(&library).ok();
    // The last match wins in rustc: from the general to the particular.
    let folders = [
        home.map(|path| (path, "cargo")),
        Some((root.to_path_buf(), "roost")),
        Some((library, "rust")),
        sources.map(|path| (path, "rust")),
    ];
    let remap =
        |(from, to): (PathBuf, &str)| format!("--remap-path-prefix={}=/{to}", from.display());
    folders.into_iter().flatten().map(remap).collect()
}
