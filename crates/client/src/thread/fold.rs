//! From rows to messages: who said what, and what became of it.

use crate::content::{CallLine, Item, MessageId, MimiContent};
use crate::record::{EventRecord, TimelineRecord};
use crate::view::{EventKind, EventView, MessageView, ThreadItem};
use roost_wire::{AccountId, Seconds, Seq};
use std::collections::{BTreeMap, BTreeSet};

/// A message before it is made ready to show.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub id: MessageId,
    pub seq: Option<Seq>,
    pub sender: AccountId,
    pub time: Seconds,
    pub text: String,
    pub reply_to: Option<MessageId>,
    /// A call that the sender made.
    pub call: Option<CallLine>,
    pub edited: bool,
    pub deleted: bool,
    pub unknown: bool,
    pub failed: Option<String>,
    /// Which log `seq` is of: they are numbered anew when the server is restored.
    pub log: u32,
    /// The log it is of ended with everyone having it.
    pub delivered: bool,
}

#[derive(Debug, Clone)]
struct Reaction {
    id: MessageId,
    emoji: String,
    who: AccountId,
}

/// An edit, deletion or taken-back reaction and its author: applied to its target whenever the
/// target is there.
#[derive(Debug, Clone)]
struct Replacement {
    id: MessageId,
    by: AccountId,
    /// New words; none deletes.
    text: Option<String>,
}

/// Where an item stands: by the log and its number; what is in none stays behind what was there.
type Place = (u32, Seq, u64);

#[derive(Debug, Clone)]
enum Entry {
    Message(MessageId),
    Event(EventView),
}

#[derive(Default)]
pub(super) struct Folded {
    messages: BTreeMap<MessageId, Message>,
    order: BTreeMap<Place, Entry>,
    places: BTreeMap<MessageId, Place>,
    reactions: BTreeMap<MessageId, Vec<Reaction>>,
    replacements: BTreeMap<MessageId, Vec<Replacement>>,
    seen: BTreeSet<MessageId>,
    /// What could not be sent, edits and reactions too.
    failed: BTreeSet<MessageId>,
    log: u32,
    last: Seq,
    next: u64,
}

impl Folded {
    pub(super) fn apply(&mut self, row: &TimelineRecord, me: &AccountId) {
        match row {
            TimelineRecord::Message {
                id,
                seq,
                sender,
                time,
                content,
            } => self.say(*id, Some(*seq), *sender, *time, content),
            TimelineRecord::Sending { id, time, content } => {
                self.say(*id, None, *me, *time, content);
            }
            TimelineRecord::Stored { id, seq, time } => self.store(id, *seq, *time),
            TimelineRecord::Failed { id, reason } => {
                self.failed.insert(*id);
                if let Some(message) = self.messages.get_mut(id) {
                    message.failed = Some(reason.clone());
                }
            }
            TimelineRecord::Retried(id) => self.retry(id),
            TimelineRecord::Event { event, seq, time } => {
                self.event(event_kind(event), *seq, *time);
            }
            TimelineRecord::LogWentBack(delivered) => self.start_log(*delivered),
        }
    }

    /// The log that messages are numbered by now.
    pub(super) const fn log(&self) -> u32 {
        self.log
    }

    /// Where in `items` each log after the first begins, also one that nothing is in yet.
    pub(super) fn restarts(&self) -> Vec<usize> {
        let logs = self.order.keys().map(|(log, _, _)| self.log.min(*log));
        let mut restarts = Vec::new();
        let mut before = 0;
        for (at, log) in logs.chain([self.log]).enumerate() {
            restarts.extend((before..log).map(|_| at));
            before = log;
        }
        restarts
    }

    fn start_log(&mut self, delivered: Seq) {
        for message in self.messages.values_mut() {
            let is_there =
                message.log == self.log && message.seq.is_some_and(|seq| seq <= delivered);
            message.delivered |= is_there;
        }
        self.log = self.log.saturating_add(1);
        self.last = Seq::NONE;
    }

    /// A message as it stands, after edits and deletion.
    pub(super) fn message(&self, id: &MessageId) -> Option<Message> {
        Some(self.replaced(self.messages.get(id)?.clone()))
    }

    pub(super) fn reactions(&self, target: &MessageId) -> impl Iterator<Item = (&str, AccountId)> {
        let reactions = self.reactions.get(target).map_or(&[][..], Vec::as_slice);
        reactions
            .iter()
            .filter(|reaction| self.stands(reaction))
            .map(|reaction| (reaction.emoji.as_str(), reaction.who))
    }

    pub(super) fn reaction(
        &self,
        target: &MessageId,
        who: &AccountId,
        emoji: &str,
    ) -> Option<MessageId> {
        let reactions = self.reactions.get(target)?;
        let standing = reactions.iter().rev().find(|reaction| {
            reaction.who == *who && reaction.emoji == emoji && self.stands(reaction)
        });
        standing.map(|reaction| reaction.id)
    }

    pub(super) fn items(&self, view: impl Fn(&Message) -> MessageView) -> Vec<ThreadItem> {
        let item = |entry: &Entry| match entry {
            Entry::Message(id) => Some(ThreadItem::Message(view(&self.message(id)?))),
            Entry::Event(event) => Some(ThreadItem::Event(event.clone())),
        };
        self.order.values().filter_map(item).collect()
    }

