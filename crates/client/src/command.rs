//! What a person can want. A command that cannot be carried out is answered by
//! [`Notice::Refused`](crate::Notice::Refused) in the same step.

use crate::call::{MediaSignal, RingId};
use crate::content::MessageId;
use crate::room::MediaOffer;
use roost_wire::api::Want;
use roost_wire::{AccountId, DeviceId, GroupId, InviteId, Seq};

/// A wish. Those that change a group or send something are stored at once and carried out when the
/// server can be reached, also after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Use a set-up or invite link. Without an account this makes one called `name`; with one it
    /// enters the link's group, and `name` is ignored.
    Join {
        link: String,
        name: String,
    },
    /// Talk to one person; opens the conversation that exists. Answered by `Notice::Opened`.
    StartDirect(AccountId),
    /// Answered by `Notice::Opened`.
    CreateGroup {
        name: String,
        members: Vec<AccountId>,
    },
    /// Send a message (CommonMark). Answered by `Notice::Queued` with its id.
    Send {
        group: GroupId,
        text: String,
        reply_to: Option<MessageId>,
    },
    /// Any emoji.
    React {
        group: GroupId,
        message: MessageId,
        emoji: String,
    },
    /// Take one's own reaction back.
    Unreact {
        group: GroupId,
        message: MessageId,
        emoji: String,
    },
    /// Replace the text of one's own message.
    Edit {
        group: GroupId,
        message: MessageId,
        text: String,
    },
    /// Delete one's own message for everyone.
    Delete {
        group: GroupId,
        message: MessageId,
    },
    /// Send a failed message again.
    Retry {
        group: GroupId,
        message: MessageId,
    },
    /// Everything up to this entry was seen.
    MarkRead {
        group: GroupId,
        upto: Seq,
    },
    AddMembers {
        group: GroupId,
        accounts: Vec<AccountId>,
    },
    /// Remove all devices of a person.
    RemoveMember {
        group: GroupId,
        account: AccountId,
    },
    Leave(GroupId),
    Rename {
        group: GroupId,
        name: String,
    },
    /// Answered by `Notice::InviteCreated` once the server has it.
    CreateInvite {
        group: Option<GroupId>,
        uses: u32,
        days: u64,
    },
    /// Tell the others that one is typing; call it as often as keys are pressed.
    Typing(GroupId),
    /// Keep unsent text; empty forgets it.
    SetDraft {
        group: GroupId,
        text: String,
    },
    /// Load the newest part of a conversation. Answered by `Notice::ThreadChanged`.
    OpenThread(GroupId),
    /// Load the part before what is loaded.
    LoadOlder(GroupId),
    /// Forget a loaded thread.
    CloseThread(GroupId),
    /// Ask the server who is there. Answered by `Notice::PeopleChanged`.
    RefreshPeople,
    /// Ask the server for the account's devices. Answered by `Notice::DevicesChanged`.
    RefreshDevices,
    /// Shut another device out of the account, for good: its session ends, its leaves are removed,
    /// and the account's key is replaced. Answered by `Notice::DeviceRevoked`.
    RevokeDevice(DeviceId),
    /// On a new device without an account: make a request to be linked. Answered by
    /// `Notice::LinkRequest`, whose text goes to a device of the account.
    RequestLink {
        origin: String,
    },
    /// On a device of the account: let the new device in. Answered by `Notice::LinkGrant`, whose
    /// text goes back to the new device. It is encrypted for that device.
    GrantLink {
        request: String,
    },
    /// On the new device. Answered by `Notice::Joined`.
    AcceptLink {
        grant: String,
    },
    /// Whether this shell can ring and has a microphone; not stored, and not so until it is said.
    /// Without it, calls of others are not heard here.
    RingHere(bool),
    /// Call the other person of a direct conversation. Answered by `Notice::CallChanged`.
    StartCall {
        group: GroupId,
        video: bool,
    },
    /// Take the call that rings here.
    AcceptCall {
        call: RingId,
        video: bool,
    },
    /// Refuse the call that rings here, for all of one's devices.
    DeclineCall {
        call: RingId,
    },
    /// End the call: hang up, take one's own ring back, or decline.
    HangUp {
        call: RingId,
    },
    /// What the shell's peer connection says to the other one.
    CallSignal {
        call: RingId,
        signal: MediaSignal,
    },
    /// The shell's peer connection is connected (again).
    CallConnected {
        call: RingId,
    },
    /// The shell's peer connection is broken; it may come back.
    CallLost {
        call: RingId,
    },
    /// Whoever answered the shell's peer connection has another key than the one that was named in
    /// the call's signals: the call fails.
    CallForged {
        call: RingId,
    },
    /// Forget a call that has ended.
    DismissCall,
    /// Ask the server for a pass to its relay, as a call would: to look whether calls can work. Read
    /// `Core::relays` after `Notice::CallChanged`.
    AskRelays,
    /// Take part in the conversation's group call, or begin one. Needs `Connect`; nothing of it is
    /// stored. Answered by `Notice::RoomChanged`.
    EnterCall {
        conversation: GroupId,
    },
    /// Its keys are wiped at once.
    LeaveCall,
    /// Remove somebody from the call; from the conversation they are not.
    RemoveFromCall {
        account: AccountId,
    },
    /// Let somebody who is not in the conversation into its call, and into nothing else.
    AdmitGuest {
        account: AccountId,
    },
    /// Do not ask again whether this guest is to be let in.
    TurnAway {
        account: AccountId,
    },
    /// The link by which guests come to the conversation's calls; makes one that lasts a week if
    /// there is none, or another one is wanted. Answered by `Notice::CallLink`.
    MakeCallLink {
        conversation: GroupId,
        anew: bool,
    },
    /// Nobody shall come by this link any more, which one has made oneself: see
    /// `Core::own_call_links`. Guests who are in the call stay. Answered by
    /// `Notice::ConversationsChanged` once the server has heard of it.
    WithdrawCallLink {
        conversation: GroupId,
        invite: InviteId,
    },
    /// With an account: wait to be let into the group of a call of a conversation that one is not in.
    /// Answered by `Notice::RoomChanged`. Such a one has the call's keys and no media: guests come by
    /// a link. Who enters later takes them for a stranger.
    WaitForCall {
        conversation: GroupId,
        call: GroupId,
    },
    /// Without an account: be a guest, by the link of a call, and wait to be let in. Does what
    /// `Connect` does. Answered by `Notice::RoomChanged`; say it again to ask again.
    VisitCall {
        link: String,
        name: String,
    },
    /// What the page shows of itself to the others (muted, hand raised, …): its own bits, passed on
    /// as they are.
    SetRoomFlags(u32),
    /// What the page's connection offers to the server that forwards the call's media. Answered by
    /// `Notice::MediaAnswer`, `Notice::MediaLost` or `Notice::MediaRefused`.
    ConnectMedia(MediaOffer),
    /// What the page's places for other people's media are to carry; takes the place of all said
    /// before.
    WatchTracks(Vec<Want>),
    /// The page lost the counters of its frames, as after a reload of its worker, or is another page:
    /// its frames need fresh keys, and it has no connection. Answered by `Notice::RoomKeys`, and in a
    /// call by `Notice::MediaLost`.
    RenewRoomSession,
    /// Stay connected: sign in, open a socket, keep it open.
    Connect,
    /// Close the socket and send nothing more.
    Disconnect,
    /// Fetch and send everything there is, then `Notice::Settled`; without a socket unless
    /// `Connect` holds, which goes on.
    SyncOnce,
}
