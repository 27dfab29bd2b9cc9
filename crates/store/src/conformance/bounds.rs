//! What the limits mean: refused, cut, continued.

use std::sync::Arc;

use super::PART;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::key::KeyRange;
use crate::limit::{
    BATCH_BYTES_MAX, BATCH_STEPS_MAX, GET_KEYS_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX,
};
use crate::store::{Direction, Limit, Store};

/// Long values, split and joined if the engine has to.
pub async fn long_values_come_back_whole_and_leave_nothing_behind<S: Store>(store: Arc<S>) {
    let lengths = [
        0,
        1,
        4_000,
        4_075,
        4_083,
        4_084,
        4_096,
        8_192,
        70_000,
        VALUE_BYTES_MAX,
    ];
    for (round, bytes) in lengths.iter().chain(lengths.iter().rev()).enumerate() {
        let value = noise(*bytes, round);
        let batch = Batch::new().put("k", value.clone()).put("k2", "neighbour");
        store.commit(&PART, batch).await.unwrap();

        let row = store.get(&PART, b"k").await.unwrap().unwrap();
        assert!(row.value == value, "{bytes} bytes, read alone");
        let page = store
            .scan(&PART, KeyRange::all(), Limit::MAX, Direction::Backward)
            .await
            .unwrap();
        assert_eq!(
            page.rows.len(),
            2,
            "the neighbour and the row, and no piece of it"
        );
        assert!(page.rows[1].value == value, "{bytes} bytes, scanned");
    }

    store
        .delete_range(&PART, KeyRange::all(), Limit::MAX)
        .await
        .unwrap();
    assert_eq!(store.get(&PART, b"k").await.unwrap(), None);
    assert_eq!(store.parts(PART.kind(), None, 10).await.unwrap(), []);
}

/// Limits of keys, values, batches and reads.
pub async fn what_is_above_a_limit_is_refused_and_changes_nothing<S: Store>(store: Arc<S>) {
    let longest = [7; KEY_BYTES_MAX];
    let too_long = [7; KEY_BYTES_MAX + 1];
    store
        .commit(&PART, Batch::new().put(longest, "fits"))
        .await
        .unwrap();
    assert!(store.get(&PART, &longest).await.unwrap().is_some());

    let batches = [
        Batch::new().put("a", "x").put(too_long, "x"),
        Batch::new().put("a", "x").delete(too_long),
        Batch::new().put("a", "x").absent(too_long),
        Batch::new().put("a", vec![0; VALUE_BYTES_MAX + 1]),
        (0..3).fold(Batch::new(), |batch, number: u8| {
            batch.put([number], vec![0; BATCH_BYTES_MAX / 3 + 1])
        }),
        (0..=BATCH_STEPS_MAX).fold(Batch::new(), |batch, _| batch.delete("a")),
    ];
    for batch in batches {
        refused(store.commit(&PART, batch).await);
    }

    refused(store.get(&PART, &too_long).await);
    refused(store.get_many(&PART, &[&too_long]).await);
    refused(store.get_many(&PART, &[&b"a"[..]; GET_KEYS_MAX + 1]).await);
    let range = KeyRange::from(too_long);
    refused(
        store
            .scan(&PART, range.clone(), Limit::MAX, Direction::Forward)
            .await,
    );
    refused(store.delete_range(&PART, range, Limit::MAX).await);
    let page = store
        .scan(&PART, KeyRange::all(), Limit::MAX, Direction::Forward)
        .await
        .unwrap();
    assert_eq!(page.rows.len(), 1);
}

