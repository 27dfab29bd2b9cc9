//! Frames of the WebSocket: binary messages, each one CBOR array `[type, …]`.
//!
//! The cursor is the resume token; credit is the backpressure: the server sends at most as many
//! events as it was given credit for, and closes a socket that cannot keep up.

use crate::api::{Accepted, SealedKnock, Tracks, Want};
use crate::log::{InboxItem, LogEntry};
use crate::{
    AccountId, ApiError, Blob, DeviceId, GroupId, InboxSeq, Incarnation, InviteId, List, Seconds,
    Seq, StateCounter, limit,
};
use minicbor::{Decode, Encode};

/// How far a device has got in a group: everything up to `seq` is stored on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Cursor {
    #[n(0)]
    pub group: GroupId,
    #[n(1)]
    pub seq: Seq,
}

/// From the client.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum ClientFrame {
    /// Must come first: where to resume, and the first credit.
    #[n(0)]
    Hello {
        #[n(0)]
        cursors: List<Cursor, { limit::GROUPS_PER_DEVICE }>,
        #[n(1)]
        inbox: InboxSeq,
        #[n(2)]
        credit: u32,
        #[n(3)]
        state: StateCounter,
    },
    /// Send an application message; answered by `Result` with the same `request`.
    #[n(1)]
    Submit {
        #[n(0)]
        request: u32,
        #[n(1)]
        message: Blob<{ limit::MESSAGE_BYTES }>,
        /// As in [`SubmitMessage`](crate::api::SubmitMessage).
        #[n(2)]
        began: Option<Seq>,
    },
    /// Everything up to these places is stored on the device.
    #[n(2)]
    Ack {
        #[n(0)]
        cursors: List<Cursor, { limit::GROUPS_PER_DEVICE }>,
        #[n(1)]
        inbox: InboxSeq,
        #[n(2)]
        state: StateCounter,
    },
    /// A droppable signal to the group's connected devices, sealed with a key of the epoch.
    #[n(3)]
    Ephemeral {
        #[n(0)]
        group: GroupId,
        #[n(1)]
        sealed: Blob<{ limit::EPHEMERAL_BYTES }>,
    },
    /// Allow this many more events.
    #[n(4)]
    Credit {
        #[n(0)]
        events: u32,
    },
    /// Follow one more group (just joined) from this cursor, or from another place.
    #[n(5)]
    Follow {
        #[n(0)]
        cursor: Cursor,
    },
    /// Are you there? Answered by `Pong`. Script in a browser does not see the WebSocket's own
    /// pings, and a dead connection looks the same to it as a quiet one.
    #[n(6)]
    Ping,
    /// What the device's connection to a call is to carry, on which m-line; takes the place of all
    /// said before. M-lines that are not named carry nothing.
    #[n(7)]
    Watch {
        #[n(0)]
        group: GroupId,
        #[n(1)]
        wants: List<Want, { limit::CALL_SLOTS }>,
    },
}

