//! The memory engine against the suite, and what is its own.

mod model;

use futures_util::FutureExt as _;
use proptest::prelude::*;
use roost_store::{Batch, MemoryStore, Part, Store, conformance_suite};

conformance_suite!(|| async { (MemoryStore::new(), ()) });

const PART: Part = Part::new(1, b"p");

#[test]
fn no_future_ever_waits() {
    let store = MemoryStore::new();

    let commit = store
        .commit(&PART, Batch::new().put("k", "v"))
        .now_or_never();
    let read = store.get(&PART, b"k").now_or_never();

    assert!(commit.unwrap().is_ok());
    assert_eq!(read.unwrap().unwrap().unwrap().value, b"v");
}

#[test]
fn a_fork_is_open_and_goes_its_own_way() {
    let store = MemoryStore::new();
    let put = |store: &MemoryStore, value: &str| {
        let batch = Batch::new().put("k", value);
        store
            .commit(&PART, batch)
            .now_or_never()
            .unwrap()
            .unwrap()
            .version()
    };
    let get = |store: &MemoryStore| {
        store
            .get(&PART, b"k")
            .now_or_never()
            .unwrap()
            .unwrap()
            .unwrap()
            .value
    };
    let before = put(&store, "before");
    store.close().now_or_never().unwrap().unwrap();

    let fork = store.fork();
    let after = put(&fork, "after");

    assert!(after > before);
    assert_eq!(get(&fork), b"after");
    assert_eq!(get(&store.fork()), b"before");
}

proptest! {
    #[test]
    fn it_behaves_like_the_model(script in model::script(60)) {
        let store = MemoryStore::new();
        model::play(&script, &store).now_or_never().unwrap();
    }
}
