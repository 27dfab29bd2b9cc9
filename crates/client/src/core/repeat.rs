//! Messages in the log that are said again: the commit before them was taken back, or the server
//! was restored.
//!
//! Owns how long a message is kept after it was accepted, and which of its encryptions are void.

use super::Core;
use super::turn::Turn;
use crate::record::{SealedRecord, TimelineRecord};
use roost_wire::{Epoch, GroupId, Seq, limit};

/// Messages in the log that are kept for the case that the commit before them is taken back.
const KEPT_MAX: usize = 64;
const NEWCOMERS: &str =
    "This was lost on its way, and somebody has come since. Send it again if they may read it.";
const TAKEN_BACK: &str = "This was lost on its way too often.";

impl Core {
    /// The device has a new leaf since `entered`. What was encrypted before is offered once more as
    /// it is: if it is in the log the server says where, and if not it is too old to be taken and
    /// is encrypted again.
    pub(super) fn resume_outbox(&mut self, group: &GroupId, entered: Epoch, turn: &mut Turn<'_>) {
        self.unseal_from(group, entered);
        // An epoch that begins a second time was taken back.
        self.repeat_from(group, entered, turn);
        for index in self.accepted_in(group) {
            self.drop_outbox(group, index);
        }
    }

    /// This epoch was taken back, with those after it and everything said there: it is said again,
    /// as the same messages.
    pub(super) fn repeat_from(&mut self, group: &GroupId, epoch: Epoch, turn: &mut Turn<'_>) {
        for index in self.accepted_in(group) {
            let item = self.outbox.get(&(*group, index));
            let sealed = item.and_then(|item| item.sealed.as_ref());
            if sealed.is_some_and(|sealed| sealed.epoch >= epoch) {
                self.send_again(group, index, turn);
            }
        }
    }

    /// What was accepted behind this entry may be gone from the log.
    pub(super) fn repeat_behind(&mut self, group: &GroupId, seq: Seq, turn: &mut Turn<'_>) {
        for index in self.accepted_in(group) {
            let item = self.outbox.get(&(*group, index));
            if item.and_then(|item| item.accepted) > Some(seq) {
                self.send_again(group, index, turn);
            }
        }
    }

    /// What was said after commits of which it is not known whether they stand is not sent yet.
    pub(super) fn repeat_unsettled(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        for index in self.accepted_in(group) {
            if self.is_kept(group, index) {
                self.send_again(group, index, turn);
            }
        }
    }

    fn send_again(&mut self, group: &GroupId, index: u64, turn: &mut Turn<'_>) {
        let (Some(item), Some(conversation)) = (
            self.outbox.get(&(*group, index)),
            self.conversations.get(group),
        ) else {
            return;
        };
        let (id, repeats) = (item.id, item.repeats);
        let cursor = conversation.record.cursor;
        let began = item.sealed.as_ref().map(|sealed| sealed.began);
        let opened = began.is_some_and(|began| conversation.record.has_opened_since(began));
        self.change_outbox(group, index, |item| {
            item.accepted = None;
            item.sealed = None;
            item.tries = 0;
            item.repeats = repeats.saturating_add(1);
            item.after = cursor;
        });
        self.append(group, TimelineRecord::Retried(id));
        if opened {
            self.fail_messages(group, vec![index], NEWCOMERS, turn);
        } else if repeats >= limit::COMMIT_TRIES {
            self.fail_messages(group, vec![index], TAKEN_BACK, turn);
        }
    }

    /// Whether a message in the log may have to be said again.
    pub(super) fn is_kept(&self, group: &GroupId, index: u64) -> bool {
        let item = self.outbox.get(&(*group, index));
        let sealed = item.and_then(|item| item.sealed.as_ref());
        let conversation = self.conversations.get(group);
        sealed.is_some_and(|sealed| {
            conversation.is_some_and(|found| found.record.may_be_voided(sealed.began))
        })
    }

    /// Encrypts a message and those behind it anew: what follows one of a newer epoch in an older
    /// one is a hole for whoever came in between.
    pub(super) fn unseal_behind(&mut self, group: &GroupId, first: u64) {
        let waiting = self.waiting_in(group).map(|(index, _)| index);
        let behind: Vec<u64> = waiting.filter(|index| *index >= first).collect();
        for index in behind {
            self.change_outbox(group, index, |item| item.sealed = None);
        }
    }

    /// Encrypts anew what was encrypted in this epoch or a later one.
    pub(super) fn unseal_from(&mut self, group: &GroupId, epoch: Epoch) {
        let is_later = |sealed: &SealedRecord| sealed.epoch >= epoch;
        let waiting: Vec<u64> = self
            .outbox_of(group)
            .filter(|(_, item)| item.accepted.is_none())
            .filter(|(_, item)| item.sealed.as_ref().is_some_and(is_later))
            .map(|(index, _)| index)
            .collect();
        for index in waiting {
            self.change_outbox(group, index, |item| item.sealed = None);
        }
    }

