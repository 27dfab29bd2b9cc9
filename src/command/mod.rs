//! The command line: one file for each command.

mod archive;
mod doctor;
mod invite;

use crate::boot;
use crate::config::ServeArgs;
use anyhow::Result;
use clap::{Parser, Subcommand};

/// A private messenger's server: it carries messages it cannot read.
#[derive(Parser, Debug)]
#[command(name = "roost", version, about, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the server
    Serve(Box<ServeArgs>),
    /// Make an invite link, also while the server runs
    Invite(invite::InviteArgs),
    /// Look whether calls can reach the running server; takes the options of serve
    Doctor(Box<ServeArgs>),
    /// Write all data of a stopped server to a file
    Export(archive::ExportArgs),
    /// Read an export into an empty data folder
    Import(archive::ImportArgs),
}

impl Arguments {
    /// Does what was asked.
    ///
    /// # Errors
    /// One sentence for the operator.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::Serve(args) => boot::serve(args.load()?),
            Command::Invite(args) => invite::run(args),
            Command::Doctor(args) => doctor::run(*args),
            Command::Export(args) => archive::export(args),
            Command::Import(args) => archive::import(args),
        }
    }
}
