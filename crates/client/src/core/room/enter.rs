//! Into a call: one request that founds it or tells the way in, one more to enter.
//!
//! Owns what is believed of a call before it is entered: its policy binds it to the conversation,
//! and a device of the conversation vouches for its state. Builds in memory only.

use super::{Phase, Room, RoomCall};
use crate::call::RingId;
use crate::content::{CallLine, CallOutcome};
use crate::core::Core;
use crate::core::net::Call;
use crate::core::turn::Turn;
use crate::group::{Bundle, Shown, Staged, leaves_in, signer_of};
use crate::notice::Notice;
use crate::port::Moment;
use crate::repair::Trouble;
use roost_mls::{CallProof, CallSecret, GroupPolicy};
use roost_wire::api::{
    Accepted, CallFounding, CallOpened, GroupInfoBundle, OpenCall, SubmitCommit, WelcomeFor,
};
use roost_wire::{
    ApiError, Blob, DeviceId, EntryHash, ErrorCode, GroupId, List, Seq, StateCounter,
};

/// What is in the way may be over soon: somebody's device that is behind, or a call that ends.
pub(super) const NOT_ENTERED: &str = "The call could not be entered. Try again in a minute; if it \
     fails, ask somebody in the call to hang up and begin it anew.";
/// Tries of the way in that were lost to others or refused, before the person is told.
const TRIES_MAX: u32 = 10;

impl Core {
    pub(super) fn pump_opening(&mut self, turn: &mut Turn<'_>) {
        let Some(room) = &self.room else {
            return;
        };
        let conversation = room.conversation;
        let call = Call::Room(conversation, RoomCall::Open);
        if !self.net.is_ready_for(&call, turn.now) {
            return;
        }
        let may_found = !room.was_in() && !self.calls_on.contains_key(&conversation);
        if may_found && room.founding.is_none() && !self.found_call(&conversation, turn) {
            return self.end_room(
                Some("The call could not be made. Reload this page, and call again."),
                turn,
            );
        }
        let founding = self.room.as_ref().and_then(|room| room.founding.as_ref());
        let request = OpenCall {
            group: conversation,
            founding: founding.map(|(_, founding)| founding.clone()),
        };
        self.call(call, &request, turn);
    }

    /// Makes the group of a new call, in case that there is none; whether that worked.
    fn found_call(&mut self, conversation: &GroupId, turn: &mut Turn<'_>) -> bool {
        let now = self.net.server_time(turn.now);
        let call = GroupId::new(turn.sixteen());
        let (Some(me), Some(room)) = (&self.me, &mut self.room) else {
            return false;
        };
        let Ok(policy) = GroupPolicy::for_call(me.server_key, *conversation) else {
            return false;
        };
        room.founding = room
            .mls
            .create(call, &policy, now)
            .and_then(|()| room.mls.bundle(&call))
            .ok()
            .and_then(founding)
            .map(|founding| (call, founding));
        room.founding.is_some()
    }

    pub(super) fn on_call_opened(
        &mut self,
        conversation: &GroupId,
        opened: CallOpened,
        turn: &mut Turn<'_>,
    ) {
        let Some(room) = self.room.as_mut() else {
            return;
        };
        if room.conversation != *conversation || room.phase != Phase::Opening {
            return;
        }
        let own = room.founding.take().map(|(call, _)| call);
        let call = opened.call;
        room.call = Some(call);
        match (opened.founded, opened.info) {
            (Some(accepted), _) if own == Some(call) => {
                self.go_live(accepted.seq, turn);
                self.write_beginning(conversation, call, turn);
            }
            (_, Some(info)) => {
                if let Some(own) = own {
                    room.mls.delete(&own);
                }
                self.stage_room_entry(call, info, turn);
            }
            (_, None) => self.look_again(Some(Trouble::BadAnswer), turn),
        }
    }

    /// Those who are not there read that there is a call, or was.
    fn write_beginning(&mut self, conversation: &GroupId, call: GroupId, turn: &mut Turn<'_>) {
        let line = CallLine {
            ring: RingId::new(*call.as_bytes()),
            video: false,
            outcome: CallOutcome::Begun,
        };
        self.write_line(conversation, line, turn);
    }