/// From the server.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum ServerFrame {
    /// Answers `Hello`.
    #[n(0)]
    Ready {
        #[n(0)]
        incarnation: Incarnation,
        #[n(1)]
        time: Seconds,
    },
    /// Answers `Submit`.
    #[n(1)]
    Result {
        #[n(0)]
        request: u32,
        #[n(1)]
        outcome: Outcome,
    },
    /// The next entry of a group; costs one credit.
    #[n(2)]
    Event {
        #[n(0)]
        group: GroupId,
        #[n(1)]
        entry: LogEntry,
    },
    /// The next item of the inbox; costs one credit.
    #[n(3)]
    Inbox {
        #[n(0)]
        seq: InboxSeq,
        #[n(1)]
        item: InboxItem,
    },
    /// All entries up to `head` were sent: the device has caught up with this group.
    #[n(4)]
    Head {
        #[n(0)]
        group: GroupId,
        #[n(1)]
        head: Seq,
    },
    /// The cursor lies before the log's first entry: rejoin.
    #[n(5)]
    Gap {
        #[n(0)]
        group: GroupId,
        #[n(1)]
        tail: Seq,
    },
    #[n(6)]
    Ephemeral {
        #[n(0)]
        group: GroupId,
        #[n(1)]
        sealed: Blob<{ limit::EPHEMERAL_BYTES }>,
    },
    /// Every other account of the group has a device that stored everything up to `seq`.
    #[n(7)]
    Delivered {
        #[n(0)]
        group: GroupId,
        #[n(1)]
        seq: Seq,
    },
    /// The server is about to stop: reconnect soon, elsewhere or here.
    #[n(8)]
    Drain,
    /// The device may not follow this group (no longer, or never).
    #[n(9)]
    Gone {
        #[n(0)]
        group: GroupId,
    },
    /// Answers `Ping`.
    #[n(10)]
    Pong,
    /// The conversation's call has this group; none when the call is over.
    #[n(11)]
    CallOn {
        #[n(0)]
        group: GroupId,
        #[n(1)]
        call: Option<GroupId>,
    },
    /// All that is sent into a call, whenever that changes.
    #[n(12)]
    Tracks {
        #[n(0)]
        group: GroupId,
        #[n(1)]
        tracks: Tracks,
    },
    /// Whose sound is heard in a call, the loudest first, whenever that changes: at most
    /// [`limit::SPEAKING_PER_SECOND`] times a second.
    #[n(13)]
    Speaking {
        #[n(0)]
        group: GroupId,
        #[n(1)]
        devices: List<DeviceId, { limit::CALL_SPEAKERS }>,
    },
    /// Somebody with a guest link asks to be let into the conversation's call.
    #[n(14)]
    Knock {
        /// The conversation.
        #[n(0)]
        group: GroupId,
        #[n(1)]
        link: InviteId,
        #[n(2)]
        account: AccountId,
        #[n(3)]
        device: DeviceId,
        #[n(4)]
        sealed: SealedKnock,
    },
}

/// The answer to a submission.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Outcome {
    #[n(0)]
    Accepted(#[n(0)] Accepted),
    #[n(1)]
    Refused(#[n(0)] ApiError),
}

impl ClientFrame {
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        crate::api::encode(self)
    }

    /// # Errors
    /// Refuses anything but one whole known frame.
    pub fn parse(bytes: &[u8]) -> Result<Self, crate::Malformed> {
        crate::api::decode(bytes, "frame", limit::CLIENT_FRAME_BYTES)
    }
}

impl ServerFrame {
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        crate::api::encode(self)
    }

    /// # Errors
    /// Refuses anything but one whole known frame.
    pub fn parse(bytes: &[u8]) -> Result<Self, crate::Malformed> {
        crate::api::decode(bytes, "frame", limit::SERVER_FRAME_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_round_trip() {
        let frame = ClientFrame::Submit {
            request: 3,
            message: Blob::new(vec![1, 2]).unwrap(),
            began: Some(Seq::new(8)),
        };
        let answer = ServerFrame::Result {
            request: 3,
            outcome: Outcome::Refused(ApiError::stale(crate::Epoch::new(4), Seq::new(9))),
        };

        assert_eq!(ClientFrame::parse(&frame.to_bytes()).unwrap(), frame);
        assert_eq!(ServerFrame::parse(&answer.to_bytes()).unwrap(), answer);
    }

    #[test]
    fn signs_of_life_round_trip() {
        let (ping, pong) = (ClientFrame::Ping.to_bytes(), ServerFrame::Pong.to_bytes());

        assert_eq!(ClientFrame::parse(&ping), Ok(ClientFrame::Ping));
        assert_eq!(ServerFrame::parse(&pong), Ok(ServerFrame::Pong));
    }

    #[test]
    fn a_frame_with_bytes_left_over_is_refused() {
        let mut bytes = ClientFrame::Credit { events: 1 }.to_bytes();
        bytes.push(0);

        assert!(ClientFrame::parse(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
            let _ = ClientFrame::parse(&bytes);
            let _ = ServerFrame::parse(&bytes);
        }
    }
}
