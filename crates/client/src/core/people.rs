//! Other accounts: their names, and the keys that speak for them.
//!
//! Owns the pins. A key is pinned on first sight; the next key that a credential named by hash is
//! followed without alarm; any other change is a warning.

use super::Core;
use super::net::{Call, Wanted};
use super::turn::Turn;
use crate::group::Leaf;
use crate::notice::Notice;
use crate::port::Table;
use crate::record::{EventRecord, PersonRecord};
use roost_mls::credential::Claims;
use roost_wire::api::{ListPeople, People, Person};
use roost_wire::link::InviterPrint;
use roost_wire::{AccountId, GroupId};

/// People that are listed; a server with more is not read to its end.
const PEOPLE_MAX: usize = 20_000;

impl Core {
    /// Learns from a credential that was checked: it is in a group's tree, or the device's own.
    pub(super) fn meet(&mut self, claims: &Claims, group: Option<&GroupId>, turn: &mut Turn<'_>) {
        let account = claims.account;
        let known = self.people.get(&account);
        let mut person = known
            .cloned()
            .unwrap_or_else(|| PersonRecord::new(claims.name.clone(), claims.account_key));
        if person.key == claims.account_key {
            // The first credential stands: a stolen key must not choose its successor.
            if !person.is_next_proven {
                person.next_hash = Some(claims.next_account_key_hash);
                person.is_next_proven = true;
            }
        } else if person.is_next(&claims.account_key) {
            person.replace_key(claims.account_key, claims.next_account_key_hash);
            person.is_next_proven = true;
            person.rotated_at = Some(self.net.server_time(turn.now));
            // Who survived is in the signed rotation.
            self.ask_about(account);
        } else if person.is_replaced(&claims.account_key) {
            // A leaf that has not been renewed since.
        } else {
            // Whatever the credential says of itself: only rotations lead from key to key.
            self.ask_about(account);
            if !person.changed {
                person.changed = true;
                self.warn_of(account, group, turn);
            }
        }
        // A name comes only with the key that the account is known by.
        if person.key == claims.account_key {
            person.name = claims.name.clone();
            person.attested = true;
        }
        self.set_person(account, person, turn);
    }

    /// Learns what the server says of somebody.
    pub(super) fn hear_of(&mut self, said: &Person, turn: &mut Turn<'_>) {
        let known = self.people.get(&said.account);
        let mut person = known
            .cloned()
            .unwrap_or_else(|| PersonRecord::new(said.name.clone(), said.key));
        if person.key != said.key && !person.changed {
            // The signed rotations tell whether this is the owner's doing.
            self.ask_about(said.account);
        } else if person.lacks_survivors() {
            self.ask_about(said.account);
        } else if !person.is_next_proven && person.key == said.key {
            person.next_hash = said.next_key_hash.filter(|_| !person.by_link);
        }
        // Who was met tells the name under the own key; the server could exchange two of them.
        if !person.attested {
            person.name = said.name.clone();
        }
        person.is_admin = said.is_admin;
        self.set_person(said.account, person, turn);
        self.welcome_back(said, turn);
    }

    /// An invite link named this account's key.
    pub(super) fn verify_by_link(
        &mut self,
        said: &Person,
        print: Option<InviterPrint>,
        turn: &mut Turn<'_>,
    ) {
        self.hear_of(said, turn);
        let Some(person) = self.people.get(&said.account) else {
            return;
        };
        if print == Some(InviterPrint::of(&person.key)) && !person.by_link {
            let mut person = person.clone();
            person.by_link = true;
            if !person.is_next_proven {
                // The link names the key alone: which one comes next, a credential must tell.
                person.next_hash = None;
                self.ask_about(said.account);
            }
            self.set_person(said.account, person, turn);
        }
    }

