//! What the account keeps with the server: key packages, and the list of its groups. Also when to
//! wake up, and when everything is done.

use super::Core;
use super::link::LinkingRecord;
use super::net::{Call, Wanted};
use super::turn::Turn;
use crate::notice::Notice;
use crate::port::Moment;
use crate::record::{Kind, Stage};
use crate::repair::Trouble;
use roost_wire::api::{ListMemberships, Memberships, PutKeyPackages};
use roost_wire::{ApiError, Blob, ErrorCode, List, Seconds, limit};

/// Before its end of life a last resort package is replaced.
const LAST_RESORT_RENEWAL_SECONDS: u64 = limit::LAST_RESORT_DAYS * 86_400 / 3 * 2;

/// So long a group that was heard of waits for its Welcome before it is entered otherwise.
const WELCOME_FIRST_SECONDS: u32 = 3;

impl Core {
    pub(super) fn pump_account(&mut self, turn: &mut Turn<'_>) {
        self.pump_renewal(turn);
        self.pump_key_packages(turn);
        self.pump_people(turn);
        self.pump_revoking(turn);
        self.pump_accounts(turn);
        self.pump_redeeming(turn);
        self.pump_invites(turn);
        self.pump_withdrawals(turn);
        // A Welcome that waits in the inbox comes first: it is the better way in.
        let inbox_read = match self.net.wanted {
            Wanted::Off => false,
            Wanted::Once => !self.net.inbox_due,
            Wanted::Live => self.net.socket.is_live(),
        };
        if self.net.memberships_due && inbox_read {
            self.call(Call::Memberships, &ListMemberships {}, turn);
        }
    }

    fn pump_key_packages(&mut self, turn: &mut Turn<'_>) {
        let now = self.net.server_time(turn.now);
        let last_resort_due = self
            .session
            .last_resort_put
            .is_none_or(|put| now.get().saturating_sub(put.get()) > LAST_RESORT_RENEWAL_SECONDS);
        let due = self.session.packages_put.is_none() || self.session.refill || last_resort_due;
        if !due || !self.net.is_ready_for(&Call::KeyPackages, turn.now) {
            return;
        }
        if self.net.packages.is_none() {
            self.net.packages = self.make_key_packages(last_resort_due, now);
        }
        if let Some(request) = self.net.packages.clone() {
            self.call(Call::KeyPackages, &request, turn);
        }
    }

    fn make_key_packages(&mut self, last_resort: bool, now: Seconds) -> Option<PutKeyPackages> {
        self.mls.store().drop_key_packages(Some(now.get()));
        // The server keeps what it has: only as many are put as were asked for.
        let wanted = if self.session.packages_put.is_none() || self.session.refill {
            limit::KEY_PACKAGES_KEPT
        } else {
            0
        };
        let mut one_time = Vec::new();
        for _ in 0..wanted {
            let package = self.mls.key_package(false, now).ok()?;
            one_time.push(Blob::new(package).ok()?);
        }
        let last_resort = if last_resort {
            Some(Blob::new(self.mls.key_package(true, now).ok()?).ok()?)
        } else {
            None
        };
        Some(PutKeyPackages {
            one_time: List::capped(one_time),
            last_resort,
            replace: self.session.packages_put.is_none(),
        })
    }

    pub(super) fn on_key_packages_put(&mut self, turn: &mut Turn<'_>) {
        let now = self.net.server_time(turn.now);
        let put = self.net.packages.take();
        self.session.packages_put = Some(now);
        self.session.refill = false;
        if put.is_some_and(|put| put.last_resort.is_some()) {
            self.session.last_resort_put = Some(now);
        }
        self.store_session();
    }

    /// The server keeps more than it should, or others than these: all are put anew.
    pub(super) fn on_key_packages_refused(&mut self, error: &ApiError) {
        let is_anew = self.net.packages.as_ref().is_some_and(|put| put.replace);
        // Making others each time would pile up private keys.
        if !error.code.is_passing() && error.code != ErrorCode::NotSignedIn && !is_anew {
            self.net.packages = None;
            self.session.packages_put = None;
            self.store_session();
        }
    }

    /// The private keys of earlier packages may be in use elsewhere: make new ones only.
    pub(super) fn replace_key_packages(&mut self) {
        self.mls.store().drop_key_packages(None);
        self.net.packages = None;
        self.session.packages_put = None;
        self.session.last_resort_put = None;
        self.store_session();
    }

