//! What shells read from the core: ready to show, no handles into it.

use crate::content::{CallLine, MessageId};
use roost_wire::{
    AccountId, AccountKey, DeviceId, DisplayName, GroupId, InviteId, Seconds, Seq, ServerId,
};

/// The account of this device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    pub account: AccountId,
    pub device: DeviceId,
    pub name: DisplayName,
    pub key: AccountKey,
    pub server: ServerId,
    /// `https://host[:port]`.
    pub origin: String,
}

/// A device of one's own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceView {
    pub device: DeviceId,
    /// The one this runs on.
    pub is_me: bool,
    /// When its credential was made.
    pub since: Seconds,
}

/// How well an account's key is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The server's word.
    FirstSight,
    /// An invite link named the key.
    VerifiedByLink,
    /// The key changed without a valid rotation: a warning.
    KeyChanged,
}

/// Somebody on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonView {
    pub account: AccountId,
    pub name: DisplayName,
    pub key: AccountKey,
    pub is_me: bool,
    pub is_admin: bool,
    pub trust: Trust,
    /// Another person whose name looks the same.
    pub looks_like: Option<AccountId>,
    /// The direct conversation with them.
    pub direct: Option<GroupId>,
}

/// A member of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    pub account: AccountId,
    pub name: DisplayName,
    pub devices: u32,
    pub is_me: bool,
    /// May change the group's policy.
    pub is_admin: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConversationKind {
    /// With this person.
    Direct(AccountId),
    Group,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConversationState {
    /// Being made or entered; sending waits.
    Joining,
    Ready,
    /// Being repaired; sending waits.
    Repairing,
    Leaving,
    /// One left, or was removed. History stays.
    Left,
    Removed,
    /// The server does not know the group (any longer).
    Gone,
}

impl ConversationState {
    /// Whether a message may be written (it may wait to be sent).
    #[must_use]
    pub const fn can_write(self) -> bool {
        matches!(self, Self::Joining | Self::Ready | Self::Repairing)
    }
}

/// The last line of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Absent for events.
    pub sender: Option<AccountId>,
    /// One line, at most 120 characters.
    pub text: String,
    pub time: Seconds,
}

/// A line of the overview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationView {
    pub id: GroupId,
    pub kind: ConversationKind,
    /// The group's name, the other person's name, or the members' names.
    pub title: String,
    pub preview: Option<Preview>,
    /// Messages of others after `read_upto`; counts to `UNREAD_MAX`.
    pub unread: u32,
    pub read_upto: Seq,
    pub state: ConversationState,
    pub draft: String,
    /// Who typed within the last seconds.
    pub typing: Vec<AccountId>,
    /// There is a group call, by the server's word.
    pub is_call_on: bool,
    /// Guests who ask to be let into the call, as they call themselves, while this device is not
    /// in it.
    pub waiting: Vec<DisplayName>,
}

/// A link by which guests come to a conversation's calls.
#[derive(Clone, PartialEq, Eq)]
pub struct CallLinkView {
    pub invite: InviteId,
    pub link: String,
    pub expires: Seconds,
    /// The server has not confirmed yet that it is over.
    pub is_withdrawn: bool,
}

/// A link is a secret.
impl std::fmt::Debug for CallLinkView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CallLinkView({})", self.invite)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Not wanted, or no account yet.
    Off,
    /// Trying.
    Connecting,
    /// Waiting before the next try: the server could not be reached.
    Waiting,
    /// Live and caught up or catching up.
    Online,
}

/// How far a message has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageState {
    /// Of somebody else.
    Received,
    /// Stored on this device, not yet on the server.
    Sending,
    /// Stored on the server for good.
    Stored,
    /// Every other person has a device that stored it.
    Delivered,
    /// Will not be sent unless retried; a sentence for the person.
    Failed(String),
}

/// The message a reply is to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    pub id: MessageId,
    /// Absent if that message is not loaded or not on this device.
    pub sender: Option<AccountId>,
    pub text: Option<String>,
}

/// One emoji and who reacted with it, in the order of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReactionView {
    pub emoji: String,
    pub who: Vec<AccountId>,
    pub mine: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    pub id: MessageId,
    /// Place in the log; none while it is on its way there.
    pub seq: Option<Seq>,
    pub sender: AccountId,
    pub mine: bool,
    /// CommonMark; empty if deleted or of an unknown kind. Of a call, one line that sums it up.
    pub text: String,
    /// A call that the sender made.
    pub call: Option<CallLine>,
    pub reply_to: Option<Quote>,
    pub reactions: Vec<ReactionView>,
    pub state: MessageState,
    pub time: Seconds,
    pub edited: bool,
    pub deleted: bool,
    /// A newer kind of message that this version cannot show.
    pub unknown: bool,
}

/// Something that happened to the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// The conversation began on this device: founded by `by`.
    Created {
        by: AccountId,
    },
    /// This device was added, by whom if known.
    Entered {
        by: Option<AccountId>,
    },
    Added {
        who: AccountId,
        by: AccountId,
    },
    /// By an invite link.
    JoinedByLink {
        who: AccountId,
    },
    Left {
        who: AccountId,
    },
    Removed {
        who: AccountId,
        by: AccountId,
    },
    /// None of their devices was heard of for months: let go, and added again when they are back.
    LetGo {
        who: AccountId,
    },
    Renamed {
        by: AccountId,
        name: String,
    },
    /// A member's trail shows a hole or a fork.
    MessagesMayBeMissing {
        from: Option<AccountId>,
    },
    /// Was there when this device entered anew, and had not been before: look who it is.
    FoundHere {
        who: AccountId,
    },
    /// This device had to enter anew: what was said meanwhile is not on it.
    Rejoined,
    /// The account's key changed without a valid rotation.
    KeyChanged {
        who: AccountId,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventView {
    pub kind: EventKind,
    /// Absent for what only this device knows.
    pub seq: Option<Seq>,
    pub time: Seconds,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThreadItem {
    Message(MessageView),
    Event(EventView),
}
