//! What may be acknowledged: what is durable.
//!
//! Owns the only ways to an acknowledgement of an entry: the committer's receipt in hand, a mark
//! that receipts moved, or a row that was read, since readers are shown nothing before its sync.

use crate::service::error::StoreError;
use crate::service::record::{KnownRow, unpack};
use roost_store::{Receipt, Versioned};
use roost_wire::Seq;
use roost_wire::api::Accepted;
use std::sync::atomic::{AtomicU64, Ordering};

/// An entry that is stored for good.
#[derive(Debug)]
pub(super) struct Durable(KnownRow);

impl Durable {
    pub(super) const fn written(known: KnownRow, _: &Receipt) -> Self {
        Self(known)
    }

    /// None for an entry that is still under way.
    pub(super) fn marked(known: KnownRow, mark: &Mark) -> Option<Self> {
        (known.seq <= mark.get()).then_some(Self(known))
    }

    /// # Errors
    /// A row that cannot be read.
    pub(super) fn read(row: &Versioned) -> Result<Self, StoreError> {
        unpack(&row.value).map(Self)
    }

    pub(super) const fn accepted(&self) -> Accepted {
        let Self(known) = self;
        Accepted {
            seq: known.seq,
            epoch: known.epoch,
            time: known.time,
        }
    }
}

/// Entries of a group up to here are stored for good.
#[derive(Default)]
pub(super) struct Mark(AtomicU64);

impl Mark {
    pub(super) fn get(&self) -> Seq {
        Seq::new(self.0.load(Ordering::Acquire))
    }

    pub(super) fn written(&self, seq: Seq, _: &Receipt) {
        self.0.fetch_max(seq.get(), Ordering::AcqRel);
    }

    /// The end of the log as it was read.
    pub(super) fn read(&self, head: Seq) {
        self.0.fetch_max(head.get(), Ordering::AcqRel);
    }
}
