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
use crate::room::knock::{self, Stranger, Visitor};
use crate::room::signal::GuestWords;
use crate::room::{Decision, RoomVisitor};
use roost_mls::{Observer, SUITE_DEFAULT};
use roost_wire::api::{ClaimKeyPackages, ClaimedKeyPackage, ClaimedKeyPackages};
use roost_wire::{AccountId, ApiError, Blob, DeviceId, GroupId, InviteId, List, Seconds, limit};
use std::collections::{BTreeMap, BTreeSet};

/// Guests that are let in at once.
const ADMITTING_MAX: usize = 8;
/// Guests in the lobby that are shown; and for so long after each knock.
const KNOCKING_MAX: usize = 25;
const KNOCK_MS: u64 = 16_000;
/// A knock that was sealed longer ago, or is from so far in the future, is played again.
const KNOCK_AGE_SECONDS: u64 = 60;
/// A guest in the call that knocks, and was not heard of for so long, has lost its keys.
const RETURN_MS: u64 = 12_000;
const DAY_SECONDS: u64 = 86_400;

/// Somebody in the lobby.
#[derive(Clone)]
struct Knocking {
    link: InviteId,
    visitor: Visitor,
    device: DeviceId,
    until: Moment,
}

/// Somebody whom the person here lets in.
struct Admitting {
    /// As they knocked; none of somebody with an account, whom one knows.
    knock: Option<Knocking>,
    /// Once they are there.
    packages: Option<Vec<ClaimedKeyPackage>>,
}

/// Guests, as somebody of the conversation sees them.
#[derive(Default)]
pub(super) struct Lobby {
    knocking: BTreeMap<AccountId, Knocking>,
    admitting: BTreeMap<AccountId, Admitting>,
    /// Whom the person here has let in, as they knocked.
    let_in: BTreeMap<AccountId, Visitor>,
    /// Whom the person here does not want to be asked about.
    turned_away: BTreeSet<AccountId>,
    /// Guests in the call that have lost their keys.
    returning: BTreeSet<AccountId>,
}

impl Core {
    pub(in crate::core) fn admit_guest(&mut self, account: AccountId, turn: &mut Turn<'_>) {
        let is_known = self.people.contains_key(&account);
        let room = self.room.as_mut();
        let Some(room) = room.filter(|room| room.phase == Phase::Live && !room.is_guest) else {
            turn.refuse("Only members of the conversation who are in its call let guests in.");
            return;
        };
        let knock = room.lobby.knocking.get(&account).cloned();
        // Only a knock tells which device is to be let in.
        if knock.is_none() && !is_known {
            turn.refuse("Whoever asked has gone. Wait until they ask again.");
            return;
        }
        if !room.has_account(&account) && room.lobby.admitting.len() < ADMITTING_MAX {
            self.door.welcome(&account);
            room.banished.remove(&account);
            room.lobby.turned_away.remove(&account);
            let packages = None;
            let admitting = Admitting { knock, packages };
            room.lobby.admitting.entry(account).or_insert(admitting);
            turn.notify(Notice::RoomChanged);
        }
    }

