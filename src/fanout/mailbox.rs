//! What waits to be handed to one connection: a bounded queue, and what to read again when it was
//! full.

use crate::delivery::Mail;
use roost_wire::{GroupId, limit};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Things waiting for one connection. What does not fit is read from the log later.
pub const MAILBOX_ITEMS_MAX: usize = 256;

/// Where mail waits.
#[derive(Default)]
pub struct Mailbox {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    mail: VecDeque<Mail>,
    behind: BTreeSet<GroupId>,
    inbox: bool,
}

impl Mailbox {
    /// Leaves one thing.
    pub fn put(&self, mail: Mail) {
        self.waiting().put(mail);
        self.arrived.notify_one();
    }

    /// Takes the next thing.
    pub fn take(&self) -> Option<Mail> {
        let mut waiting = self.waiting();
        if let Some(mail) = waiting.mail.pop_front() {
            return Some(mail);
        }
        if std::mem::take(&mut waiting.inbox) {
            return Some(Mail::Inbox);
        }
        waiting.behind.pop_first().map(Mail::Behind)
    }

    /// Waits until something was put since the last call.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn put(&mut self, mail: Mail) {
        match mail {
            Mail::Inbox => self.inbox = true,
            Mail::Behind(group) => self.be_behind(group),
            Mail::Entry { group, .. } if self.is_full() => self.be_behind(group),
            Mail::Passing { .. } if self.is_full() => {}
            // Bounded by what one connection may ask at once, and by its groups.
            Mail::Entry { .. }
            | Mail::Passing { .. }
            | Mail::Answer(_)
            | Mail::Left(_)
            | Mail::Close(_) => self.mail.push_back(mail),
        }
    }

    fn be_behind(&mut self, group: GroupId) {
        if self.behind.len() < limit::GROUPS_PER_DEVICE {
            self.behind.insert(group);
        }
    }

    fn is_full(&self) -> bool {
        self.mail.len() >= MAILBOX_ITEMS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use roost_wire::Seq;

    fn entry(seq: u64) -> Mail {
        Mail::Entry {
            group: GroupId::new([1; 16]),
            seq: Seq::new(seq),
            frame: Bytes::new(),
        }
    }

    #[test]
    fn a_full_mailbox_remembers_what_to_read_again() {
        let mailbox = Mailbox::default();
        for seq in 0..1000 {
            mailbox.put(entry(seq));
        }

        let taken: Vec<_> = std::iter::from_fn(|| mailbox.take()).collect();

        assert_eq!(taken.len(), MAILBOX_ITEMS_MAX + 1);
        assert_eq!(taken.last(), Some(&Mail::Behind(GroupId::new([1; 16]))));
    }

    #[test]
    fn answers_are_never_dropped() {
        let mailbox = Mailbox::default();
        for seq in 0..1000 {
            mailbox.put(entry(seq));
        }
        mailbox.put(Mail::Answer(Bytes::from_static(b"a")));

        let taken: Vec<_> = std::iter::from_fn(|| mailbox.take()).collect();

        assert!(taken.contains(&Mail::Answer(Bytes::from_static(b"a"))));
    }
}
