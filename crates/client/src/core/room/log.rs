//! Following a call's log: every entry once, in order, and nobody enters whom the conversation does
//! not know.
//!
//! Owns the member's part of the rules: a joiner's device is in the conversation now, and the key
//! of its proof is one that the conversation gave. The server cannot check the second.

use super::{Phase, Room, RoomCall};
use crate::core::Core;
use crate::core::net::Call;
use crate::core::turn::Turn;
use crate::group::{call_entry, changes_of};
use crate::notice::Notice;
use crate::port::Moment;
use crate::repair::Trouble;
use mls_rs::group::ReceivedMessage;
use roost_mls::{CallSecret, HandshakeKind, read_handshake};
use roost_wire::api::{LogPage, Remedy, ReportVerdict, Verdict, VerdictTaken};
use roost_wire::frame::{ClientFrame, Cursor};
use roost_wire::log::{EntryKind, LogEntry};
use roost_wire::{EntryHash, GroupId, Seq};

/// A joiner may know of an epoch of the conversation that has not come here yet: so long it is
/// waited for.
pub(super) const PATIENCE_MS: u64 = 5_000;
const PARKED_MAX: usize = 64;
/// The server is asked this often what is to become of a refused commit.
const VERDICT_ASKS_MAX: u32 = 6;
const MERGED_WAITING_MAX: usize = 64;
const MEMBER_REMOVED: &str = "You were removed from the call. You can join it again.";
const GUEST_REMOVED: &str = "You were removed from the call. You can ask to be let in again.";

/// A commit that this device had to refuse.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused {
    seq: Seq,
    hash: EntryHash,
    asked: u32,
    /// It stands, unless the log says by now that it was taken back.
    stands: bool,
}

/// What becomes of a joiner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Open,
    Shut,
    /// The conversation has to catch up first.
    Later,
}

pub(super) fn end_of_patience(since: Moment) -> Moment {
    since.plus_millis(PATIENCE_MS)
}

impl Core {
    pub(super) fn follow_room(&mut self, turn: &mut Turn<'_>) {
        let is_live = self.net.socket.is_live();
        let Some(room) = self.room.as_mut().filter(|room| is_live && !room.followed) else {
            return;
        };
        let Some(group) = room.call else {
            return;
        };
        room.followed = true;
        room.parked.clear();
        room.parked_since = None;
        // Nobody could be heard meanwhile.
        for seat in room.seats.values_mut() {
            seat.heard = turn.now;
        }
        room.beat_at = Moment::default();
        room.doubt_media(turn);
        let seq = room.cursor;
        let cursor = Cursor { group, seq };
        crate::core::socket::send(&ClientFrame::Follow { cursor }, turn);
    }

    pub(super) fn pump_room_log(&mut self, turn: &mut Turn<'_>) {
        let Some(room) = self.room.as_ref().filter(|room| room.fetch) else {
            return;
        };
        if let Some(group) = room.call {
            let request = room.next_log(group);
            self.call(Call::Room(group, RoomCall::Log), &request, turn);
        }
    }

    pub(super) fn on_room_page(&mut self, call: &GroupId, page: LogPage, turn: &mut Turn<'_>) {
        let Some(room) = self.reading_room_in(call) else {
            return;
        };
        room.fetch = false;
        let before = room.cursor;
        if page.tail > before.next() && page.head > before {
            return self.look_again(Some(Trouble::LogGone), turn);
        }
        for entry in page.entries.into_vec() {
            self.on_room_entry(call, entry, turn);
        }
        let Some(room) = self.room_in(call) else {
            return;
        };
        room.fetch = room.cursor < page.head && room.cursor > before;
        if !room.fetch && room.refused.is_some_and(|refused| refused.stands) {
            self.look_again(Some(Trouble::CommitRefused), turn);
        }
    }

    pub(in crate::core) fn on_room_head(&mut self, call: &GroupId, head: Seq) {
        if let Some(room) = self.reading_room_in(call) {
            room.fetch |= room.parked.is_empty() && room.cursor < head;
        }
    }

    /// A guest who waits to be let in reads no log: what comes of it is from before they left.
    fn reading_room_in(&mut self, call: &GroupId) -> Option<&mut Room> {
        self.room_in(call)
            .filter(|room| room.phase != Phase::Waiting)
    }

    /// The server does not know the call, or not this device in it.
    pub(in crate::core) fn on_room_gone(&mut self, call: &GroupId, turn: &mut Turn<'_>) {
        let Some(room) = self.reading_room_in(call) else {
            return;
        };
        if let Phase::Leaving { .. } = room.phase {
            self.end_room(None, turn);
        } else {
            self.look_again(Some(Trouble::LogGone), turn);
        }
    }

