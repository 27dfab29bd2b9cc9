//! Static binaries with checksums.
//!
//! Owns the release flags. Fails when a binary still needs a library at run time or names a folder
//! of the machine that built it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::workspace::{self, Workspace};

const BINARIES: [&str; 2] = ["roost", "roost-cli"];

const PAPERS: [&str; 4] = [
    "LICENSE",
    "packaging/config.sample.toml",
    "packaging/systemd/roost.service",
    "packaging/container/Containerfile",
];

pub fn build(workspace: &Workspace) -> Result<()> {
    let target = host_triple()?;
    let folder = workspace.artefacts().join("package");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("emptying {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    let machine = machine_folders(workspace)?;
    for name in BINARIES {
        let binary = compile(workspace, name, &target, &machine)?;
        refuse_dynamic(&binary)?;
        refuse_machine_paths(&binary, &machine)?;
        let copy = folder.join(name);
        fs::copy(&binary, &copy).with_context(|| format!("copying {}", binary.display()))?;
        println!(
            "package: {} ({} KiB)",
            copy.display(),
            fs::metadata(&copy)?.len() / 1024
        );
    }
    for paper in PAPERS {
        let source = workspace.root().join(paper);
        let name = source.file_name().context("papers have names")?;
        fs::copy(&source, folder.join(name)).with_context(|| format!("copying {paper}"))?;
    }
    let sums = checksums(&folder)?;
    fs::write(folder.join("SHA256SUMS"), &sums)?;
    print!("{sums}");
    // The container's data folder: an image from nothing has no command to make one.
    fs::create_dir(folder.join("data")).context("making data")
}

/// Each package alone, and with `--target`, so that the flags stay away from build scripts.
fn compile(
    workspace: &Workspace,
    package: &str,
    target: &str,
    machine: &[(PathBuf, &str)],
) -> Result<PathBuf> {
    let remaps = machine
        .iter()
        .map(|(from, to)| format!("--remap-path-prefix={}=/{to}", from.display()));
    let flags = ["-C".to_owned(), "target-feature=+crt-static".to_owned()];
    let flags: Vec<String> = flags.into_iter().chain(remaps).collect();
    let mut cargo = workspace.cargo();
    cargo
        .args([
            "build",
            "--locked",
            "--release",
            "--package",
            package,
            "--target",
            target,
        ])
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env_remove("ROOST_WASM_PREBUILT");
    workspace::run(&mut cargo)?;
    Ok(workspace
        .target_folder()?
        .join(target)
        .join("release")
        .join(package))
}

fn host_triple() -> Result<String> {
    let text = workspace::output(Command::new("rustc").arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}

/// Folders whose names must not travel, from the general to the particular: rustc takes the last
/// match.
fn machine_folders(workspace: &Workspace) -> Result<Vec<(PathBuf, &'static str)>> {
    let home = env::var_os("HOME")
        .map(PathBuf::from)
        .context("HOME is not set")?;
    let cargo_home = env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    Ok(vec![
        (workspace.target_folder()?, "target"),
        (cargo_home, "cargo"),
        (workspace.root().to_path_buf(), "roost"),
    ])
}

fn refuse_dynamic(binary: &Path) -> Result<()> {
    let output = Command::new("ldd")
        .arg(binary)
        .output()
        .context("starting ldd")?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    ensure!(
        is_static(&text),
        "{} is not static; ldd says:\n{text}",
        binary.display()
    );
    Ok(())
}

/// ldd says one about a position-independent static binary and the other about a fixed one.
fn is_static(ldd: &str) -> bool {
    ldd.contains("statically linked") || ldd.contains("not a dynamic executable")
}

fn refuse_machine_paths(binary: &Path, machine: &[(PathBuf, &str)]) -> Result<()> {
    let bytes = fs::read(binary).with_context(|| format!("reading {}", binary.display()))?;
    for (folder, _) in machine {
        let needle = format!("{}/", folder.display());
        if contains(&bytes, needle.as_bytes()) {
            bail!(
                "{} names {needle}, a folder of this machine",
                binary.display()
            );
        }
    }
    Ok(())
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else {
        return false;
    };
    let starts = bytes.iter().enumerate().filter(|(_, byte)| *byte == first);
    starts
        .filter_map(|(at, _)| bytes.get(at..))
        .any(|rest| rest.starts_with(needle))
}

fn checksums(folder: &Path) -> Result<String> {
    let mut names: Vec<String> = Vec::new();
    for entry in folder.read_dir()? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    workspace::output(
        Command::new("sha256sum")
            .current_dir(folder)
            .arg("--")
            .args(names),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_with_libraries_is_not_static() {
        assert!(is_static("\tstatically linked\n"));
        assert!(is_static("\tnot a dynamic executable\n"));
        assert!(!is_static(
            "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n"
        ));
    }

    #[test]
    fn machine_paths_are_found_at_the_start_inside_and_at_the_end() {
        for bytes in ["/home/a/", "xx/home/a/yy", "//home/a/"] {
            assert!(contains(bytes.as_bytes(), b"/home/a/"), "{bytes}");
        }
        assert!(!contains(b"/home/b/ /home/a", b"/home/a/"));
        assert!(!contains(b"", b"/home/a/"));
    }
}
