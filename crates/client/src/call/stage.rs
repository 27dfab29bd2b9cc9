//! The stages of a call, one type each, and who has said how much about it.

use super::RingId;
use super::link::Link;
use super::view::{CallEnd, CallStage};
use crate::port::Moment;
use roost_wire::{AccountId, DeviceId, GroupId, Seconds, SignatureKey};
use std::collections::{BTreeMap, BTreeSet};

/// Devices whose letters about one call are counted: all of two accounts.
const SPEAKERS_MAX: usize = 2 * roost_wire::limit::DEVICES_PER_ACCOUNT;

/// A device in a group. Its key says which one it is, also after it entered the group anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Party {
    pub account: AccountId,
    pub device: DeviceId,
    pub key: SignatureKey,
}

/// What does not change in a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub ring: RingId,
    pub group: GroupId,
    pub me: AccountId,
    pub peer: AccountId,
    pub outgoing: bool,
    pub video: bool,
}

/// Letters about one call: how many this device has sent, and the last of each other.
#[derive(Debug, Default)]
pub(super) struct Tally {
    sent: u64,
    heard: BTreeMap<SignatureKey, u64>,
}

impl Tally {
    /// The number of the next letter.
    pub(super) fn next(&mut self) -> u64 {
        self.sent = self.sent.saturating_add(1);
        self.sent
    }

    /// Whether a letter is newer than all that its device has said; notes it.
    pub(super) fn is_news(&mut self, key: &SignatureKey, counter: u64) -> bool {
        let last = self.heard.get(key).copied().unwrap_or(0);
        let has_room = self.heard.contains_key(key) || self.heard.len() < SPEAKERS_MAX;
        let is_news = counter > last && has_room;
        if is_news {
            self.heard.insert(*key, counter);
        }
        is_news
    }
}

/// Where a call stands.
#[derive(Debug)]
pub(super) enum Stage {
    Calling(Calling),
    Ringing(Ringing),
    Answering(Answering),
    Joined(Joined),
    Over(CallEnd),
}

/// This device calls.
#[derive(Debug)]
pub(super) struct Calling {
    pub began: Moment,
    pub ring_at: Moment,
    pub ringing: BTreeSet<DeviceId>,
    pub busy: BTreeSet<DeviceId>,
    pub busy_since: Option<Moment>,
}

/// It rings here.
#[derive(Debug)]
pub(super) struct Ringing {
    pub caller: Party,
    pub began: Moment,
    /// When the caller first rang, by the server's clock.
    pub time: Seconds,
    pub heard: Moment,
    pub replied: Moment,
}

/// Taken here; the caller has not said yet who has the call.
#[derive(Debug)]
pub(super) struct Answering {
    pub caller: Party,
    pub time: Seconds,
    pub with_video: bool,
    pub since: Moment,
    pub say_at: Moment,
    pub tries: u32,
    pub link: Link,
}

/// Two devices have the call.
#[derive(Debug)]
pub(super) struct Joined {
    pub peer: Party,
    pub with_video: bool,
    pub since: Moment,
    /// When, by the server's clock.
    pub time: Seconds,
    pub link: Link,
    pub talking: Option<Moment>,
    pub lost: Option<Moment>,
    /// When the other device was last heard.
    pub heard: Moment,
    /// When to say again who has the call.
    pub taken_at: Vec<Moment>,
    pub taken_said: Moment,
}

impl Joined {
    pub(super) fn new(
        peer: Party,
        with_video: bool,
        link: Link,
        time: Seconds,
        now: Moment,
    ) -> Self {
        Self {
            peer,
            with_video,
            since: now,
            time,
            link,
            talking: None,
            lost: None,
            heard: now,
            taken_at: Vec::new(),
            taken_said: now,
        }
    }
}

impl Stage {
    pub(super) fn view(&self) -> CallStage {
        match self {
            Self::Calling(calling) if calling.ringing.is_empty() => CallStage::Calling,
            Self::Calling(_) | Self::Ringing(_) => CallStage::Ringing,
            Self::Answering(_) => CallStage::Connecting,
            Self::Joined(joined) => match joined.talking {
                Some(since) => CallStage::Talking { since },
                None => CallStage::Connecting,
            },
            Self::Over(reason) => CallStage::Ended {
                reason: reason.clone(),
            },
        }
    }

    pub(super) fn peer_device(&self) -> Option<DeviceId> {
        match self {
            Self::Answering(answering) => Some(answering.caller.device),
            Self::Joined(joined) => Some(joined.peer.device),
            Self::Calling(_) | Self::Ringing(_) | Self::Over(_) => None,
        }
    }

    pub(super) fn with_video(&self) -> Option<bool> {
        match self {
            Self::Answering(answering) => Some(answering.with_video),
            Self::Joined(joined) => Some(joined.with_video),
            Self::Calling(_) | Self::Ringing(_) | Self::Over(_) => None,
        }
    }
}