    /// Takes the next entry. Earlier ones are known; later ones wait until the hole is filled.
    pub(in crate::core) fn on_room_entry(
        &mut self,
        call: &GroupId,
        entry: LogEntry,
        turn: &mut Turn<'_>,
    ) {
        let Some(room) = self.reading_room_in(call) else {
            return;
        };
        let waiting = u64::try_from(room.parked.len()).unwrap_or(u64::MAX);
        let next = Seq::new(room.cursor.get().saturating_add(waiting)).next();
        if entry.seq < next {
            return;
        }
        if entry.seq > next || entry.is_stub() {
            room.fetch = true;
        } else if room.parked.is_empty() {
            self.take_room_entry(call, entry, turn);
        } else if room.parked.len() < PARKED_MAX {
            room.parked.push_back(entry);
        } else {
            self.look_again(Some(Trouble::StateLost), turn);
        }
    }

    /// The conversation may have caught up with what waits for it.
    pub(super) fn unpark(&mut self, turn: &mut Turn<'_>) {
        loop {
            let Some(room) = self.room.as_mut() else {
                return;
            };
            let (Some(call), Some(entry)) = (room.call, room.parked.pop_front()) else {
                return;
            };
            let seq = entry.seq;
            self.take_room_entry(&call, entry, turn);
            let Some(room) = self.room.as_mut() else {
                return;
            };
            if room.parked.front().is_some_and(|front| front.seq == seq) {
                // It waits on.
                return;
            }
        }
    }

    fn take_room_entry(&mut self, call: &GroupId, entry: LogEntry, turn: &mut Turn<'_>) {
        let body = entry.body.as_ref().map(|body| body.as_bytes().to_vec());
        let body = body.filter(|body| EntryHash::of(body) == entry.hash);
        let stuck = self
            .room_in(call)
            .is_some_and(|room| room.refused.is_some());
        match (entry.kind, body) {
            (EntryKind::Void, _) => self.on_room_void(&entry, turn),
            _ if stuck => {}
            (EntryKind::Commit, Some(body)) => {
                if self.gate_of(call, &body, turn) == Gate::Later {
                    return self.park(call, entry, turn);
                }
                self.on_room_commit(call, &entry, &body, turn);
            }
            (EntryKind::Proposal, Some(body)) => self.on_room_proposal(call, &entry, &body),
            (EntryKind::Message | EntryKind::Commit | EntryKind::Proposal, _) => {}
        }
        if let Some(room) = self.room_in(call) {
            room.cursor = room.cursor.max(entry.seq);
            room.parked_since = None;
        }
    }

    fn park(&mut self, call: &GroupId, entry: LogEntry, turn: &mut Turn<'_>) {
        let now = turn.now;
        let Some(room) = self.room_in(call) else {
            return;
        };
        room.parked.push_front(entry);
        room.parked_since.get_or_insert(now);
        let conversation = room.conversation;
        if let Some(conversation) = self.conversations.get_mut(&conversation) {
            conversation.fetch = true;
        }
    }

    /// Whether whoever enters by this commit may. A member's own commit passes.
    fn gate_of(&mut self, call: &GroupId, commit: &[u8], turn: &Turn<'_>) -> Gate {
        // A guest cannot know; the members do.
        if self.room.as_ref().is_some_and(|room| room.is_guest) {
            return Gate::Open;
        }
        let entry = match call_entry(commit) {
            Ok(None) => return Gate::Open,
            Ok(Some(entry)) => entry,
            Err(_) => return Gate::Shut,
        };
        self.refresh_room_people();
        let Some(room) = self.room.as_ref() else {
            return Gate::Shut;
        };
        let conversation = room.conversation;
        let patience = room.parked_since.map(end_of_patience);
        let current = self.mls.epoch(&conversation);
        if current.is_ok_and(|current| entry.proof.epoch > current) {
            let waited = patience.is_some_and(|end| end <= turn.now);
            return if waited { Gate::Shut } else { Gate::Later };
        }
        let joiner = (entry.joiner.device_key(), entry.joiner.account);
        let is_there = room.people.get(joiner.0) == Some(&joiner.1);
        let base = self.call_base_at(&conversation, entry.proof.epoch);
        let key = base.map(|base| CallSecret::new(&base.secret, call).key());
        if is_there && key == Some(entry.proof.key) {
            Gate::Open
        } else {
            Gate::Shut
        }
    }

    fn on_room_commit(
        &mut self,
        call: &GroupId,
        entry: &LogEntry,
        body: &[u8],
        turn: &mut Turn<'_>,
    ) {
        let is_shut = self.gate_of(call, body, turn) != Gate::Open;
        let Some(room) = self.room_in(call) else {
            return;
        };
        match room.mls.epoch(call) {
            Ok(current) if entry.epoch < current => return,
            Ok(current) if entry.epoch == current => {}
            Ok(_) | Err(_) => return self.look_again(Some(Trouble::StateLost), turn),
        }
        if is_shut {
            return self.refuse_room_commit(call, entry);
        }
        let before = room.mls.leaves(call).unwrap_or_default();
        let Ok(ReceivedMessage::Commit(commit)) = room.mls.apply_handshake(call, body, entry.time)
        else {
            return self.refuse_room_commit(call, entry);
        };
        let after = room.mls.leaves(call).unwrap_or_default();
        let changes = changes_of(&before, &after, &commit);
        if !changes.is_external && !room.may_commit(commit.committer) {
            return self.refuse_room_commit(call, entry);
        }
        if changes.removed_us {
            return self.on_removed_from_room(changes.for_silence, turn);
        }
        if !changes.for_silence {
            room.lobby.forget_let_in(changes.gone_accounts.iter());
        }
        let own = room.commit.take().map(|commit| commit.hash) == Some(entry.hash);
        let entered = commit.is_external.then_some(commit.committer);
        if room.mls.save_with_tree(call).is_err() || !room.begin_epoch(entered, turn.now) {
            return self.look_again(Some(Trouble::StateLost), turn);
        }
        if !own && room.merged.len() < MERGED_WAITING_MAX {
            room.merged.push((entry.seq, entry.hash));
        }
        self.hear_self();
        turn.notify(Notice::RoomChanged);
        turn.notify(Notice::RoomKeys);
    }

