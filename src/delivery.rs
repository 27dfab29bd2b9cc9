//! What a change makes the server tell connected devices. Data only: services return deliveries,
//! the fan-out hands them over, sessions turn them into frames.

use bytes::Bytes;
use roost_wire::{DeviceId, GroupId, Seq};

/// One thing to tell. Deliveries are hints: a session that misses one reads the log instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A durable entry of a group, as the frame all its followers get.
    Entry {
        group: GroupId,
        seq: Seq,
        frame: Bytes,
    },
    /// A droppable frame for a group's followers but its sender.
    Passing {
        group: GroupId,
        from: Option<DeviceId>,
        frame: Bytes,
    },
    /// The device reads nothing of the group after this entry. Comes before the entry itself.
    Leave {
        group: GroupId,
        device: DeviceId,
        last: Seq,
    },
    /// The device is out of the conversation of this call: it follows it no longer, and has no media in
    /// it, whoever is there to remove it.
    OutOfCall { call: GroupId, device: DeviceId },
    /// A call's group is gone: what its followers get, and the end of its media.
    Gone { group: GroupId, frame: Bytes },
    /// There is something new in the device's inbox.
    Inbox { device: DeviceId },
    /// The device's sessions are over.
    Disconnect { device: DeviceId },
}

/// One thing handed to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mail {
    /// A durable entry, as a frame.
    Entry {
        group: GroupId,
        seq: Seq,
        frame: Bytes,
    },
    /// A frame that may be lost, for those who follow the group.
    Passing {
        group: GroupId,
        frame: Bytes,
    },
    /// A frame that answers this connection's own request.
    Answer(Bytes),
    /// The log holds entries that were not handed over.
    Behind(GroupId),
    /// The device reads nothing of the group any more.
    Left(GroupId),
    Inbox,
    /// The connection is to end, after the frame.
    Close(Option<Bytes>),
}
