//! What a shell reads of the call at hand.

use super::RingId;
use crate::port::Moment;
use crate::view::Trust;
use roost_wire::{AccountId, DeviceId, GroupId};

/// The call that is on, rings, or has just ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallView {
    pub call: RingId,
    pub group: GroupId,
    /// The other person.
    pub peer: AccountId,
    /// This device called; the caller makes the offers.
    pub outgoing: bool,
    /// The caller asked for video.
    pub video: bool,
    /// The device at the other end, once the call was answered.
    pub peer_device: Option<DeviceId>,
    /// Whether the call was answered with video, once it was.
    pub answered_with_video: Option<bool>,
    pub stage: CallStage,
    /// Of the other person: show a warning for [`Trust::KeyChanged`].
    pub trust: Trust,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallStage {
    /// No device of the other person has heard it yet.
    Calling,
    /// A device of the other person rings; or this one does, for a call from there.
    Ringing,
    /// Answered: the caller makes the offer now.
    Connecting,
    Talking {
        since: Moment,
    },
    Ended {
        reason: CallEnd,
    },
}

/// Why a call is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEnd {
    HungUp {
        by: AccountId,
    },
    Declined,
    /// The caller gave up, or was heard no more.
    Missed,
    /// Nobody answered this device's call.
    NoAnswer,
    /// Every device of the other person that heard it is in another call.
    Busy,
    /// Another device of this account took the call.
    AnsweredElsewhere,
    /// A sentence for the person.
    Failed(String),
    /// The connection broke and did not come back.
    Lost,
}