    /// The log has passed these: whatever came back, they are in it. The newest are kept while
    /// they may have to be said again.
    pub(super) fn sweep_outbox(&mut self, group: &GroupId, seq: Seq) {
        let mut passed = self.accepted_in(group);
        passed.retain(|index| {
            let item = self.outbox.get(&(*group, *index));
            item.and_then(|item| item.accepted) <= Some(seq)
        });
        let over = passed.len().saturating_sub(KEPT_MAX);
        for (place, index) in passed.into_iter().enumerate() {
            if place < over || !self.is_kept(group, index) {
                self.drop_outbox(group, index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::MessageId;
    use crate::core::conversation::Conversation;
    use crate::port::Moment;
    use crate::record::{Kind, OutboxRecord, Stage};
    use roost_wire::api::Accepted;
    use roost_wire::{AccountId, Seconds};

    const GROUP: GroupId = GroupId::new([1; 16]);
    const ADA: AccountId = AccountId::new([1; 16]);
    const EPOCH: Epoch = Epoch::new(4);
    const BEGAN: Seq = Seq::new(20);

    #[test]
    fn what_was_said_in_a_voided_epoch_waits_to_be_sent_again() {
        let mut core = core_with_a_stored_message();

        void(&mut core);

        let item = &core.outbox[&(GROUP, 1)];
        assert_eq!((item.accepted, item.failed), (None, false));
        assert_eq!(item.after, Seq::new(30));
    }

    #[test]
    fn what_was_said_before_somebody_came_is_not_sent_to_them_unasked() {
        let mut core = core_with_a_stored_message();
        let record = &mut core.conversations.get_mut(&GROUP).unwrap().record;
        record.begin(Seq::new(25), ADA, true);

        void(&mut core);

        assert!(core.outbox[&(GROUP, 1)].failed);
    }

    #[test]
    fn whoever_the_last_commits_let_in_does_not_make_them_stand() {
        let mut core = core_with_a_stored_message();
        let record = &mut core.conversations.get_mut(&GROUP).unwrap().record;
        let (last, me) = (Seq::new(25), Some(AccountId::new([2; 16])));

        record.begin_anew(BEGAN, ADA);
        record.begin(last, ADA, false);
        record.vouch(me, last);
        assert!(record.may_be_voided(BEGAN));

        record.run = None;
        record.begin(BEGAN, ADA, false);
        record.vouch(me, last);
        assert!(!record.may_be_voided(BEGAN));
    }

    #[test]
    fn a_message_that_is_taken_back_again_and_again_fails() {
        let mut core = core_with_a_stored_message();

        for _ in 0..=limit::COMMIT_TRIES {
            void(&mut core);
            accept(&mut core);
        }

        assert!(core.outbox[&(GROUP, 1)].failed);
    }

    #[test]
    fn a_late_answer_about_what_was_taken_back_is_not_believed() {
        let mut core = core_with_a_stored_message();
        void(&mut core);
        let accepted = |seq| Accepted {
            seq: Seq::new(seq),
            epoch: EPOCH,
            time: Seconds::new(0),
        };

        in_turn(|turn| core.on_message_accepted(&GROUP, 1, accepted(21), turn));
        assert_eq!(core.outbox[&(GROUP, 1)].accepted, None);
        in_turn(|turn| core.on_message_accepted(&GROUP, 1, accepted(31), turn));
        assert_eq!(core.outbox[&(GROUP, 1)].accepted, Some(Seq::new(31)));
    }

    /// The message is at 21, and the log was read to 30.
    fn core_with_a_stored_message() -> Core {
        let mut core = Core::default();
        let mut conversation = Conversation::new(Kind::Group, Stage::Live);
        conversation.record.begin(BEGAN, ADA, false);
        conversation.record.cursor = Seq::new(30);
        core.conversations.insert(GROUP, conversation);
        let item = OutboxRecord {
            id: MessageId::of("sender", "room", b"content", &[0; 16]),
            content: Vec::new(),
            sealed: None,
            hashes: Vec::new(),
            accepted: None,
            failed: false,
            tries: 0,
            repeats: 0,
            after: Seq::NONE,
        };
        core.outbox.insert((GROUP, 1), item);
        accept(&mut core);
        core
    }

    fn accept(core: &mut Core) {
        let item = core.outbox.get_mut(&(GROUP, 1)).unwrap();
        item.accepted = Some(Seq::new(21));
        item.sealed = Some(SealedRecord {
            bytes: Vec::new(),
            epoch: EPOCH,
            began: BEGAN,
        });
    }

    fn void(core: &mut Core) {
        in_turn(|turn| core.repeat_from(&GROUP, EPOCH, turn));
    }

    fn in_turn(act: impl FnOnce(&mut Turn<'_>)) {
        let mut dice = |bytes: &mut [u8]| bytes.fill(7);
        act(&mut Turn::new(Moment::from_millis(0), &mut dice));
    }
}
