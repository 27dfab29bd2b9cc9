//! Where things are, and how other programs are run.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Folders that hold no sources of ours.
const FOREIGN: [&str; 4] = ["target", "artefacts", "node_modules", "roost-data"];

pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The workspace that cargo runs this program for; else the one around the current folder.
    /// Asked at run time: clones may share a target folder, and with it this very program.
    pub fn find() -> Result<Self> {
        let start = match env::var_os("CARGO_MANIFEST_DIR") {
            Some(folder) => PathBuf::from(folder),
            None => env::current_dir().context("current folder")?,
        };
        let is_root = |folder: &&Path| folder.join("xtask/Cargo.toml").is_file();
        let root = start.ancestors().find(is_root);
        let root = root.with_context(|| format!("{} is in no clone of Roost", start.display()))?;
        Ok(Self {
            root: root.to_path_buf(),
        })
    }

    #[cfg(test)]
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn artefacts(&self) -> PathBuf {
        env::var_os("ROOST_ARTEFACTS").map_or_else(|| self.root.join("artefacts"), PathBuf::from)
    }

    /// Cargo as it started this program, in the workspace's root.
    pub fn cargo(&self) -> Command {
        self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    /// A program in the workspace's root, as if typed into a shell: without what cargo tells the
    /// programs it runs about themselves. Build scripts of dependencies look at these variables,
    /// and would run anew in every other call.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for (name, _) in env::vars_os() {
            if about_the_package(&name) {
                command.env_remove(name);
            }
        }
        command
    }

    pub fn target_folder(&self) -> Result<PathBuf> {
        let mut command = self.cargo();
        let text =
            output(command.args(["metadata", "--no-deps", "--format-version", "1", "--locked"]))?;
        let metadata: Value = serde_json::from_str(&text).context("reading cargo metadata")?;
        let folder = metadata.get("target_directory").and_then(Value::as_str);
        folder
            .map(PathBuf::from)
            .context("cargo metadata names no target_directory")
    }

    /// All `.rs` files below `folder` (relative to the root) in order, as relative paths.
    pub fn rust_files(&self, folder: &str) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let start = self.root.join(folder);
        if start.is_dir() {
            collect(&start, &mut files)?;
        }
        files.sort();
        let relative = files
            .iter()
            .filter_map(|file| file.strip_prefix(&self.root).ok());
        Ok(relative.map(Path::to_path_buf).collect())
    }

    pub fn read(&self, file: &Path) -> Result<String> {
        let path = self.root.join(file);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    }
}

fn about_the_package(variable: &OsStr) -> bool {
    let name = variable.to_string_lossy();
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// Runs a command that talks to the terminal; a failure is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("starting {}", typed(command)))?;
    ensure!(status.success(), "`{}` ended with {status}", typed(command));
    Ok(())
}

/// Runs a command and answers with what it wrote; a failure is an error with its own message.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("starting {}", typed(command)))?;
    let message = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "`{}` ended with {}:\n{message}",
        typed(command),
        output.status
    );
    String::from_utf8(output.stdout).with_context(|| format!("output of {}", typed(command)))
}

/// As one would type it.
fn typed(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = folder
        .read_dir()
        .with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            if !FOREIGN.contains(&name.as_ref()) && !name.starts_with('.') {
                collect(&entry.path(), files)?;
            }
        } else if name.ends_with(".rs") {
            files.push(entry.path());
        }
    }
    Ok(())
}
