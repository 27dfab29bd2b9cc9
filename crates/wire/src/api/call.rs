//! Calls of a conversation: each has an MLS group of its own, and a conversation has at most one.

use super::{Accepted, Done, GroupInfoBundle, GroupInfoBytes};
use crate::call::{Call, Method};
use crate::{Blob, GroupId, limit};
use minicbor::{Decode, Encode};

/// `POST /v1/groups/{group}/call`: the way into a conversation's call, or the beginning of one. The
/// first who founds one wins; the others get what they need to enter that one. Sending the same
/// bytes again gives the first answer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OpenCall {
    /// The conversation.
    #[n(0)]
    pub group: GroupId,
    /// The group of a new call, in case that there is none. Without it `NotFound` says so.
    #[n(1)]
    pub founding: Option<CallFounding>,
}

/// A call's new group at epoch 0, with its founder's one leaf.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CallFounding {
    #[n(0)]
    pub group_info: GroupInfoBytes,
    #[n(1)]
    pub tree: Blob<{ limit::CALL_FOUNDING_TREE_BYTES }>,
}

/// Exactly one of `founded` and `info` is there.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CallOpened {
    /// The group of the call.
    #[n(0)]
    pub call: GroupId,
    /// The caller's own group is the call's.
    #[n(1)]
    pub founded: Option<Accepted>,
    /// What an external commit into the call's group starts from.
    #[n(2)]
    pub info: Option<GroupInfoBundle>,
}

impl Call for OpenCall {
    type Reply = CallOpened;
    const METHOD: Method = Method::Post;
    const REPLY_BYTES: usize = limit::FOUND_BODY_BYTES;

    fn path(&self) -> String {
        format!("/v1/groups/{}/call", self.group)
    }
}

/// `POST /v1/groups/{group}/end`: the last device of its conversation ends a call, also for
/// guests that are in it. Its group is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EndCall {
    /// The group of the call.
    #[n(0)]
    pub group: GroupId,
}

impl Call for EndCall {
    type Reply = Done;
    const METHOD: Method = Method::Post;

    fn path(&self) -> String {
        format!("/v1/groups/{}/end", self.group)
    }
}

/// A guest's name and key, sealed with the secret of its link; opaque here.
pub type SealedKnock = Blob<{ limit::KNOCK_BYTES }>;

/// `POST /v1/knocks`: a guest asks to be let into the call that its link is for. Whoever is in the
/// conversation and connected hears of it; asking again, at most [`limit::KNOCKS_PER_SECOND`] times
/// a second, is how a guest waits.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Knock {
    #[n(0)]
    pub sealed: SealedKnock,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Knocked {
    /// The group of the call; none while there is no call.
    #[n(0)]
    pub call: Option<GroupId>,
}

impl Call for Knock {
    type Reply = Knocked;
    const METHOD: Method = Method::Post;

    fn path(&self) -> String {
        "/v1/knocks".into()
    }
}
