//! Messages of others: decrypted once, checked, and written down.

use super::Core;
use super::turn::Turn;
use crate::content::{Item, MessageId, MimiContent, RoomUri, Trail, UserUri};
use crate::group::{GroupError, Leaf};
use crate::notice::Notice;
use crate::record::{EventRecord, ReEntryRecord, TimelineRecord};
use crate::repair::Trouble;
use roost_wire::log::LogEntry;
use roost_wire::{AccountId, DisplayName, GroupId, Seconds};

/// Messages of one epoch that could not be decrypted, after which the group is entered anew.
const UNDECRYPTABLE_MAX: u32 = 3;

/// A message that seems to be one's own, from another copy of this device, is looked into this often.
const SELF_DOUBT_SECONDS: u64 = 3_600;

/// Seconds before the next repair of this kind: an hour, two, four … a day.
fn re_entry_pause(times: u32) -> u64 {
    let hours = 1u64.checked_shl(times.saturating_sub(1)).unwrap_or(24);
    hours.min(24).saturating_mul(3_600)
}

impl Core {
    pub(super) fn on_message(
        &mut self,
        group: &GroupId,
        entry: &LogEntry,
        body: &[u8],
        turn: &mut Turn<'_>,
    ) {
        if let Some(index) = self.own_message(group, &entry.hash) {
            self.on_own_message(group, index, entry, turn);
            return;
        }
        match self.mls.open(group, body) {
            Ok(opened) => {
                let content = opened.content.to_vec();
                if let Some(conversation) = self.conversations.get_mut(group) {
                    conversation.undecryptable = 0;
                }
                self.note_sign(group, opened.sender.device(), entry.time);
                self.on_content(group, entry, &opened.sender, content, turn);
            }
            Err(GroupError::FromSelf) => {
                self.mls.forget(group);
                self.trouble(group, Trouble::OwnMessageUnknown, turn);
                // Another copy of this profile may be sending; or a member forged the sender, which
                // members can. Signing in again tells which: the server knows the newest state. Not
                // as often as somebody may forge.
                if self.may_doubt_self(group, entry.time) {
                    self.net.token = None;
                }
            }
            Err(_) if self.is_ahead(group, entry.epoch) => {
                self.enter_anew(group, Trouble::StateLost, turn);
            }
            Err(_) => self.on_undecryptable(group, entry, turn),
        }
    }

    /// One's own message has come back: it is in the log for good.
    fn on_own_message(
        &mut self,
        group: &GroupId,
        index: u64,
        entry: &LogEntry,
        turn: &mut Turn<'_>,
    ) {
        let content = self
            .outbox
            .get(&(*group, index))
            .map(|item| item.content.clone());
        self.mark_stored(group, index, entry.seq, entry.time, turn);
        let item = content.and_then(|content| MimiContent::decode(&content).ok());
        if let (Some(Item::RoomName { name }), Some(me)) =
            (item.map(|content| Item::of(&content)), &self.me)
        {
            let me = me.account;
            self.rename(group, me, name, entry, turn);
        }
    }

    fn on_undecryptable(&mut self, group: &GroupId, entry: &LogEntry, turn: &mut Turn<'_>) {
        self.mls.forget(group);
        self.trouble(group, Trouble::Undecryptable, turn);
        self.append_event(
            group,
            EventRecord::Missing(None),
            Some(entry.seq),
            entry.time,
        );
        let Some(conversation) = self.conversations.get_mut(group) else {
            return;
        };
        conversation.undecryptable = conversation.undecryptable.saturating_add(1);
        if conversation.undecryptable >= UNDECRYPTABLE_MAX && self.may_re_enter(group, entry.time) {
            self.enter_anew(group, Trouble::StateLost, turn);
        }
    }

    fn may_doubt_self(&mut self, group: &GroupId, now: Seconds) -> bool {
        let Some(conversation) = self.conversations.get_mut(group) else {
            return false;
        };
        let may = conversation
            .doubted_self
            .is_none_or(|last| now >= last.plus(SELF_DOUBT_SECONDS));
        if may {
            conversation.doubted_self = Some(now);
        }
        may
    }

    /// Any member can send what nobody can open, so this repair waits twice as long each time.
    fn may_re_enter(&mut self, group: &GroupId, now: Seconds) -> bool {
        let Some(conversation) = self.change(group) else {
            return false;
        };
        let times = match conversation.record.re_entry {
            None => 0,
            Some(last) if now < last.at.plus(re_entry_pause(last.times)) => return false,
            Some(last) => last.times,
        };
        conversation.record.re_entry = Some(ReEntryRecord {
            at: now,
            times: times.saturating_add(1),
        });
        true
    }

