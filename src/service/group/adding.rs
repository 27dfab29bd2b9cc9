//! Being added by others: how many groups an account may be put into, and how fast.

use crate::service::error::GroupError;
use crate::service::group::Groups;
use roost_wire::{AccountId, Seconds, limit};
use std::collections::{BTreeMap, BTreeSet};

/// Pairs of adder and added counted a day; those beyond are not counted.
const COUNTED_MAX: usize = 65_536;

/// Who added whom today. In memory: a restart forgives.
#[derive(Default)]
pub struct Adds {
    day: u64,
    by_pair: BTreeMap<(AccountId, AccountId), u32>,
}

impl Adds {
    fn may(&self, adder: AccountId, added: AccountId, day: u64) -> bool {
        let count = self.by_pair.get(&(adder, added)).copied();
        self.day != day || count.unwrap_or_default() < limit::ADDS_OF_ACCOUNT_A_DAY
    }

    fn count(&mut self, adder: AccountId, added: AccountId, day: u64) {
        if self.day != day {
            self.day = day;
            self.by_pair.clear();
        }
        let pair = (adder, added);
        if self.by_pair.len() < COUNTED_MAX || self.by_pair.contains_key(&pair) {
            let count = self.by_pair.entry(pair).or_default();
            *count = count.saturating_add(1);
        }
    }
}

impl Groups {
    /// Whether these accounts may come into one more group, by this account's doing.
    pub(super) async fn check_adding(
        &self,
        adder: AccountId,
        joined: &BTreeSet<AccountId>,
        now: Seconds,
    ) -> Result<(), GroupError> {
        for added in joined {
            if adder != *added && !self.shared.adds().may(adder, *added, now.day()) {
                return Err(GroupError::Against(
                    "You added this person to too many groups today.",
                ));
            }
            self.check_count(added).await?;
        }
        Ok(())
    }

    pub(super) fn note_adding(&self, adder: AccountId, joined: &BTreeSet<AccountId>, now: Seconds) {
        let mut adds = self.shared.adds();
        for added in joined {
            if adder != *added {
                adds.count(adder, *added, now.day());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_adds_another_so_often_a_day_and_no_more() {
        let [ada, ben, cy] = [1, 2, 3].map(|n| AccountId::new([n; 16]));
        let mut adds = Adds::default();
        for _ in 0..limit::ADDS_OF_ACCOUNT_A_DAY {
            assert!(adds.may(ada, ben, 7));
            adds.count(ada, ben, 7);
        }

        assert!(!adds.may(ada, ben, 7));
        assert!(adds.may(ada, cy, 7));
        assert!(adds.may(cy, ben, 7));
        assert!(adds.may(ada, ben, 8));
    }
}