    /// The person here does not want to be asked about this guest again, unless they let them in
    /// after all.
    pub(in crate::core) fn turn_away(&mut self, account: AccountId, turn: &mut Turn<'_>) {
        if let Some(room) = self.room.as_mut().filter(|room| !room.is_guest) {
            self.door.turn_away(account);
            room.lobby.turn_away(account);
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
        let time = self.net.server_time(turn.now);
        let links = self.call_links(conversation);
        let link = links.iter().find(|link| link.invite == stranger.link);
        let opened = link.and_then(|link| link.open_knock(stranger, sealed).ok());
        let Some(visitor) = opened.filter(|visitor| visitor.is_fresh(time)) else {
            return;
        };
        let account = stranger.account;
        let room = self.room.as_mut();
        let Some(room) = room.filter(|room| room.heeds(conversation)) else {
            return self.see_at_door(conversation, stranger, visitor.name, turn);
        };
        if room.has_account(&account) {
            return room.see_return(account, turn.now);
        }
        let known = room.lobby.let_in.get(&account);
        let is_known = known.is_some_and(|known| known.is_same(&visitor))
            && !room.lobby.turned_away.contains(&account);
        room.lobby.keep_waiting(visitor, stranger, turn.now);
        if is_known {
            self.admit_guest(account, turn);
        }
        turn.notify(Notice::RoomChanged);
    }

    pub(super) fn pump_guests(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let Some(room) = self.room.as_mut() else {
            return;
        };
        if room.lobby.forget_gone(now) {
            turn.notify(Notice::RoomChanged);
        }
        let Some(call) = room.call else {
            return;
        };
        let admitting = room.lobby.admitting.iter();
        let mut unclaimed = admitting.filter(|(_, found)| found.packages.is_none());
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
        let Some(admitting) = room.lobby.admitting.get_mut(&account) else {
            return;
        };
        let fits = |package: &ClaimedKeyPackage| {
            let knock = admitting.knock.as_ref();
            knock.is_none_or(|knock| knock.fits(package, now))
        };
        let packages: Vec<ClaimedKeyPackage> = packages.into_iter().filter(fits).collect();
        if packages.is_empty() {
            self.on_guest_refused(call, account, None, turn);
        } else {
            admitting.packages = Some(packages);
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
        room.lobby.admitting.remove(&account);
        let conversation = room.conversation;
        self.fail(&conversation, reason, turn);
    }

    /// Others in the call know links that this device does not. What is known is never replaced.
    pub(super) fn learn_call_links(
        &mut self,
        conversation: &GroupId,
        sealed: &[u8],
        turn: &Turn<'_>,
    ) {
        let base = knock::epoch_of_links(sealed);
        let base = base.and_then(|epoch| self.call_base_at(conversation, epoch));
        let told = base.and_then(|base| knock::open_links(conversation, &base, sealed).ok());
        let now = self.net.server_time(turn.now);
        let latest = now.plus(limit::INVITE_DAYS_MAX * DAY_SECONDS);
        for link in told.unwrap_or_default() {
            let known = self.call_links(conversation);
            let is_known = known.iter().any(|known| known.invite == link.invite);
            if !is_known && !self.is_me(&link.maker) && link.expires <= latest {
                self.keep_call_link(conversation, link, turn);
            }
        }
    }

    /// What a host's announcement says besides: guests who wait to be shown that this is their call
    /// read the vouches, and hosts alone the links.
    pub(super) fn words_for_guests(&mut self, turn: &mut Turn<'_>) -> Option<GuestWords> {
        let room = self.room.as_ref().filter(|room| !room.is_guest)?;
        let (conversation, call) = (room.conversation, room.call?);
        let links = self.call_links(&conversation);
        let signals = &room.secrets.last()?.signals;
        let has_guests = room.seats.values().any(|seat| seat.is_guest);
        let vouching = links.iter().filter(|_| has_guests);
        let vouches = vouching.map(|link| link.vouch(&call, signals)).collect();
        if links.is_empty() {
            return None;
        }
        let base = self.mls.call_base(&conversation).ok()?;
        let sealed = knock::seal_links(&conversation, &base, links, turn.dice);
        Some(GuestWords {
            vouches: List::capped(vouches),
            name: None,
            links: Blob::new(sealed).ok(),
        })
    }
}

impl Visitor {
    fn is_fresh(&self, now: Seconds) -> bool {
        let at = self.at.get();
        at.abs_diff(now.get()) <= KNOCK_AGE_SECONDS
    }

    /// The same guest, also if they knock again.
    fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.device_key == other.device_key
    }
}

impl Knocking {
    /// Whether the package is of the very device that knocked.
    fn fits(&self, package: &ClaimedKeyPackage, now: Seconds) -> bool {
        let summary = Observer::new().validate_key_package(package.package.as_bytes(), now);
        let key = summary.ok().map(|summary| summary.signature_key);
        self.device == package.device && key == Some(self.visitor.device_key)
    }
}

impl Lobby {
    /// There is always room for whoever knocks now.
    fn keep_waiting(&mut self, visitor: Visitor, stranger: &Stranger, now: Moment) {
        let is_new = !self.knocking.contains_key(&stranger.account);
        if is_new && self.knocking.len() >= KNOCKING_MAX {
            let worth = |(account, knocking): &(&AccountId, &Knocking)| {
                (!self.turned_away.contains(account), knocking.until)
            };
            let least = self.knocking.iter().min_by_key(worth);
            if let Some(least) = least.map(|(account, _)| *account) {
                self.knocking.remove(&least);
            }
        }
        let knocking = Knocking {
            link: stranger.link,
            visitor,
            device: stranger.device,
            until: now.plus_millis(KNOCK_MS),
        };
        self.knocking.insert(stranger.account, knocking);
    }

