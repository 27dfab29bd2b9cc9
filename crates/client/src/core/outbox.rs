//! Messages on their way: composed once, encrypted once, stored, then sent until they are in the
//! log.
//!
//! Owns the rule that nothing is sent that is not stored, and that what has to be encrypted again
//! keeps its content, and with it its id. Order is kept: the next message waits for the one before.

use super::Core;
use super::net::{Call, Wanted};
use super::socket::send;
use super::turn::Turn;
use crate::content::{Item, MessageId, MimiContent, RoomUri, Trail, UserUri};
use crate::group::GroupError;
use crate::notice::Notice;
use crate::port::Table;
use crate::record::{OutboxRecord, SealedRecord, TimelineRecord, Wish};
use crate::vault::indexed_key;
use roost_wire::api::{Accepted, SubmitMessage};
use roost_wire::frame::{ClientFrame, Cursor};
use roost_wire::{
    ApiError, Blob, DisplayName, EntryHash, Epoch, ErrorCode, GroupId, Seconds, Seq, limit,
};

/// Messages that may wait for one group.
const WAITING_MAX: usize = 1_000;
/// Messages in the log that are kept for the case that the commit before them is taken back.
const KEPT_MAX: usize = 64;
const NEWCOMERS: &str =
    "This was lost on its way, and somebody has come since. Send it again if they may read it.";
const TAKEN_BACK: &str = "This was lost on its way too often.";

impl Core {
    /// Composes, stores and queues what is said to a group; yields its id.
    pub(super) fn say(
        &mut self,
        group: &GroupId,
        item: &Item,
        turn: &mut Turn<'_>,
    ) -> Option<MessageId> {
        let can_write = self
            .conversations
            .get(group)
            .is_some_and(|conversation| !conversation.is_over() && !conversation.record.leaving);
        if !can_write {
            turn.refuse("Nothing can be sent to this conversation.");
            return None;
        }
        if self.waiting_in(group).count() >= WAITING_MAX {
            turn.refuse("Too many messages are waiting to be sent.");
            return None;
        }
        let Some((id, content)) = self.compose(group, item, turn) else {
            turn.refuse("The message is too long.");
            return None;
        };
        let record = OutboxRecord {
            id,
            content: content.clone(),
            sealed: None,
            hashes: Vec::new(),
            accepted: None,
            failed: false,
            tries: 0,
            repeats: 0,
            after: Seq::NONE,
        };
        let last = self
            .outbox
            .range((*group, 0)..=(*group, u64::MAX))
            .next_back();
        let after_last = last.map_or(0, |((_, index), _)| index.saturating_add(1));
        // A place is never used twice: a late answer would be taken for the newer message's.
        let composed = self
            .conversations
            .get(group)
            .map_or(0, |found| found.record.sent);
        let index = after_last.max(composed);
        self.put_outbox(group, index, record);
        let time = self.net.server_time(turn.now);
        if shows(item) {
            self.append(group, TimelineRecord::Sending { id, time, content });
        }
        if let (Item::Text { text, .. }, Some(me)) = (item, &self.me) {
            let me = me.account;
            self.set_preview(group, Some(me), text, time);
            turn.notify(Notice::ConversationsChanged);
        }
        Some(id)
    }

    fn compose(
        &mut self,
        group: &GroupId,
        item: &Item,
        turn: &mut Turn<'_>,
    ) -> Option<(MessageId, Vec<u8>)> {
        let (sender, room) = self.uris(group)?;
        let salt = turn.sixteen();
        let mut content: MimiContent = item.compose(salt, &sender, &room).ok()?;
        let conversation = self.change(group)?;
        let last = conversation.record.hashes.last();
        let (last_seq, last) = last.copied().unwrap_or((Seq::NONE, EntryHash::of(&[])));
        let counter = conversation.record.sent;
        conversation.record.sent = counter.saturating_add(1);
        content.extensions.set_trail(&Trail {
            counter,
            last_seq,
            last,
        });
        let bytes = content.encode_padded().ok()?;
        let id = MessageId::of(&sender.to_string(), &room.to_string(), &bytes, &salt);
        Some((id, bytes))
    }

    pub(super) fn uris(&self, group: &GroupId) -> Option<(UserUri, RoomUri)> {
        let me = self.me.as_ref()?;
        let (server, account, group) = (me.server, me.account, *group);
        Some((UserUri { server, account }, RoomUri { server, group }))
    }

