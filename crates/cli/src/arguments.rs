//! The command line.

use clap::{Args, Parser, Subcommand};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  failure on this machine
  2  wrong usage
  3  refused by the server or by the rules of the group; also if the server has no room (what was
     to be sent is kept and goes out with a later command)
  4  server not reachable (what was to be sent is kept and goes out with the next command)
  5  no such person, group or message, or several of that name
  6  another roost-cli uses this home

People are named @NAME or by their id, groups by name or id; the first six digits of an id suffice.";

/// End-to-end encrypted messages from the terminal.
#[derive(Debug, Serialize, Deserialize, Parser)]
#[command(name = "roost-cli", version, after_help = EXIT_CODES)]
pub struct Arguments {
    /// Folder of the account [default: ~/.local/share/roost-cli]
    #[arg(long, global = true, env = "ROOST_HOME", value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Certificate authority of the server (its DIR/tls/ca.pem); remembered once a command succeeded with it
    #[arg(long, global = true, env = "ROOST_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Show what is stored, without asking the server
    #[arg(long, global = true)]
    pub offline: bool,
    #[command(subcommand)]
    pub command: Task,
}

/// What to do.
#[derive(Debug, Serialize, Deserialize, Subcommand)]
pub enum Task {
    /// Make an account with a set-up or invite link, or enter the group of one
    Join(Join),
    /// Show the account of this home
    Whoami,
    /// List the people of the server
    People,
    /// List conversations
    Groups,
    /// Start a group
    NewGroup(NewGroup),
    /// Send a message and print its id
    Send(Send),
    /// React to a message with any emoji
    React(React),
    /// Replace the text of your own message
    Edit(Edit),
    /// Delete your own message for everyone
    Delete(Delete),
    /// Show a conversation
    Log(Log),
    /// Add people to a group
    Add(AddPeople),
    /// Remove a person from a group
    Remove(Remove),
    /// Rename a group
    Rename(Rename),
    /// Leave a group
    Leave(Leave),
    /// Make an invite link, to the server or to a group
    Invite(Invite),
    /// Fetch and send everything there is
    Sync,
    /// Show the number to compare with a person, face to face or on the phone
    SafetyNumber(SafetyNumber),
    /// List the devices of your account
    Devices,
    /// Shut another device of yours out, for good; only on the device that made the account
    Revoke(Revoke),
    /// Use the account on a second device
    #[command(subcommand)]
    Link(Link),
}

#[derive(Debug, Serialize, Deserialize, Args)]
pub struct Join {
    /// The link, with everything after the #
    pub url: String,
    /// What others call you; needed for a new account
    #[arg(long)]
    pub name: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, Args)]
pub struct NewGroup {
    pub name: String,
    /// Who is in it from the start
    #[arg(value_name = "USER")]
    pub users: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize, Args)]
pub struct Send {
    #[arg(value_name = "GROUP|@USER")]
    pub to: String,
    /// CommonMark; - reads it from standard input, -- goes before one that begins with a dash
    pub text: String,
    /// Any earlier message of the conversation
    #[arg(long, value_name = "ID")]
    pub reply_to: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, Args)]
pub struct React {
    #[arg(value_name = "GROUP|@USER")]
    pub conversation: String,
    #[arg(value_name = "ID")]
    pub message: String,
    pub emoji: String,
    /// Take the reaction back
    #[arg(long)]
    pub remove: bool,
}

#[derive(Debug, Serialize, Deserialize, Args)]
pub struct Edit {
    #[arg(value_name = "GROUP|@USER")]
    pub conversation: String,
    #[arg(value_name = "ID")]
    pub message: String,
    pub text: String,
}

#[derive(Debug, Serialize, Deserialize, Args)]
pub struct Delete {
    #[arg(value_name = "GROUP|@USER")]
    pub conversation: String,
    #[arg(value_name = "ID")]
    pub message: String,
}

#[derive(Debug, Serialize, Deserialize, Args)]
pub struct Log {
    #[arg(value_name = "GROUP|@USER")]
    pub conversation: String,
    /// Go on with what comes, until interrupted; a message that changes is printed again
    #[arg(long)]
    pub follow: bool,
    /// At most so many messages from the past; 0 for all
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub last: usize,
    /// With --json: who came and went, too
    #[arg(long)]
    pub events: bool,
}

#[derive(Debug, Serialize, Deserialize, Args)]
pub struct AddPeople {
    pub group: String,
    #[arg(value_name = "USER", required = true)]
    pub users: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize, Args)]
pub struct Remove {
    pub group: String,
    pub user: String,
}

#[derive(Debug, Serialize, Deserialize, Args)]
pub struct Rename {
    pub group: String,
    pub name: String,
}

#[derive(Debug, Serialize, Deserialize, Args)]
pub struct Leave {
    pub group: String,
}

#[derive(Debug, Serialize, Deserialize, Args)]
pub struct Invite {
    /// The group it leads into; without it, to the server only
    pub group: Option<String>,
    /// How many people may use it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub uses: u32,
    /// Days (7d) or weeks (2w) until it ends
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = days)]
    pub expires: u64,
}

#[derive(Debug, Serialize, Deserialize, Args)]
pub struct SafetyNumber {
    #[arg(value_name = "@USER")]
    pub user: String,
}

#[derive(Debug, Serialize, Deserialize, Args)]
pub struct Revoke {
    /// Its id, or the first six digits of it
    pub device: String,
}

#[derive(Debug, Serialize, Deserialize, Subcommand)]
pub enum Link {
    /// On the new device: print a request to be let in
    Request {
        /// Address of the server, such as `https://roost.example`
        server: String,
    },
    /// On a device of the account: let the new one in and print the grant
    Grant { request: String },
    /// On the new device: use the grant
    Accept { grant: String },
}

/// `7d`, `2w` or a number of days.
fn days(text: &str) -> Result<u64, String> {
    let (number, days_each) = match text.strip_suffix('w') {
        Some(weeks) => (weeks, 7),
        None => (text.strip_suffix('d').unwrap_or(text), 1),
    };
    match number.parse::<u64>() {
        Ok(number) if number > 0 => Ok(number.saturating_mul(days_each)),
        Ok(_) | Err(_) => Err("write 7d for seven days or 2w for two weeks".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn lifetimes_are_days_or_weeks() {
        assert_eq!(days("7d"), Ok(7));
        assert_eq!(days("2w"), Ok(14));
        assert_eq!(days("3"), Ok(3));
        assert!(days("0d").is_err() && days("d").is_err() && days("1h").is_err());
    }
}
