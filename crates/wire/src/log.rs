//! Entries of a group's ordered log and items of a device's inbox.

use crate::{Blob, EntryHash, Epoch, GroupId, Seconds, Seq, limit};
use minicbor::{Decode, Encode};

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum EntryKind {
    /// A PublicMessage that ends `epoch`.
    #[n(0)]
    Commit,
    /// A PublicMessage: a member asks to leave (SelfRemove).
    #[n(1)]
    Proposal,
    /// A PrivateMessage of `epoch`.
    #[n(2)]
    Message,
    /// Takes back the commit `voids`: the group is at `epoch` again.
    #[n(3)]
    Void,
}

/// One entry of a group's log.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LogEntry {
    #[n(0)]
    pub seq: Seq,
    #[n(1)]
    pub kind: EntryKind,
    /// The epoch in which the entry was made; for a void entry the one that holds again.
    #[n(2)]
    pub epoch: Epoch,
    /// When the server stored it.
    #[n(3)]
    pub time: Seconds,
    #[n(4)]
    pub hash: EntryHash,
    /// Length of the body, also when it was left out.
    #[n(5)]
    pub size_bytes: u32,
    /// The MLSMessage; absent in a stub (fetch it from the log) and in a void entry.
    #[n(6)]
    pub body: Option<Blob<{ limit::COMMIT_BYTES }>>,
    /// With [`EntryKind::Void`]: the commit taken back.
    #[n(7)]
    pub voids: Option<Seq>,
}

impl LogEntry {
    /// Whether the body was left out because of its size.
    #[must_use]
    pub fn is_stub(&self) -> bool {
        self.body.is_none() && self.kind != EntryKind::Void
    }
}

/// What waits for one device.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum InboxItem {
    /// An invitation into a group whose commit is entry `seq`; the tree of `epoch` is fetched apart.
    #[n(0)]
    Welcome {
        #[n(0)]
        group: GroupId,
        #[n(1)]
        epoch: Epoch,
        #[n(2)]
        seq: Seq,
        #[n(3)]
        welcome: Blob<{ limit::WELCOME_BYTES }>,
    },
    /// Few one-time key packages are left: put new ones.
    #[n(1)]
    RefillKeyPackages {
        #[n(0)]
        left: u32,
    },
    /// The account was given a place in a group by another of its devices or by an invite: join it
    /// by external commit.
    #[n(2)]
    JoinGroup {
        #[n(0)]
        group: GroupId,
    },
}