    /// Whether a leaf's key is the one pinned for its account, the next, or an earlier one.
    pub(super) fn is_expected(&self, account: &AccountId, key: &roost_wire::AccountKey) -> bool {
        self.people.get(account).is_none_or(|person| {
            person.key == *key || person.is_next(key) || person.is_replaced(key)
        })
    }

    /// Asks for the signed rotations that may lead to keys that are not expected.
    pub(super) fn ask_about_unexpected(&mut self, leaves: &[Leaf]) {
        for leaf in leaves {
            if !self.is_expected(&leaf.account(), &leaf.claims.account_key) {
                self.ask_about(leaf.account());
            }
        }
    }

    pub(super) fn pump_people(&mut self, turn: &mut Turn<'_>) {
        // Who else is on the server is not for guests.
        if self.session.visit.is_some() {
            return;
        }
        let again = self.net.wanted == Wanted::Live && self.people_again_at() <= turn.now;
        self.net.people_due |= again && !self.net.is_under_way(&Call::People);
        if self.net.people_due {
            let after = self.net.people_after;
            self.call(Call::People, &ListPeople { after }, turn);
        }
    }

    pub(super) fn on_people(&mut self, page: People, turn: &mut Turn<'_>) {
        for person in page.people.as_slice() {
            self.hear_of(person, turn);
        }
        let last = page.people.as_slice().last().map(|person| person.account);
        // A server that says "more" without going on is not asked again.
        let room = self.people.len() < PEOPLE_MAX;
        let goes_on = page.more && last > self.net.people_after && room;
        self.net.people_due = goes_on;
        self.net.people_read = turn.now;
        self.net.people_after = last.filter(|_| goes_on);
        turn.notify(Notice::PeopleChanged);
    }

    fn warn_of(&mut self, account: AccountId, group: Option<&GroupId>, turn: &mut Turn<'_>) {
        turn.notify(Notice::KeyChanged(account));
        if let Some(group) = group {
            let time = self.net.server_time(turn.now);
            self.append_event(group, EventRecord::KeyChanged(account), None, time);
        }
    }

    pub(super) fn set_person(
        &mut self,
        account: AccountId,
        person: PersonRecord,
        turn: &mut Turn<'_>,
    ) {
        if self.people.get(&account) == Some(&person) {
            return;
        }
        self.vault
            .put(Table::People, account.as_bytes().to_vec(), &person);
        self.people.insert(account, person);
        turn.notify(Notice::PeopleChanged);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::KeySeed;
    use crate::port::Moment;
    use roost_mls::account_key_hash;
    use roost_mls::credential::Account;
    use roost_wire::{AccountKey, DeviceId, DisplayName, Seconds, ServerId};

    const BEN: AccountId = AccountId::new([2; 16]);

    #[test]
    fn a_key_that_says_it_came_before_the_pinned_one_is_not_believed() {
        let mut core = Core::fresh();
        let mut dice = |bytes: &mut [u8]| bytes.fill(7);
        let turn = &mut Turn::new(Moment::from_millis(0), &mut dice);
        core.meet(&claims(&key(1), &key(3)), None, turn);

        // Anybody can make a key and name the pinned one as its successor.
        let forged = claims(&key(2), &key(1));
        core.meet(&forged, None, turn);

        assert!(!core.is_expected(&BEN, &forged.account_key));
        assert!(core.is_expected(&BEN, &key(1)));
        assert!(turn.notices.contains(&Notice::KeyChanged(BEN)));
        assert!(core.net.accounts_due.contains(&BEN));
    }

    fn key(byte: u8) -> AccountKey {
        AccountKey::new(KeySeed::from_bytes([byte; 32]).public())
    }

    fn claims(key: &AccountKey, next: &AccountKey) -> Claims {
        let of = Account {
            server: ServerId::new([4; 16]),
            account: BEN,
            name: DisplayName::new("Ben").unwrap(),
            key: *key,
            next_key_hash: account_key_hash(next),
        };
        Claims::new(of, DeviceId::new([5; 16]), Seconds::new(1_800_000_000))
    }
}
