//! Safety numbers: what two people compare to know that no key between them was exchanged.
//!
//! Owns the construction, that of Signal's numeric fingerprint with an account's identity in it
//! (docs/protocol.md). Never decides what an equal number means for a contact.

use roost_wire::{AccountId, AccountKey, ServerId, api};
use sha2::{Digest, Sha512};

const LABEL: &str = "roost safety number v1";
/// Hashes one after the other: makes looking for keys with a similar number costly.
const ITERATIONS: u32 = 5_200;
/// Five-digit groups that stand for one account.
const GROUPS_EACH: usize = 6;

/// Sixty digits, the same on both sides: six groups of five for each account, the lower half first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafetyNumber([[u32; GROUPS_EACH]; 2]);

impl SafetyNumber {
    /// The number of two accounts of one server, in either order.
    pub(crate) fn of(server: &ServerId, one: Party<'_>, other: Party<'_>) -> Self {
        let mut halves = [half(server, one), half(server, other)];
        halves.sort_unstable();
        Self(halves)
    }
}

impl std::fmt::Display for SafetyNumber {
    /// Twelve groups of five digits with spaces between.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, group) in self.0.iter().flatten().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{group:05}")?;
        }
        Ok(())
    }
}

/// An account and the key by which it is known.
pub(crate) type Party<'a> = (&'a AccountId, &'a AccountKey);

fn half(server: &ServerId, (account, key): Party<'_>) -> [u32; GROUPS_EACH] {
    let start = api::to_be_signed(
        LABEL,
        &[server.as_bytes(), account.as_bytes(), key.as_bytes()],
    );
    let mut digest = Sha512::digest(start);
    for _ in 0..ITERATIONS {
        digest = Sha512::new()
            .chain_update(digest)
            .chain_update(key.as_bytes())
            .finalize();
    }
    let mut groups = [0; GROUPS_EACH];
    for (group, bytes) in groups.iter_mut().zip(digest.chunks_exact(5)) {
        let number = bytes
            .iter()
            .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        *group = u32::try_from(number % 100_000).unwrap_or_default();
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: ServerId = ServerId::new([1; 16]);

    #[test]
    fn both_sides_see_the_same_sixty_digits() {
        let (ada, ben) = (party(2), party(3));

        let hers = number(&ada, &ben).to_string();
        let his = number(&ben, &ada).to_string();

        assert_eq!(hers, his);
        assert_eq!(hers.split(' ').count(), 12);
        assert!(hers.split(' ').all(|group| group.len() == 5));
    }

    #[test]
    fn the_construction_is_pinned() {
        assert_eq!(
            number(&party(2), &party(3)).to_string(),
            include_str!("../tests/vectors/safety_number.txt").trim()
        );
    }

    #[test]
    fn another_key_account_or_server_gives_another_number() {
        let (ada, ben) = (party(2), party(3));
        let number_of = number(&ada, &ben);

        let other_key = (ada.0, AccountKey::new([9; 32]));
        let other_account = (AccountId::new([9; 16]), ada.1);
        let other_server = ServerId::new([9; 16]);

        assert_ne!(number(&other_key, &ben), number_of);
        assert_ne!(number(&other_account, &ben), number_of);
        let elsewhere = SafetyNumber::of(&other_server, (&ada.0, &ada.1), (&ben.0, &ben.1));
        assert_ne!(elsewhere, number_of);
    }

    fn party(byte: u8) -> (AccountId, AccountKey) {
        (AccountId::new([byte; 16]), AccountKey::new([byte; 32]))
    }

    fn number(one: &(AccountId, AccountKey), other: &(AccountId, AccountKey)) -> SafetyNumber {
        SafetyNumber::of(&SERVER, (&one.0, &one.1), (&other.0, &other.1))
    }
}
