//! The storage promise: what Roost may rely on, whatever engine keeps it.
//!
//! Owns the [`Store`] trait, its engines ([`MemoryStore`], [`SledStore`]), the suite every engine
//! must pass ([`conformance_suite!`]) and the engine-neutral [`export`] and [`import`].
//! Never knows what a row means: keys and values are bytes, their meaning belongs to the services.
//!
//! # The promise
//!
//! - A [`Batch`] holds for one [`Part`] and is all or nothing. Its checks are judged and its
//!   operations applied as one step; nobody sees a half of it, not even after a power cut.
//! - [`Store::commit`] resolves only when the batch is durable. The [`Receipt`] is the proof, and
//!   only a committer can make one: what asks for a `Receipt` cannot run too early.
//! - Readers see durable commits only. What a reader was shown is not taken back by a crash.
//! - Every commit has a [`Version`] of its own, larger than that of all commits before it, also
//!   across restarts and also after a delete. A row carries the version that wrote it last.
//! - [`Store::enqueue`] gives a batch its place: batches are judged and applied in the order of their
//!   places.
//! - Everything is bounded: see [`limit`].
//!
//! # A compare-and-set, from read to receipt
//!
//! ```
//! # use roost_store::{Batch, MemoryStore, Part, Store};
//! # futures_util::future::FutureExt::now_or_never(async {
//! let store = MemoryStore::new();
//! let group = Part::new(b'g', &[7; 16]);
//!
//! store.commit(&group, Batch::new().absent("head").put("head", "0")).await?;
//! let head = store.get(&group, b"head").await?.expect("it was just written");
//! let receipt = store
//!     .commit(&group, Batch::new().version("head", head.version).put("head", "1").put("log/1", "hello"))
//!     .await?;
//! assert!(receipt.version() > head.version);
//! # Ok::<_, roost_store::Error>(())
//! # }).expect("the memory engine never waits").unwrap();
//! ```

mod batch;
pub mod conformance;
mod engine;
mod error;
mod key;
pub mod limit;
mod plan;
mod record;
mod store;
mod transfer;

pub use batch::{Batch, Check, Op};
pub use engine::memory::MemoryStore;
pub use engine::sled::{Fatal, SledOptions, SledStore, Space};
pub use error::{Error, ReadOnly, Result};
pub use key::{Key, KeyRange, Part};
pub use record::{Row, Version, Versioned};
pub use store::{Deleted, Direction, Limit, Page, Queued, Receipt, Store};
pub use transfer::{Transferred, export, import};
