//! Out of a call: the keys are wiped at once, then the others are asked to let this device go; the
//! last one ends the call.

use super::{Phase, Room, RoomCall};
use crate::core::Core;
use crate::core::net::Call;
use crate::core::turn::Turn;
use crate::notice::Notice;
use crate::port::Moment;
use roost_wire::api::{EndCall, SubmitProposal};
use roost_wire::{ApiError, Blob, ErrorCode, GroupId};

/// After so long the others are left to notice by themselves.
const PATIENCE_MS: u64 = 10_000;

pub(super) fn given_up_at(since: Moment) -> Moment {
    since.plus_millis(PATIENCE_MS)
}

impl Core {
    pub(in crate::core) fn leave_call(&mut self, turn: &mut Turn<'_>) {
        let Some(room) = self.room.as_mut() else {
            return;
        };
        match room.phase {
            // If the way in is done all the same, the others notice that nobody is there.
            Phase::Waiting | Phase::Opening | Phase::Entering => self.end_room(None, turn),
            Phase::Live => {
                room.phase = Phase::Leaving { since: turn.now };
                room.secrets.clear();
                room.commit = None;
                turn.notify(Notice::RoomChanged);
                turn.notify(Notice::RoomKeys);
            }
            Phase::Leaving { .. } => {}
        }
    }

    /// Without a word to the others.
    pub(in crate::core) fn drop_room(&mut self, turn: &mut Turn<'_>) {
        self.end_room(None, turn);
    }

    pub(super) fn pump_leaving(&mut self, since: Moment, turn: &mut Turn<'_>) {
        let Some(room) = self.room.as_mut() else {
            return;
        };
        let Some(group) = room.call.filter(|_| given_up_at(since) > turn.now) else {
            return self.end_room(None, turn);
        };
        room.secrets.clear();
        if room.fetch || room.refused.is_some() {
            return;
        }
        let is_guest = room.is_guest;
        let hosts = room.seats.values().filter(|seat| !seat.is_guest).count();
        if is_guest && room.seats.len() <= 1 {
            return self.end_room(None, turn);
        }
        // A call does not go on with guests alone.
        if hosts <= 1 && !is_guest {
            return self.call(Call::Room(group, RoomCall::End), &EndCall { group }, turn);
        }
        let call = Call::Room(group, RoomCall::Leave);
        if !self.net.is_ready_for(&call, turn.now) {
            return;
        }
        let proposal = room.mls.propose_to_leave(&group).ok();
        let Some(proposal) = proposal.and_then(|bytes| Blob::new(bytes).ok()) else {
            return self.end_room(None, turn);
        };
        self.call(call, &SubmitProposal { group, proposal }, turn);
    }

    pub(super) fn on_left_room(&mut self, call: &GroupId, turn: &mut Turn<'_>) {
        // Whoever came back meanwhile stays.
        if self.room_in(call).is_some_and(|room| room.is_leaving()) {
            self.end_room(None, turn);
        }
    }

    pub(super) fn on_leaving_refused(
        &mut self,
        group: &GroupId,
        call: RoomCall,
        error: &ApiError,
        turn: &mut Turn<'_>,
    ) {
        let Some(room) = self.room_in(group).filter(|room| room.is_leaving()) else {
            return;
        };
        // The roster changed meanwhile: the log tells how.
        if error.code == ErrorCode::Stale || call == RoomCall::End {
            room.fetch = true;
        } else {
            self.end_room(None, turn);
        }
    }
}

impl Room {
    pub(super) const fn is_leaving(&self) -> bool {
        matches!(self.phase, Phase::Leaving { .. })
    }
}
