//! What is recorded: many writers, each with a part of its own, over three lives of the store.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use roost_store::{Batch, Part, SledOptions, SledStore, Store};
use tokio::task::JoinSet;

pub const WRITERS: u32 = 8;
/// A turn removes the row of so many turns ago, so that the engine's files are reused.
pub const KEEP: u64 = 40;
pub const STORE: &str = "store";
pub const ACKS: &str = "acks";
const LIVES: u64 = 3;
const ACK_BYTES: usize = 12;

/// A fault that the simulation must find.
#[derive(Clone, Copy)]
pub enum Plant {
    NoFdatasync,
}

impl Plant {
    pub const NAME: &str = "no-fdatasync";
}

/// The last acknowledged turn of each writer.
#[derive(Default)]
pub struct Acknowledged(BTreeMap<u32, u64>);

impl Acknowledged {
    /// Takes in what the workload wrote to its file.
    pub fn note(&mut self, data: &[u8]) -> Result<()> {
        let (writer, turn) = data.split_first_chunk().context("an acknowledgement")?;
        let turn = u64::from_be_bytes(turn.try_into().context("an acknowledgement")?);
        self.0.insert(u32::from_be_bytes(*writer), turn);
        Ok(())
    }

    pub fn turns_of(&self, writer: u32) -> u64 {
        self.0.get(&writer).copied().unwrap_or(0)
    }

    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

/// Writes and acknowledges so many commits, in about equal parts per life and writer.
pub fn run(folder: &Path, commits: u64, plant: Option<Plant>) -> Result<()> {
    let acks = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join(ACKS))?;
    let acks = Arc::new(acks);
    let turns = commits.div_ceil(LIVES * u64::from(WRITERS)).max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()?;
    for life in 0..LIVES {
        let store = SledStore::open(folder.join(STORE), options(plant))?;
        let from = life * turns + 1;
        runtime.block_on(live(Arc::new(store), &acks, from..from + turns))?;
    }
    Ok(())
}

/// The reserve of free space does not matter here, and the machine may have little. A store that
/// gives up must not end the simulation: its commits fail, which is noticed.
pub fn options(plant: Option<Plant>) -> SledOptions {
    let options = SledOptions::new()
        .keep_free(1, 0)
        .on_fatal(|fatal| eprintln!("power-loss: {fatal}"));
    match plant {
        Some(Plant::NoFdatasync) => options.sync_by(|_| Ok(())),
        None => options,
    }
}

pub fn part(writer: u32) -> Part {
    Part::new(b'w', &writer.to_be_bytes())
}

/// One row more, one row less, and two rows that must never disagree with them.
pub fn batch(writer: u32, turn: u64) -> Batch {
    Batch::new()
        .put(turn.to_be_bytes(), value(writer, turn))
        .delete(turn.saturating_sub(KEEP).to_be_bytes())
        .put("head", turn.to_be_bytes())
        .add("turns", 1)
}

/// Short values, long values that the engine splits, and a few very long ones.
pub fn value(writer: u32, turn: u64) -> Vec<u8> {
    let seed = turn.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(writer);
    let bytes = match turn % 50 {
        7 => 200_000,
        17 | 37 => 20_000,
        _ => 200 + usize::try_from(seed % 1_800).unwrap_or(0),
    };
    let blocks = (0_u64..)
        .flat_map(|block| (seed ^ block.wrapping_mul(0xbf58_476d_1ce4_e5b9)).to_le_bytes());
    blocks.take(bytes).collect()
}

async fn live(store: Arc<SledStore>, acks: &Arc<File>, turns: std::ops::Range<u64>) -> Result<()> {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, acks, turns) = (Arc::clone(&store), Arc::clone(acks), turns.clone());
        writers.spawn(async move {
            for turn in turns {
                store.commit(&part(writer), batch(writer, turn)).await?;
                acknowledge(&acks, writer, turn)?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended??;
    }
    store.close().await?;
    Ok(())
}

/// One write, so that the record has it in one place.
fn acknowledge(mut acks: &File, writer: u32, turn: u64) -> Result<()> {
    let mut entry = Vec::with_capacity(ACK_BYTES);
    entry.extend_from_slice(&writer.to_be_bytes());
    entry.extend_from_slice(&turn.to_be_bytes());
    Ok(acks.write_all(&entry)?)
}
