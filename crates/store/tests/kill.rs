//! `kill -9` in the middle of the work: what was acknowledged is there afterwards.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use roost_store::{Batch, Part, SledOptions, SledStore, Store};
use tokio::task::JoinSet;

/// Set for the process that is to be killed: the folder to work in.
const FOLDER: &str = "ROOST_STORE_KILL_FOLDER";
const ROUNDS: usize = 6;
const ACKNOWLEDGED_A_ROUND: usize = 400;
const WRITERS: u32 = 8;
/// A writer removes what it wrote so many turns ago, so that files are reused.
const KEEP: u64 = 50;

#[test]
fn what_was_acknowledged_survives_kill_nine() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..ROUNDS {
        let before = acknowledged(folder.path()).values().sum::<u64>();
        let mut child = start_writer(folder.path());
        wait_for_more(&mut child, folder.path(), before);
        child.kill().unwrap();
        child.wait().unwrap();

        let acknowledged = acknowledged(folder.path());
        assert_eq!(lost(folder.path(), &acknowledged), Vec::<String>::new());
    }
}

/// Not a claim of its own: the process that the test above kills.
#[test]
fn the_writer_that_is_killed() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        runtime().block_on(write_for_ever(Path::new(&folder)));
    }
}

fn start_writer(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_writer_that_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn wait_for_more(child: &mut Child, folder: &Path, before: u64) {
    let enough = before + u64::try_from(ACKNOWLEDGED_A_ROUND).unwrap();
    while acknowledged(folder).values().sum::<u64>() < enough {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the writer ended by itself"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

async fn write_for_ever(folder: &Path) {
    let done = acknowledged(folder);
    let store = Arc::new(open(folder));
    let acks = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("acks"))
        .unwrap();
    let acks = Arc::new(acks);
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, acks) = (Arc::clone(&store), Arc::clone(&acks));
        let mut turn = done.get(&writer).copied().unwrap_or(0);
        writers.spawn(async move {
            loop {
                turn += 1;
                store
                    .commit(&part(writer), batch(writer, turn))
                    .await
                    .unwrap();
                acknowledge(&acks, writer, turn);
            }
        });
    }
    // A writer ends only by a panic, which shows here.
    writers.join_next().await.unwrap().unwrap();
}

/// One row, one that goes, and a second row that must never disagree with the first.
fn batch(writer: u32, turn: u64) -> Batch {
    Batch::new()
        .put(turn.to_be_bytes(), value(writer, turn))
        .put("head", turn.to_be_bytes())
        .delete(turn.saturating_sub(KEEP).to_be_bytes())
}

fn value(writer: u32, turn: u64) -> Vec<u8> {
    let bytes = if turn.is_multiple_of(17) { 30_000 } else { 600 };
    let seed = u64::from(writer) * 31 + turn;
    (0_u8..=250)
        .cycle()
        .skip(usize::try_from(seed % 251).unwrap())
        .take(bytes)
        .collect()
}

fn lost(folder: &Path, acknowledged: &BTreeMap<u32, u64>) -> Vec<String> {
    let store = open(folder);
    let get = |part: Part, key: &[u8]| runtime().block_on(store.get(&part, key)).unwrap();
    let mut lost = Vec::new();
    for (&writer, &last) in acknowledged {
        let head = get(part(writer), b"head").unwrap().value;
        let head = u64::from_be_bytes(head.try_into().unwrap());
        if head != last && head != last + 1 {
            lost.push(format!(
                "writer {writer}: the head is {head}, acknowledged was {last}"
            ));
        }
        for turn in (head + 1).saturating_sub(KEEP).max(1)..=head {
            let found = get(part(writer), &turn.to_be_bytes()).map(|row| row.value);
            if found != Some(value(writer, turn)) {
                lost.push(format!("writer {writer}: turn {turn} of {last}"));
            }
        }
        if get(part(writer), &(head + 1).to_be_bytes()).is_some() {
            lost.push(format!("writer {writer}: half of turn {}", head + 1));
        }
    }
    lost
}

fn acknowledge(mut acks: &File, writer: u32, turn: u64) {
    let mut entry = [0; 12];
    entry[..4].copy_from_slice(&writer.to_be_bytes());
    entry[4..].copy_from_slice(&turn.to_be_bytes());
    acks.write_all(&entry).unwrap();
}

/// The last acknowledged turn of each writer.
fn acknowledged(folder: &Path) -> BTreeMap<u32, u64> {
    let bytes = std::fs::read(folder.join("acks")).unwrap_or_default();
    let entries = bytes.chunks_exact(12).map(|entry| {
        let writer = u32::from_be_bytes(entry[..4].try_into().unwrap());
        (writer, u64::from_be_bytes(entry[4..].try_into().unwrap()))
    });
    let mut last = BTreeMap::new();
    for (writer, turn) in entries {
        last.insert(writer, turn.max(last.get(&writer).copied().unwrap_or(0)));
    }
    last
}

fn part(writer: u32) -> Part {
    Part::new(b'w', &writer.to_be_bytes())
}

fn open(folder: &Path) -> SledStore {
    SledStore::open(folder.join("store"), SledOptions::new().keep_free(1, 0)).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
