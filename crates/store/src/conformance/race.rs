//! What many callers at once see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::PART;
use crate::batch::Batch;
use crate::error::Error;
use crate::key::KeyRange;
use crate::limit::COMMIT_QUEUE_MAX;
use crate::record::Version;
use crate::store::{Direction, Limit, Store};

const TASKS: u64 = 32;
const TURNS: u64 = 10;

/// The absent race: 32 tasks, one winner.
pub async fn of_many_who_create_a_row_one_wins<S: Store>(store: Arc<S>) {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let batch = Batch::new().absent("name").put("name", task.to_be_bytes());
            (task, store.commit(&PART, batch).await)
        });
    }

    let mut winners = Vec::new();
    while let Some(finished) = tasks.join_next().await {
        match finished.unwrap() {
            (task, Ok(receipt)) => winners.push((task, receipt.version())),
            (_, Err(Error::Conflict { check: 0 })) => (),
            (_, Err(other)) => panic!("{other:?}"),
        }
    }

    let row = store.get(&PART, b"name").await.unwrap().unwrap();
    let [(winner, version)] = winners[..] else {
        panic!("{winners:?}")
    };
    assert_eq!(
        (row.value, row.version),
        (winner.to_be_bytes().to_vec(), version)
    );
}

/// The lost update.
pub async fn no_update_is_lost<S: Store>(store: Arc<S>) {
    store
        .commit(&PART, Batch::new().put("sum", 0_u64.to_be_bytes()))
        .await
        .unwrap();

    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for _ in 0..TURNS {
                add_one_to_the_sum(&*store).await;
            }
        });
    }
    while let Some(finished) = tasks.join_next().await {
        finished.unwrap();
    }

    let sum = store.get(&PART, b"sum").await.unwrap().unwrap().value;
    assert_eq!(sum, (TASKS * TURNS).to_be_bytes());
}

/// More than wait at once, each on the one before it.
pub async fn commits_are_applied_in_the_order_of_their_places<S: Store>(store: Arc<S>) {
    let mut queued = Vec::new();
    for number in (0..).take(2 * COMMIT_QUEUE_MAX) {
        queued.push(store.enqueue(&PART, follow_up(number)).await.unwrap());
    }

    for (number, queued) in queued.into_iter().enumerate() {
        assert!(queued.durable().await.is_ok(), "{number}");
    }
}

/// As a service does that gives out numbers: the place is taken under a lock, the wait is outside.
pub async fn a_place_taken_under_a_lock_is_not_lost_to_another<S: Store>(store: Arc<S>) {
    let next = Arc::new(Mutex::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..2 * COMMIT_QUEUE_MAX {
        let (store, next) = (Arc::clone(&store), Arc::clone(&next));
        tasks.spawn(async move {
            let mut number = next.lock().await;
            let batch = follow_up(*number);
            let queued = store.enqueue(&PART, batch).await.unwrap();
            *number += 1;
            drop(number);
            queued.durable().await.unwrap();
        });
    }
    while let Some(finished) = tasks.join_next().await {
        finished.unwrap();
    }
}

/// Only right after the one before it.
fn follow_up(number: u64) -> Batch {
    let batch = Batch::new().put(log_key(number), "");
    match number.checked_sub(1) {
        Some(before) => batch.present(log_key(before)),
        None => batch,
    }
}

/// Gapless append: who got a receipt for a number is the one whose entry stands there.
pub async fn an_appended_log_has_no_gaps<S: Store>(store: Arc<S>) {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut written = Vec::new();
            for turn in 0..TURNS {
                written.push(append(&*store, task * TURNS + turn).await);
            }
            written
        });
    }
    let mut written = Vec::new();
    while let Some(finished) = tasks.join_next().await {
        written.extend(finished.unwrap());
    }
    written.sort_unstable();

    let log = store
        .scan(
            &PART,
            KeyRange::prefix("log/"),
            Limit::MAX,
            Direction::Forward,
        )
        .await;
    let log = log.unwrap().rows;

    assert_eq!(log.len(), written.len());
    for ((index, row), (number, body, version)) in (0_u64..).zip(&log).zip(&written) {
        assert_eq!(index, *number);
        assert_eq!(row.key.as_bytes(), log_key(index));
        assert_eq!(row.value, body.to_be_bytes());
        assert_eq!(row.version, *version);
    }
    assert!(
        log.is_sorted_by_key(|row| row.version),
        "later numbers have later versions"
    );
}

