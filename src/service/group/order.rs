//! One connection's messages never overtake each other: behind one that was refused, those that
//! were sent before the client could know it are refused too.
//!
//! Owns only what one connection has seen refused. A client says that it knows by following the
//! group again.

use roost_wire::{GroupId, limit};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The order of one connection's messages.
#[derive(Debug, Default)]
pub struct Order {
    follows: Arc<Follows>,
    refused: Arc<Mutex<Follows>>,
}

/// For each group, how often the client has followed it: by now, or when it sent what was refused
/// last.
type Follows = BTreeMap<GroupId, u64>;

/// Where one message stands in the order of its connection.
#[derive(Debug, Clone)]
pub struct Turn {
    follows: Arc<Follows>,
    refused: Arc<Mutex<Follows>>,
}

impl Order {
    /// The client follows a group, and knows what was refused there before.
    pub fn follow(&mut self, group: GroupId) {
        let follows = Arc::make_mut(&mut self.follows);
        if follows.len() < limit::GROUPS_PER_DEVICE || follows.contains_key(&group) {
            let count = follows.entry(group).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// The place of a message that comes now.
    #[must_use]
    pub fn turn(&self) -> Turn {
        Turn {
            follows: self.follows.clone(),
            refused: self.refused.clone(),
        }
    }
}

impl Turn {
    /// Whether one before this was refused, and the client could not know it.
    #[must_use]
    pub fn is_behind_a_refused(&self, group: &GroupId) -> bool {
        let refused = self.refused().get(group).copied();
        refused.is_some_and(|follows| follows >= self.follows(group))
    }

    /// This one is refused.
    pub fn refuse(&self, group: GroupId) {
        let mut refused = self.refused();
        if refused.len() < limit::GROUPS_PER_DEVICE || refused.contains_key(&group) {
            refused.insert(group, self.follows(&group));
        }
    }

    fn follows(&self, group: &GroupId) -> u64 {
        self.follows.get(group).copied().unwrap_or(0)
    }

    fn refused(&self) -> MutexGuard<'_, Follows> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: GroupId = GroupId::new([7; 16]);
    const OTHER: GroupId = GroupId::new([8; 16]);

    #[test]
    fn what_was_sent_before_the_client_followed_anew_is_behind_the_refused_one() {
        let mut order = Order::default();
        let (first, second) = (order.turn(), order.turn());
        order.follow(OTHER);
        let third = order.turn();
        order.follow(GROUP);
        let again = order.turn();

        first.refuse(GROUP);

        assert!(second.is_behind_a_refused(&GROUP));
        assert!(!second.is_behind_a_refused(&OTHER));
        assert!(third.is_behind_a_refused(&GROUP));
        assert!(!again.is_behind_a_refused(&GROUP));
    }

    #[test]
    fn another_refusal_needs_another_following() {
        let mut order = Order::default();
        order.turn().refuse(GROUP);
        order.follow(GROUP);
        order.turn().refuse(GROUP);

        assert!(order.turn().is_behind_a_refused(&GROUP));
        order.follow(GROUP);
        assert!(!order.turn().is_behind_a_refused(&GROUP));
    }
}
