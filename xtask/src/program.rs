//! Starts the proof programs of `roost-tests`.
//!
//! The server and the CLI are built first, each alone: in one cargo call with the clients, cargo
//! would give the server features it must not have.

use std::path::PathBuf;

use anyhow::Result;

use crate::workspace::{self, Workspace};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Dev,
    Release,
}

impl Profile {
    fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Dev => &[],
            Self::Release => &["--release"],
        }
    }
}

/// Builds what program `name` needs, then runs it with `arguments`.
pub fn start(
    workspace: &Workspace,
    name: &str,
    profile: Profile,
    arguments: &[String],
) -> Result<()> {
    for package in needed_binaries(name) {
        let mut build = workspace.cargo();
        build
            .args(["build", "--locked", "--quiet", "--package", package])
            .args(profile.flags());
        workspace::run(&mut build)?;
    }
    let folder: PathBuf = workspace.target_folder()?.join(profile.folder());
    let mut command = workspace.cargo();
    command
        .args([
            "run",
            "--locked",
            "--quiet",
            "--package",
            "roost-tests",
            "--bin",
        ])
        .arg(file_name(name))
        .args(profile.flags())
        .arg("--")
        .args(arguments)
        .env("ROOST_BIN", folder.join("roost"))
        .env("ROOST_CLI_BIN", folder.join("roost-cli"))
        .env("ROOST_ARTEFACTS", workspace.artefacts());
    workspace::run(&mut command)
}

/// The binary of `roost-tests` behind a task.
pub fn file_name(task: &str) -> String {
    task.replace('-', "_")
}

/// The simulation and the power cuts run the product's code inside their own process.
pub fn needed_binaries(name: &str) -> &'static [&'static str] {
    match name {
        "sim" | "power-loss" => &[],
        _ => &["roost", "roost-cli"],
    }
}
