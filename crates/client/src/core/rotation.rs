//! Following replaced account keys, and letting go of what the old ones still hold open.
//!
//! Owns the chain from the pinned key to the present one. A chain in which each key was named by
//! hash before it came is followed without alarm, whatever else the server says is a warning.
//! Devices that a rotation did not list are revoked: their leaves are removed by value, and no
//! newcomer under an old key is let in.

use super::Core;
use super::net::Call;
use super::turn::Turn;
use crate::group::Leaf;
use crate::notice::Notice;
use crate::record::{PersonRecord, RotationRecord, Wish};
use roost_mls::credential::Claims;
use roost_mls::{KeyRotation, LeafCredential, PinnedAccountKey, account_key_hash};
use roost_wire::api::{AccountDetail, DeviceCard, ShowAccount};
use roost_wire::{AccountId, AccountKey, ApiError, ErrorCode, GroupId, Seconds};

/// Key changes of one account that are remembered; the server takes no more.
const ROTATIONS_MAX: usize = 64;
/// Accounts asked about at once; the others wait.
const ASKED_AT_ONCE: usize = 8;
/// Members other than the owner let go of a revoked device's leaf within this, the first one wins.
const PURGE_JITTER_SECONDS: u64 = 60;

impl Core {
    /// Wants to know an account's devices and rotations.
    pub(super) fn ask_about(&mut self, account: AccountId) {
        self.net.accounts_due.insert(account);
    }

    pub(super) fn pump_accounts(&mut self, turn: &mut Turn<'_>) {
        let due: Vec<AccountId> = self.net.accounts_due.iter().copied().collect();
        for account in due.into_iter().take(ASKED_AT_ONCE) {
            self.call(Call::Account(account), &ShowAccount { account }, turn);
        }
    }

    pub(super) fn on_account(
        &mut self,
        account: &AccountId,
        detail: &AccountDetail,
        turn: &mut Turn<'_>,
    ) {
        self.net.accounts_due.remove(account);
        if detail.person.account != *account {
            return;
        }
        if self.is_me(account) {
            self.on_own_account(detail, turn);
        }
        self.follow(detail, turn);
        self.pin_next_key(detail, turn);
        self.purge_everywhere(account, turn);
    }

    pub(super) fn on_account_refused(&mut self, account: &AccountId, error: &ApiError) {
        if matches!(error.code, ErrorCode::NotFound | ErrorCode::Malformed) {
            self.net.accounts_due.remove(account);
        }
    }

    /// Whether a key has been replaced by a later one of its account.
    pub(super) fn is_replaced(&self, account: &AccountId, key: &AccountKey) -> bool {
        self.people
            .get(account)
            .is_some_and(|person| person.is_replaced(key))
    }

    /// Whether a leaf belongs to a device that its account has revoked.
    pub(super) fn is_revoked(&self, claims: &Claims) -> bool {
        self.people
            .get(&claims.account)
            .is_some_and(|person| person.has_revoked(claims))
    }

    /// Whether a commit, stored at this time, brings in a leaf under a key that this device knew
    /// to be replaced before. `joiner` is the author's leaf if it came from outside.
    pub(super) fn brings_replaced_key(
        &self,
        before: &[Leaf],
        after: &[Leaf],
        joiner: Option<u32>,
        at: Seconds,
    ) -> bool {
        let newcomers = after.iter().filter(|leaf| {
            let known = before.iter().any(|known| known.device() == leaf.device());
            joiner == Some(leaf.index) || !known
        });
        newcomers
            .filter_map(|leaf| Some((leaf, self.people.get(&leaf.account())?)))
            .any(|(leaf, person)| {
                let known_before = person.rotated_at.is_some_and(|learnt| learnt < at);
                known_before && person.is_replaced(&leaf.claims.account_key)
            })
    }

