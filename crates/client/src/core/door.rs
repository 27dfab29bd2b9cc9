//! Guests who ask to be let into calls that the person here is not in.
//!
//! Owns what is shown of them in the conversation: a name for as long as they knock. Whoever is in
//! the call lets them in, which is the room's.

use super::Core;
use super::turn::Turn;
use crate::notice::Notice;
use crate::port::Moment;
use crate::room::knock::Stranger;
use roost_wire::{AccountId, DisplayName, GroupId, InviteId};
use std::collections::{BTreeMap, VecDeque};

/// Guests that are shown, of all conversations; and for so long after each knock.
const WAITING_MAX: usize = 25;
const WAITING_MS: u64 = 16_000;
/// Guests that are not shown any more; the first of them have no account any more.
const UNWANTED_MAX: usize = 256;

/// Nothing of it is stored: who still waits knocks again.
#[derive(Default)]
pub(super) struct Door {
    waiting: BTreeMap<(GroupId, AccountId), Waiting>,
    /// Whom the person here has turned away or removed.
    unwanted: VecDeque<AccountId>,
}

struct Waiting {
    link: InviteId,
    name: DisplayName,
    until: Moment,
}

impl Core {
    /// A guest knocked who has a link of the conversation's calls.
    pub(super) fn see_at_door(
        &mut self,
        conversation: &GroupId,
        stranger: &Stranger,
        name: DisplayName,
        turn: &mut Turn<'_>,
    ) {
        let room = self.room.as_ref();
        let is_there = room.is_some_and(|room| room.is_of(conversation));
        let waiting = Waiting {
            link: stranger.link,
            name,
            until: turn.now.plus_millis(WAITING_MS),
        };
        if !is_there && self.door.keep((*conversation, stranger.account), waiting) {
            turn.notify(Notice::ConversationsChanged);
        }
    }

    /// Whoever is in the call is asked there.
    pub(super) fn pump_door(&mut self, turn: &mut Turn<'_>) {
        let room = self.room.as_ref();
        let is_there = |group: &GroupId| room.is_some_and(|room| room.is_of(group));
        let before = self.door.waiting.len();
        self.door
            .waiting
            .retain(|(group, _), waiting| waiting.until > turn.now && !is_there(group));
        if self.door.waiting.len() != before {
            turn.notify(Notice::ConversationsChanged);
        }
    }
}

impl Door {
    /// Whether that changes what is shown. There is always room for whoever knocks now.
    fn keep(&mut self, who: (GroupId, AccountId), waiting: Waiting) -> bool {
        if self.unwanted.contains(&who.1) {
            return false;
        }
        let name = waiting.name.clone();
        let before = self.waiting.insert(who, waiting);
        if self.waiting.len() > WAITING_MAX {
            let oldest = self.waiting.iter().min_by_key(|(_, found)| found.until);
            if let Some(oldest) = oldest.map(|(who, _)| *who) {
                self.waiting.remove(&oldest);
            }
        }
        before.is_none_or(|before| before.name != name)
    }

    /// Whoever still waits knocks again.
    pub(super) fn lose_sight(&mut self) {
        self.waiting.clear();
    }

    /// Nobody comes by this link any more.
    pub(super) fn forget_link(&mut self, link: &InviteId) {
        self.waiting.retain(|_, waiting| waiting.link != *link);
    }

    pub(super) fn turn_away(&mut self, account: AccountId) {
        self.welcome(&account);
        self.unwanted.push_back(account);
        if self.unwanted.len() > UNWANTED_MAX {
            self.unwanted.pop_front();
        }
    }

    pub(super) fn welcome(&mut self, account: &AccountId) {
        self.unwanted.retain(|unwanted| unwanted != account);
    }

    pub(super) fn names(&self, conversation: &GroupId) -> Vec<DisplayName> {
        let waiting = self.waiting.iter();
        let here = waiting.filter(|((group, _), _)| group == conversation);
        here.map(|(_, waiting)| waiting.name.clone()).collect()
    }

    /// When somebody is to be forgotten.
    pub(super) fn wakes(&self) -> impl Iterator<Item = Moment> + '_ {
        self.waiting.values().map(|waiting| waiting.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_knock_a_bounded_number_is_shown_and_the_newest_is_among_them() {
        let mut door = Door::default();
        let group = GroupId::new([1; 16]);
        for number in 0..=WAITING_MAX {
            let number = u8::try_from(number).unwrap();
            let waiting = Waiting {
                link: InviteId::new([1; 16]),
                name: name(number),
                until: Moment::from_millis(u64::from(number)),
            };
            assert!(door.keep((group, AccountId::new([number; 16])), waiting));
        }

        let shown = door.names(&group);

        assert_eq!(shown.len(), WAITING_MAX);
        assert!(shown.contains(&name(25)) && !shown.contains(&name(0)));
        assert!(door.names(&GroupId::new([2; 16])).is_empty());
    }

    fn name(number: u8) -> DisplayName {
        DisplayName::new(&format!("Guest number {number}")).unwrap()
    }
}
