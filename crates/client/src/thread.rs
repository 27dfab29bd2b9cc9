//! A conversation as people see it: the fold of its timeline rows.
//!
//! Owns order (by the log, then what is on its way), replies, reactions, edits and deletions. Rows
//! may come in any order of pages; the fold gives the same result. Never reads storage or keys.

mod fold;
#[cfg(test)]
mod tests;

use crate::content::{Emoji, MessageId};
use crate::record::TimelineRecord;
use crate::view::{MessageState, MessageView, Quote, ReactionView, ThreadItem};
use fold::Folded;
use roost_wire::{AccountId, Seq};
use std::collections::BTreeMap;

/// A loaded part of a conversation.
pub struct Thread {
    me: AccountId,
    rows: BTreeMap<u64, TimelineRecord>,
    folded: Folded,
    delivered: Seq,
    has_older: bool,
    /// What is shown lags behind the rows until `refresh`.
    is_stale: bool,
    items: Vec<ThreadItem>,
    restarts: Vec<usize>,
}

impl Thread {
    pub(crate) fn new(me: AccountId, delivered: Seq) -> Self {
        Self {
            me,
            rows: BTreeMap::new(),
            folded: Folded::default(),
            delivered,
            has_older: false,
            is_stale: false,
            items: Vec::new(),
            restarts: Vec::new(),
        }
    }

    /// Messages and events, oldest first; those not yet in the log come last.
    #[must_use]
    pub fn items(&self) -> &[ThreadItem] {
        &self.items
    }

    /// Where in `items` the log was numbered anew, since the server was restored: numbers on either
    /// side do not compare. The last is where the present log begins.
    #[must_use]
    pub fn restarts(&self) -> &[usize] {
        &self.restarts
    }

    /// Whether storage has rows before these (`Command::LoadOlder`).
    #[must_use]
    pub fn has_older(&self) -> bool {
        self.has_older
    }

    /// A loaded message.
    #[must_use]
    pub fn message(&self, id: &MessageId) -> Option<&MessageView> {
        self.items.iter().rev().find_map(|item| match item {
            ThreadItem::Message(message) if message.id == *id => Some(message),
            ThreadItem::Message(_) | ThreadItem::Event(_) => None,
        })
    }

    /// The reaction of an account with an emoji, by its own message id.
    pub(crate) fn reaction(
        &self,
        target: &MessageId,
        who: &AccountId,
        emoji: &Emoji,
    ) -> Option<MessageId> {
        self.folded.reaction(target, who, emoji.as_str())
    }

    /// The oldest index that is loaded.
    pub(crate) fn first_index(&self) -> Option<u64> {
        self.rows.keys().next().copied()
    }

    /// Takes a page of stored rows.
    pub(crate) fn extend(&mut self, rows: Vec<(u64, TimelineRecord)>, more: bool) {
        self.has_older = more;
        self.rows.extend(rows);
        self.folded = Folded::default();
        for row in self.rows.values() {
            self.folded.apply(row, &self.me);
        }
        self.is_stale = true;
    }

    /// Takes a row that was just appended.
    pub(crate) fn append(&mut self, index: u64, row: TimelineRecord) {
        if matches!(row, TimelineRecord::LogWentBack(_)) {
            self.delivered = Seq::NONE;
        }
        self.folded.apply(&row, &self.me);
        self.rows.insert(index, row);
        self.is_stale = true;
    }

    pub(crate) fn set_delivered(&mut self, delivered: Seq) {
        if delivered != self.delivered {
            self.delivered = delivered;
            self.is_stale = true;
        }
    }

    /// Makes what is shown agree with the rows, once a step. Tells whether it changed.
    pub(crate) fn refresh(&mut self) -> bool {
        if !std::mem::take(&mut self.is_stale) {
            return false;
        }
        self.items = self.folded.items(|message| self.view(message));
        self.restarts = self.folded.restarts();
        true
    }

    fn view(&self, message: &fold::Message) -> MessageView {
        let reactions = self.folded.reactions(&message.id);
        MessageView {
            id: message.id,
            seq: message.seq,
            sender: message.sender,
            mine: message.sender == self.me,
            text: self.text(message),
            call: message.call,
            reply_to: message.reply_to.map(|id| self.quote(id)),
            reactions: self.reaction_views(reactions),
            state: self.state(message),
            time: message.time,
            edited: message.edited,
            deleted: message.deleted,
            unknown: message.unknown,
        }
    }

    fn text(&self, message: &fold::Message) -> String {
        let call = message.call.as_ref();
        call.map_or_else(
            || message.text.clone(),
            |line| line.summary(message.sender == self.me),
        )
    }

    fn quote(&self, id: MessageId) -> Quote {
        let original = self.folded.message(&id);
        Quote {
            id,
            sender: original.as_ref().map(|message| message.sender),
            text: original.map(|message| self.text(&message)),
        }
    }

    fn reaction_views<'a>(
        &self,
        reactions: impl Iterator<Item = (&'a str, AccountId)>,
    ) -> Vec<ReactionView> {
        let mut views: Vec<ReactionView> = Vec::new();
        for (emoji, who) in reactions {
            let mine = who == self.me;
            match views.iter_mut().find(|view| view.emoji == emoji) {
                Some(view) if view.who.contains(&who) => {}
                Some(view) => {
                    view.who.push(who);
                    view.mine |= mine;
                }
                None => views.push(ReactionView {
                    emoji: emoji.to_owned(),
                    who: vec![who],
                    mine,
                }),
            }
        }
        views
    }

    fn state(&self, message: &fold::Message) -> MessageState {
        match (&message.failed, message.seq) {
            _ if message.sender != self.me => MessageState::Received,
            (Some(reason), None) => MessageState::Failed(reason.clone()),
            _ if message.delivered => MessageState::Delivered,
            (_, Some(seq)) if message.log == self.folded.log() && seq <= self.delivered => {
                MessageState::Delivered
            }
            (_, Some(_)) => MessageState::Stored,
            (None, None) => MessageState::Sending,
        }
    }
}

/// One line of a text for previews and quotes, at most 120 characters.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= 120 {
        return words;
    }
    words.chars().take(119).chain(['…']).collect()
}