/// Counters under contention.
pub async fn counters_lose_no_addition<S: Store>(store: Arc<S>) {
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for _ in 0..TURNS {
                store.commit(&PART, Batch::new().add("n", 1)).await.unwrap();
            }
        });
    }
    while let Some(finished) = tasks.join_next().await {
        finished.unwrap();
    }

    let row = store.get(&PART, b"n").await.unwrap().unwrap();
    assert_eq!(
        row.counter().unwrap(),
        i64::try_from(TASKS * TURNS).unwrap()
    );
}

/// Atomic to readers, also where a value is long and where a scan crosses it.
pub async fn readers_never_see_half_a_commit<S: Store>(store: Arc<S>) {
    let write = |round: u8| {
        let long = vec![round; if round.is_multiple_of(2) { 20_000 } else { 3 }];
        Batch::new()
            .put("a", [round])
            .put("b", long)
            .put("z", [round])
    };
    store.commit(&PART, write(0)).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..3 {
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        readers.spawn(async move {
            let mut last = Version::ZERO;
            while !done.load(Ordering::Relaxed) {
                let many = store.get_many(&PART, &[b"a", b"b", b"z"]).await.unwrap();
                let many: Vec<_> = many.into_iter().map(|row| row.unwrap().version).collect();
                let page = store.scan(&PART, KeyRange::all(), Limit::MAX, Direction::Forward);
                let page = page.await.unwrap().rows;
                assert!(many.iter().all(|version| *version == many[0]), "{many:?}");
                assert!(
                    page.iter().all(|row| row.version == page[0].version),
                    "{page:?}"
                );
                assert!(page.iter().all(|row| row.value[0] == page[0].value[0]));
                assert!(
                    many[0] >= last && page[0].version >= many[0],
                    "no step back"
                );
                last = page[0].version;
                tokio::task::yield_now().await;
            }
        });
    }

    for round in 1..100 {
        let version = store.commit(&PART, write(round)).await.unwrap().version();
        let seen = store.get(&PART, b"b").await.unwrap().unwrap();
        assert_eq!(seen.version, version, "who has the receipt sees the rows");
    }
    done.store(true, Ordering::Relaxed);
    while let Some(finished) = readers.join_next().await {
        finished.unwrap();
    }
}

async fn add_one_to_the_sum<S: Store>(store: &S) {
    loop {
        let seen = store.get(&PART, b"sum").await.unwrap().unwrap();
        let sum = u64::from_be_bytes(seen.value.try_into().unwrap());
        let batch = Batch::new()
            .version("sum", seen.version)
            .put("sum", (sum + 1).to_be_bytes());
        match store.commit(&PART, batch).await {
            Ok(_) => return,
            Err(Error::Conflict { .. }) => (),
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// Tries until this body has a number; returns number, body and version.
async fn append<S: Store>(store: &S, body: u64) -> (u64, u64, Version) {
    loop {
        let head = store.get(&PART, b"head").await.unwrap();
        let number = head.as_ref().map_or(0, |head| {
            let number: [u8; 8] = head.value.as_slice().try_into().unwrap();
            u64::from_be_bytes(number)
        });
        let batch = Batch::new()
            .unchanged("head", head.map(|head| head.version))
            .absent(log_key(number))
            .put("head", (number + 1).to_be_bytes())
            .put(log_key(number), body.to_be_bytes());
        match store.commit(&PART, batch).await {
            Ok(receipt) => return (number, body, receipt.version()),
            Err(Error::Conflict { check: 0 }) => (),
            Err(other) => panic!("{other:?}"),
        }
    }
}

fn log_key(number: u64) -> Vec<u8> {
    [&b"log/"[..], &number.to_be_bytes()].concat()
}