    /// Groups of the account in which this device is not yet: it enters them.
    pub(super) fn on_memberships(&mut self, memberships: Memberships, turn: &mut Turn<'_>) {
        self.net.memberships_due = false;
        for group in memberships.groups.into_vec() {
            let known = self.stage(&group);
            let has_quit = self
                .conversations
                .get(&group)
                .is_some_and(|found| found.record.quit);
            if known == Some(Stage::Live) || has_quit {
                continue;
            }
            self.on_place_in_group(group, turn);
            if self.net.wanted == Wanted::Live && self.stage(&group) != known {
                // Its Welcome may be on its way.
                self.net
                    .cool(Call::Info(group), turn.now, Some(WELCOME_FIRST_SECONDS), 0);
            }
        }
    }

    pub(super) fn on_place_in_group(&mut self, group: roost_wire::GroupId, turn: &mut Turn<'_>) {
        let is_stuck = self
            .conversations
            .get(&group)
            .is_some_and(|found| found.record.refused.is_some());
        match self.stage(&group) {
            // The commit that was refused here stands: the others could follow it.
            Some(Stage::Live) if is_stuck => {
                self.enter_anew(&group, Trouble::CommitRefused, turn);
            }
            None if self.has_no_room() => {}
            None => self.begin(group, Kind::Group, Stage::Entering, turn),
            Some(Stage::Left | Stage::Removed | Stage::Gone) => {
                // In again: by another of our devices, or added anew while its Welcome is on the
                // way, which will find the group being entered.
                self.set_stage(&group, Stage::Entering, turn);
                if let Some(conversation) = self.change(&group) {
                    conversation.record.quit = false;
                }
            }
            Some(Stage::Entering) => {
                if let Some(conversation) = self.conversations.get_mut(&group) {
                    conversation.called = true;
                }
            }
            Some(Stage::Founding | Stage::Welcomed { .. } | Stage::Live) => {}
        }
    }

    /// When to be called again without other input.
    pub(super) fn next_wake(&self, now: Moment) -> Option<Moment> {
        let typing = self
            .conversations
            .values()
            .flat_map(|conversation| conversation.typing.values().copied());
        if self.net.wanted == Wanted::Off && self.joining.is_none() && self.linking.is_none() {
            let waits = typing.chain(self.calls.deadline());
            return waits.filter(|moment| *moment > now).min();
        }
        let intents = self.intents.values().map(|intent| intent.not_before);
        let updates = self
            .conversations
            .values()
            .filter_map(|found| found.record.update_due);
        let later = intents.chain(updates).map(|time| self.net.moment_of(time));
        later
            .chain(typing)
            .chain(self.calls.deadline())
            .chain(self.net.next_try(now))
            .chain((self.net.wanted == Wanted::Live).then(|| self.people_again_at()))
            .chain(self.net.socket.ack_at())
            .chain(self.net.socket.next_check())
            .chain(self.room_wakes())
            .chain(self.door.wakes())
            .chain(self.relays_wake())
            .filter(|moment| *moment > now)
            .min()
    }

    /// Whether nothing is under way or about to be. What waits for a person is not waited for.
    fn is_done(&self, now: Moment) -> bool {
        let linking = self.linking.as_ref();
        let waits = self.joining.is_some() || linking.is_some_and(LinkingRecord::has_grant);
        self.net.is_idle() && !waits && !self.net.is_about_to_retry(now)
    }

    /// Whether the socket has brought everything and taken everything.
    fn has_caught_up(&self) -> bool {
        let mut usable = self
            .conversations
            .values()
            .filter(|found| found.is_usable());
        self.me.is_none() || self.net.socket.is_quiet() && usable.all(|found| found.caught_up)
    }

    /// Notices the end of `SyncOnce`, and a change of the connection.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) {
        let done = match self.net.wanted {
            Wanted::Off => false,
            Wanted::Once => self.is_done(turn.now),
            Wanted::Live => self.net.sync_asked && self.is_done(turn.now) && self.has_caught_up(),
        };
        if done {
            self.net.settled(turn);
        }
        let connection = self.connection();
        if self.net.last_connection.replace(connection) != Some(connection) {
            turn.notify(Notice::ConnectionChanged);
        }
        self.forget_old_typing(turn);
    }
}