    /// Encrypts what may be encrypted and sends what is not under way.
    pub(super) fn pump_outbox(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        let waiting: Vec<u64> = self
            .waiting_in(group)
            .filter(|(_, item)| !item.failed)
            .map(|(index, _)| index)
            .collect();
        let mut ahead = None;
        for index in waiting {
            if self.net.socket.is_submitting(group, index) {
                ahead = self.sealed_in(group, index);
                continue;
            }
            if !self.seal(group, index, turn) {
                return;
            }
            // One of an earlier epoch may yet be refused, and this one would overtake it.
            let epoch = self.sealed_in(group, index);
            if ahead.is_some() && ahead != epoch {
                return;
            }
            ahead = epoch;
            if !self.transmit(group, index, turn) {
                return;
            }
        }
    }

    fn sealed_in(&self, group: &GroupId, index: u64) -> Option<Epoch> {
        let item = self.outbox.get(&(*group, index))?;
        Some(item.sealed.as_ref()?.epoch)
    }

    /// Whether the message is encrypted (now).
    fn seal(&mut self, group: &GroupId, index: u64, turn: &mut Turn<'_>) -> bool {
        let Some(item) = self.outbox.get(&(*group, index)) else {
            return false;
        };
        if item.sealed.is_some() {
            return true;
        }
        // Without a socket, the log is read first: for whoever came, and not for whoever went.
        let unread = self.net.wanted == Wanted::Once;
        let catching_up = self
            .conversations
            .get(group)
            .is_none_or(|found| found.fetch || unread && !found.caught_up);
        // Whoever is to be added should be able to read it.
        if catching_up || self.is_growing(group) {
            return false;
        }
        // Whoever was revoked goes first.
        if self.has_wish(group, &Wish::Purge) {
            self.hasten(group, &Wish::Purge);
            return false;
        }
        let content = item.content.clone();
        match self.mls.seal(group, &content) {
            Ok(sealed) => {
                self.count_state();
                let hash = EntryHash::of(&sealed.bytes);
                let began = self.began(group);
                self.change_outbox(group, index, |item| {
                    item.hashes.push(hash);
                    item.sealed = Some(SealedRecord {
                        bytes: sealed.bytes,
                        epoch: sealed.epoch,
                        began,
                    });
                });
                true
            }
            Err(GroupError::CommitFirst) => {
                if !self.has_wish(group, &Wish::LetGo) {
                    self.intend(group, Wish::LetGo, 0, turn);
                }
                self.hasten(group, &Wish::LetGo);
                false
            }
            Err(_) => {
                self.lose_state(group, turn);
                false
            }
        }
    }

    /// Whether the next message may follow at once: on the socket, order is kept.
    fn transmit(&mut self, group: &GroupId, index: u64, turn: &mut Turn<'_>) -> bool {
        let sealed = self
            .outbox
            .get(&(*group, index))
            .and_then(|item| item.sealed.clone());
        let Some(sealed) = sealed else {
            return false;
        };
        let began = Some(sealed.began);
        let Ok(message) = Blob::new(sealed.bytes) else {
            return false;
        };
        let call = Call::Message(*group, index);
        if !self.net.is_ready_for(&call, turn.now) {
            return false;
        }
        let followed = self
            .conversations
            .get(group)
            .is_some_and(|found| found.followed);
        if self.net.socket.has_room() && followed {
            self.go_on(group, turn);
            let request = self.net.socket.submit(*group, index);
            let frame = ClientFrame::Submit {
                request,
                message,
                began,
            };
            send(&frame, turn);
            return true;
        }
        if !self.net.socket.is_live() {
            let request = SubmitMessage {
                group: *group,
                message,
                state: self.session.state,
                began,
            };
            self.call(call, &request, turn);
        }
        false
    }

    /// Tells the server that what it refused is known, and comes again in its order.
    fn go_on(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        if let Some(conversation) = self.conversations.get_mut(group)
            && std::mem::take(&mut conversation.halted)
        {
            let (group, seq) = (*group, conversation.record.cursor);
            let cursor = Cursor { group, seq };
            send(&ClientFrame::Follow { cursor }, turn);
        }
    }

