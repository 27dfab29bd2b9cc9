//! Looks for a smoking gun: people's words anywhere in what the server has.
//!
//! Owns the search of data folder, log, export and memory, and the positive control: a word the
//! server is meant to know, which the same search must find in memory, on disk and in the export. `planting` has the
//! words said through real clients; `calls` has two of them call each other, and the memory is searched while they do. What belongs to the clients, the browser's profile and the
//! homes of `roost-cli`, may hold the words and is not searched.

mod calls;
mod canary;
mod planting;

use crate::real::{RealServer, binary, free_port};
use crate::search::{Hits, Search};
use anyhow::{Result, bail, ensure};
use canary::Canaries;
use planting::People;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Plants, searches, and says whether all is well.
///
/// # Errors
/// If something cannot be planted or searched.
pub fn run() -> Result<bool> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(gun())
}

async fn gun() -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?.to_string();
    let server = RealServer::start(&folder.path().join("data"), &["--calls-udp", &port])?;
    let mut canaries = Canaries::fresh()?;
    let control = canaries.control();
    let people = People::join(&server, folder.path(), &control).await?;
    people.talk(&mut canaries).await?;
    // What sets a call up is stored nowhere, and may be overwritten when the call is over.
    let mut found = Hits::new();
    people.call(&mut canaries).await?;
    look(&canaries, &server, &mut found)?;
    people.call_in_group(&mut canaries).await?;
    let guest = people.welcome_guest(&mut canaries).await?;
    look(&canaries, &server, &mut found)?;
    people.hang_up().await?;
    drop(guest);
    println!(
        "planted {} words and keys through {} clients, three of them browsers",
        canaries.count(),
        planting::CLIENTS
    );

    let secrets = Search::for_all(canaries.words(), canaries.secrets())?;
    let known = Search::for_words(&[control])?;
    let places = gather(&server, folder.path())?;
    found.extend(search(&secrets, &server, &places)?.0);
    let (controls, searched) = search(&known, &server, &places)?;
    drop(people);
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
        canaries.count(),
        found.len(),
        if control_found { "found" } else { "missing" }
    );
    Ok(found.is_empty() && control_found)
}

/// Everything the server has outside its memory.
fn gather(server: &RealServer, folder: &Path) -> Result<Vec<PathBuf>> {
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

/// Searches the memory for what was planted so far.
fn look(canaries: &Canaries, server: &RealServer, found: &mut Hits) -> Result<()> {
    let search = Search::for_all(canaries.words(), canaries.secrets())?;
    search.memory(server.process()?, found).map(drop)
}

fn search(search: &Search, server: &RealServer, places: &[PathBuf]) -> Result<(Hits, u64)> {
    let mut hits = Hits::new();
    let mut searched = search.memory(server.process()?, &mut hits)?;
    for place in places {
        ensure!(place.exists(), "there is no {}", place.display());
        searched += search.folder(place, &mut hits)?;
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
