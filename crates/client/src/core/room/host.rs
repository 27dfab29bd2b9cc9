//! Letting guests in: who knocks, who is let in, and what shows a guest that it is in the right
//! call.
//!
//! Owns the members' side. Only a knock that was sealed with the secret of a link counts, and only
//! the device whose key it names is let in: the server can put nobody at the door. Whoever this
//! device let in before comes back without being asked about.

use super::{Phase, Room, RoomCall};
use crate::core::Core;
use crate::core::net::Call;
use crate::core::turn::Turn;
use crate::group::Addition;
use crate::notice::Notice;
use crate::port::Moment;
use crate::record::DoorRecord;
use crate::room::RoomVisitor;
use crate::room::door::{Stranger, Visitor};
use crate::room::signal::GuestWords;
use roost_mls::{Observer, SUITE_DEFAULT};
use roost_wire::api::{ClaimKeyPackages, ClaimedKeyPackage, ClaimedKeyPackages};
use roost_wire::{AccountId, ApiError, DeviceId, GroupId, List, limit};
use std::collections::{BTreeMap, BTreeSet};

/// Guests that are let in at once.
const ADMITTING_MAX: usize = 8;
/// Guests at the door that are shown; and for so long after each knock.
const KNOCKING_MAX: usize = 25;
const KNOCK_MS: u64 = 16_000;
/// A guest in the call that knocks, and was not heard of for so long, has lost its keys.
const RETURN_MS: u64 = 12_000;

/// Somebody at the door.
pub(super) struct Knocking {
    visitor: Visitor,
    device: DeviceId,
    until: Moment,
}

/// Guests, as somebody of the conversation sees them.
#[derive(Default)]
pub(super) struct Door {
    knocking: BTreeMap<AccountId, Knocking>,
    /// Whom the person here lets in, and their key packages once they are there.
    admitting: BTreeMap<AccountId, Option<Vec<ClaimedKeyPackage>>>,
    /// Whom the person here has let in, by the name they gave.
    let_in: BTreeMap<AccountId, Visitor>,
    /// Whom the person here does not want to be asked about.
    turned_away: BTreeSet<AccountId>,
    /// Guests in the call that have lost their keys.
    returning: Vec<AccountId>,
}

impl Core {
    pub(in crate::core) fn admit_guest(&mut self, account: AccountId, turn: &mut Turn<'_>) {
        let room = self.room.as_mut();
        let Some(room) = room.filter(|room| room.phase == Phase::Live && !room.is_guest) else {
            turn.refuse("Only members of the conversation who are in its call let guests in.");
            return;
        };
        let is_in = room.has_account(&account);
        if !is_in && room.door.admitting.len() < ADMITTING_MAX {
            room.banished.remove(&account);
            room.door.turned_away.remove(&account);
            room.door.admitting.entry(account).or_insert(None);
        }
    }

    /// The person here does not want to be asked about this guest again.
    pub(in crate::core) fn turn_away(&mut self, account: AccountId, turn: &mut Turn<'_>) {
        if let Some(room) = self.room.as_mut().filter(|room| !room.is_guest) {
            room.door.turned_away.insert(account);
            room.door.knocking.remove(&account);
            turn.notify(Notice::RoomChanged);
        }
    }

    pub(in crate::core) fn on_knock(
        &mut self,
        conversation: &GroupId,
        stranger: &Stranger,
        sealed: &[u8],
        turn: &mut Turn<'_>,
    ) {
        let now = turn.now;
        let doors = self.doors(conversation);
        let door = doors.iter().find(|door| door.invite == stranger.link);
        let Some(Ok(visitor)) = door.map(|door| door.open_knock(stranger, sealed)) else {
            return;
        };
        let Some(room) = self.room.as_mut() else {
            return;
        };
        let account = stranger.account;
        let is_here = room.conversation == *conversation && room.phase == Phase::Live;
        let is_unwanted =
            room.banished.contains(&account) || room.door.turned_away.contains(&account);
        if !is_here || room.is_guest || is_unwanted {
            return;
        }
        if room.has_account(&account) {
            return room.see_return(account, now);
        }
        let is_known = room.door.let_in.get(&account) == Some(&visitor);
        room.door.keep_waiting(visitor, stranger, now);
        if is_known {
            return self.admit_guest(account, turn);
        }
        turn.notify(Notice::RoomChanged);
    }