    /// Builds the external commit, if the call is one to be believed.
    fn stage_room_entry(&mut self, call: GroupId, info: GroupInfoBundle, turn: &mut Turn<'_>) {
        self.net.set_time(info.time, turn.now);
        self.refresh_room_people();
        let Some(proof) = self.call_proof(&call) else {
            return self.look_again(Some(Trouble::StateLost), turn);
        };
        let Some(room) = self.room.as_mut() else {
            return;
        };
        let parts = Bundle {
            group_info: info.group_info.into_bytes(),
            tree: info.tree.into_bytes(),
        };
        let proposal = Some(proof.to_proposal());
        let staged = room.mls.stage_entry(&call, &parts, proposal, info.time);
        match staged {
            Ok((staged, shown)) if room.believes(&parts, &shown) => {
                room.entry = Some(staged);
                room.phase = Phase::Entering;
            }
            Ok(_) | Err(_) => self.look_again(Some(Trouble::BadAnswer), turn),
        }
    }

    /// Shows that this device is in the conversation: with what its present epoch exports.
    fn call_proof(&mut self, call: &GroupId) -> Option<CallProof> {
        let conversation = self.room.as_ref()?.conversation;
        let base = self.mls.call_base(&conversation).ok()?;
        let joiner = self.me.as_ref()?.credential().ok()?;
        let secret = CallSecret::new(&base.secret, call);
        let proof = CallProof::new(conversation, base.epoch, call, &joiner, &secret);
        Some(proof)
    }

    pub(super) fn pump_room_entry(&mut self, turn: &mut Turn<'_>) {
        let state = self.session.state;
        let room = self.room.as_ref();
        let Some((call, entry)) = room.and_then(|room| Some((room.call?, room.entry.as_ref()?)))
        else {
            return self.look_again(Some(Trouble::StateLost), turn);
        };
        if let Some(request) = submission(call, &entry.commit, &entry.group_info, &[], state) {
            let hash = EntryHash::of(&entry.commit);
            self.call(Call::Room(call, RoomCall::Enter(hash)), &request, turn);
        }
    }

    pub(super) fn on_call_entered(
        &mut self,
        call: &GroupId,
        hash: EntryHash,
        accepted: Accepted,
        turn: &mut Turn<'_>,
    ) {
        let Some(room) = self.room_entering(call, hash) else {
            return;
        };
        let Some(staged) = room.entry.take() else {
            return;
        };
        if room.mls.adopt(call, staged).is_ok() {
            self.go_live(accepted.seq, turn);
        } else {
            self.look_again(Some(Trouble::StateLost), turn);
        }
    }

    /// This device is in the call.
    pub(super) fn go_live(&mut self, seq: Seq, turn: &mut Turn<'_>) {
        self.refresh_room_people();
        let Some(room) = self.room.as_mut() else {
            return;
        };
        room.phase = Phase::Live;
        room.cursor = seq;
        room.followed = false;
        room.tries = 0;
        room.beat_at = Moment::default();
        if !room.begin_epoch(None, turn.now) {
            return self.look_again(Some(Trouble::StateLost), turn);
        }
        // Others may have removed whom this device had let in before it came back.
        let seats = room.seats.values();
        let seated = seats.map(|seat| seat.leaf.account()).collect();
        room.lobby.keep_let_in(&seated);
        self.hear_self();
        turn.notify(Notice::RoomChanged);
        turn.notify(Notice::RoomKeys);
        turn.notify(Notice::MediaLost);
    }

    pub(super) fn on_opening_refused(
        &mut self,
        conversation: &GroupId,
        error: &ApiError,
        turn: &mut Turn<'_>,
    ) {
        let Some(room) = self.room.as_ref() else {
            return;
        };
        if room.conversation != *conversation || room.phase != Phase::Opening {
            return;
        }
        let had_none = room.founding.is_none();
        if error.code == ErrorCode::NotFound && had_none && !room.was_in() {
            // The call ended meanwhile: this device begins one.
            self.calls_on.remove(conversation);
            self.look_again(None, turn);
        } else if error.code == ErrorCode::NotFound {
            self.calls_on.remove(conversation);
            self.end_room(Some("The call is over."), turn);
        } else {
            self.end_room(Some(&error.message.clone()), turn);
        }
    }

