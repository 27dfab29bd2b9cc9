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
use roost_wire::{ApiError, Blob, EntryHash, Epoch, ErrorCode, GroupId, Seconds, Seq, limit};

/// Messages that may wait for one group.
const WAITING_MAX: usize = 1_000;

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
        let text = match item {
            Item::Text { text, .. } => Some(text.clone()),
            Item::Call(line) => Some(line.summary(true)),
            Item::Reaction { .. }
            | Item::Unreact { .. }
            | Item::Edit { .. }
            | Item::Delete { .. }
            | Item::RoomName { .. }
            | Item::Unknown => None,
        };
        if let (Some(text), Some(me)) = (text, &self.me) {
            let me = me.account;
            self.set_preview(group, Some(me), &text, time);
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

    fn began(&self, group: &GroupId) -> Seq {
        let conversation = self.conversations.get(group);
        conversation.map_or(Seq::NONE, |found| found.record.began)
    }

    pub(super) fn drop_outbox(&mut self, group: &GroupId, index: u64) {
        if self.outbox.remove(&(*group, index)).is_some() {
            self.vault.delete(Table::Outbox, indexed_key(group, index));
        }
    }

    pub(super) fn accepted_in(&self, group: &GroupId) -> Vec<u64> {
        let items = self.outbox_of(group);
        let accepted = items.filter(|(_, item)| item.accepted.is_some());
        accepted.map(|(index, _)| index).collect()
    }

    pub(super) fn waiting_in(&self, group: &GroupId) -> impl Iterator<Item = (u64, &OutboxRecord)> {
        let items = self.outbox_of(group);
        items.filter(|(_, item)| item.accepted.is_none())
    }

    pub(super) fn outbox_of(&self, group: &GroupId) -> impl Iterator<Item = (u64, &OutboxRecord)> {
        let range = (*group, 0)..=(*group, u64::MAX);
        self.outbox
            .range(range)
            .map(|((_, index), item)| (*index, item))
    }

    pub(super) fn change_outbox(
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
