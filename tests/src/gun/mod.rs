//! Looks for a smoking gun: people's words anywhere in what the server has.
//!
//! Owns the planting through real clients (`terminal`), the search of data folder, log, export
//! and memory, and the positive control: a word the server is meant to know, which the same
//! search must find in memory and on disk.

mod canary;
mod terminal;

use crate::real::{RealServer, binary};
use crate::search::{Hits, Search};
use anyhow::{Context, Result, bail};
use canary::Canaries;
use std::path::Path;
use std::process::Command;
use terminal::Terminal;

/// Plants, searches, and says whether all is well.
///
/// # Errors
/// If something cannot be planted or searched.
pub fn run() -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let server = RealServer::start(&folder.path().join("data"), &[])?;
    let mut canaries = Canaries::fresh()?;
    let control = canaries.control();
    plant(&server, folder.path(), &mut canaries, &control)?;
    println!(
        "planted {} words through {} clients",
        canaries.words().len(),
        3
    );

    let secrets = Search::for_words(canaries.words())?;
    let known = Search::for_words(&[control])?;
    let places = gather(&server, folder.path())?;
    let (found, _) = search(&secrets, &server, &places)?;
    let (controls, searched) = search(&known, &server, &places)?;
    println!("searched {:.1} MB", searched as f64 / 1e6);
    for (hit, count) in &found {
        println!(
            "FOUND {} as {} in {} ({count} times)",
            hit.word, hit.spelling, hit.place
        );
    }
    let in_memory = controls.keys().any(|hit| hit.place.starts_with("memory"));
    let data = server.folder().display().to_string();
    let on_disk = controls.keys().any(|hit| hit.place.starts_with(&data));
    let in_export = controls.keys().any(|hit| hit.place.ends_with("export"));
    println!("control: memory {in_memory}, disk {on_disk}, export {in_export}");
    let control_found = in_memory && on_disk && in_export;
    println!(
        "gun planted={} found={} control={}",
        canaries.words().len(),
        found.len(),
        if control_found { "found" } else { "missing" }
    );
    Ok(found.is_empty() && control_found)
}

/// Everything the server has outside its memory.
fn gather(server: &RealServer, folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let export = folder.join("export");
    let copy = folder.join("copy");
    // An export needs the folder for itself, so it is made from a copy of it.
    copy_folder(server.folder(), &copy)?;
    let output = Command::new(binary("ROOST_BIN", "roost")?)
        .args(["export", "--data"])
        .arg(&copy)
        .arg(&export)
        .output()?;
    if !output.status.success() || !export.is_file() {
        bail!("roost export: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(vec![server.folder().to_owned(), server.log(), export])
}

fn search(
    search: &Search,
    server: &RealServer,
    places: &[std::path::PathBuf],
) -> Result<(Hits, u64)> {
    let mut hits = Hits::new();
    let mut searched = search.memory(server.process()?, &mut hits)?;
    for place in places {
        searched += search
            .folder(place, &mut hits)
            .with_context(|| place.display().to_string())?;
    }
    Ok((hits, searched))
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Two people in terminals and one in a third home exchange every kind of thing people write.
fn plant(server: &RealServer, folder: &Path, canaries: &mut Canaries, control: &str) -> Result<()> {
    let ada = Terminal::join(server, folder, server.setup_link()?, control)?;
    let link = server.invite(5)?;
    let ben = Terminal::join(server, folder, &link, "ben")?;
    let cem = Terminal::join(server, folder, &link, "cem")?;
    let room = ada.new_group(&canaries.word("group"), &["@ben", "@cem"])?;
    for terminal in [&ben, &cem] {
        terminal.sync()?;
    }
    let mut said = Vec::new();
    for round in 0..12 {
        let speaker = [&ada, &ben, &cem][round % 3];
        said.push(speaker.send(&room, &canaries.word("text"), None)?);
        said.push(speaker.send(&room, &canaries.word("long text ").repeat(3), None)?);
        let reply = canaries.word("reply");
        speaker.send(&room, &reply, said.get(round / 2).map(String::as_str))?;
        [&ben, &cem, &ada][round % 3].sync()?;
    }
    for terminal in [&ada, &ben, &cem] {
        terminal.sync()?;
    }
    for (round, message) in said.iter().enumerate() {
        let reader = [&ben, &cem, &ada][round % 3];
        reader.react(&room, message, &canaries.emoji())?;
    }
    let direct = [(&ada, "@ben"), (&ben, "@cem"), (&cem, "@ben")];
    for (speaker, to) in direct {
        for _ in 0..6 {
            speaker.send(to, &canaries.word("direct"), None)?;
        }
    }
    ada.rename(&room, &canaries.word("renamed"))?;
    let second = ben.new_group(&canaries.word("second group"), &["@cem"])?;
    ben.send(&second, &canaries.word("elsewhere"), None)?;
    for terminal in [&ada, &ben, &cem] {
        terminal.sync()?;
    }
    let conversations = [&room, &second, "@ben", "@cem"];
    arrived(canaries, &[&ada, &ben, &cem], &conversations)
}

/// Words that nobody could read would prove nothing.
fn arrived(canaries: &Canaries, terminals: &[&Terminal], conversations: &[&str]) -> Result<()> {
    let mut shown = String::new();
    for terminal in terminals {
        shown += &terminal.groups()?;
        for conversation in conversations {
            // Not everybody is in all of them.
            shown += &terminal.log(conversation).unwrap_or_default();
        }
    }
    let missing = canaries
        .words()
        .iter()
        .filter(|word| !shown.contains(*word));
    let missing: Vec<_> = missing.filter(|word| !canaries.is_passing(word)).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        bail!("never arrived: {missing:?}")
    }
}