    fn on_content(
        &mut self,
        group: &GroupId,
        entry: &LogEntry,
        sender: &Leaf,
        bytes: Vec<u8>,
        turn: &mut Turn<'_>,
    ) {
        let Ok(content) = MimiContent::decode(&bytes) else {
            return self.trouble(group, Trouble::BadContent, turn);
        };
        let (server, account) = (sender.claims.server, sender.account());
        let user = UserUri { server, account };
        let room = RoomUri {
            server,
            group: *group,
        };
        if content.check_origin(&user, &room).is_err() {
            return self.trouble(group, Trouble::ForgedOrigin, turn);
        }
        let id = MessageId::of(&user.to_string(), &room.to_string(), &bytes, &content.salt);
        if !self
            .change(group)
            .is_some_and(|conversation| conversation.is_first(&id))
        {
            return;
        }
        if let Some(trail) = content.extensions.trail() {
            self.check_trail(group, entry, sender, &trail, turn);
        }
        match Item::of(&content) {
            Item::RoomName { name } => self.rename(group, account, name, entry, turn),
            item => self.write_down(group, entry, account, id, bytes, &item, turn),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one message, all of it known only here"
    )]
    fn write_down(
        &mut self,
        group: &GroupId,
        entry: &LogEntry,
        sender: AccountId,
        id: MessageId,
        content: Vec<u8>,
        item: &Item,
        turn: &mut Turn<'_>,
    ) {
        self.append(
            group,
            TimelineRecord::Message {
                id,
                seq: entry.seq,
                sender,
                time: entry.time,
                content,
            },
        );
        let is_mine = self.is_me(&sender);
        let (text, is_news) = match item {
            Item::Text { text, .. } => (text.clone(), true),
            Item::Call(line) => (line.summary(is_mine), line.is_missed()),
            Item::Unknown => ("…".to_owned(), true),
            Item::Reaction { .. }
            | Item::Unreact { .. }
            | Item::Edit { .. }
            | Item::Delete { .. }
            | Item::RoomName { .. } => return,
        };
        self.set_preview(group, Some(sender), &text, entry.time);
        if !is_mine && is_news {
            if let Some(conversation) = self.conversations.get_mut(group) {
                conversation.count_unread(entry.seq);
                conversation.typing.remove(&sender);
            }
            turn.notify(Notice::Received {
                group: *group,
                message: id,
                sender,
            });
        }
        turn.notify(Notice::ConversationsChanged);
    }

    /// The newest name by the log stands.
    fn rename(
        &mut self,
        group: &GroupId,
        by: AccountId,
        name: DisplayName,
        entry: &LogEntry,
        turn: &mut Turn<'_>,
    ) {
        let Some(conversation) = self.change(group) else {
            return;
        };
        let record = &mut conversation.record;
        let before = record.logged_name.replace(name.clone());
        record.name = Some(name.clone());
        if before.is_some_and(|before| before != name) {
            let event = EventRecord::Renamed { by, name };
            self.append_event(group, event, Some(entry.seq), entry.time);
        }
        turn.notify(Notice::ConversationsChanged);
    }

    /// A sender counts its messages and tells what it has seen: a hole or another history shows.
    fn check_trail(
        &mut self,
        group: &GroupId,
        entry: &LogEntry,
        sender: &Leaf,
        trail: &Trail,
        turn: &mut Turn<'_>,
    ) {
        let Some(conversation) = self.conversations.get(group) else {
            return;
        };
        let heard = conversation.heard.get(&sender.device()).copied();
        let hole = heard.is_some_and(|heard| trail.counter > heard.saturating_add(1));
        let known = conversation
            .record
            .hashes
            .iter()
            .find(|(seq, _)| *seq == trail.last_seq);
        let forked = known.is_some_and(|(_, hash)| *hash != trail.last);
        if heard.is_none_or(|heard| trail.counter > heard) {
            self.set_heard(group, sender.device(), trail.counter);
        }
        if hole || forked {
            self.trouble(group, Trouble::TrailBroken, turn);
            let event = EventRecord::Missing(Some(sender.account()));
            self.append_event(group, event, Some(entry.seq), entry.time);
        }
    }
}