    /// Nobody is asked about them any more.
    pub(super) fn turn_away(&mut self, account: AccountId) {
        self.turned_away.insert(account);
        self.admitting.remove(&account);
    }

    /// Forgets who stopped knocking; whether there was anybody.
    fn forget_gone(&mut self, now: Moment) -> bool {
        let before = self.knocking.len();
        self.knocking.retain(|_, knocking| knocking.until > now);
        self.knocking.len() != before
    }

    /// Nobody comes by this link any more, but those who are let in already.
    fn forget_link(&mut self, link: &InviteId) {
        self.knocking.retain(|_, knocking| knocking.link != *link);
    }

    /// Whoever left or was removed is asked about when they come again, unless they only lost their
    /// keys.
    pub(super) fn forget_let_in<'a>(&mut self, gone: impl Iterator<Item = &'a AccountId>) {
        for account in gone.filter(|account| !self.returning.contains(account)) {
            self.let_in.remove(account);
        }
    }

    /// Of whom was let in, only those who are in the call still come back unasked.
    pub(super) fn keep_let_in(&mut self, seated: &BTreeSet<AccountId>) {
        self.let_in.retain(|account, _| seated.contains(account));
    }

    /// Nobody is let in by the commit that was refused; whether it was to let somebody in.
    pub(super) fn give_up(&mut self) -> bool {
        !std::mem::take(&mut self.admitting).is_empty()
    }

    /// When somebody in the lobby is to be forgotten.
    pub(super) fn wakes(&self) -> impl Iterator<Item = Moment> + '_ {
        self.knocking.values().map(|knocking| knocking.until)
    }

    /// Who is in the lobby.
    pub(super) fn visitors(&self) -> impl Iterator<Item = RoomVisitor> + '_ {
        let waiting = self.knocking.iter();
        waiting.map(|(account, knocking)| RoomVisitor {
            account: *account,
            name: knocking.visitor.name.clone(),
            decision: self.decision(account),
        })
    }

    fn decision(&self, account: &AccountId) -> Decision {
        if self.turned_away.contains(account) {
            Decision::TurnedAway
        } else if self.admitting.contains_key(account) {
            Decision::Admitted
        } else {
            Decision::Open
        }
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
    /// Those who ask by this link are not asked about any more.
    pub(in crate::core) fn forget_link(&mut self, link: &InviteId) {
        self.lobby.forget_link(link);
    }

    /// Whether it is the call of this conversation.
    pub(in crate::core) fn is_of(&self, conversation: &GroupId) -> bool {
        self.conversation == *conversation
    }

    /// Whether the person here lets guests into this conversation's call.
    fn heeds(&self, conversation: &GroupId) -> bool {
        self.is_of(conversation) && !self.is_guest && self.phase == Phase::Live
    }

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
        if is_lost {
            self.lobby.returning.insert(account);
        }
    }

    /// Whom the next commit lets in.
    pub(super) fn additions(&self) -> Vec<Addition> {
        let admitting = self.lobby.admitting.values();
        let found = admitting
            .filter_map(|admitting| admitting.packages.as_ref())
            .flatten();
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
        let lobby = &mut self.lobby;
        for account in &present {
            lobby.knocking.remove(account);
            let knock = lobby
                .admitting
                .remove(account)
                .and_then(|admitting| admitting.knock);
            if let Some(knock) = knock {
                lobby.let_in.insert(*account, knock.visitor);
            }
        }
        lobby.returning.retain(|account| present.contains(account));
    }
}
