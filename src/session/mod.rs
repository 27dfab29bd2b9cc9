//! One device's connection as a machine without I/O: frames, mail and pages in, outputs out.
//!
//! Feed it one input, carry out all outputs, then ask `want` for the next read. It holds the order:
//! an entry is sent only right after the one before it, whatever arrives when. Never decides who
//! may read.

mod follow;
mod greeting;
mod live;

use bytes::Bytes;
use roost_wire::api::{Acknowledge, Want};
use roost_wire::{Blob, GroupId, InboxSeq, Seq, limit};

pub use greeting::Greeting;
pub use live::Live;

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    Send(Bytes),
    /// Follow the group and read its log after a place, at most so many entries.
    Read {
        group: GroupId,
        after: Seq,
        rows: usize,
    },
    ReadInbox {
        after: InboxSeq,
        rows: usize,
    },
    Unfollow(GroupId),
    Submit {
        request: u32,
        message: Blob<{ limit::MESSAGE_BYTES }>,
        began: Option<Seq>,
    },
    Acknowledge(Acknowledge),
    Signal {
        group: GroupId,
        sealed: Blob<{ limit::EPHEMERAL_BYTES }>,
    },
    Watch {
        group: GroupId,
        wants: Vec<Want>,
    },
    Close,
}

/// A page of a group's log, as frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRead {
    pub frames: Vec<(Seq, Bytes)>,
    pub head: Seq,
    pub delivered: Seq,
    pub more: bool,
    /// The device has left: nothing comes after.
    pub ended: bool,
    /// The group of the conversation's call.
    pub call: Option<GroupId>,
}

/// What a read of a group's log gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Page(LogRead),
    /// The entries right after the cursor are gone.
    Gap {
        tail: Seq,
    },
    /// Not a group of this device.
    Nothing,
    /// The store failed; reading is tried again with the next mail.
    Failed,
}