    /// Whoever was cut off comes back by itself; whoever was shut out does not.
    fn on_removed_from_room(&mut self, for_silence: bool, turn: &mut Turn<'_>) {
        let Some(room) = &self.room else {
            return;
        };
        match room.phase {
            Phase::Leaving { .. } => self.end_room(None, turn),
            _ if for_silence => self.look_again(Some(Trouble::LogGone), turn),
            _ if room.is_guest => self.end_room(Some(GUEST_REMOVED), turn),
            _ => self.end_room(Some(MEMBER_REMOVED), turn),
        }
    }

    fn refuse_room_commit(&mut self, call: &GroupId, entry: &LogEntry) {
        self.troubles.count(Trouble::CommitRefused);
        if let Some(room) = self.room_in(call) {
            room.mls.forget(call);
            room.commit = None;
            room.refused = Some(Refused {
                seq: entry.seq,
                hash: entry.hash,
                asked: 0,
                stands: false,
            });
        }
    }

    fn on_room_proposal(&mut self, call: &GroupId, entry: &LogEntry, body: &[u8]) {
        let Some(room) = self.room_in(call) else {
            return;
        };
        let Ok(HandshakeKind::SelfRemove { leaf }) = read_handshake(body).map(|read| read.kind)
        else {
            return;
        };
        // One's own is known already.
        if room.mls.own_index(call).is_ok_and(|own| own == leaf) {
            return;
        }
        let applied = room.mls.apply_handshake(call, body, entry.time);
        if matches!(applied, Ok(ReceivedMessage::Proposal(_))) && room.mls.save(call).is_ok() {
            room.note_leaver(leaf);
        } else {
            room.mls.forget(call);
        }
    }

    /// A commit was taken back: whoever refused it goes on, whoever merged it enters anew.
    fn on_room_void(&mut self, entry: &LogEntry, turn: &mut Turn<'_>) {
        let Some(room) = self.room.as_mut() else {
            return;
        };
        let Some(call) = room.call else {
            return;
        };
        if room.refused.map(|refused| refused.seq) == entry.voids && entry.voids.is_some() {
            room.refused = None;
        } else if room.mls.epoch(&call).is_ok_and(|epoch| epoch > entry.epoch) {
            self.look_again(Some(Trouble::CommitVoided), turn);
        }
    }

    pub(super) fn pump_room_verdicts(&mut self, turn: &mut Turn<'_>) {
        let Some((group, room)) = self.room.as_ref().and_then(|room| Some((room.call?, room)))
        else {
            return;
        };
        let (seq, hash, verdict) = match (room.refused, room.merged.first()) {
            (Some(refused), _) if refused.stands => return,
            (Some(refused), _) => (refused.seq, refused.hash, Verdict::Refused),
            (None, Some((seq, hash))) => (*seq, *hash, Verdict::Merged),
            (None, None) => return,
        };
        let request = ReportVerdict {
            group,
            seq,
            hash,
            verdict,
        };
        self.call(Call::Room(group, RoomCall::Verdict(seq)), &request, turn);
    }

    /// What the server says to a verdict; none if it takes none.
    pub(super) fn on_room_verdict(
        &mut self,
        call: &GroupId,
        seq: Seq,
        taken: Option<VerdictTaken>,
        turn: &mut Turn<'_>,
    ) {
        let Some(room) = self.room_in(call) else {
            return;
        };
        room.merged.retain(|(other, _)| *other != seq);
        let Some(refused) = room.refused.as_mut().filter(|refused| refused.seq == seq) else {
            return;
        };
        refused.asked = refused.asked.saturating_add(1);
        let asked = refused.asked;
        let goes_on = taken.is_some_and(|taken| taken.remedy == Remedy::GoOn);
        refused.stands = !goes_on || asked >= VERDICT_ASKS_MAX;
        // The answer may be in the log already.
        room.fetch = true;
        let wait = Call::Room(*call, RoomCall::Verdict(seq));
        self.net.cool(wait, turn.now, Some(1), 0);
    }
}

impl super::Room {
    /// In a call, those of the conversation let in and remove; guests change nothing, nor does who is
    /// out of the conversation by now. A guest cannot tell who is what.
    fn may_commit(&self, committer: u32) -> bool {
        let may = |seat: &super::Seat| {
            !seat.is_guest && (!self.knows_people || self.is_in_conversation(&seat.leaf))
        };
        self.is_guest || self.seats.get(&committer).is_some_and(may)
    }
}
