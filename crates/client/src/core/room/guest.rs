//! Guests: somebody outside the conversation, whom a member lets into the call and nothing else.
//!
//! Owns both sides: the member claims the guest's key packages and adds them by value; the guest
//! waits for its Welcome. A guest cannot judge who else enters, commits nothing but its own wish to
//! leave, and does not come back by itself.

use super::{Phase, Room, RoomCall};
use crate::core::Core;
use crate::core::net::{Call, Wanted};
use crate::core::turn::Turn;
use crate::group::{Addition, Mls};
use crate::notice::Notice;
use roost_mls::SUITE_DEFAULT;
use roost_wire::api::{ClaimKeyPackages, ClaimedKeyPackages, FetchTree, Tree};
use roost_wire::{AccountId, ApiError, Epoch, GroupId, List, Seq, limit};

/// Guests that are let in at once.
const ADMITTING_MAX: usize = 8;

/// A Welcome that waits for its tree.
pub(super) struct Invited {
    epoch: Epoch,
    seq: Seq,
    welcome: Vec<u8>,
}

impl Core {
    pub(in crate::core) fn admit_guest(&mut self, account: AccountId, turn: &mut Turn<'_>) {
        let room = self.room.as_mut();
        let Some(room) = room.filter(|room| room.phase == Phase::Live && !room.is_guest) else {
            turn.refuse("Only members of the conversation who are in its call let guests in.");
            return;
        };
        let is_in = room
            .seats
            .values()
            .any(|seat| seat.leaf.account() == account);
        if !is_in && room.admitting.len() < ADMITTING_MAX {
            room.banished.remove(&account);
            room.admitting.entry(account).or_insert(None);
        }
    }

    /// Waits to be let into a call.
    pub(in crate::core) fn wait_for_call(
        &mut self,
        conversation: GroupId,
        call: GroupId,
        turn: &mut Turn<'_>,
    ) {
        if self.room.is_some() {
            turn.refuse("Leave the other call first.");
            return;
        }
        if self.net.wanted != Wanted::Live {
            turn.refuse("You are offline; a call needs a connection.");
            return;
        }
        let session = turn.sixteen();
        self.room = Some(Room {
            phase: Phase::Waiting,
            call: Some(call),
            is_guest: true,
            ..Room::new(conversation, Mls::default(), session)
        });
        turn.notify(Notice::RoomChanged);
    }

    /// Whether a Welcome is for the call that this device waits for.
    pub(in crate::core) fn on_room_welcome(
        &mut self,
        call: &GroupId,
        epoch: Epoch,
        seq: Seq,
        welcome: &[u8],
    ) -> bool {
        let Some(room) = self.room_in(call) else {
            return false;
        };
        if room.phase == Phase::Waiting {
            let welcome = welcome.to_vec();
            room.invited = Some(Invited {
                epoch,
                seq,
                welcome,
            });
        }
        true
    }

    pub(super) fn pump_waiting(&mut self, turn: &mut Turn<'_>) {
        let Some(room) = &self.room else {
            return;
        };
        if let (Some(group), Some(invited)) = (room.call, &room.invited) {
            let epoch = invited.epoch;
            let request = FetchTree { group, epoch };
            self.call(Call::Room(group, RoomCall::Tree), &request, turn);
        }
    }

    pub(super) fn on_room_tree(&mut self, call: &GroupId, tree: &Tree, turn: &mut Turn<'_>) {
        let Some(me) = self.me.clone() else {
            return;
        };
        let lent = self.mls.store().lend_key_packages();
        let Some(room) = self
            .room_in(call)
            .filter(|room| room.phase == Phase::Waiting)
        else {
            return;
        };
        let Some(invited) = room.invited.take() else {
            return;
        };
        let conversation = room.conversation;
        room.mls = Mls::new(lent.clone());
        room.mls.set_identity(me);
        let joined = room.mls.join(call, &invited.welcome, tree.tree.as_bytes());
        self.mls.store().take_back_key_packages(&lent);
        match joined {
            Ok(entered) if entered.policy.conversation() == Some(conversation) => {
                self.go_live(invited.seq, turn);
            }
            Ok(_) | Err(_) => self.end_room(Some("The call could not be entered."), turn),
        }
    }

    pub(super) fn pump_guests(&mut self, turn: &mut Turn<'_>) {
        let Some((call, room)) = self.room.as_ref().and_then(|room| Some((room.call?, room)))
        else {
            return;
        };
        let mut unclaimed = room.admitting.iter().filter(|(_, found)| found.is_none());
        let Some(account) = unclaimed.next().map(|(account, _)| *account) else {
            return;
        };
        let request = ClaimKeyPackages {
            account,
            suite: SUITE_DEFAULT.raw_value(),
            except: List::default(),
        };
        self.call(Call::Room(call, RoomCall::Claim(account)), &request, turn);
    }

    pub(super) fn on_guest_claimed(
        &mut self,
        call: &GroupId,
        account: AccountId,
        claimed: ClaimedKeyPackages,
        turn: &mut Turn<'_>,
    ) {
        let packages = self.fitting_packages(&account, claimed, turn);
        let Some(room) = self.room_in(call) else {
            return;
        };
        if packages.is_empty() {
            self.on_guest_refused(call, account, None, turn);
        } else if let Some(found) = room.admitting.get_mut(&account) {
            *found = Some(packages);
        }
    }

    pub(super) fn on_guest_refused(
        &mut self,
        call: &GroupId,
        account: AccountId,
        error: Option<&ApiError>,
        turn: &mut Turn<'_>,
    ) {
        let reason = error.map_or("The guest could not be let in.", |error| &error.message);
        let Some(room) = self.room_in(call) else {
            return;
        };
        room.admitting.remove(&account);
        let conversation = room.conversation;
        self.fail(&conversation, reason, turn);
    }
}

impl Room {
    /// Whom the next commit lets in.
    pub(super) fn additions(&self) -> Vec<Addition> {
        let found = self.admitting.values().flatten().flatten();
        let additions = found.map(|package| Addition {
            device: package.device,
            package: package.package.as_bytes().to_vec(),
        });
        additions.take(limit::ADDS_PER_COMMIT).collect()
    }

    /// Who is in needs not be let in any more.
    pub(super) fn forget_admitted(&mut self) {
        let seats = &self.seats;
        let is_in = |account: &AccountId| {
            let mut seats = seats.values();
            seats.any(|seat| seat.leaf.account() == *account)
        };
        self.admitting.retain(|account, _| !is_in(account));
    }
}
