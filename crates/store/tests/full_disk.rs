//! A disk that runs full in the middle of a write, below the reserve that normally prevents it: a
//! clear error, no read of what was not durable, and writing goes on once there is space again,
//! without a new start.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use roost_store::{
    Batch, Direction, Error, KeyRange, Limit, Part, ReadOnly, SledOptions, SledStore, Store,
};

/// Set for the process whose disk is full: the folder to work in.
const FOLDER: &str = "ROOST_STORE_FULL_FOLDER";
const FLAG: &str = "FULL_DISK_FLAG";
const SHIM: &str = include_str!("full_disk.c");
const PART: Part = Part::new(b'p', b"part");

#[test]
fn a_full_disk_refuses_writes_shows_nothing_false_and_recovers() {
    let scratch = tempfile::tempdir().unwrap();
    let shim = compile(scratch.path());

    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_whose_disk_is_full", "--nocapture"])
        .env(FOLDER, scratch.path().join("store"))
        .env(FLAG, scratch.path().join("full"))
        .env("LD_PRELOAD", shim)
        .output()
        .unwrap();

    let told = String::from_utf8_lossy(&child.stdout);
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{told}\n{errors}");
    assert!(
        told.contains("recovered"),
        "the process did its work: {told}"
    );
}

/// Not a claim of its own: the process that the test above starts.
#[tokio::test]
async fn the_process_whose_disk_is_full() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let flag = PathBuf::from(std::env::var_os(FLAG).unwrap());
    let store = SledStore::open(&folder, SledOptions::new().keep_free(1, 0)).unwrap();
    for round in 0..3_u8 {
        fill(&store, round, &flag).await;
    }
    store.close().await.unwrap();

    let store = SledStore::open(&folder, SledOptions::new().keep_free(1, 0)).unwrap();
    let rows = store
        .scan(&PART, KeyRange::all(), Limit::MAX, Direction::Forward)
        .await
        .unwrap();
    for round in 0..3_u8 {
        for key in [[round, 0], [round, 2]] {
            assert!(
                rows.rows.iter().any(|row| row.key.as_bytes() == key),
                "{key:?} was promised"
            );
        }
        assert!(
            !rows.rows.iter().any(|row| row.key.as_bytes() == [round, 9]),
            "it was refused"
        );
    }
    println!("recovered");
}

async fn fill(store: &SledStore, round: u8, flag: &Path) {
    store
        .commit(&PART, Batch::new().put([round, 0], "before"))
        .await
        .unwrap();

    fs::write(flag, "").unwrap();
    let long = vec![round; 100_000];
    let cut = store
        .commit(
            &PART,
            Batch::new().put([round, 0], "half").put([round, 1], long),
        )
        .await;
    let later = store
        .commit(&PART, Batch::new().put([round, 9], "later"))
        .await;
    let read = store.get(&PART, &[round, 0]).await;
    let scan = store
        .scan(&PART, KeyRange::all(), Limit::MAX, Direction::Forward)
        .await;
    fs::remove_file(flag).unwrap();
    store
        .commit(&PART, Batch::new().put([round, 2], "after"))
        .await
        .unwrap();

    assert!(matches!(cut, Err(Error::Unknown)), "{cut:?}");
    assert!(
        matches!(later, Err(Error::ReadOnly(ReadOnly::WriteFailed(_)))),
        "{later:?}"
    );
    // sled may want to split a node in order to read it, and cannot.
    match read {
        Ok(row) => assert_eq!(row.unwrap().value, b"before"),
        Err(error) => assert!(matches!(error, Error::Io { .. }), "{error:?}"),
    }
    match scan {
        Ok(page) => assert!(page.rows.iter().all(|row| row.key.as_bytes() != [round, 1])),
        Err(error) => assert!(matches!(error, Error::Io { .. }), "{error:?}"),
    }
    let row = store.get(&PART, &[round, 0]).await.unwrap().unwrap();
    assert!(row.value == b"before" || row.value == b"half");
    assert_eq!(
        store.get(&PART, &[round, 2]).await.unwrap().unwrap().value,
        b"after"
    );
}

fn compile(folder: &Path) -> PathBuf {
    let (source, shim) = (folder.join("full_disk.c"), folder.join("full_disk.so"));
    fs::write(&source, SHIM).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .args([&shim, &source])
        .status()
        .unwrap();
    assert!(compiled.success());
    shim
}