    pub(super) fn pump_guests(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let Some(room) = self.room.as_mut() else {
            return;
        };
        if room.door.forget_gone(now) {
            turn.notify(Notice::RoomChanged);
        }
        let Some(call) = room.call else {
            return;
        };
        let mut unclaimed = room
            .door
            .admitting
            .iter()
            .filter(|(_, found)| found.is_none());
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
        let now = self.net.server_time(turn.now);
        let Some(room) = self.room_in(call) else {
            return;
        };
        let knocking = room.door.knocking.get(&account);
        let packages: Vec<ClaimedKeyPackage> = packages
            .into_iter()
            .filter(|package| {
                let summary = Observer::new().validate_key_package(package.package.as_bytes(), now);
                let key = summary.ok().map(|summary| summary.signature_key);
                knocking.is_none_or(|knocking| {
                    knocking.device == package.device && key == Some(knocking.visitor.device_key)
                })
            })
            .collect();
        if packages.is_empty() {
            self.on_guest_refused(call, account, None, turn);
        } else if let Some(found) = room.door.admitting.get_mut(&account) {
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
        room.door.admitting.remove(&account);
        let conversation = room.conversation;
        self.fail(&conversation, reason, turn);
    }

    /// The links by which guests come to the conversation's calls, as far as they are known here.
    pub(in crate::core) fn doors(&self, conversation: &GroupId) -> Vec<DoorRecord> {
        let found = self.conversations.get(conversation);
        found.map_or_else(Vec::new, |found| found.record.doors.clone())
    }

    /// Others in the call know links that this device does not.
    pub(super) fn learn_doors(&mut self, conversation: &GroupId, told: Vec<DoorRecord>) {
        let known = self.doors(conversation);
        for door in told {
            if !known.contains(&door) {
                self.keep_door(conversation, door);
            }
        }
    }

    /// Keeps a link's secret with the conversation, so that everybody in a later call hears of it.
    pub(in crate::core) fn keep_door(&mut self, conversation: &GroupId, door: DoorRecord) {
        if let Some(found) = self.change(conversation) {
            let doors = &mut found.record.doors;
            doors.retain(|known| known.invite != door.invite);
            doors.push(door);
            doors.sort_by_key(|door| door.expires);
            let over = doors.len().saturating_sub(limit::CALL_DOORS);
            doors.drain(..over);
        }
    }

    /// What a member's announcement says besides, while guests are in the call or may come.
    pub(super) fn words_for_guests(&self) -> Option<GuestWords> {
        let room = self.room.as_ref()?;
        if room.is_guest {
            let visit = self.session.visit.as_ref()?;
            return Some(GuestWords {
                name: Some(visit.name.clone()),
                ..GuestWords::default()
            });
        }
        let doors = self.doors(&room.conversation);
        let (call, secrets) = (room.call?, room.secrets.last()?);
        let has_guests = room.seats.values().any(|seat| seat.is_guest);
        let vouches = doors.iter().filter(|_| has_guests);
        let vouches = vouches.map(|door| door.vouch(&call, &secrets.signals));
        let words = GuestWords {
            vouches: List::capped(vouches.collect()),
            name: None,
            doors: List::capped(doors),
        };
        (!words.doors.as_slice().is_empty()).then_some(words)
    }
}

impl Door {
    fn keep_waiting(&mut self, visitor: Visitor, stranger: &Stranger, now: Moment) {
        let is_new = !self.knocking.contains_key(&stranger.account);
        if is_new && self.knocking.len() >= KNOCKING_MAX {
            return;
        }
        let knocking = Knocking {
            visitor,
            device: stranger.device,
            until: now.plus_millis(KNOCK_MS),
        };
        self.knocking.insert(stranger.account, knocking);
    }

    /// Forgets who stopped knocking; whether there was anybody.
    fn forget_gone(&mut self, now: Moment) -> bool {
        let before = self.knocking.len();
        let admitting = &self.admitting;
        self.knocking
            .retain(|account, knocking| knocking.until > now || admitting.contains_key(account));
        self.knocking.len() != before
    }

    /// When somebody at the door is to be forgotten.
    pub(super) fn wakes(&self) -> impl Iterator<Item = Moment> + '_ {
        self.knocking.values().map(|knocking| knocking.until)
    }

    /// Who is at the door and is not being let in yet.
    pub(super) fn visitors(&self) -> impl Iterator<Item = RoomVisitor> + '_ {
        let waiting = self.knocking.iter();
        waiting.map(|(account, knocking)| RoomVisitor {
            account: *account,
            name: knocking.visitor.name.clone(),
            is_admitted: self.admitting.contains_key(account),
        })
    }

    pub(super) fn is_returning(&self, account: &AccountId) -> bool {
        self.returning.contains(account)
    }

    /// The name under which somebody here was let in.
    pub(super) fn name_of(&self, account: &AccountId) -> Option<&roost_wire::DisplayName> {
        self.let_in.get(account).map(|visitor| &visitor.name)
    }
}

impl Room {
    pub(super) fn has_account(&self, account: &AccountId) -> bool {
        let mut seats = self.seats.values();
        seats.any(|seat| seat.leaf.account() == *account)
    }

    /// A guest that knocks although it is in the call has come back without its keys, unless it was
    /// heard a moment ago: then the knock is from before.
    fn see_return(&mut self, account: AccountId, now: Moment) {
        let mut seats = self.seats.values();
        let is_lost = seats.any(|seat| {
            let silent = seat.heard.plus_millis(RETURN_MS) <= now;
            seat.leaf.account() == account && seat.is_guest && silent
        });
        if is_lost && !self.door.is_returning(&account) {
            self.door.returning.push(account);
        }
    }

    /// Whom the next commit lets in.
    pub(super) fn additions(&self) -> Vec<Addition> {
        let found = self.door.admitting.values().flatten().flatten();
        let additions = found.map(|package| Addition {
            device: package.device,
            package: package.package.as_bytes().to_vec(),
        });
        additions.take(limit::ADDS_PER_COMMIT).collect()
    }

    /// Who is in needs not be let in any more; who is out does not return any more.
    pub(super) fn forget_admitted(&mut self) {
        let present: Vec<AccountId> = self
            .seats
            .values()
            .map(|seat| seat.leaf.account())
            .collect();
        let door = &mut self.door;
        for account in &present {
            let knocking = door.knocking.remove(account);
            let is_own_doing = door.admitting.remove(account).is_some();
            if let Some(knocking) = knocking.filter(|_| is_own_doing) {
                door.let_in.insert(*account, knocking.visitor);
            }
        }
        door.returning.retain(|account| present.contains(account));
    }
}