    /// Sees to it that leaves of revoked devices go.
    pub(super) fn purge_if_revoked(
        &mut self,
        group: &GroupId,
        leaves: &[Leaf],
        turn: &mut Turn<'_>,
    ) {
        let revoked: Vec<&Leaf> = leaves
            .iter()
            .filter(|leaf| self.is_revoked(&leaf.claims))
            .collect();
        if revoked.is_empty() || self.has_wish(group, &Wish::Purge) {
            return;
        }
        let own = revoked.iter().any(|leaf| self.is_me(&leaf.account()));
        let delay = if own {
            0
        } else {
            1 + turn.below(PURGE_JITTER_SECONDS)
        };
        self.intend(group, Wish::Purge, delay, turn);
    }

    pub(super) fn derive_purge(&mut self, group: &GroupId, index: u64, turn: &mut Turn<'_>) {
        let Ok(leaves) = self.mls.leaves(group) else {
            return self.lose_state(group, turn);
        };
        let revoked = leaves.iter().filter(|leaf| self.is_revoked(&leaf.claims));
        let remove: Vec<u32> = revoked.map(|leaf| leaf.index).collect();
        if remove.is_empty() {
            self.drop_intent(group, index);
        } else {
            self.derive_removal_of(group, index, remove, turn);
        }
    }

    /// Moves the pin of an account along its rotations, or warns.
    fn follow(&mut self, detail: &AccountDetail, turn: &mut Turn<'_>) {
        let said = &detail.person;
        let Some(mut person) = self.people.get(&said.account).cloned() else {
            return;
        };
        let server = self.me.as_ref().map(|me| me.server);
        let rotations: Vec<KeyRotation> = detail
            .rotations
            .as_slice()
            .iter()
            .filter_map(|rotation| KeyRotation::parse(rotation.as_bytes()).ok())
            .filter(|rotation| rotation.account == said.account && Some(rotation.server) == server)
            .collect();
        person.look_back(&rotations);
        person.learn_survivors(&rotations);
        let before = person.key;
        let now = self.net.server_time(turn.now);
        if person.move_along(said.account, &rotations, said.key) {
            if person.key != before {
                person.rotated_at = Some(now);
                person.changed = false;
            }
        } else if !person.changed && !self.is_me(&said.account) {
            person.changed = true;
            turn.notify(Notice::KeyChanged(said.account));
            self.note_key_change(&said.account, now);
        }
        self.set_person(said.account, person, turn);
    }

    /// A credential of the account, signed by its pinned key, tells which key comes next.
    fn pin_next_key(&mut self, detail: &AccountDetail, turn: &mut Turn<'_>) {
        for credential in detail.devices.as_slice().iter().filter_map(credential_of) {
            let known = self.people.get(&detail.person.account);
            let fits = known.is_some_and(|person| {
                credential.account == detail.person.account && credential.account_key == person.key
            });
            if fits {
                self.meet(&credential, None, turn);
            }
        }
    }

    /// Shows the warning in the conversations with that person.
    fn note_key_change(&mut self, account: &AccountId, now: Seconds) {
        let groups: Vec<GroupId> = self
            .conversations
            .iter()
            .filter(|(_, found)| !found.is_over() && found.record.has_member(account))
            .map(|(group, _)| *group)
            .collect();
        for group in groups {
            let event = crate::record::EventRecord::KeyChanged(*account);
            self.append_event(&group, event, None, now);
        }
    }

    pub(super) fn purge_everywhere(&mut self, account: &AccountId, turn: &mut Turn<'_>) {
        let rotated = self
            .people
            .get(account)
            .is_some_and(|person| !person.rotations.is_empty());
        if !rotated {
            return;
        }
        let groups: Vec<GroupId> = self
            .conversations
            .iter()
            .filter(|(_, found)| found.is_usable() && found.record.has_member(account))
            .map(|(group, _)| *group)
            .collect();
        for group in groups {
            if let Ok(leaves) = self.mls.leaves(&group) {
                self.purge_if_revoked(&group, &leaves, turn);
            }
        }
    }
}

