//! Being a guest: somebody outside the conversation, who is let into its call and into nothing else.
//!
//! Owns the guest's side: it knocks until it is let in, and believes that it is in the right call
//! only when somebody there shows that they have the link too. A guest cannot judge who else
//! enters, commits nothing but its own wish to leave, and goes when its hosts are gone.

use super::{Phase, Room, RoomCall};
use crate::core::Core;
use crate::core::net::{Call, Wanted};
use crate::core::turn::Turn;
use crate::group::{Leaf, Mls};
use crate::notice::Notice;
use crate::port::Moment;
use crate::room::knock::{Stranger, Visitor, Vouch};
use crate::room::signal::GuestWords;
use roost_wire::api::{FetchTree, Knock, Knocked, Tree};
use roost_wire::{ApiError, Blob, DisplayName, Epoch, ErrorCode, GroupId, Seq};

/// How often a guest knocks.
const KNOCK_MS: u64 = 5_000;
/// So long may it take until somebody shows that this is the call the link is for.
const VOUCH_MS: u64 = 20_000;

const NOT_LET_IN: &str = "The call could not be entered. Ask to be let in again.";

/// A Welcome that waits for its tree.
pub(super) struct Invited {
    epoch: Epoch,
    seq: Seq,
    welcome: Vec<u8>,
}

/// What a guest that came by a link has to do still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Visit {
    knock_at: Moment,
    /// A knock was taken by the server.
    has_knocked: bool,
    /// Let in, and not shown yet that this is the right call: given up then.
    doubted_until: Option<Moment>,
}

