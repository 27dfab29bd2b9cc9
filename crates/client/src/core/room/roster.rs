//! Keeping a call's roster honest: whoever left, was cut off or is no longer in the conversation is
//! removed by one of the others.
//!
//! Owns who removes whom when: the lowest leaf at once, the next ones a moment later if nothing
//! has happened. Derives each commit from the present roster; one that lost its race is dropped.

use super::enter::submission;
use super::{Leaves, Phase, Room, RoomCall, RoomCommit, Seat};
use crate::core::Core;
use crate::core::net::Call;
use crate::core::turn::Turn;
use crate::group::{Changes, EpochSecret, Leaf};
use crate::notice::Notice;
use crate::port::Moment;
use crate::repair::Trouble;
use roost_wire::{AccountId, ApiError, EntryHash, Epoch, ErrorCode, GroupId};

/// A device that was not heard of for so long is cut off.
const LOST_MS: u64 = 25_000;
/// So much later does the next leaf try what the one before it has not done.
const STEP_MS: u64 = 500;
/// After a commit that was refused, at most.
const COMMIT_JITTER_MS: u64 = 300;

pub(super) fn lost_at(heard: Moment) -> Moment {
    heard.plus_millis(LOST_MS)
}

/// Why somebody is to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// Asked for it; the next commit carries that out by itself.
    Proposed,
    Lost,
    Other,
}

impl Core {
    /// Whom the person wants out of the call.
    pub(in crate::core) fn remove_from_call(&mut self, account: AccountId, turn: &mut Turn<'_>) {
        let is_me = self.is_me(&account);
        match self.room.as_mut().filter(|room| room.phase == Phase::Live) {
            Some(_) if is_me => self.leave_call(turn),
            Some(room) => {
                self.door.turn_away(account);
                room.lobby.turn_away(account);
                // Whoever has just left may come back.
                if room.has_account(&account) {
                    room.banished.insert(account);
                }
            }
            None => turn.refuse("You are not in a call."),
        }
    }

    /// What the conversation says of who is in it, once for each of its epochs.
    pub(super) fn refresh_room_people(&mut self) {
        let Some(room) = self.room.as_mut() else {
            return;
        };
        let Ok(epoch) = self.mls.epoch(&room.conversation) else {
            return;
        };
        if room.people_epoch == Some(epoch) {
            return;
        }
        if let Ok(leaves) = self.mls.leaves(&room.conversation) {
            let person = |leaf: &Leaf| (leaf.device_key, leaf.account());
            room.people = leaves.iter().map(person).collect();
            room.people_epoch = Some(epoch);
        }
    }

    /// What the conversation exports for its calls at an epoch: the present one, or one that it
    /// was in a moment ago.
    pub(super) fn call_base_at(
        &mut self,
        conversation: &GroupId,
        epoch: Epoch,
    ) -> Option<EpochSecret> {
        let current = self.mls.call_base(conversation).ok()?;
        if current.epoch == epoch {
            return Some(current);
        }
        let found = self.conversations.get(conversation)?;
        let earlier = found.call_bases.iter().find(|base| base.epoch == epoch);
        earlier.cloned()
    }

    /// Before an epoch of a conversation ends: somebody may be on the way into its call by it.
    pub(in crate::core) fn keep_call_base(&mut self, conversation: &GroupId) {
        let Ok(base) = self.mls.call_base(conversation) else {
            return;
        };
        if let Some(found) = self.conversations.get_mut(conversation) {
            found.call_bases.push(base);
            let over = found.call_bases.len().saturating_sub(super::EPOCHS_KEPT);
            found.call_bases.drain(..over);
        }
    }

    pub(super) fn look_at_people(&mut self, turn: &mut Turn<'_>) {
        let Some(room) = self.room.as_ref() else {
            return;
        };
        if room.is_guest {
            return;
        }
        let conversation = self.conversations.get(&room.conversation);
        if conversation.is_none_or(super::super::Conversation::is_over) {
            return self.end_room(Some("You are no longer in this conversation."), turn);
        }
        let before = room.people_epoch;
        self.refresh_room_people();
        let Some(room) = self
            .room
            .as_mut()
            .filter(|room| room.people_epoch != before)
        else {
            return;
        };
        let people = &room.people;
        for seat in room.seats.values_mut() {
            seat.is_guest &= !people.contains_key(&seat.leaf.device_key);
        }
        turn.notify(Notice::RoomChanged);
    }

    pub(super) fn pump_roster(&mut self, turn: &mut Turn<'_>) {
        let own = self.me.as_ref().map(|me| me.device_key());
        let now = turn.now;
        let knows_people = self.knows_people();
        let Some(room) = self.room.as_mut() else {
            return;
        };
        room.knows_people = knows_people;
        if !room.followed || room.is_guest {
            return;
        }
        let reasons = room.seats.values().filter_map(|seat| {
            let reason = room.reason(seat, now)?;
            (Some(seat.leaf.device_key) != own).then_some((seat.leaf.index, reason))
        });
        let reasons: Vec<(u32, Reason)> = reasons.collect();
        let is_unwanted = |leaf: &u32| reasons.iter().any(|(other, _)| other == leaf);
        room.unwanted.retain(|leaf, _| is_unwanted(leaf));
        for (leaf, _) in &reasons {
            room.unwanted.entry(*leaf).or_insert(now);
        }
        let admits = !room.additions().is_empty();
        let is_due = admits || self.removals_due().any(|due| due <= now);
        self.submit_removal(&reasons, is_due, turn);
    }

    /// Whether this device has read all of the conversation: before, somebody may be new in it.
    fn knows_people(&self) -> bool {
        let room = self.room.as_ref();
        let conversation = room.and_then(|room| self.conversations.get(&room.conversation));
        conversation.is_some_and(|found| found.is_usable() && found.caught_up && !found.fetch)
    }

