//! Export and import: nothing lost between engines, nothing damaged let in.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::io::Cursor;

use futures_util::FutureExt as _;
use roost_store::{
    Batch, Direction, Error, KeyRange, Limit, MemoryStore, Part, Row, SledOptions, SledStore,
    Store, export, import,
};

#[tokio::test]
async fn a_store_goes_from_engine_to_engine_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let source = filled().await;
    let sled = SledStore::open(folder.path(), SledOptions::new().keep_free(1, 0)).unwrap();
    let back = MemoryStore::new();

    let first = exported(&source).await;
    let rows = import(&sled, Cursor::new(&first)).await.unwrap().rows;
    let second = exported(&sled).await;
    import(&back, Cursor::new(&second)).await.unwrap();

    assert_eq!(rows, 1_505);
    assert!(first == second, "the same rows make the same bytes");
    for part in parts() {
        assert!(all(&source, &part).await == all(&sled, &part).await);
        assert!(all(&source, &part).await == all(&back, &part).await);
    }
}

#[tokio::test]
async fn an_empty_store_goes_over_too() {
    let bytes = exported(&MemoryStore::new()).await;

    let imported = import(&MemoryStore::new(), Cursor::new(bytes))
        .await
        .unwrap();

    assert_eq!(imported.rows, 0);
}

#[tokio::test]
async fn an_import_needs_an_empty_store() {
    let bytes = exported(&filled().await).await;
    let store = MemoryStore::new();
    store
        .commit(&Part::new(255, b"x"), Batch::new().put("k", "v"))
        .await
        .unwrap();

    let refused = import(&store, Cursor::new(bytes)).await;

    assert!(matches!(refused, Err(Error::NotEmpty)));
    assert_eq!(store.rows(), 1);
}

#[tokio::test]
async fn a_damaged_or_cut_export_is_refused_before_anything_is_written() {
    let source = MemoryStore::new();
    let part = Part::new(1, b"p");
    source
        .commit(&part, Batch::new().put("k", "value").put("l", "w"))
        .await
        .unwrap();
    let whole = exported(&source).await;

    for length in 0..whole.len() {
        refused(&whole[..length]);
    }
    for index in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[index] ^= 1 << bit;
            refused(&changed);
        }
    }
    refused(&[&whole[..], b"x"].concat());
    refused(b"");
    refused(b"something else entirely, but long enough");
}

#[tokio::test]
async fn an_export_of_later_days_is_named_as_such() {
    let mut bytes = exported(&MemoryStore::new()).await;
    bytes[14] = 2;

    let error = import(&MemoryStore::new(), Cursor::new(bytes))
        .await
        .unwrap_err();

    assert!(error.to_string().contains("format 2"), "{error}");
}

fn refused(bytes: &[u8]) {
    let store = MemoryStore::new();
    let result = import(&store, Cursor::new(bytes)).now_or_never().unwrap();
    assert!(matches!(result, Err(Error::Damaged { .. })), "{result:?}");
    assert_eq!(store.rows(), 0);
}

fn parts() -> [Part; 4] {
    [
        Part::new(0, b""),
        Part::new(1, b"a"),
        Part::new(1, b"ab"),
        Part::new(255, &[255; 32]),
    ]
}

/// 1,505 rows: many in one part, empty keys and values, long ones.
async fn filled() -> MemoryStore {
    let store = MemoryStore::new();
    let [first, second, third, last] = parts();
    for block in 0..3_u8 {
        let batch = (0..500_u32).fold(Batch::new(), |batch, row| {
            batch.put(
                [&[block][..], &row.to_be_bytes()].concat(),
                row.to_le_bytes(),
            )
        });
        store.commit(&second, batch).await.unwrap();
    }
    store
        .commit(&first, Batch::new().put("", ""))
        .await
        .unwrap();
    store
        .commit(&third, Batch::new().put(vec![255; 512], vec![1; 4_194_304]))
        .await
        .unwrap();
    let batch = Batch::new()
        .put("a", vec![2; 4_194_000])
        .put("b", "")
        .add("n", -1);
    store.commit(&last, batch).await.unwrap();
    store
}

async fn exported(store: &dyn Store) -> Vec<u8> {
    let mut bytes = Vec::new();
    export(store, &mut bytes).await.unwrap();
    bytes
}

async fn all(store: &dyn Store, part: &Part) -> Vec<(Vec<u8>, Vec<u8>)> {
    let page = store
        .scan(part, KeyRange::all(), Limit::MAX, Direction::Forward)
        .await
        .unwrap();
    assert!(!page.more);
    page.rows
        .into_iter()
        .map(|Row { key, value, .. }| (key.into_bytes(), value))
        .collect()
}