    pub(super) fn on_message_accepted(
        &mut self,
        group: &GroupId,
        index: u64,
        accepted: Accepted,
        turn: &mut Turn<'_>,
    ) {
        let item = self.outbox.get(&(*group, index));
        if item.is_none_or(|item| accepted.seq <= item.after) {
            return;
        }
        self.mark_stored(group, index, accepted.seq, accepted.time, turn);
        if let Some(conversation) = self.conversations.get_mut(group) {
            let cursor = conversation.record.cursor;
            conversation.fetch |= !conversation.followed && accepted.seq > cursor;
            self.sweep_outbox(group, cursor);
        }
    }

    pub(super) fn on_message_refused(
        &mut self,
        group: &GroupId,
        index: u64,
        error: &ApiError,
        turn: &mut Turn<'_>,
    ) {
        match error.code {
            ErrorCode::Stale => {
                self.change_outbox(group, index, |item| {
                    item.tries = item.tries.saturating_add(1);
                });
                self.unseal_behind(group, index);
                if let Some(conversation) = self.conversations.get_mut(group) {
                    conversation.fetch = true;
                    conversation.caught_up = false;
                }
                let tries = self
                    .outbox
                    .get(&(*group, index))
                    .map_or(0, |item| item.tries);
                if tries >= limit::COMMIT_TRIES {
                    self.fail_messages(group, vec![index], &error.message, turn);
                }
            }
            ErrorCode::Suspended => self.on_suspended(group, turn),
            ErrorCode::NotFound | ErrorCode::Gone => {
                if let Some(conversation) = self.conversations.get_mut(group) {
                    conversation.fetch = true;
                    conversation.caught_up = false;
                }
            }
            ErrorCode::Malformed
            | ErrorCode::Taken
            | ErrorCode::TooLarge
            | ErrorCode::Refused
            | ErrorCode::InviteOver => self.fail_messages(group, vec![index], &error.message, turn),
            ErrorCode::NotSignedIn
            | ErrorCode::TooMany
            | ErrorCode::ReadOnly
            | ErrorCode::Unknown
            | ErrorCode::Internal => {}
        }
    }

    /// One's own message in the log: whichever of its encryptions it is.
    pub(super) fn own_message(&self, group: &GroupId, hash: &EntryHash) -> Option<u64> {
        self.outbox_of(group)
            .find(|(_, item)| item.hashes.contains(hash))
            .map(|(index, _)| index)
    }

    pub(super) fn mark_stored(
        &mut self,
        group: &GroupId,
        index: u64,
        seq: Seq,
        time: Seconds,
        turn: &mut Turn<'_>,
    ) {
        let Some(item) = self.outbox.get(&(*group, index)) else {
            return;
        };
        if item.accepted.is_some() {
            return;
        }
        let id = item.id;
        self.change_outbox(group, index, |item| {
            item.accepted = Some(seq);
            // Never sent again as it is.
            if let Some(sealed) = &mut item.sealed {
                sealed.bytes = Vec::new();
            }
        });
        if let Some(conversation) = self.change(group) {
            conversation.is_first(&id);
        }
        self.append(group, TimelineRecord::Stored { id, seq, time });
        let group = *group;
        turn.notify(Notice::Stored { group, message: id });
    }

    pub(super) fn retry_message(
        &mut self,
        group: &GroupId,
        message: &MessageId,
        turn: &mut Turn<'_>,
    ) {
        let found = self
            .outbox_of(group)
            .find(|(_, item)| item.id == *message && item.failed);
        let Some(index) = found.map(|(index, _)| index) else {
            turn.refuse("This message is not waiting to be sent again.");
            return;
        };
        self.change_outbox(group, index, |item| {
            item.failed = false;
            item.tries = 0;
        });
        self.append(group, TimelineRecord::Retried(*message));
    }

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
    fn is_kept(&self, group: &GroupId, index: u64) -> bool {
        let item = self.outbox.get(&(*group, index));
        let sealed = item.and_then(|item| item.sealed.as_ref());
        let conversation = self.conversations.get(group);
        sealed.is_some_and(|sealed| {
            conversation.is_some_and(|found| found.record.may_be_voided(sealed.began))
        })
    }

    fn began(&self, group: &GroupId) -> Seq {
        let conversation = self.conversations.get(group);
        conversation.map_or(Seq::NONE, |found| found.record.began)
    }