    fn say(
        &mut self,
        id: MessageId,
        seq: Option<Seq>,
        sender: AccountId,
        time: Seconds,
        content: &[u8],
    ) {
        // Encrypted twice, or heard by another of our devices too: it counts once.
        if !self.seen.insert(id) {
            return;
        }
        let item = MimiContent::decode(content).map_or(Item::Unknown, |content| Item::of(&content));
        let mut message = Message {
            id,
            seq,
            sender,
            time,
            text: String::new(),
            reply_to: None,
            call: None,
            edited: false,
            deleted: false,
            unknown: false,
            failed: None,
            log: self.log,
            delivered: false,
        };
        match item {
            Item::Text { text, reply_to } => {
                message.text = text;
                message.reply_to = reply_to;
                self.place(message);
            }
            Item::Call(line) => {
                message.call = Some(line);
                self.place(message);
            }
            Item::Unknown => {
                message.unknown = true;
                self.place(message);
            }
            Item::Reaction { target, emoji } => {
                let emoji = emoji.as_str().to_owned();
                let who = sender;
                self.reactions
                    .entry(target)
                    .or_default()
                    .push(Reaction { id, emoji, who });
            }
            Item::Unreact { reaction, .. } => self.replace(id, reaction, sender, None),
            Item::Delete { target } => self.replace(id, target, sender, None),
            Item::Edit { target, text } => self.replace(id, target, sender, Some(text)),
            // A name is sent again for every newcomer; the core notes when it changes.
            Item::RoomName { .. } => {}
        }
    }

    fn place(&mut self, message: Message) {
        let place = self.place_at(message.seq);
        self.order.insert(place, Entry::Message(message.id));
        self.places.insert(message.id, place);
        self.messages.insert(message.id, message);
    }

    fn event(&mut self, kind: EventKind, seq: Option<Seq>, time: Seconds) {
        // What only this device knows stands behind the last entry, before what comes.
        let place = match seq {
            Some(seq) => self.place_at(Some(seq)),
            None => {
                let last = self.last;
                self.place_at(Some(last))
            }
        };
        let event = EventView { kind, seq, time };
        self.order.insert(place, Entry::Event(event));
    }

    fn place_at(&mut self, seq: Option<Seq>) -> Place {
        self.next = self.next.saturating_add(1);
        match seq {
            Some(seq) => {
                self.last = self.last.max(seq);
                (self.log, seq, self.next)
            }
            None => (u32::MAX, Seq::new(u64::MAX), self.next),
        }
    }

    fn store(&mut self, id: &MessageId, seq: Seq, time: Seconds) {
        self.failed.remove(id);
        let Some(message) = self.messages.get_mut(id) else {
            return;
        };
        if message.seq.is_some() {
            return;
        }
        message.seq = Some(seq);
        message.log = self.log;
        message.time = time;
        message.failed = None;
        self.move_to(id, Some(seq));
    }

    /// On its way again, also if it was in the log.
    fn retry(&mut self, id: &MessageId) {
        self.failed.remove(id);
        let Some(message) = self.messages.get_mut(id) else {
            return;
        };
        message.failed = None;
        if message.seq.take().is_some() {
            self.move_to(id, None);
        }
    }

    fn move_to(&mut self, id: &MessageId, seq: Option<Seq>) {
        if let Some(old) = self.places.remove(id) {
            self.order.remove(&old);
        }
        let place = self.place_at(seq);
        self.order.insert(place, Entry::Message(*id));
        self.places.insert(*id, place);
    }

    fn replace(&mut self, id: MessageId, target: MessageId, by: AccountId, text: Option<String>) {
        let replacement = Replacement { id, by, text };
        self.replacements
            .entry(target)
            .or_default()
            .push(replacement);
    }

    /// Only the original sender's word counts; the last one stands, and a deletion is final.
    fn replaced(&self, mut message: Message) -> Message {
        let replacements = self.replacements.get(&message.id);
        let own = replacements
            .into_iter()
            .flatten()
            .filter(|replacement| replacement.by == message.sender)
            .filter(|replacement| !self.failed.contains(&replacement.id));
        for replacement in own.cloned().collect::<Vec<_>>() {
            match replacement.text {
                Some(text) if !message.deleted && message.call.is_none() => {
                    message.text = text;
                    message.edited = true;
                }
                Some(_) => {}
                None => {
                    message.text = String::new();
                    message.call = None;
                    message.deleted = true;
                }
            }
        }
        message
    }

    /// Whether a reaction was sent and not taken back.
    fn stands(&self, reaction: &Reaction) -> bool {
        let replacements = self.replacements.get(&reaction.id);
        let is_taken_back = replacements.into_iter().flatten().any(|replacement| {
            replacement.by == reaction.who && !self.failed.contains(&replacement.id)
        });
        !is_taken_back && !self.failed.contains(&reaction.id)
    }
}

fn event_kind(event: &EventRecord) -> EventKind {
    match event {
        EventRecord::Created(by) => EventKind::Created { by: *by },
        EventRecord::Entered(by) => EventKind::Entered { by: *by },
        EventRecord::Added { who, by } => EventKind::Added { who: *who, by: *by },
        EventRecord::JoinedByLink(who) => EventKind::JoinedByLink { who: *who },
        EventRecord::Left(who) => EventKind::Left { who: *who },
        EventRecord::Removed { who, by } => EventKind::Removed { who: *who, by: *by },
        EventRecord::LetGo(who) => EventKind::LetGo { who: *who },
        EventRecord::Renamed { by, name } => EventKind::Renamed {
            by: *by,
            name: name.as_str().to_owned(),
        },
        EventRecord::Missing(from) => EventKind::MessagesMayBeMissing { from: *from },
        EventRecord::Rejoined => EventKind::Rejoined,
        EventRecord::FoundHere(who) => EventKind::FoundHere { who: *who },
        EventRecord::KeyChanged(who) => EventKind::KeyChanged { who: *who },
    }
}
