//! What one caller sees: order, versions, checks, isolation, counters.

use std::ops::Bound;
use std::sync::Arc;

use super::PART;
use crate::batch::Batch;
use crate::error::Error;
use crate::key::{Key, KeyRange, Part};
use crate::record::Version;
use crate::store::{Direction, Limit, Store};

/// Order and bounds.
pub async fn rows_come_in_the_order_of_their_bytes_from_either_end<S: Store>(store: Arc<S>) {
    let mut keys: Vec<&[u8]> = vec![b"", b"a", b"a\0", b"ab", b"b", b"\xff", b"\xff\xff", b"\0"];
    let batch = keys
        .iter()
        .fold(Batch::new(), |batch, key| batch.put(*key, *key));
    store.commit(&PART, batch).await.unwrap();

    let forward = keys_of(&*store, KeyRange::all(), Direction::Forward).await;
    let mut backward = keys_of(&*store, KeyRange::all(), Direction::Backward).await;

    keys.sort_unstable();
    assert_eq!(forward, keys);
    backward.reverse();
    assert_eq!(backward, keys);
}

/// Order and bounds.
pub async fn ranges_keep_to_their_bounds<S: Store>(store: Arc<S>) {
    let keys = ["a", "b", "b\0", "c", "d"];
    let batch = keys
        .iter()
        .fold(Batch::new(), |batch, key| batch.put(*key, "x"));
    store.commit(&PART, batch).await.unwrap();
    let key = |text: &str| Key::from(text);

    for (range, expected) in [
        (KeyRange::all(), &keys[..]),
        (KeyRange::between("b", "d"), &["b", "b\0", "c"]),
        (KeyRange::between("d", "b"), &[]),
        (KeyRange::between("b", "b"), &[]),
        (KeyRange::from("c"), &["c", "d"]),
        (KeyRange::after("b"), &["b\0", "c", "d"]),
        (KeyRange::before("b"), &["a"]),
        (KeyRange::prefix("b"), &["b", "b\0"]),
        (KeyRange::prefix("e"), &[]),
        (
            KeyRange::bounds(Bound::Excluded(key("a")), Bound::Included(key("c"))),
            &["b", "b\0", "c"],
        ),
        (
            KeyRange::bounds(Bound::Included(key("b")), Bound::Included(key("b"))),
            &["b"],
        ),
        (
            KeyRange::bounds(Bound::Excluded(key("b")), Bound::Included(key("b"))),
            &[],
        ),
    ] {
        let mut expected: Vec<&[u8]> = expected.iter().map(|key| key.as_bytes()).collect();
        let forward = keys_of(&*store, range.clone(), Direction::Forward).await;
        assert_eq!(forward, expected, "{range:?}");
        let backward = keys_of(&*store, range.clone(), Direction::Backward).await;
        expected.reverse();
        assert_eq!(backward, expected, "{range:?}");
    }
}

/// Versions.
pub async fn a_put_row_reads_back_with_the_version_of_its_commit<S: Store>(store: Arc<S>) {
    assert_eq!(store.get(&PART, b"k").await.unwrap(), None);

    let receipt = store
        .commit(&PART, Batch::new().put("k", "v").put("e", ""))
        .await
        .unwrap();

    let row = store.get(&PART, b"k").await.unwrap().unwrap();
    assert_eq!((row.value, row.version), (b"v".to_vec(), receipt.version()));
    let empty = store.get(&PART, b"e").await.unwrap().unwrap();
    assert_eq!(
        (empty.value, empty.version),
        (Vec::new(), receipt.version())
    );
}

/// Atomicity of a refusal.
pub async fn a_failed_check_refuses_the_whole_batch<S: Store>(store: Arc<S>) {
    let old = store
        .commit(&PART, Batch::new().put("there", "1"))
        .await
        .unwrap()
        .version();
    let new = store
        .commit(&PART, Batch::new().put("there", "2"))
        .await
        .unwrap()
        .version();

    for check in [
        Batch::new().absent("there"),
        Batch::new().present("missing"),
        Batch::new().version("there", old),
        Batch::new().version("missing", new),
        Batch::new().unchanged("there", None),
        Batch::new().unchanged("missing", Some(new)),
    ] {
        let batch = check.put("there", "3").put("other", "3").delete("there");
        let refused = store.commit(&PART, batch).await;
        assert!(
            matches!(refused, Err(Error::Conflict { check: 0 })),
            "{refused:?}"
        );
    }

    let second = Batch::new().present("there").absent("there");
    assert!(matches!(
        store.commit(&PART, second).await,
        Err(Error::Conflict { check: 1 })
    ));
    let row = store.get(&PART, b"there").await.unwrap().unwrap();
    assert_eq!((row.value, row.version), (b"2".to_vec(), new));
    assert_eq!(
        keys_of(&*store, KeyRange::all(), Direction::Forward).await,
        [b"there"]
    );
}

