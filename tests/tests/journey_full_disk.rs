//! The real server on a disk without room: it says so, goes on reading, and recovers by itself.

use anyhow::{Result, ensure};
use roost_tests::real::RealServer;
use roost_tests::terminal::Terminal;
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes writes fail with `ENOSPC` as long as the file of this variable exists.
const SHIM: &str = include_str!("../../crates/store/tests/full_disk.c");
const FLAG: &str = "FULL_DISK_FLAG";
/// The free space below which the server stores nothing new.
const KEEP_FREE: &str = "ROOST_KEEP_FREE_BYTES";

const FULL: &str = "The server's disk is full";
/// Said to those whose write failed half-way.
const UNKNOWN: &str = "It is not known whether this was stored";

/// By its reserve: the server stops long before the disk is full.
#[test]
fn a_server_short_of_space_refuses_to_store_and_recovers_when_there_is_room() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let space = statvfs(folder.path())?;
    let free = space.f_bavail * space.f_frsize;
    // Half of what the file takes may come and go by others meanwhile.
    let reserve = vec![(KEEP_FREE.to_owned(), (free / 8 * 7).to_string().into())];
    let server = RealServer::start_in(&folder.path().join("data"), &[], reserve)?;
    let [ada, ben] = two_people(&server, folder.path())?;
    let large = folder.path().join("large");

    for round in 0..2 {
        fallocate(File::create(&large)?, FallocateFlags::empty(), 0, free / 4)?;
        nothing_new_is_stored(round, &ada, &ben, &[FULL])?;
        std::fs::remove_file(&large)?;
        all_goes_on(round, &ada, &ben)?;
    }
    Ok(())
}

/// Below its reserve: a write fails half-way.
#[test]
fn a_server_whose_writes_fail_loses_nothing_and_recovers_when_there_is_room() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let full = folder.path().join("full");
    let shim = compiled(folder.path())?;
    let environment = vec![
        ("LD_PRELOAD".to_owned(), shim.into()),
        (FLAG.to_owned(), full.clone().into()),
        (KEEP_FREE.to_owned(), "1".into()),
    ];
    let server = RealServer::start_in(&folder.path().join("data"), &[], environment)?;
    let [ada, ben] = two_people(&server, folder.path())?;

    for round in 0..2 {
        File::create(&full)?;
        nothing_new_is_stored(round, &ada, &ben, &[FULL, UNKNOWN])?;
        std::fs::remove_file(&full)?;
        all_goes_on(round, &ada, &ben)?;
    }
    Ok(())
}

/// Two people who have begun to talk.
fn two_people(server: &RealServer, folder: &Path) -> Result<[Terminal; 2]> {
    let ada = Terminal::join(server, folder, server.setup_link()?, "ada")?;
    let ben = Terminal::join(server, folder, &server.invite(1)?, "ben")?;
    ada.send("@ben", "before", None)?;
    ensure!(ben.texts("@ada")? == said(0));
    Ok([ada, ben])
}

/// All that was said before this round.
fn said(rounds: u32) -> Vec<String> {
    let rounds = (0..rounds).flat_map(|round| [waiting(round), format!("after {round}")]);
    ["before".to_owned()].into_iter().chain(rounds).collect()
}

fn waiting(round: u32) -> String {
    format!("no room for {round}")
}

fn nothing_new_is_stored(round: u32, ada: &Terminal, ben: &Terminal, told: &[&str]) -> Result<()> {
    let sent = ada.runs(&["send", "@ben", &waiting(round)])?;

    ensure!(sent.code == Some(3), "{sent:?}");
    ensure!(told.iter().any(|why| sent.errors.contains(why)), "{sent:?}");
    ensure!(sent.output.contains(r#""stored":false"#), "{sent:?}");
    ensure!(ben.texts("@ada")? == said(round));
    ensure!(ben.groups()?.contains("ada"));
    Ok(())
}

/// What waited goes out by itself before the next message, once.
fn all_goes_on(round: u32, ada: &Terminal, ben: &Terminal) -> Result<()> {
    ada.send("@ben", &format!("after {round}"), None)?;

    for (reader, other) in [(ben, "@ada"), (ada, "@ben")] {
        let texts = reader.texts(other)?;
        ensure!(texts == said(round + 1), "{texts:?}");
    }
    Ok(())
}

fn compiled(folder: &Path) -> Result<PathBuf> {
    let (source, shim) = (folder.join("full_disk.c"), folder.join("full_disk.so"));
    std::fs::write(&source, SHIM)?;
    let compiler = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&shim, &source])
        .status()?;
    ensure!(compiler.success(), "cc ended with {compiler}");
    Ok(shim)
}
