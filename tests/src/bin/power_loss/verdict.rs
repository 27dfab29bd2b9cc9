//! Opens a rebuilt disk by the real engine and compares it with what was acknowledged.

use std::path::Path;

use anyhow::{Context as _, Result};
use roost_store::{Batch, SledStore, Store};

use super::workload::{Acknowledged, KEEP, STORE, WRITERS, options, part, value};

#[derive(Default)]
pub struct Verdict {
    /// Acknowledged commits that are not there, and other broken promises.
    pub lost: u64,
    pub notes: Vec<String>,
}

impl Verdict {
    fn lose(&mut self, count: u64, note: String) {
        self.lost += count;
        self.notes.push(note);
    }
}

pub fn examine(folder: &Path, acknowledged: &Acknowledged) -> Verdict {
    let mut verdict = Verdict::default();
    if let Err(error) = try_examine(folder, acknowledged, &mut verdict) {
        verdict.lose(acknowledged.total().max(1), format!("{error:#}"));
    }
    verdict
}

fn try_examine(folder: &Path, acknowledged: &Acknowledged, verdict: &mut Verdict) -> Result<()> {
    let store = SledStore::open(folder.join(STORE), options(None)).context("it does not open")?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        for writer in 0..WRITERS {
            writer_kept(&store, writer, acknowledged.turns_of(writer), verdict).await?;
        }
        store
            .commit(&part(0), Batch::new().put("after", ""))
            .await
            .context("writing on")?;
        store.close().await.context("closing")
    })
}

/// The turns of a writer up to the last acknowledged, perhaps one more, and none by half.
async fn writer_kept(
    store: &SledStore,
    writer: u32,
    acknowledged: u64,
    verdict: &mut Verdict,
) -> Result<()> {
    let part = part(writer);
    let head = store.get(&part, b"head").await?;
    let head = head.map_or(Ok([0; 8]), |row| row.value.try_into());
    let head = u64::from_be_bytes(head.ok().context("the head is not a number")?);
    let turns = store
        .get(&part, b"turns")
        .await?
        .map_or(Ok(0), |row| row.counter())?;

    if head < acknowledged {
        let note = format!("writer {writer} is at {head}, {acknowledged} was acknowledged");
        verdict.lose(acknowledged - head, note);
    }
    if head > acknowledged + 1 {
        verdict.lose(
            1,
            format!("writer {writer} is at {head}, far beyond {acknowledged}"),
        );
    }
    if u64::try_from(turns)? != head {
        verdict.lose(
            1,
            format!("writer {writer} is at {head}, but has counted {turns}"),
        );
    }
    for turn in head.saturating_sub(KEEP + 1)..=head + 1 {
        let should_be_there = turn > head.saturating_sub(KEEP) && turn <= head;
        let found = store
            .get(&part, &turn.to_be_bytes())
            .await?
            .map(|row| row.value);
        if found != should_be_there.then(|| value(writer, turn)) {
            verdict.lose(
                1,
                format!("writer {writer} at {head}: turn {turn} is wrong"),
            );
        }
    }
    Ok(())
}