impl Core {
    /// Waits to be let into a call.
    pub(in crate::core) fn wait_for_call(
        &mut self,
        conversation: GroupId,
        call: Option<GroupId>,
        turn: &mut Turn<'_>,
    ) {
        if self.room.as_ref().is_some_and(|room| !room.is_leaving()) {
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
            call,
            is_guest: true,
            ..Room::new(conversation, Mls::default(), session)
        });
        turn.notify(Notice::RoomChanged);
    }

    /// Waits in the lobby of the link that this device came by.
    pub(in crate::core) fn wait_in_lobby(&mut self, turn: &mut Turn<'_>) {
        let Some(visit) = &self.session.visit else {
            return;
        };
        let conversation = visit.conversation;
        self.net.wanted = Wanted::Live;
        let room = self.room.as_ref();
        if room.is_some_and(|room| room.is_guest && !room.is_leaving()) {
            return;
        }
        self.wait_for_call(conversation, None, turn);
        if let Some(room) = self.room.as_mut().filter(|room| room.is_guest) {
            room.visit = Some(Visit {
                knock_at: Moment::default(),
                has_knocked: false,
                doubted_until: None,
            });
        }
    }

    /// The way by which it came in was taken back, through no fault of its own: whoever let it in does
    /// so again, unasked.
    pub(super) fn knock_again(&mut self, turn: &mut Turn<'_>) {
        self.end_room(None, turn);
        self.wait_in_lobby(turn);
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
            return self.call(Call::Room(group, RoomCall::Tree), &request, turn);
        }
        if room.visit.is_some_and(|visit| visit.knock_at <= turn.now) {
            self.knock(turn);
        }
    }

    fn knock(&mut self, turn: &mut Turn<'_>) {
        // Whoever lets a guest in needs its key packages.
        let is_ready = self.session.packages_put.is_some() && self.net.socket.is_live();
        let (Some(me), Some(visit), Some(room)) = (&self.me, &self.session.visit, &mut self.room)
        else {
            return;
        };
        let call = Call::Room(room.conversation, RoomCall::Knock);
        if !is_ready || !self.net.is_ready_for(&call, turn.now) {
            return;
        }
        let stranger = Stranger {
            link: visit.call_link.invite,
            account: me.account,
            device: me.device,
        };
        let visitor = Visitor {
            name: visit.name.clone(),
            device_key: me.device_key(),
            at: self.net.server_time(turn.now),
        };
        let sealed = visit.call_link.seal_knock(&stranger, &visitor, turn.dice);
        if let Some(visit) = &mut room.visit {
            visit.knock_at = turn.now.plus_millis(KNOCK_MS);
        }
        if let Ok(sealed) = Blob::new(sealed) {
            self.call(call, &Knock { sealed }, turn);
        }
    }

    pub(super) fn on_knocked(&mut self, knocked: Knocked, turn: &mut Turn<'_>) {
        let Some(room) = self
            .room
            .as_mut()
            .filter(|room| room.phase == Phase::Waiting)
        else {
            return;
        };
        if let Some(visit) = room.visit.as_mut().filter(|visit| !visit.has_knocked) {
            visit.has_knocked = true;
            turn.notify(Notice::RoomChanged);
        }
        if room.call != knocked.call {
            room.call = knocked.call;
            room.invited = None;
            // The Welcome may have come before this answer.
            self.net.inbox_due = true;
            turn.notify(Notice::RoomChanged);
        }
    }

    pub(super) fn on_knock_refused(&mut self, error: &ApiError, turn: &mut Turn<'_>) {
        let room = self.room.as_ref();
        // Somebody may have let it in meanwhile.
        let is_waiting = room.is_some_and(|room| room.phase == Phase::Waiting);
        if is_waiting && error.code != ErrorCode::TooMany {
            self.end_room(Some(&error.message), turn);
        }
    }

    pub(super) fn on_room_tree(&mut self, call: &GroupId, tree: &Tree, turn: &mut Turn<'_>) {
        let now = turn.now;
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
        if let Some(visit) = &mut room.visit {
            visit.doubted_until = Some(now.plus_millis(VOUCH_MS));
        }
        let joined = room.mls.join(call, &invited.welcome, tree.tree.as_bytes());
        self.mls.store().take_back_key_packages(&lent);
        match joined {
            Ok(entered) if entered.policy.conversation() == Some(conversation) => {
                self.go_live(invited.seq, turn);
            }
            Ok(_) | Err(_) => self.end_room(Some(NOT_LET_IN), turn),
        }
    }

    /// It was let in and is out again, or the call is over: it goes on knocking.
    pub(super) fn on_room_tree_refused(&mut self, call: &GroupId) {
        if let Some(room) = self.room_in(call) {
            room.invited = None;
        }
    }

    /// Somebody in the call may have shown that they have the link.
    pub(super) fn on_vouches(&mut self, vouches: &[Vouch], turn: &mut Turn<'_>) {
        let Some(link) = self.session.visit.as_ref().map(|visit| &visit.call_link) else {
            return;
        };
        let Some(room) = self.room.as_mut().filter(|room| room.is_doubted()) else {
            return;
        };
        let Some(call) = room.call else {
            return;
        };
        let expected = room.secrets.iter();
        let mut expected = expected.map(|secrets| link.vouch(&call, &secrets.signals));
        if expected.any(|expected| vouches.contains(&expected)) {
            if let Some(visit) = &mut room.visit {
                visit.doubted_until = None;
            }
            room.beat_at = Moment::default();
            turn.notify(Notice::RoomChanged);
            turn.notify(Notice::RoomKeys);
            turn.notify(Notice::MediaLost);
        }
    }

    /// What a guest calls itself.
    pub(super) fn own_guest_words(&self) -> Option<GuestWords> {
        let visit = self.session.visit.as_ref()?;
        // Nobody hears the name before they have shown that they may.
        let room = self.room.as_ref();
        room.filter(|room| room.is_guest && !room.is_doubted())?;
        Some(GuestWords {
            name: Some(visit.name.clone()),
            ..GuestWords::default()
        })
    }

    /// A guest goes when nobody shows that this is its call, and when its hosts are gone.
    pub(super) fn pump_guesthood(&mut self, turn: &mut Turn<'_>) {
        let Some(room) = self.room.as_ref().filter(|room| room.is_guest) else {
            return;
        };
        let doubted = room.visit.and_then(|visit| visit.doubted_until);
        if doubted.is_some_and(|until| until <= turn.now) {
            let reason = "Nobody in that call has your link, so you did not enter it.";
            return self.end_room(Some(reason), turn);
        }
        let mut hosts = room.seats.values().filter(|seat| !seat.is_nameless());
        if room.followed && hosts.all(|seat| super::roster::lost_at(seat.heard) <= turn.now) {
            self.end_room(Some("The call is over."), turn);
        }
    }
}

impl Room {
    /// A guest that is in a call, and was not shown yet that it is the right one.
    pub(super) fn is_doubted(&self) -> bool {
        self.visit
            .is_some_and(|visit| visit.doubted_until.is_some())
    }

    pub(super) fn has_knocked(&self) -> bool {
        self.visit.is_some_and(|visit| visit.has_knocked)
    }

    /// Whether the server gives this device a pass to its relay, or may.
    pub(in crate::core) fn may_relay(&self) -> bool {
        !self.is_guest || (self.phase == Phase::Live && !self.is_doubted())
    }

    pub(super) fn visit_wakes(&self) -> impl Iterator<Item = Moment> {
        let knock = self
            .visit
            .filter(|_| self.phase == Phase::Waiting)
            .map(|visit| visit.knock_at);
        let doubt = self.visit.and_then(|visit| visit.doubted_until);
        knock.into_iter().chain(doubt)
    }
}

impl super::Seat {
    pub(super) fn is_nameless(&self) -> bool {
        is_nameless(&self.leaf)
    }
}

/// Whether its credential bears the name of all guests.
pub(super) fn is_nameless(leaf: &Leaf) -> bool {
    leaf.claims.name == DisplayName::of_guests()
}
