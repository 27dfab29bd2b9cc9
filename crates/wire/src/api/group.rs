//! Groups: founding, commits, messages, the log, and what joiners need.

use super::Done;
use crate::call::{Call, Method};
use crate::frame::Cursor;
use crate::log::{InboxItem, LogEntry};
use crate::{
    Blob, DeviceId, EntryHash, Epoch, GroupId, InboxSeq, Incarnation, List, Seconds, Seq,
    StateCounter, limit,
};
use minicbor::{Decode, Encode};

/// A GroupInfo as MLSMessage, without the tree.
pub type GroupInfoBytes = Blob<{ limit::GROUP_INFO_BYTES }>;
/// A ratchet tree (RFC 9420, section 12.4.3.3).
pub type TreeBytes = Blob<{ limit::TREE_BYTES }>;

/// `POST /v1/groups`: founds a group at epoch 0 with its creator's one leaf. Idempotent.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FoundGroup {
    #[n(0)]
    pub group_info: GroupInfoBytes,
    #[n(1)]
    pub tree: TreeBytes,
}

/// The submission is stored for good; the number is its place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Accepted {
    #[n(0)]
    pub seq: Seq,
    /// The group's epoch after it.
    #[n(1)]
    pub epoch: Epoch,
    #[n(2)]
    pub time: Seconds,
}

impl Call for FoundGroup {
    type Reply = Accepted;
    const METHOD: Method = Method::Post;

    fn path(&self) -> String {
        "/v1/groups".into()
    }
}

/// `POST /v1/groups/{group}/commits`: an own or an external commit. The first valid one of an epoch
/// wins; the others get `Stale`. Sending the same bytes again gives the first answer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SubmitCommit {
    #[n(0)]
    pub group: GroupId,
    #[n(1)]
    pub commit: Blob<{ limit::COMMIT_BYTES }>,
    /// GroupInfo of the new epoch, allowing external commits.
    #[n(2)]
    pub group_info: GroupInfoBytes,
    #[n(3)]
    pub welcomes: List<WelcomeFor, { limit::ADDS_PER_COMMIT }>,
    #[n(4)]
    pub state: StateCounter,
}

/// A Welcome and the devices it is for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct WelcomeFor {
    #[n(0)]
    pub devices: List<DeviceId, { limit::ADDS_PER_COMMIT }>,
    #[n(1)]
    pub welcome: Blob<{ limit::WELCOME_BYTES }>,
}

impl Call for SubmitCommit {
    type Reply = Accepted;
    const METHOD: Method = Method::Post;

    fn path(&self) -> String {
        format!("/v1/groups/{}/commits", self.group)
    }
}

/// `POST /v1/groups/{group}/proposals`: a SelfRemove of its sender, the only proposal by reference.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SubmitProposal {
    #[n(0)]
    pub group: GroupId,
    #[n(1)]
    pub proposal: Blob<{ limit::PROPOSAL_BYTES }>,
}

impl Call for SubmitProposal {
    type Reply = Accepted;
    const METHOD: Method = Method::Post;

    fn path(&self) -> String {
        format!("/v1/groups/{}/proposals", self.group)
    }
}

/// `POST /v1/groups/{group}/messages`: an application message. Sending the same bytes again gives
/// the first answer. (The WebSocket's `Submit` does the same.)
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SubmitMessage {
    #[n(0)]
    pub group: GroupId,
    #[n(1)]
    pub message: Blob<{ limit::MESSAGE_BYTES }>,
    #[n(2)]
    pub state: StateCounter,
    /// The entry that began the message's epoch, 0 for the founding: a commit that was taken back
    /// and the one in its place begin two epochs of one number. Without it only the number counts.
    #[n(3)]
    pub began: Option<Seq>,
}

impl Call for SubmitMessage {
    type Reply = Accepted;
    const METHOD: Method = Method::Post;

    fn path(&self) -> String {
        format!("/v1/groups/{}/messages", self.group)
    }
}

