//! A person with `roost-cli` in a home of their own.
//!
//! Owns the command lines. Never reads what the client stores.

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

    /// The id of the message with this text.
    ///
    /// # Errors
    /// If the command fails, or shows no such message.
    pub fn id_of(&self, conversation: &str, text: &str) -> Result<String> {
        let log = self.log(conversation)?;
        let objects = log.lines().map(serde_json::from_str::<Value>);
        for object in objects {
            let object = object?;
            let field = |name| object.get(name).and_then(Value::as_str);
            if field("text") == Some(text) {
                return Ok(field("id").context("a message without id")?.to_owned());
            }
        }
        bail!("{conversation} shows no {text:?}")
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

    /// The texts of a conversation, oldest first.
    ///
    /// # Errors
    /// If the command fails.
    pub fn texts(&self, conversation: &str) -> Result<Vec<String>> {
        let log = self.log(conversation)?;
        let objects = log.lines().map(serde_json::from_str::<Value>);
        let mut texts = Vec::new();
        for object in objects {
            if let Some(text) = object?.get("text").and_then(Value::as_str) {
                texts.push(text.to_owned());
            }
        }
        Ok(texts)
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        let ran = self.runs(arguments)?;
        if ran.code == Some(0) {
            Ok(ran.output)
        } else {
            bail!("roost-cli {}: {ran:?}", arguments.join(" "))
        }
    }

    /// Runs a command that may fail.
    ///
    /// # Errors
    /// If it does not start.
    pub fn runs(&self, arguments: &[&str]) -> Result<Ran> {
        let output = Command::new(binary("ROOST_CLI_BIN", "roost-cli")?)
            .arg("--home")
            .arg(&self.home)
            .arg("--ca")
            .arg(&self.ca)
            .arg("--json")
            .args(arguments)
            .output()?;
        Ok(Ran {
            code: output.status.code(),
            output: String::from_utf8(output.stdout)?,
            errors: String::from_utf8(output.stderr)?,
        })
    }
}

/// What became of a command.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub output: String,
    pub errors: String,
}
