//! The group call this device takes part in: its way in, its roster, its way out.
//!
//! Owns the call's own MLS group while the call lasts. None of it is stored: after a restart the
//! device enters anew, and a device that is taken away holds no key of any call. What a shell sees
//! of it is in [`crate::room`]. Never touches media.

mod announce;
mod enter;
mod guest;
mod host;
mod leave;
mod log;
mod media;
mod roster;

use super::Core;
use super::net::{Call, Wanted};
use super::turn::Turn;
use crate::group::{EpochSecret, Leaf, Mls, Staged};
use crate::notice::Notice;
use crate::port::Moment;
use crate::room::{RoomKeys, RoomMember, RoomState, RoomView, SenderKeys, frame_keys};
use log::Refused;
use roost_wire::api::{self, CallFounding, FetchLog};
use roost_wire::call::Call as _;
use roost_wire::log::LogEntry;
use roost_wire::{
    AccountId, ApiError, DeviceId, DisplayName, EntryHash, Epoch, ErrorCode, GroupId, Seq,
    SignatureKey, limit,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Epochs whose keys are kept: the current one and, for a while, the one before.
const EPOCHS_KEPT: usize = 2;
/// So long the keys of an epoch that is over are kept: for what is on its way, and for who learns of
/// the new one later, after waiting for its conversation at most. No longer, since who was removed has everybody's keys of it, and could seal
/// frames in anybody's name if the server passed them on.
const EPOCH_OVER_MS: u64 = log::PATIENCE_MS + 1_000;

/// What a request of the room is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RoomCall {
    /// The group named with it is the conversation; for all others it is the call's own.
    Open,
    /// With the commit's hash: an answer may be to the entry of a former stay.
    Enter(EntryHash),
    Log,
    /// With the commit's hash: the next one may be on its way before this one is answered.
    Commit(EntryHash),
    Leave,
    End,
    Verdict(Seq),
    Tree,
    Claim(AccountId),
    /// The group named with it is the conversation.
    Knock,
    /// With the number of the offer.
    Media(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A guest waits to be let in.
    Waiting,
    /// Asking for the way in.
    Opening,
    /// An external commit is ready or on its way.
    Entering,
    Live,
    /// The wish to leave is on its way; keys are wiped.
    Leaving {
        since: Moment,
    },
}

/// A call, as this device is in it.
pub(super) struct Room {
    conversation: GroupId,
    phase: Phase,
    call: Option<GroupId>,
    mls: Mls,
    /// A new call's group, in case that there is no call.
    founding: Option<(GroupId, CallFounding)>,
    entry: Option<Staged>,
    cursor: Seq,
    /// The socket delivers the group's entries.
    followed: bool,
    fetch: bool,
    /// Entries that wait until the conversation has caught up with them.
    parked: VecDeque<LogEntry>,
    parked_since: Option<Moment>,
    /// An own commit on its way.
    commit: Option<RoomCommit>,
    /// The next one waits until then.
    commit_after: Moment,
    refused: Option<Refused>,
    /// Commits that were merged, to be reported.
    merged: Vec<(Seq, EntryHash)>,
    seats: BTreeMap<u32, Seat>,
    secrets: Vec<Secrets>,
    session: [u8; 16],
    flags: u32,
    counter: u64,
    /// When this device next says that it is here.
    beat_at: Moment,
    /// Says it once more soon: somebody may have missed the first.
    beat_twice: bool,
    /// Of the conversation: which devices are in it, as of this epoch.
    people: BTreeMap<SignatureKey, AccountId>,
    people_epoch: Option<Epoch>,
    /// They are all of them.
    knows_people: bool,
    /// Leaves that are to be removed, and since when.
    unwanted: BTreeMap<u32, Moment>,
    /// Whom the person here wants to be removed.
    banished: BTreeSet<AccountId>,
    tries: u32,
    /// This device is in the call and not in the conversation.
    is_guest: bool,
    invited: Option<guest::Invited>,
    /// Of a guest that came by a link.
    visit: Option<guest::Visit>,
    /// Guests, for a member of the conversation.
    lobby: host::Lobby,
    media: media::Media,
}

struct RoomCommit {
    commit: Vec<u8>,
    group_info: Vec<u8>,
    welcomes: Vec<(Vec<DeviceId>, Vec<u8>)>,
    hash: EntryHash,
    accepted: bool,
}

/// A device in the call.
struct Seat {
    leaf: Leaf,
    is_guest: bool,
    /// The epoch in which it came in.
    since: u64,
    /// Its last sign of life.
    heard: Moment,
    announced: Option<Announced>,
    /// Of a guest: the name it gives itself.
    called: Option<DisplayName>,
    /// It asked to be let go, in the present epoch or before.
    leaves: Option<Leaves>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaves {
    /// The next commit carries its proposal out.
    Proposed,
    /// The commit came too early for it.
    Overtaken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Announced {
    session: [u8; 16],
    counter: u64,
    flags: u32,
}

/// What one epoch gave.
struct Secrets {
    frames: EpochSecret,
    signals: EpochSecret,
    leaves: Vec<(u32, SignatureKey)>,
    /// When the next epoch began.
    over: Option<Moment>,
}

impl Secrets {
    /// When they are to be forgotten.
    fn gone_at(&self) -> Option<Moment> {
        Some(self.over?.plus_millis(EPOCH_OVER_MS))
    }
}

impl Core {
    /// The group call this device takes part in.
    #[must_use]
    pub fn room(&self) -> Option<RoomView> {
        let room = self.room.as_ref()?;
        // Who is in a call that may be the wrong one is nothing to show.
        let shown = room.seats.values().filter(|_| !room.is_doubted());
        let members = shown.map(|seat| self.room_member(seat, room.is_guest));
        Some(RoomView {
            conversation: room.conversation,
            call: room.call,
            state: match room.phase {
                Phase::Live if room.is_doubted() => RoomState::Waiting,
                Phase::Waiting => RoomState::Waiting,
                Phase::Opening | Phase::Entering => RoomState::Entering,
                Phase::Live => RoomState::Live,
                Phase::Leaving { .. } => RoomState::Leaving,
            },
            has_knocked: room.has_knocked(),
            epoch: room.epoch(),
            members: members.collect(),
            tracks: room.room_tracks(self.me.as_ref().map(|me| me.device)),
            speaking: room.speaking(),
            visitors: room.lobby.visitors().collect(),
            is_guest: room.is_guest,
        })
    }

    /// The frame keys of the call: of the current epoch, and of the one before for six seconds; none
    /// outside a call.
    #[must_use]
    pub fn room_keys(&self) -> Option<RoomKeys> {
        let room = self
            .room
            .as_ref()
            .filter(|room| room.phase == Phase::Live && !room.is_doubted())?;
        let me = self.me.as_ref()?;
        let own = |seat: &&Seat| seat.leaf.device_key == me.device_key();
        let own = room.seats.values().find(own)?;
        let senders = room
            .secrets
            .iter()
            .flat_map(|secrets| room.senders(secrets));
        Some(RoomKeys {
            epoch: room.epoch(),
            leaf: own.leaf.index,
            senders: senders
                .map(|sender| SenderKeys {
                    is_me: sender.device == me.device,
                    ..sender
                })
                .collect(),
        })
    }

    /// The group of the call that is on in a conversation, by the server's word.
    #[must_use]
    pub fn call_on(&self, conversation: &GroupId) -> Option<GroupId> {
        self.calls_on.get(conversation).copied()
    }

    pub(super) fn enter_call(&mut self, conversation: GroupId, turn: &mut Turn<'_>) {
        if let Some(room) = &self.room {
            if room.conversation != conversation {
                turn.refuse("Leave the other call first.");
                return;
            }
            if !matches!(room.phase, Phase::Leaving { .. }) {
                return;
            }
        }
        let usable = self.conversations.get(&conversation);
        if !usable.is_some_and(super::Conversation::is_usable) {
            turn.refuse("A call needs a conversation that you are in.");
            return;
        }
        if self.net.wanted != Wanted::Live {
            turn.refuse("You are offline; a call needs a connection.");
            return;
        }
        let Some(me) = self.me.clone() else {
            return;
        };
        let mut mls = Mls::default();
        mls.set_identity(me);
        let session = turn.sixteen();
        self.room = Some(Room::new(conversation, mls, session));
        // A person waits: no back-off from earlier failures.
        self.net.answered();
        turn.notify(Notice::RoomChanged);
    }

    /// What the page says of itself to the others in the call.
    pub(super) fn set_room_flags(&mut self, flags: u32) {
        if let Some(room) = self.room.as_mut().filter(|room| room.flags != flags) {
            room.flags = flags;
            room.beat_at = Moment::default();
        }
    }

    /// The page lost its counters, or is another one: its frames get fresh keys, and it has no
    /// connection.
    pub(super) fn renew_room_session(&mut self, turn: &mut Turn<'_>) {
        let session = turn.sixteen();
        let device = self.me.as_ref().map(|me| me.device);
        let Some(room) = &mut self.room else {
            return;
        };
        room.session = session;
        room.beat_at = Moment::default();
        let own = room.seats.values_mut();
        for seat in own.filter(|seat| Some(seat.leaf.device()) == device) {
            if let Some(announced) = &mut seat.announced {
                announced.session = session;
            }
        }
        let is_live = room.phase == Phase::Live;
        turn.notify(Notice::RoomKeys);
        if is_live {
            turn.notify(Notice::MediaLost);
        }
    }

    pub(super) fn pump_room(&mut self, turn: &mut Turn<'_>) {
        let Some(room) = &self.room else {
            return;
        };
        match room.phase {
            Phase::Waiting => self.pump_waiting(turn),
            Phase::Opening => self.pump_opening(turn),
            Phase::Entering => self.pump_room_entry(turn),
            Phase::Live => {
                self.follow_room(turn);
                self.unpark(turn);
                self.look_at_people(turn);
                self.pump_room_log(turn);
                self.pump_room_verdicts(turn);
                self.pump_guests(turn);
                self.pump_roster(turn);
                self.pump_announcement(turn);
                self.pump_media(turn);
                self.pump_guesthood(turn);
            }
            Phase::Leaving { since } => {
                self.follow_room(turn);
                self.pump_room_log(turn);
                self.pump_leaving(since, turn);
            }
        }
    }

    /// Whether the group is the one of the call this device is in.
    pub(super) fn is_room(&self, group: &GroupId) -> bool {
        let call = self.room.as_ref().and_then(|room| room.call);
        call == Some(*group)
    }

    /// When the room wants to be looked at again.
    pub(super) fn room_wakes(&self) -> Vec<Moment> {
        let Some(room) = &self.room else {
            return Vec::new();
        };
        let mut wakes = vec![room.beat_at, room.commit_after];
        wakes.extend(room.parked_since.map(log::end_of_patience));
        wakes.extend(room.secrets.iter().filter_map(Secrets::gone_at));
        wakes.extend(self.removals_due());
        wakes.extend(room.seats.values().map(|seat| roster::lost_at(seat.heard)));
        wakes.extend(room.lobby.wakes());
        wakes.extend(room.visit_wakes());
        if let Phase::Leaving { since } = room.phase {
            wakes.push(leave::given_up_at(since));
        }
        wakes
    }

    pub(super) fn on_call_on(
        &mut self,
        conversation: GroupId,
        call: Option<GroupId>,
        turn: &mut Turn<'_>,
    ) {
        if !self.conversations.contains_key(&conversation) {
            return;
        }
        let before = match call {
            Some(call) => self.calls_on.insert(conversation, call),
            None => self.calls_on.remove(&conversation),
        };
        if before != call {
            turn.notify(Notice::ConversationsChanged);
        }
    }

    /// The connection is gone, and with it what was said on it.
    pub(super) fn lose_room_socket(&mut self) {
        self.calls_on.clear();
        self.door.lose_sight();
        if let Some(room) = &mut self.room {
            room.followed = false;
        }
    }

    pub(super) fn on_room_answer(
        &mut self,
        group: &GroupId,
        call: RoomCall,
        body: &[u8],
        turn: &mut Turn<'_>,
    ) -> Option<()> {
        match call {
            RoomCall::Open => {
                self.on_call_opened(group, api::OpenCall::reply(body).ok()?, turn);
            }
            RoomCall::Enter(hash) => {
                self.on_call_entered(group, hash, api::SubmitCommit::reply(body).ok()?, turn);
            }
            RoomCall::Log => self.on_room_page(group, FetchLog::reply(body).ok()?, turn),
            RoomCall::Commit(hash) => {
                api::SubmitCommit::reply(body).ok()?;
                self.on_room_commit_accepted(group, hash);
            }
            RoomCall::Leave => {
                api::SubmitProposal::reply(body).ok()?;
                self.on_left_room(group, turn);
            }
            RoomCall::End => {
                api::EndCall::reply(body).ok()?;
                self.on_left_room(group, turn);
            }
            RoomCall::Verdict(seq) => {
                let taken = api::ReportVerdict::reply(body).ok()?;
                self.on_room_verdict(group, seq, Some(taken), turn);
            }
            RoomCall::Tree => self.on_room_tree(group, &api::FetchTree::reply(body).ok()?, turn),
            RoomCall::Claim(account) => {
                let claimed = api::ClaimKeyPackages::reply(body).ok()?;
                self.on_guest_claimed(group, account, claimed, turn);
            }
            RoomCall::Knock => self.on_knocked(api::Knock::reply(body).ok()?, turn),
            RoomCall::Media(number) => {
                let connected = api::ConnectMedia::reply(body).ok()?;
                self.on_media_connected(group, number, connected, turn);
            }
        }
        Some(())
    }

    pub(super) fn on_room_refusal(
        &mut self,
        group: &GroupId,
        call: RoomCall,
        error: &ApiError,
        turn: &mut Turn<'_>,
    ) {
        if error.code.is_passing() || error.code == ErrorCode::NotSignedIn {
            return;
        }
        // What is tried again is tried soon: somebody waits.
        let jitter = turn.below(300);
        self.net
            .cool(Call::Room(*group, call), turn.now, Some(0), jitter);
        match call {
            RoomCall::Open => self.on_opening_refused(group, error, turn),
            RoomCall::Enter(hash) => self.on_room_entry_refused(group, hash, error, turn),
            RoomCall::Commit(hash) => self.on_room_commit_refused(group, hash, error, turn),
            RoomCall::Leave | RoomCall::End => {
                self.on_leaving_refused(group, call, error, turn);
            }
            RoomCall::Verdict(seq) => self.on_room_verdict(group, seq, None, turn),
            RoomCall::Log => self.on_room_gone(group, turn),
            RoomCall::Tree => self.on_room_tree_refused(group),
            RoomCall::Claim(account) => {
                self.on_guest_refused(group, account, Some(error), turn);
            }
            RoomCall::Knock => self.on_knock_refused(error, turn),
            RoomCall::Media(number) => self.on_media_refused(group, number, error, turn),
        }
    }

    /// The call is over for this device; a sentence for the person if it did not want that.
    fn end_room(&mut self, reason: Option<&str>, turn: &mut Turn<'_>) {
        let Some(room) = self.room.take() else {
            return;
        };
        if let Some(reason) = reason {
            self.fail(&room.conversation, reason, turn);
        }
        turn.notify(Notice::RoomChanged);
        turn.notify(Notice::RoomKeys);
    }

    fn room_in(&mut self, call: &GroupId) -> Option<&mut Room> {
        self.room.as_mut().filter(|room| room.call == Some(*call))
    }

    /// A guest has the name it gives itself; everybody else the one of their account.
    fn seat_name<'a>(&'a self, seat: &'a Seat) -> &'a DisplayName {
        let account = seat.leaf.account();
        let claimed = &seat.leaf.claims.name;
        let room = self.room.as_ref();
        // A guest knows of nobody whether they are one, but that members have names.
        let is_guest = seat.is_guest || room.is_some_and(|room| room.is_guest);
        if !is_guest || !seat.is_nameless() {
            return self.name_of(&account).unwrap_or(claimed);
        }
        let visit = self.session.visit.as_ref();
        let own = visit
            .filter(|_| self.is_me(&account))
            .map(|visit| &visit.name);
        let knocked = room.and_then(|room| room.lobby.name_of(&account));
        own.or(seat.called.as_ref()).or(knocked).unwrap_or(claimed)
    }

    fn room_member(&self, seat: &Seat, is_guest: bool) -> RoomMember {
        let (account, device) = (seat.leaf.account(), seat.leaf.device());
        let name = self.seat_name(seat);
        let is_me = self.me.as_ref().is_some_and(|me| me.device == device);
        RoomMember {
            account,
            device,
            leaf: seat.leaf.index,
            name: name.clone(),
            is_me,
            is_guest: seat.is_guest || (is_guest && (is_me || seat.is_nameless())),
            is_heard: seat.announced.is_some(),
            flags: seat.announced.map_or(0, |announced| announced.flags),
        }
    }
}

impl Room {
    fn new(conversation: GroupId, mls: Mls, session: [u8; 16]) -> Self {
        Self {
            conversation,
            phase: Phase::Opening,
            call: None,
            mls,
            founding: None,
            entry: None,
            cursor: Seq::NONE,
            followed: false,
            fetch: false,
            parked: VecDeque::new(),
            parked_since: None,
            commit: None,
            commit_after: Moment::default(),
            refused: None,
            merged: Vec::new(),
            seats: BTreeMap::new(),
            secrets: Vec::new(),
            session,
            flags: 0,
            counter: 0,
            beat_at: Moment::default(),
            beat_twice: false,
            people: BTreeMap::new(),
            people_epoch: None,
            knows_people: false,
            unwanted: BTreeMap::new(),
            banished: BTreeSet::new(),
            tries: 0,
            is_guest: false,
            invited: None,
            visit: None,
            lobby: host::Lobby::default(),
            media: media::Media::default(),
        }
    }

    fn epoch(&self) -> u64 {
        self.secrets
            .last()
            .map_or(0, |secrets| secrets.frames.epoch.get())
    }

    /// What opens the frames of one epoch: of those who are in the call still.
    fn senders<'a>(&'a self, secrets: &'a Secrets) -> impl Iterator<Item = SenderKeys> + 'a {
        secrets.leaves.iter().filter_map(|(index, device_key)| {
            let seat = self.seats.get(index)?;
            let announced = seat.announced?;
            let epoch = secrets.frames.epoch.get();
            let is_its = seat.leaf.device_key == *device_key && seat.since <= epoch;
            is_its.then(|| SenderKeys {
                epoch,
                leaf: *index,
                account: seat.leaf.account(),
                device: seat.leaf.device(),
                is_me: false,
                keys: frame_keys(&secrets.frames, *index, &announced.session),
            })
        })
    }

    fn next_log(&self, call: GroupId) -> FetchLog {
        FetchLog {
            group: call,
            after: self.cursor,
            limit: u32::try_from(limit::LOG_PAGE_ENTRIES).unwrap_or(u32::MAX),
        }
    }
}