/// `GET /v1/groups/{group}/log`: entries after a cursor, oldest first, bodies included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FetchLog {
    #[n(0)]
    pub group: GroupId,
    #[n(1)]
    pub after: Seq,
    /// At most this many, at most [`limit::LOG_PAGE_ENTRIES`].
    #[n(2)]
    pub limit: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LogPage {
    #[n(0)]
    pub entries: List<LogEntry, { limit::LOG_PAGE_ENTRIES }>,
    /// The oldest entry still kept.
    #[n(1)]
    pub tail: Seq,
    #[n(2)]
    pub head: Seq,
    #[n(3)]
    pub incarnation: Incarnation,
    /// Every other account has a device that stored everything up to here.
    #[n(4)]
    pub delivered: Seq,
}

impl Call for FetchLog {
    type Reply = LogPage;
    const METHOD: Method = Method::Get;

    fn path(&self) -> String {
        format!(
            "/v1/groups/{}/log?after={}&limit={}",
            self.group, self.after, self.limit
        )
    }
}

/// `GET /v1/groups/{group}/info`: what an external commit starts from, all of one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FetchGroupInfo {
    #[n(0)]
    pub group: GroupId,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct GroupInfoBundle {
    #[n(0)]
    pub group_info: GroupInfoBytes,
    #[n(1)]
    pub tree: TreeBytes,
    #[n(2)]
    pub epoch: Epoch,
    #[n(3)]
    pub head: Seq,
    #[n(4)]
    pub time: Seconds,
    #[n(5)]
    pub incarnation: Incarnation,
}

impl Call for FetchGroupInfo {
    type Reply = GroupInfoBundle;
    const METHOD: Method = Method::Get;
    const REPLY_BYTES: usize = limit::FOUND_BODY_BYTES;

    fn path(&self) -> String {
        format!("/v1/groups/{}/info", self.group)
    }
}

/// `GET /v1/groups/{group}/trees/{epoch}`: the tree that goes with a Welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FetchTree {
    #[n(0)]
    pub group: GroupId,
    #[n(1)]
    pub epoch: Epoch,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Tree {
    #[n(0)]
    pub tree: TreeBytes,
}

impl Call for FetchTree {
    type Reply = Tree;
    const METHOD: Method = Method::Get;
    const REPLY_BYTES: usize = limit::FOUND_BODY_BYTES;

    fn path(&self) -> String {
        format!("/v1/groups/{}/trees/{}", self.group, self.epoch)
    }
}

/// What a device made of a commit that the server accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Verdict {
    #[n(0)]
    Merged,
    #[n(1)]
    Refused,
}

/// `POST /v1/groups/{group}/verdicts`: the server cannot check all of a commit; devices report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReportVerdict {
    #[n(0)]
    pub group: GroupId,
    #[n(1)]
    pub seq: Seq,
    #[n(2)]
    pub hash: EntryHash,
    #[n(3)]
    pub verdict: Verdict,
}

/// What follows from it for the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Remedy {
    /// Nothing, or wait: the log will tell.
    #[n(0)]
    GoOn,
    /// Others merged the commit: leave the old state and rejoin by external commit.
    #[n(1)]
    Rejoin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct VerdictTaken {
    #[n(0)]
    pub remedy: Remedy,
}

impl Call for ReportVerdict {
    type Reply = VerdictTaken;
    const METHOD: Method = Method::Post;

    fn path(&self) -> String {
        format!("/v1/groups/{}/verdicts", self.group)
    }
}

/// `GET /v1/inbox`: items after a place, for clients without a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FetchInbox {
    #[n(0)]
    pub after: InboxSeq,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct InboxPage {
    #[n(0)]
    pub items: List<InboxRow, { limit::INBOX_PAGE_ITEMS }>,
    #[n(1)]
    pub more: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct InboxRow {
    #[n(0)]
    pub seq: InboxSeq,
    #[n(1)]
    pub item: InboxItem,
}

impl Call for FetchInbox {
    type Reply = InboxPage;
    const METHOD: Method = Method::Get;

    fn path(&self) -> String {
        format!("/v1/inbox?after={}", self.after)
    }
}

/// `POST /v1/acks`: the frame `Ack` for clients without a socket.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Acknowledge {
    #[n(0)]
    pub cursors: List<Cursor, { limit::GROUPS_PER_DEVICE }>,
    #[n(1)]
    pub inbox: InboxSeq,
    #[n(2)]
    pub state: StateCounter,
}

impl Call for Acknowledge {
    type Reply = Done;
    const METHOD: Method = Method::Post;

    fn path(&self) -> String {
        "/v1/acks".into()
    }
}