/// Order inside a batch.
pub async fn checks_see_the_part_before_the_batch_and_operations_follow_in_order<S: Store>(
    store: Arc<S>,
) {
    let batch = Batch::new()
        .put("a", "first")
        .absent("a")
        .put("a", "second")
        .put("b", "soon gone")
        .delete("b")
        .add("n", 2)
        .add("n", 3)
        .delete("n")
        .add("n", 4);

    store.commit(&PART, batch).await.unwrap();

    assert_eq!(
        store.get(&PART, b"a").await.unwrap().unwrap().value,
        b"second"
    );
    assert_eq!(store.get(&PART, b"b").await.unwrap(), None);
    assert_eq!(
        store
            .get(&PART, b"n")
            .await
            .unwrap()
            .unwrap()
            .counter()
            .unwrap(),
        4
    );
}

/// Versions.
pub async fn versions_grow_and_no_two_commits_share_one<S: Store>(store: Arc<S>) {
    let other = Part::new(b'c', b"other");
    let mut last = Version::ZERO;
    for round in 0_u8..20 {
        let part = if round % 3 == 0 { &other } else { &PART };
        let batch = if round % 4 == 0 {
            Batch::new()
        } else {
            Batch::new().put([round], [round])
        };
        let version = store.commit(part, batch).await.unwrap().version();
        assert!(version > last);
        last = version;
    }
}

/// Delete and recreate.
pub async fn a_recreated_row_is_not_the_deleted_one<S: Store>(store: Arc<S>) {
    store
        .commit(&PART, Batch::new().put("k", "same"))
        .await
        .unwrap();
    let seen = store.get(&PART, b"k").await.unwrap().unwrap();
    store.commit(&PART, Batch::new().delete("k")).await.unwrap();
    store
        .commit(&PART, Batch::new().put("k", "same"))
        .await
        .unwrap();

    let stale = Batch::new().version("k", seen.version).put("k", "over");

    assert!(matches!(
        store.commit(&PART, stale).await,
        Err(Error::Conflict { check: 0 })
    ));
    assert!(store.get(&PART, b"k").await.unwrap().unwrap().version > seen.version);
}

/// Isolation between parts.
pub async fn parts_do_not_see_each_other<S: Store>(store: Arc<S>) {
    let parts: Vec<Part> = [
        (1, &b""[..]),
        (1, b"a"),
        (1, b"ab"),
        (1, b"\xff"),
        (2, b"a"),
    ]
    .iter()
    .map(|(kind, id)| Part::try_new(*kind, id).unwrap())
    .collect();
    for part in &parts {
        for key in ["", "a", "b\u{7f}"] {
            let value = format!("{part:?}{key}");
            store
                .commit(part, Batch::new().absent(key).put(key, value))
                .await
                .unwrap();
        }
    }

    for part in &parts {
        let page = store
            .scan(part, KeyRange::all(), Limit::MAX, Direction::Forward)
            .await
            .unwrap();
        assert_eq!(page.rows.len(), 3);
        for row in page.rows {
            let key = String::from_utf8(row.key.into_bytes()).unwrap();
            assert_eq!(row.value, format!("{part:?}{key}").into_bytes());
        }
    }
    let gone = store
        .delete_range(&parts[1], KeyRange::all(), Limit::MAX)
        .await
        .unwrap();
    assert_eq!(gone.rows, 3);
    for part in [&parts[0], &parts[2], &parts[3], &parts[4]] {
        let page = store
            .scan(part, KeyRange::all(), Limit::MAX, Direction::Backward)
            .await
            .unwrap();
        assert_eq!(page.rows.len(), 3);
    }
}