/// Limits of a scan.
pub async fn a_scan_stops_at_its_limit_and_says_so<S: Store>(store: Arc<S>) {
    ten_rows_of_ten_bytes(&*store).await;

    for (limit, rows, more) in [
        (Limit::MAX, 10, false),
        (Limit::rows(10), 10, false),
        (Limit::rows(9), 9, true),
        (Limit::rows(0), 1, true),
        (
            Limit {
                rows: 100,
                bytes: 100,
            },
            10,
            false,
        ),
        (
            Limit {
                rows: 100,
                bytes: 99,
            },
            9,
            true,
        ),
        (
            Limit {
                rows: 100,
                bytes: 0,
            },
            1,
            true,
        ),
        (
            Limit {
                rows: usize::MAX,
                bytes: usize::MAX,
            },
            10,
            false,
        ),
    ] {
        for direction in [Direction::Forward, Direction::Backward] {
            let page = store
                .scan(&PART, KeyRange::all(), limit, direction)
                .await
                .unwrap();
            assert_eq!(
                (page.rows.len(), page.more),
                (rows, more),
                "{limit:?} {direction:?}"
            );
        }
    }
}

/// Going on after a limit.
pub async fn a_scan_goes_on_where_it_stopped<S: Store>(store: Arc<S>) {
    ten_rows_of_ten_bytes(&*store).await;

    for direction in [Direction::Forward, Direction::Backward] {
        let mut range = KeyRange::all();
        let mut keys = Vec::new();
        loop {
            let page = store
                .scan(&PART, range.clone(), Limit::rows(3), direction)
                .await
                .unwrap();
            keys.extend(page.rows.into_iter().map(|row| row.key.into_bytes()));
            if !page.more {
                break;
            }
            let last = keys.last().unwrap().clone();
            range = match direction {
                Direction::Forward => range.rest_after(last),
                Direction::Backward => range.rest_before(last),
            };
        }
        if direction == Direction::Backward {
            keys.reverse();
        }
        let expected: Vec<_> = (0_u8..10).map(|number| vec![number]).collect();
        assert_eq!(keys, expected);
    }
}

/// Limits of a range delete.
pub async fn a_range_delete_stops_at_its_limit_and_says_so<S: Store>(store: Arc<S>) {
    ten_rows_of_ten_bytes(&*store).await;
    let before = store.get(&PART, &[9]).await.unwrap().unwrap().version;

    let first = store
        .delete_range(&PART, KeyRange::from([2]), Limit::rows(3))
        .await
        .unwrap();
    assert_eq!((first.rows, first.more), (3, true));
    assert!(first.receipt.unwrap().version() > before);
    let by_bytes = Limit {
        rows: 100,
        bytes: 25,
    };
    let second = store
        .delete_range(&PART, KeyRange::from([2]), by_bytes)
        .await
        .unwrap();
    assert_eq!((second.rows, second.more), (2, true));
    let rest = store
        .delete_range(&PART, KeyRange::from([2]), Limit::MAX)
        .await
        .unwrap();
    assert_eq!((rest.rows, rest.more), (3, false));
    let nothing = store
        .delete_range(&PART, KeyRange::from([2]), Limit::MAX)
        .await
        .unwrap();
    assert_eq!(
        (nothing.rows, nothing.more, nothing.receipt),
        (0, false, None)
    );

    let page = store
        .scan(&PART, KeyRange::all(), Limit::MAX, Direction::Forward)
        .await
        .unwrap();
    let keys: Vec<_> = page
        .rows
        .into_iter()
        .map(|row| row.key.into_bytes())
        .collect();
    assert_eq!(keys, [[0], [1]]);
}

async fn ten_rows_of_ten_bytes<S: Store>(store: &S) {
    let batch = (0_u8..10).fold(Batch::new(), |batch, number| batch.put([number], [0; 9]));
    store.commit(&PART, batch).await.unwrap();
}

fn refused<T: std::fmt::Debug>(result: Result<T>) {
    assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
}

/// Bytes that do not repeat with the length of a row.
fn noise(bytes: usize, seed: usize) -> Vec<u8> {
    (0_u8..=250)
        .cycle()
        .skip(seed * 17 % 251)
        .take(bytes)
        .collect()
}