    pub(super) fn on_room_entry_refused(
        &mut self,
        call: &GroupId,
        hash: EntryHash,
        error: &ApiError,
        turn: &mut Turn<'_>,
    ) {
        if self.room_entering(call, hash).is_none() {
            return;
        }
        match error.code {
            // Others were faster, or the call is over.
            ErrorCode::Stale | ErrorCode::NotFound => self.look_again(None, turn),
            _ => self.end_room(Some(&error.message.clone()), turn),
        }
    }

    /// The room that waits for the answer to this very commit.
    fn room_entering(&mut self, call: &GroupId, hash: EntryHash) -> Option<&mut Room> {
        let is_its = |entry: &Staged| EntryHash::of(&entry.commit) == hash;
        let room = self.room_in(call)?;
        room.entry.as_ref().is_some_and(is_its).then_some(room)
    }

    /// Throws away what there is of the call's state, and looks for the way in again.
    pub(super) fn look_again(&mut self, trouble: Option<Trouble>, turn: &mut Turn<'_>) {
        let Some(me) = self.me.clone() else {
            return;
        };
        let Some(room) = self.room.as_mut() else {
            return;
        };
        // Whoever hung up enters no more.
        if room.is_leaving() {
            return self.end_room(None, turn);
        }
        if room.is_guest && trouble == Some(Trouble::CommitVoided) {
            return self.knock_again(turn);
        }
        if room.is_guest {
            return self.end_room(Some("The call was lost. Ask to be let in again."), turn);
        }
        room.start_over(me);
        let is_hopeless = room.tries >= TRIES_MAX;
        let conversation = room.conversation;
        if let Some(trouble) = trouble {
            self.troubles.count(trouble);
        }
        if is_hopeless {
            return self.end_room(Some(NOT_ENTERED), turn);
        }
        let call = Call::Room(conversation, RoomCall::Open);
        let jitter = turn.below(300);
        self.net.cool(call, turn.now, Some(0), jitter);
        turn.notify(Notice::RoomChanged);
        turn.notify(Notice::RoomKeys);
    }
}

impl Room {
    /// Whether the group that was entered is this conversation's call: its policy says so, and a
    /// device of the conversation signed its state. The others in it are shown as what they are.
    fn believes(&self, parts: &Bundle, shown: &Shown) -> bool {
        let signer = signer_of(&parts.group_info);
        let leaves = leaves_in(&parts.tree);
        let (Ok(signer), Ok(leaves)) = (signer, leaves) else {
            return false;
        };
        let signer = leaves.iter().find(|leaf| leaf.index == signer);
        shown.policy.conversation() == Some(self.conversation)
            && signer.is_some_and(|leaf| self.is_in_conversation(leaf))
    }

    /// Whether this device was in the call that it looks for.
    const fn was_in(&self) -> bool {
        self.counter > 0
    }

    fn start_over(&mut self, me: crate::identity::Identity) {
        let mut mls = crate::group::Mls::default();
        mls.set_identity(me);
        let earlier = std::mem::replace(self, Self::new(self.conversation, mls, self.session));
        self.flags = earlier.flags;
        self.counter = earlier.counter;
        self.banished = earlier.banished;
        self.lobby = earlier.lobby;
        self.tries = earlier.tries.saturating_add(1);
    }
}

fn founding(bundle: Bundle) -> Option<CallFounding> {
    Some(CallFounding {
        group_info: Blob::new(bundle.group_info).ok()?,
        tree: Blob::new(bundle.tree).ok()?,
    })
}

/// The request that submits a commit of the call's group.
pub(super) fn submission(
    call: GroupId,
    commit: &[u8],
    group_info: &[u8],
    welcomes: &[(Vec<DeviceId>, Vec<u8>)],
    state: StateCounter,
) -> Option<SubmitCommit> {
    let welcomes = welcomes.iter().map(|(devices, welcome)| {
        Some(WelcomeFor {
            devices: List::new(devices.clone()).ok()?,
            welcome: Blob::new(welcome.clone()).ok()?,
        })
    });
    Some(SubmitCommit {
        group: call,
        commit: Blob::new(commit.to_vec()).ok()?,
        group_info: Blob::new(group_info.to_vec()).ok()?,
        welcomes: List::new(welcomes.collect::<Option<Vec<_>>>()?).ok()?,
        state,
    })
}