    /// Encrypts a message and those behind it anew: what follows one of a newer epoch in an older
    /// one is a hole for whoever came in between.
    fn unseal_behind(&mut self, group: &GroupId, first: u64) {
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

    pub(super) fn fail_outbox(&mut self, group: &GroupId, reason: &str, turn: &mut Turn<'_>) {
        let waiting: Vec<u64> = self.outbox_of(group).map(|(index, _)| index).collect();
        self.fail_messages(group, waiting.clone(), reason, turn);
        for index in waiting {
            self.drop_outbox(group, index);
        }
    }

    /// Keeps what is not sent until the person says again that it should be.
    pub(super) fn hold_outbox(&mut self, group: &GroupId, reason: &str, turn: &mut Turn<'_>) {
        let waiting = self.outbox_of(group).map(|(index, _)| index).collect();
        self.fail_messages(group, waiting, reason, turn);
    }

    pub(super) fn drop_outbox(&mut self, group: &GroupId, index: u64) {
        if self.outbox.remove(&(*group, index)).is_some() {
            self.vault.delete(Table::Outbox, indexed_key(group, index));
        }
    }

    /// These were not sent. A message says so itself; a change to one, and a name, is undone.
    fn fail_messages(
        &mut self,
        group: &GroupId,
        indexes: Vec<u64>,
        reason: &str,
        turn: &mut Turn<'_>,
    ) {
        let mut undone = false;
        for index in indexes {
            if let Some(item) = self.fail_message(group, index, reason) {
                undone |= is_change(&item);
                if let Item::RoomName { name } = item {
                    self.undo_name(group, &name);
                }
            }
        }
        if undone {
            let told = format!("What you changed was not sent: {reason}");
            self.fail(group, &told, turn);
            turn.notify(Notice::ConversationsChanged);
        }
    }

    /// What it was, unless it is in the log or known to have failed.
    fn fail_message(&mut self, group: &GroupId, index: u64, reason: &str) -> Option<Item> {
        let item = self.outbox.get(&(*group, index))?;
        if item.accepted.is_some() || item.failed {
            return None;
        }
        let id = item.id;
        let content = MimiContent::decode(&item.content).ok();
        let reason = reason.to_owned();
        self.change_outbox(group, index, |item| {
            item.failed = true;
            item.sealed = None;
        });
        self.append(group, TimelineRecord::Failed { id, reason });
        content.map(|content| Item::of(&content))
    }

    fn undo_name(&mut self, group: &GroupId, name: &DisplayName) {
        if let Some(conversation) = self.change(group)
            && conversation.record.name.as_ref() == Some(name)
            && let Some(logged) = conversation.record.logged_name.clone()
        {
            conversation.record.name = Some(logged);
        }
    }

    fn accepted_in(&self, group: &GroupId) -> Vec<u64> {
        let items = self.outbox_of(group);
        let accepted = items.filter(|(_, item)| item.accepted.is_some());
        accepted.map(|(index, _)| index).collect()
    }

    fn waiting_in(&self, group: &GroupId) -> impl Iterator<Item = (u64, &OutboxRecord)> {
        let items = self.outbox_of(group);
        items.filter(|(_, item)| item.accepted.is_none())
    }

    fn outbox_of(&self, group: &GroupId) -> impl Iterator<Item = (u64, &OutboxRecord)> {
        let range = (*group, 0)..=(*group, u64::MAX);
        self.outbox
            .range(range)
            .map(|((_, index), item)| (*index, item))
    }

    fn change_outbox(
        &mut self,
        group: &GroupId,
        index: u64,
        change: impl FnOnce(&mut OutboxRecord),
    ) {
        if let Some(mut item) = self.outbox.get(&(*group, index)).cloned() {
            change(&mut item);
            self.put_outbox(group, index, item);
        }
    }

    fn put_outbox(&mut self, group: &GroupId, index: u64, item: OutboxRecord) {
        self.vault
            .put(Table::Outbox, indexed_key(group, index), &item);
        self.outbox.insert((*group, index), item);
    }
}

/// Whether an item leaves a trace in the timeline.
fn shows(item: &Item) -> bool {
    !matches!(item, Item::RoomName { .. })
}

/// Whether an item changes what is there, so that only the change would show its failure.
const fn is_change(item: &Item) -> bool {
    match item {
        Item::Text { .. } | Item::Unknown => false,
        Item::Reaction { .. }
        | Item::Unreact { .. }
        | Item::Edit { .. }
        | Item::Delete { .. }
        | Item::RoomName { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::conversation::Conversation;
    use crate::port::Moment;
    use crate::record::{Kind, Stage};
    use roost_wire::AccountId;

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