    fn submit_removal(&mut self, reasons: &[(u32, Reason)], is_due: bool, turn: &mut Turn<'_>) {
        let now = self.net.server_time(turn.now);
        let state = self.session.state;
        let Some(room) = self.room.as_mut() else {
            return;
        };
        let Some(call) = room.call else {
            return;
        };
        let is_settled = room.refused.is_none() && room.parked.is_empty() && !room.fetch;
        if room.commit.is_none() {
            if !is_due || !is_settled || room.commit_after > turn.now {
                return;
            }
            let by_value = reasons
                .iter()
                .filter(|(_, reason)| *reason != Reason::Proposed);
            let changes = Changes {
                remove: by_value.map(|(leaf, _)| *leaf).collect(),
                for_silence: !reasons.is_empty()
                    && reasons.iter().all(|(_, reason)| *reason == Reason::Lost),
                add: room.additions(),
                ..Changes::default()
            };
            match room.mls.commit(&call, changes, now) {
                Ok(commit) => {
                    room.commit = Some(RoomCommit {
                        hash: EntryHash::of(&commit.bytes),
                        commit: commit.bytes,
                        group_info: commit.group_info,
                        welcomes: commit.welcomes,
                        accepted: false,
                    });
                }
                Err(_) if room.lobby.give_up() => return self.fail_admission(turn),
                Err(_) => return self.look_again(Some(Trouble::StateLost), turn),
            }
        }
        let commit = self.room.as_ref().and_then(|room| room.commit.as_ref());
        let waiting = commit.filter(|commit| !commit.accepted);
        let request = waiting.and_then(|commit| {
            let (bytes, info) = (&commit.commit, &commit.group_info);
            let request = submission(call, bytes, info, &commit.welcomes, state)?;
            Some((commit.hash, request))
        });
        if let Some((hash, request)) = request {
            self.call(Call::Room(call, RoomCall::Commit(hash)), &request, turn);
        }
    }

    /// It is applied when it comes back from the log.
    pub(super) fn on_room_commit_accepted(&mut self, call: &GroupId, hash: EntryHash) {
        let commit = self.room_in(call).and_then(|room| room.commit.as_mut());
        if let Some(commit) = commit.filter(|commit| commit.hash == hash) {
            commit.accepted = true;
        }
    }

    pub(super) fn on_room_commit_refused(
        &mut self,
        call: &GroupId,
        hash: EntryHash,
        error: &ApiError,
        turn: &mut Turn<'_>,
    ) {
        let is_of = |room: &&mut Room| room.commit.as_ref().is_some_and(|it| it.hash == hash);
        let Some(room) = self.room_in(call).filter(is_of) else {
            return;
        };
        room.commit = None;
        // Others who try at the same time do not wait as long.
        room.commit_after = turn.now.plus_millis(turn.below(COMMIT_JITTER_MS));
        if room.mls.drop_pending(call).is_err() {
            room.mls.forget(call);
        }
        // Somebody else was first: the log tells.
        room.fetch = true;
        // What the server refuses once it refuses again, and removals would wait behind it.
        if error.code == ErrorCode::Refused && room.lobby.give_up() {
            self.fail_admission(turn);
        }
        if error.code == ErrorCode::Suspended {
            self.look_again(Some(Trouble::CommitVoided), turn);
        }
    }

    fn fail_admission(&mut self, turn: &mut Turn<'_>) {
        if let Some(conversation) = self.room.as_ref().map(|room| room.conversation) {
            self.fail(&conversation, "The guest could not be let in.", turn);
        }
    }

    /// When this device is to remove those that are to be removed, if nobody else has by then.
    pub(super) fn removals_due(&self) -> impl Iterator<Item = Moment> {
        let own = self.me.as_ref().map(|me| me.device_key());
        let room = self.room.as_ref();
        let due = room.map(|room| {
            let mut before: u64 = 0;
            for seat in room.seats.values() {
                if Some(seat.leaf.device_key) == own {
                    break;
                }
                let acts = !seat.is_guest && !room.unwanted.contains_key(&seat.leaf.index);
                before = before.saturating_add(u64::from(acts));
            }
            let due = |(leaf, since): (&u32, &Moment)| {
                let seat = room.seats.get(leaf);
                let is_own_wish =
                    seat.is_some_and(|seat| room.banished.contains(&seat.leaf.account()));
                let rank = if is_own_wish { 0 } else { before };
                since.plus_millis(rank.saturating_mul(STEP_MS))
            };
            room.unwanted.iter().map(due).collect::<Vec<_>>()
        });
        due.unwrap_or_default().into_iter()
    }
}

impl Room {
    pub(super) fn is_in_conversation(&self, leaf: &Leaf) -> bool {
        self.people.get(&leaf.device_key) == Some(&leaf.account())
    }

    pub(super) fn note_leaver(&mut self, leaf: u32) {
        if let Some(seat) = self.seats.get_mut(&leaf) {
            seat.leaves = Some(Leaves::Proposed);
        }
    }

    fn reason(&self, seat: &Seat, now: Moment) -> Option<Reason> {
        match seat.leaves {
            Some(Leaves::Proposed) => return Some(Reason::Proposed),
            Some(Leaves::Overtaken) => return Some(Reason::Other),
            None => {}
        }
        let account = seat.leaf.account();
        let is_stranger =
            !seat.is_guest && self.knows_people && !self.is_in_conversation(&seat.leaf);
        let is_unwanted = self.banished.contains(&account) || self.lobby.is_returning(&account);
        if is_stranger || is_unwanted {
            Some(Reason::Other)
        } else if lost_at(seat.heard) <= now {
            Some(Reason::Lost)
        } else {
            None
        }
    }
}
