//! What fuzzers found, and what they begin with, played once more.

use anyhow::{Context, Result, ensure};
use proptest::prelude::*;
use roost_tests::fuzz::TARGETS;
use std::path::PathBuf;

#[test]
fn every_target_stands_its_corpus() -> Result<()> {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in TARGETS {
        let folder = corpus.join(name);
        let files = folder
            .read_dir()
            .with_context(|| folder.display().to_string())?;
        let mut played = 0;
        for file in files {
            target(&std::fs::read(file?.path())?);
            played += 1;
        }
        ensure!(played > 0, "{name} has no corpus");
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_target_stands_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, target) in TARGETS {
            target(&bytes);
        }
    }
}
