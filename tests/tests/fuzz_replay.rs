//! What fuzzers found, and what they begin with, played once more.

use anyhow::{Context, Result, ensure};
use proptest::prelude::*;
use proptest::sample::Index;
use roost_tests::fuzz::{TARGETS, Target};
use std::path::PathBuf;
use std::sync::LazyLock;

/// Of each target, in the order of [`TARGETS`].
static CORPORA: LazyLock<Vec<Vec<Vec<u8>>>> = LazyLock::new(|| {
    let corpora = TARGETS.iter().map(corpus).collect::<Result<_>>();
    corpora.unwrap_or_else(|error| panic!("{error:#}"))
});

#[test]
fn every_target_stands_its_corpus() {
    for ((_, target), corpus) in TARGETS.iter().zip(&*CORPORA) {
        corpus.iter().for_each(|bytes| target(bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_target_stands_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, target) in TARGETS {
            target(&bytes);
        }
    }

    /// What is nearly right is read furthest.
    #[test]
    fn every_target_stands_what_is_near_its_corpus(
        which in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>(), 0..4_u8), 1..6),
    ) {
        for ((_, target), corpus) in TARGETS.iter().zip(&*CORPORA) {
            let mut bytes = which.get(corpus).clone();
            for (at, byte, how) in &changes {
                change(&mut bytes, at, *byte, *how);
            }
            target(&bytes);
        }
    }
}

/// Another byte, one more, one less, or an end.
fn change(bytes: &mut Vec<u8>, at: &Index, byte: u8, how: u8) {
    let end = at.index(bytes.len() + 1);
    if how == 0 || end == bytes.len() {
        bytes.insert(end, byte);
    } else if how == 1 {
        bytes.remove(end);
    } else if how == 2 {
        bytes[end] = byte;
    } else {
        bytes[end] ^= 1 << (byte % 8);
    }
}

fn corpus((name, _): &Target) -> Result<Vec<Vec<u8>>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let folder = folder.join(name);
    let files = folder
        .read_dir()
        .with_context(|| folder.display().to_string())?;
    let mut paths: Vec<_> = files.map(|file| Ok(file?.path())).collect::<Result<_>>()?;
    paths.sort();
    ensure!(!paths.is_empty(), "{name} has no corpus");
    let read = |path: &PathBuf| Ok(std::fs::read(path)?);
    paths.iter().map(read).collect()
}