impl PersonRecord {
    pub(super) fn is_replaced(&self, key: &AccountKey) -> bool {
        self.rotations.iter().any(|old| old.key == *key)
    }

    /// A device under an old key that some later rotation did not list.
    fn has_revoked(&self, claims: &Claims) -> bool {
        let old = self
            .rotations
            .iter()
            .position(|old| old.key == claims.account_key);
        let later = old.and_then(|at| self.rotations.get(at..));
        later.into_iter().flatten().any(|rotation| {
            let surviving = rotation.surviving.as_ref();
            surviving.is_some_and(|surviving| !surviving.contains(&claims.device))
        })
    }

    /// Whether the signed rotation of some change of key was not seen yet.
    pub(super) fn lacks_survivors(&self) -> bool {
        self.rotations.iter().any(|old| old.surviving.is_none())
    }

    /// The pin has moved to the next key.
    pub(super) fn replace_key(&mut self, key: AccountKey, next_hash: [u8; 32]) {
        self.rotations.push(RotationRecord {
            key: self.key,
            surviving: None,
        });
        let over = self.rotations.len().saturating_sub(ROTATIONS_MAX);
        self.rotations.drain(..over);
        self.key = key;
        self.next_hash = Some(next_hash);
    }

    /// Remembers the key before the first one known.
    fn note_earlier_key(&mut self, key: AccountKey) {
        if self.rotations.len() < ROTATIONS_MAX {
            let surviving = None;
            self.rotations.insert(0, RotationRecord { key, surviving });
        }
    }

    fn first_key(&self) -> AccountKey {
        self.rotations.first().map_or(self.key, |old| old.key)
    }

    /// Learns of the keys before the first one known. Each rotation is signed by its new key, so
    /// that each key vouches for the one it replaced.
    fn look_back(&mut self, rotations: &[KeyRotation]) {
        for _ in 0..ROTATIONS_MAX {
            let first = self.first_key();
            let Some(rotation) = rotations.iter().find(|rotation| rotation.new_key == first) else {
                return;
            };
            self.note_earlier_key(rotation.old_key);
        }
    }

    /// Follows rotations from the pinned key on; whether they end at `present`.
    fn move_along(
        &mut self,
        account: AccountId,
        rotations: &[KeyRotation],
        present: AccountKey,
    ) -> bool {
        for rotation in rotations {
            let pinned = self.next_hash.map(|next_hash| PinnedAccountKey {
                server: rotation.server,
                account,
                key: self.key,
                next_hash,
            });
            if self.key == present {
                return true;
            }
            if let Some(next) = pinned.and_then(|pinned| rotation.follows(&pinned).ok()) {
                self.replace_key(next.key, next.next_hash);
                self.learn_survivors(std::slice::from_ref(rotation));
            }
        }
        self.key == present
    }

    /// Fills in who survived the changes of key that are known already.
    fn learn_survivors(&mut self, rotations: &[KeyRotation]) {
        let mut next = self.key;
        for old in self.rotations.iter_mut().rev() {
            let found = rotations
                .iter()
                .find(|rotation| rotation.old_key == old.key && rotation.new_key == next);
            if let (None, Some(rotation)) = (&old.surviving, found) {
                old.surviving = Some(rotation.surviving.as_slice().to_vec());
            }
            next = old.key;
        }
    }

    /// Whether `key` is the one that may follow the pinned one.
    pub(super) fn is_next(&self, key: &AccountKey) -> bool {
        self.next_hash == Some(account_key_hash(key))
    }
}

/// A device's credential as the server shows it, if its account signed it.
pub(super) fn credential_of(card: &DeviceCard) -> Option<LeafCredential> {
    let credential =
        LeafCredential::from_bytes(card.credential.as_bytes(), card.signature_key).ok()?;
    (credential.device == card.device).then_some(credential)
}
