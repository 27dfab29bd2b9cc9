//! Which account key speaks for an account inside one group.
//!
//! Owns the pin and the question whether a credential continues it. What a client pinned outside
//! the group is the client's to compare.

use crate::credential::{Claims, account_key_hash};
use crate::error::RuleError;
use roost_wire::{AccountId, AccountKey, ServerId};
use std::collections::BTreeMap;

/// An account's key and the hash of the only key that may follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PinnedAccountKey {
    pub server: ServerId,
    pub account: AccountId,
    pub key: AccountKey,
    /// SHA-256 of the next account key.
    pub next_hash: [u8; 32],
}

impl PinnedAccountKey {
    /// What a credential pins.
    #[must_use]
    pub fn of(claims: &Claims) -> Self {
        Self {
            server: claims.server,
            account: claims.account,
            key: claims.account_key,
            next_hash: claims.next_account_key_hash,
        }
    }

    /// Whether `next` is the same pin, or the next key that this pin names. The same key with
    /// another next hash is neither: it would let a stolen key choose its successor.
    #[must_use]
    pub fn continues_to(&self, next: &Self) -> bool {
        self == next || self.precedes(next)
    }

    fn precedes(&self, next: &Self) -> bool {
        self.server == next.server
            && self.account == next.account
            && self.key != next.key
            && account_key_hash(&next.key) == self.next_hash
    }
}

/// The pins of the accounts in a roster.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccountPins(BTreeMap<(ServerId, AccountId), Vec<PinnedAccountKey>>);

impl AccountPins {
    /// Notes what a leaf of the roster pins.
    pub(crate) fn note(&mut self, claims: &Claims) {
        let pin = PinnedAccountKey::of(claims);
        let pins = self.0.entry((claims.server, claims.account)).or_default();
        if !pins.contains(&pin) {
            pins.push(pin);
        }
    }

    pub(crate) fn contains(&self, claims: &Claims) -> bool {
        self.0.contains_key(&(claims.server, claims.account))
    }

    pub(crate) fn accounts(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.0.keys().map(|(_, account)| *account)
    }

    /// Admits a new leaf: its account is new here, or it comes with the account's current key, or
    /// with the key after that. Leaves of an older key may still be around, but no new one comes.
    pub(crate) fn admit(&mut self, claims: &Claims) -> Result<(), RuleError> {
        if let Some(pins) = self.0.get(&(claims.server, claims.account)) {
            let current = current(pins).ok_or(RuleError::AccountKeysDisagree)?;
            if !current.continues_to(&PinnedAccountKey::of(claims)) {
                return Err(RuleError::OtherAccountKey);
            }
        }
        self.note(claims);
        Ok(())
    }

    /// Whether every account's leaves agree on one current key.
    pub(crate) fn agree(&self) -> Result<(), RuleError> {
        let agreed = self.0.values().all(|pins| current(pins).is_some());
        if agreed {
            Ok(())
        } else {
            Err(RuleError::AccountKeysDisagree)
        }
    }
}

/// The one pin that no other pin replaces.
fn current(pins: &[PinnedAccountKey]) -> Option<&PinnedAccountKey> {
    let mut latest = pins
        .iter()
        .filter(|pin| !pins.iter().any(|next| pin.precedes(next)));
    match (latest.next(), latest.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_keys_has_one_current_key() {
        let chain = [pin(1, 2), pin(2, 3)];

        assert_eq!(current(&chain), Some(&chain[1]));
    }

    #[test]
    fn one_key_with_two_successors_has_no_current_pin() {
        assert_eq!(current(&[pin(1, 2), pin(1, 3)]), None);
    }

    #[test]
    fn keys_that_do_not_follow_one_another_have_no_current_key() {
        assert_eq!(current(&[pin(1, 2), pin(5, 6)]), None);
    }

    #[test]
    fn a_pin_continues_to_itself_and_to_the_key_it_names() {
        assert!(pin(1, 2).continues_to(&pin(1, 2)));
        assert!(pin(1, 2).continues_to(&pin(2, 9)));
        assert!(!pin(1, 2).continues_to(&pin(1, 3)));
        assert!(!pin(1, 2).continues_to(&pin(3, 4)));
        assert!(!pin(2, 3).continues_to(&pin(1, 2)));
    }

    #[test]
    fn a_pin_of_another_account_does_not_follow() {
        let other = PinnedAccountKey {
            account: AccountId::new([9; 16]),
            ..pin(2, 3)
        };

        assert!(!pin(1, 2).continues_to(&other));
    }

    fn pin(key: u8, next: u8) -> PinnedAccountKey {
        PinnedAccountKey {
            server: ServerId::new([1; 16]),
            account: AccountId::new([2; 16]),
            key: AccountKey::new([key; 32]),
            next_hash: account_key_hash(&AccountKey::new([next; 32])),
        }
    }
}
