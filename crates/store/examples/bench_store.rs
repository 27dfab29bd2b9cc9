//! How many acknowledged writes a second the sled engine makes, and how long reads take meanwhile.
//!
//! `cargo run --release -p roost-store --example bench_store [FOLDER]`
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use roost_store::{Batch, Direction, KeyRange, Limit, Part, SledOptions, SledStore, Store};
use tokio::task::JoinSet;

const RUN: Duration = Duration::from_secs(4);
const VALUE_BYTES: usize = 1024;
const READ_PAUSE: Duration = Duration::from_millis(1);

fn main() -> Result<()> {
    let given = std::env::args().nth(1);
    let folder = match &given {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    for writers in [1, 16, 64] {
        let line = runtime.block_on(measure(&folder.path().join(writers.to_string()), writers))?;
        println!("{line}");
    }
    Ok(())
}

async fn measure(folder: &Path, writers: u32) -> Result<String> {
    let store = Arc::new(SledStore::open(folder, SledOptions::new().keep_free(1, 0))?);
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for writer in 0..writers {
        tasks.spawn(write(Arc::clone(&store), writer, Arc::clone(&stop)));
    }
    let reads = tokio::spawn(read(Arc::clone(&store), Arc::clone(&stop)));
    tokio::time::sleep(RUN).await;
    stop.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        latencies.extend(ended??);
    }
    let elapsed = start.elapsed();
    let (gets, scans) = reads.await??;
    store.close().await?;
    let rate = f64::from(u32::try_from(latencies.len())?) / elapsed.as_secs_f64();
    Ok(format!(
        "{writers:>2} writers: {rate:>6.0} writes/s, {}; get {}; scan of 50 {}",
        spread(latencies),
        spread(gets),
        spread(scans),
    ))
}

/// Appends to a log of its own, as a group does: entry and head in one commit.
async fn write(store: Arc<SledStore>, writer: u32, stop: Arc<AtomicBool>) -> Result<Vec<Duration>> {
    let part = Part::new(b'b', &writer.to_be_bytes());
    let mut latencies = Vec::new();
    for turn in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let batch = Batch::new()
            .put(
                [&b"log/"[..], &turn.to_be_bytes()].concat(),
                vec![7; VALUE_BYTES],
            )
            .put("head", turn.to_be_bytes());
        let start = Instant::now();
        store.commit(&part, batch).await?;
        latencies.push(start.elapsed());
    }
    Ok(latencies)
}

async fn read(
    store: Arc<SledStore>,
    stop: Arc<AtomicBool>,
) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let part = Part::new(b'b', &0_u32.to_be_bytes());
    let (mut gets, mut scans) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(READ_PAUSE).await;
        let start = Instant::now();
        store.get(&part, b"head").await?;
        gets.push(start.elapsed());
        let start = Instant::now();
        let log = KeyRange::prefix("log/");
        store
            .scan(&part, log, Limit::rows(50), Direction::Backward)
            .await?;
        scans.push(start.elapsed());
    }
    Ok((gets, scans))
}

fn spread(mut latencies: Vec<Duration>) -> String {
    latencies.sort_unstable();
    let at = |percent: usize| {
        let index = latencies.len().saturating_sub(1) * percent / 100;
        latencies.get(index).copied().unwrap_or_default()
    };
    format!("p50 {:.1?} p99 {:.1?}", at(50), at(99))
}