/// The list of parts.
pub async fn parts_are_listed_by_kind_in_order<S: Store>(store: Arc<S>) {
    let mut parts: Vec<Part> = (0_u8..20)
        .map(|number| Part::new(7, &[number, 255]))
        .collect();
    parts.extend([
        Part::new(7, b""),
        Part::new(7, &[255; 32]),
        Part::new(7, b"z"),
    ]);
    for part in &parts {
        store
            .commit(part, Batch::new().put("x", "x").put("y", "y"))
            .await
            .unwrap();
    }
    store
        .commit(&Part::new(6, &[255; 32]), Batch::new().put("x", "x"))
        .await
        .unwrap();
    store
        .commit(&Part::new(8, b""), Batch::new().put("x", "x"))
        .await
        .unwrap();
    parts.sort();

    let all = store.parts(7, None, 100).await.unwrap();
    let first = store.parts(7, None, 5).await.unwrap();
    let rest = store.parts(7, first.last().copied(), 100).await.unwrap();

    assert_eq!(all, parts);
    assert_eq!([first, rest].concat(), parts);
    assert_eq!(
        store.parts(7, Some(Part::new(6, b"x")), 100).await.unwrap(),
        parts
    );
    assert_eq!(
        store.parts(7, Some(Part::new(8, b"")), 100).await.unwrap(),
        []
    );
    assert_eq!(store.parts(7, None, 0).await.unwrap(), []);
    assert_eq!(store.parts(9, None, 100).await.unwrap(), []);
    store
        .delete_range(&parts[3], KeyRange::all(), Limit::MAX)
        .await
        .unwrap();
    assert!(!store.parts(7, None, 100).await.unwrap().contains(&parts[3]));
}

/// Counters.
pub async fn counters_add_up_and_refuse_what_they_cannot_hold<S: Store>(store: Arc<S>) {
    store
        .commit(
            &PART,
            Batch::new().add("n", 5).add("n", -7).put("text", "no"),
        )
        .await
        .unwrap();
    store
        .commit(&PART, Batch::new().add("n", 12))
        .await
        .unwrap();
    store
        .commit(&PART, Batch::new().add("low", i64::MIN))
        .await
        .unwrap();

    assert_eq!(
        store
            .get(&PART, b"n")
            .await
            .unwrap()
            .unwrap()
            .counter()
            .unwrap(),
        10
    );
    let over = store
        .commit(&PART, Batch::new().put("n2", "x").add("n", i64::MAX))
        .await;
    assert!(matches!(over, Err(Error::CounterOverflow)));
    let under = store
        .commit(&PART, Batch::new().put("n2", "x").add("low", -1))
        .await;
    assert!(matches!(under, Err(Error::CounterOverflow)));
    let text = store
        .commit(&PART, Batch::new().put("n2", "x").add("text", 1))
        .await;
    assert!(matches!(text, Err(Error::NotACounter)));
    let text = store.get(&PART, b"text").await.unwrap().unwrap();
    assert!(matches!(text.counter(), Err(Error::NotACounter)));
    assert_eq!(store.get(&PART, b"n2").await.unwrap(), None);
    assert_eq!(
        store
            .get(&PART, b"n")
            .await
            .unwrap()
            .unwrap()
            .counter()
            .unwrap(),
        10
    );
}

/// `get_many`.
pub async fn many_rows_are_read_in_the_order_asked<S: Store>(store: Arc<S>) {
    store
        .commit(&PART, Batch::new().put("a", "1").put("b", "2"))
        .await
        .unwrap();

    let found = store
        .get_many(&PART, &[b"b", b"missing", b"a", b"b"])
        .await
        .unwrap();

    let values: Vec<_> = found
        .into_iter()
        .map(|row| row.map(|row| row.value))
        .collect();
    assert_eq!(
        values,
        [
            Some(b"2".to_vec()),
            None,
            Some(b"1".to_vec()),
            Some(b"2".to_vec())
        ]
    );
    assert_eq!(store.get_many(&PART, &[]).await.unwrap(), []);
}

/// `close`.
pub async fn a_closed_store_says_so<S: Store>(store: Arc<S>) {
    store
        .commit(&PART, Batch::new().put("k", "v"))
        .await
        .unwrap();

    let (first, second) = tokio::join!(store.close(), store.close());
    first.unwrap();
    second.unwrap();
    store.close().await.unwrap();

    assert!(matches!(store.get(&PART, b"k").await, Err(Error::Closed)));
    let many = store.get_many(&PART, &[b"k"]).await;
    assert!(matches!(many, Err(Error::Closed)));
    let page = store
        .scan(&PART, KeyRange::all(), Limit::MAX, Direction::Forward)
        .await;
    assert!(matches!(page, Err(Error::Closed)));
    let receipt = store.commit(&PART, Batch::new().put("k", "w")).await;
    assert!(matches!(receipt, Err(Error::Closed)));
    let deleted = store.delete_range(&PART, KeyRange::all(), Limit::MAX).await;
    assert!(matches!(deleted, Err(Error::Closed)));
    assert!(matches!(
        store.parts(b'c', None, 1).await,
        Err(Error::Closed)
    ));
}

async fn keys_of<S: Store>(store: &S, range: KeyRange, direction: Direction) -> Vec<Vec<u8>> {
    let page = store
        .scan(&PART, range, Limit::MAX, direction)
        .await
        .unwrap();
    assert!(!page.more);
    page.rows
        .into_iter()
        .map(|row| row.key.into_bytes())
        .collect()
}
