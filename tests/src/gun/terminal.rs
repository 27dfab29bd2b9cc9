//! A person with `roost-cli` in a home of their own.

use crate::real::{RealServer, binary};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One home.
pub struct Terminal {
    home: PathBuf,
    ca: PathBuf,
}

impl Terminal {
    /// Makes an account by a link.
    ///
    /// # Errors
    /// If the link does not work.
    pub fn join(server: &RealServer, folder: &Path, link: &str, name: &str) -> Result<Self> {
        let terminal = Self {
            home: folder.join(format!("home of {name}")),
            ca: server.ca(),
        };
        terminal.run(&["join", link, "--name", name])?;
        Ok(terminal)
    }

    /// Starts a group; its id.
    ///
    /// # Errors
    /// If the command fails.
    pub fn new_group(&self, name: &str, members: &[&str]) -> Result<String> {
        let arguments: Vec<&str> = ["new-group", name].iter().chain(members).copied().collect();
        self.id(&arguments, "group")
    }

    /// Says something; the message's id.
    ///
    /// # Errors
    /// If the command fails.
    pub fn send(&self, to: &str, text: &str, reply_to: Option<&str>) -> Result<String> {
        let mut arguments = vec!["send", to, text];
        if let Some(message) = reply_to {
            arguments.extend(["--reply-to", message]);
        }
        self.id(&arguments, "id")
    }

    /// # Errors
    /// If the command fails.
    pub fn react(&self, group: &str, message: &str, emoji: &str) -> Result<()> {
        self.run(&["react", group, message, emoji]).map(drop)
    }

    /// # Errors
    /// If the command fails.
    pub fn rename(&self, group: &str, name: &str) -> Result<()> {
        self.run(&["rename", group, name]).map(drop)
    }

    /// # Errors
    /// If the command fails.
    pub fn sync(&self) -> Result<()> {
        self.run(&["sync"]).map(drop)
    }

    /// # Errors
    /// If the command fails.
    pub fn log(&self, conversation: &str) -> Result<String> {
        self.run(&["log", conversation, "--last", "0"])
    }

    /// # Errors
    /// If the command fails.
    pub fn groups(&self) -> Result<String> {
        self.run(&["groups"])
    }

    /// The value of one field in the first line of output.
    fn id(&self, arguments: &[&str], field: &str) -> Result<String> {
        let output = self.run(arguments)?;
        let line = output.lines().next().context("no output")?;
        let object: Value = serde_json::from_str(line)?;
        let id = object.get(field).and_then(Value::as_str);
        Ok(id
            .with_context(|| format!("no {field} in {line}"))?
            .to_owned())
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(binary("ROOST_CLI_BIN", "roost-cli")?)
            .arg("--home")
            .arg(&self.home)
            .arg("--ca")
            .arg(&self.ca)
            .arg("--json")
            .args(arguments)
            .output()?;
        if output.status.success() {
            Ok(String::from_utf8(output.stdout)?)
        } else {
            let why = String::from_utf8_lossy(&output.stderr);
            bail!("roost-cli {}: {} {why}", arguments.join(" "), output.status)
        }
    }
}
