//! Group calls as shells see them, and the two formats they need: frame keys and signals.
//!
//! Owns what is derived from a call group's secrets. Who is in a call, and how one gets in and out,
//! is the core's.

mod keys;
pub(crate) mod knock;
mod sealed;
pub(crate) mod signal;

pub(crate) use keys::frame_keys;
pub use keys::{FrameKey, RoomKeys, SenderKeys, Track};

use roost_wire::api::{Sdp, Sent, TrackId, TrackKind};
use roost_wire::{AccountId, DeviceId, DisplayName, GroupId, List, limit};

/// A group call this device takes part in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomView {
    pub conversation: GroupId,
    /// The call's own group; none before the server has told.
    pub call: Option<GroupId>,
    pub state: RoomState,
    /// As a guest: the server has taken a knock, so that `call` is the server's word.
    pub has_knocked: bool,
    /// Of the call's group; 0 before this device is in.
    pub epoch: u64,
    /// By leaf: exactly those whose devices hold this epoch's keys.
    pub members: Vec<RoomMember>,
    /// What they send, by the server's word.
    pub tracks: Vec<RoomTrack>,
    /// Leaves of those whose sound is heard, the loudest first, by the server's word.
    pub speaking: Vec<u32>,
    /// Who asks to be let in by a guest link, for those who can.
    pub visitors: Vec<RoomVisitor>,
    /// This device is a guest.
    pub is_guest: bool,
}

/// Somebody at the door of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomVisitor {
    pub account: AccountId,
    /// As they call themselves.
    pub name: DisplayName,
    pub decision: Decision,
}

/// What the person here wants with somebody at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Open,
    /// They are being let in.
    Admitted,
    /// They go on asking, and are not told.
    TurnedAway,
}

/// Something that a member of the call sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomTrack {
    pub id: TrackId,
    /// The sender's.
    pub leaf: u32,
    pub kind: TrackKind,
}

/// What the page's connection to the server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaOffer {
    pub sdp: Sdp,
    pub sent: List<Sent, { limit::DEVICE_TRACKS }>,
    /// The connection has not been negotiated before.
    pub is_new: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomState {
    /// A guest waits to be let in by a member.
    Waiting,
    /// On the way in, or back in after a repair.
    Entering,
    Live,
    /// On the way out: nothing more is sent or heard.
    Leaving,
}

/// A device in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomMember {
    pub account: AccountId,
    pub device: DeviceId,
    pub leaf: u32,
    pub name: DisplayName,
    pub is_me: bool,
    /// Let in by a member, and not in the conversation.
    pub is_guest: bool,
    /// Has told its session, so that its frames can be read.
    pub is_heard: bool,
    /// What its page last said of itself: see `Command::SetRoomFlags`.
    pub flags: u32,
}
