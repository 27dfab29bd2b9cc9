//! Measures what design and docs/benchmarks.md promise. One file for each kind of figure.
//!
//! The load runs in this process, the server in its own, so that its CPU time can be told apart.
//! Both share the machine: figures of throughput include the load's own cost.

mod browser;
mod call_setup;
mod client;
mod connections;
mod delivery;
mod fan_out;
mod forwarding;
mod process;
mod relaying;
mod start;

use crate::lean::{Member, Way};
use crate::real::RealServer;
use anyhow::{Result, bail};
use roost_client::{Command, Notice};
use roost_wire::{AccountId, GroupId};
use std::path::Path;

type Part = (&'static str, fn() -> Result<()>);

const PARTS: [Part; 12] = [
    ("size", start::sizes),
    ("start", start::start),
    ("messages", delivery::messages),
    ("latency", delivery::latency),
    ("queue", delivery::queue),
    ("group", fan_out::group),
    ("connections", connections::idle),
    ("client", client::operations),
    ("browser", browser::operations),
    ("calls/relayed", relaying::table),
    ("calls/forwarded", forwarding::table),
    ("call-setup", call_setup::setup),
];

/// Runs all parts, or those named.
///
/// # Errors
/// If a part cannot be measured, or is not known.
pub fn run(names: &[String]) -> Result<()> {
    if let Some(name) = names
        .iter()
        .find(|name| !PARTS.iter().any(|(part, _)| is_of(part, name)))
    {
        let known = PARTS.map(|(part, _)| part).join(", ");
        bail!("there is no part {name}; there are: {known}");
    }
    for (name, part) in PARTS {
        if names.is_empty() || names.iter().any(|wanted| is_of(name, wanted)) {
            part()?;
        }
    }
    Ok(())
}

/// Whether a part has this name, or the name of what it is a part of.
fn is_of(part: &str, wanted: &str) -> bool {
    part == wanted || part.split('/').next() == Some(wanted)
}

/// One figure.
fn figure(what: &str, value: f64, unit: &str) {
    println!("{what:<52} {value:>12.3} {unit}");
}

/// A server without limits on rates, which would only measure themselves.
fn server(folder: &Path) -> Result<RealServer> {
    RealServer::start(folder, &UNLIMITED)
}

const UNLIMITED: [&str; 4] = ["--messages-per-second", "0", "--requests-per-second", "0"];

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

/// So many accounts.
async fn members(server: &RealServer, count: usize) -> Result<Vec<Member>> {
    let way = Way::to(server)?;
    let mut members = vec![Member::join(&way, server.setup_link()?, "user 0", 1).await?];
    let uses = u32::try_from(count)?;
    let link = server.invite(uses.max(1))?;
    for number in 1..count {
        let seed = number as u64 + 1;
        members.push(Member::join(&way, &link, &format!("user {number}"), seed).await?);
    }
    Ok(members)
}

fn account(member: &Member) -> Result<AccountId> {
    match member.core().me() {
        Some(me) => Ok(me.account),
        None => bail!("an account was not made"),
    }
}

/// A direct conversation of two members, entered by both.
async fn direct(first: &mut Member, second: &mut Member) -> Result<GroupId> {
    first.does(Command::RefreshPeople).await?;
    let room = opened(&first.does(Command::StartDirect(account(second)?)).await?)?;
    second.does(Command::SyncOnce).await?;
    Ok(room)
}

fn opened(notices: &[Notice]) -> Result<GroupId> {
    let opened = notices.iter().find_map(|notice| match notice {
        Notice::Opened(group) => Some(*group),
        _ => None,
    });
    match opened {
        Some(group) => Ok(group),
        None => bail!("no conversation was opened: {notices:?}"),
    }
}
