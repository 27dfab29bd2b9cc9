//! What a shell may want to show. Views are read from the core; notices say what to read again.

use crate::call::{MediaSignal, RingId};
use crate::content::MessageId;
use crate::repair::Trouble;
use roost_wire::api::Sdp;
use roost_wire::{AccountId, DeviceId, GroupId, Seconds};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// There is an account now.
    Joined,
    /// The command could not be carried out; a sentence for the person.
    Refused {
        reason: String,
    },
    /// Something wanted earlier turned out to be impossible; a sentence for the person.
    Failed {
        group: Option<GroupId>,
        reason: String,
    },
    /// The conversation a command asked for.
    Opened(GroupId),
    /// A message was stored and will be sent.
    Queued {
        group: GroupId,
        message: MessageId,
    },
    /// The server has stored a message of this device.
    Stored {
        group: GroupId,
        message: MessageId,
    },
    /// A message of somebody else came, worth a notification.
    Received {
        group: GroupId,
        message: MessageId,
        sender: AccountId,
    },
    InviteCreated {
        group: Option<GroupId>,
        link: String,
        expires: Seconds,
    },
    /// The link by which guests come to the conversation's calls.
    CallLink {
        conversation: GroupId,
        link: String,
        expires: Seconds,
    },
    LinkRequest {
        text: String,
    },
    LinkGrant {
        text: String,
    },
    /// Read `Core::conversations` again.
    ConversationsChanged,
    /// Read `Core::thread` again.
    ThreadChanged(GroupId),
    /// Read `Core::people` again.
    PeopleChanged,
    /// Read `Core::devices` again.
    DevicesChanged,
    /// A device is shut out, and the account has a new key.
    DeviceRevoked(DeviceId),
    /// Read `Core::connection` again.
    ConnectionChanged,
    /// Read `Core::current_call` again.
    CallChanged,
    /// For the shell's peer connection: in order, and each once.
    CallSignal {
        call: RingId,
        signal: MediaSignal,
    },
    /// Something went wrong inside a group and is being repaired without the person.
    Repairing {
        group: GroupId,
        trouble: Trouble,
    },
    /// Another key speaks for this account: show a warning.
    KeyChanged(AccountId),
    /// Read `Core::room` again.
    RoomChanged,
    /// Read `Core::room_keys` again.
    RoomKeys,
    /// The server's answer to the page's last offer.
    MediaAnswer(Sdp),
    /// The server may have forgotten the page's connection: offer again on it.
    MediaDoubtful,
    /// The server has no connection of this device to the call's media: make a new one.
    MediaLost,
    /// The server forwards nothing; the reason is a sentence for the person.
    MediaRefused(String),
    /// No answer came from the server; the core tries again while `Connect` holds.
    Unreachable,
    /// Everything that can be done now is done, or the server is not reachable (after `SyncOnce`).
    Settled,
}
