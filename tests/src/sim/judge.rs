//! What must be true when a story has ended.
//!
//! Owns the comparison of what clients show with what the witness saw. A client is believed in
//! nothing but what it shows. Whether the story explains what went wrong is `cause`'s to say.

mod cause;

use super::story::{Said, Story};
use crate::world::witness::{Chapter, History, Stay};
use crate::world::{Person, World};
use roost_client::view::{ConversationState, EventKind, EventView, MessageView, ThreadItem};
use roost_wire::log::EntryKind;
use roost_wire::{AccountId, DeviceId, GroupId, Seq};
use std::collections::{BTreeMap, BTreeSet};

/// The outcome of one story.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Messages that reached another device that was entitled to them.
    pub delivered: u64,
    pub lost: Vec<String>,
    pub doubled: Vec<String>,
    /// Everything else that must not be, and has no explanation.
    pub unexplained: Vec<String>,
    pub trace: Vec<String>,
}

impl Verdict {
    #[must_use]
    pub fn broken(why: &str) -> Self {
        Self {
            unexplained: vec![why.to_owned()],
            ..Self::default()
        }
    }

    #[must_use]
    pub fn is_good(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.unexplained.is_empty()
    }

    /// All that is wrong, a line each.
    pub fn complaints(&self) -> impl Iterator<Item = String> + '_ {
        let lost = self.lost.iter().map(|line| format!("lost: {line}"));
        let doubled = self.doubled.iter().map(|line| format!("doubled: {line}"));
        let unexplained = self
            .unexplained
            .iter()
            .map(|line| format!("unexplained: {line}"));
        lost.chain(doubled).chain(unexplained)
    }
}

/// Compares what every device shows with what happened.
#[must_use]
pub fn judge(world: &World, story: &Story) -> Verdict {
    let mut verdict = Verdict::default();
    let (groups, contradictions) = {
        let stage = world.stage();
        (stage.witness.groups(), stage.witness.contradictions.clone())
    };
    verdict.unexplained.extend(contradictions);
    for group in groups {
        let room = Room::look_at(world, story, group);
        room.judge(&mut verdict);
        if world.stage().trace.is_some() {
            verdict.trace.extend(room.tell());
        }
    }
    verdict
}

/// One conversation from all sides.
struct Room<'a> {
    group: GroupId,
    history: History,
    said: Vec<&'a Said>,
    devices: Vec<Side>,
    /// Entries that a member spoiled on their way out.
    spoiled: BTreeSet<Seq>,
}

/// One device's side of a conversation.
struct Side {
    index: usize,
    name: String,
    device: DeviceId,
    account: AccountId,
    state: Option<ConversationState>,
    members: BTreeMap<AccountId, u32>,
    items: Vec<ThreadItem>,
}

impl Side {
    fn look(index: usize, person: &Person, group: &GroupId) -> Self {
        Self {
            index,
            name: person.name(),
            device: person.device(),
            account: person.account(),
            state: person.state(group),
            members: person.devices_in(group),
            items: person.thread(group),
        }
    }

    fn messages(&self) -> impl Iterator<Item = &MessageView> {
        self.items.iter().filter_map(|item| match item {
            ThreadItem::Message(message) => Some(message),
            ThreadItem::Event(_) => None,
        })
    }

    fn find(&self, text: &str) -> Option<&MessageView> {
        self.messages().find(|message| message.text == text)
    }

    /// Whether it says that it entered by this entry, and with it that it has nothing from before.
    fn shows_its_entry_at(&self, seq: Seq) -> bool {
        self.items.iter().any(|item| match item {
            ThreadItem::Event(event) if event.seq == Some(seq) => match event.kind {
                EventKind::Rejoined | EventKind::Entered { .. } => true,
                EventKind::JoinedByLink { who } => who == self.account,
                _ => false,
            },
            ThreadItem::Event(_) | ThreadItem::Message(_) => false,
        })
    }
}

impl<'a> Room<'a> {
    fn look_at(world: &World, story: &'a Story, group: GroupId) -> Self {
        let history = world.stage().witness.history(&group);
        let people = story.devices.iter().enumerate();
        let devices = people
            .filter(|(_, person)| person.has_account())
            .map(|(index, person)| Side::look(index, person, &group))
            .collect();
        Self {
            group,
            spoiled: world.stage().spoiled_entries(&group),
            history,
            said: story
                .said
                .iter()
                .filter(|said| said.room == group)
                .collect(),
            devices,
        }
    }

    fn judge(&self, verdict: &mut Verdict) {
        let faults = self.history.faults.iter();
        verdict
            .unexplained
            .extend(faults.map(|fault| format!("{}: {fault}", self.group)));
        for side in &self.devices {
            self.judge_standing(side, verdict);
            self.judge_order(side, verdict);
            self.judge_secrecy(side, verdict);
            self.judge_alarms(side, verdict);
            self.judge_entries(side, verdict);
            self.judge_sequence(side, verdict);
        }
        self.judge_voids(verdict);
        for said in &self.said {
            self.judge_message(said, verdict);
        }
    }

    /// The whole story of the room, for those who look for a bug.
    fn tell(&self) -> Vec<String> {
        let mut lines = vec![format!("--- room {}", self.group)];
        for chapter in &self.history.chapters {
            let there = self
                .devices
                .iter()
                .filter(|side| chapter.roster.contains_key(&side.device));
            let names: Vec<&str> = there.map(|side| side.name.as_str()).collect();
            lines.push(format!(
                "{:>4} epoch {}->{} {:?}{}{} {} {names:?}",
                chapter.seq.get(),
                chapter.epoch,
                chapter.epoch_after,
                chapter.kind,
                if chapter.is_void { " VOID" } else { "" },
                if self.spoiled.contains(&chapter.seq) {
                    " SPOILED"
                } else {
                    ""
                },
                chapter.story,
            ));
        }
        for side in &self.devices {
            lines.push(format!("  {} ({:?}):", side.name, side.state));
            lines.extend(side.items.iter().map(|item| match item {
                ThreadItem::Message(message) => {
                    format!(
                        "      {:?} {:?} {:?}",
                        message.seq, message.text, message.state
                    )
                }
                ThreadItem::Event(event) => format!("      {:?} {:?}", event.seq, event.kind),
            }));
        }
        lines
    }

    /// Members are ready and agree on who is there; others know that they are out.
    fn judge_standing(&self, side: &Side, verdict: &mut Verdict) {
        let Some(last) = self.history.last() else {
            return;
        };
        let complain = |why: String| format!("{} in {}: {why}", side.name, self.group);
        if last.roster.contains_key(&side.device) {
            if has_left_alone(side, last) {
                return;
            }
            if side.state != Some(ConversationState::Ready) {
                let state = complain(format!("is a member and {:?}", side.state));
                verdict.unexplained.push(state);
            }
            let real = devices_by_account(last);
            if side.members != real {
                let views = format!("sees {:?}, really {:?}", side.members, real);
                verdict.unexplained.push(complain(views));
            }
        } else if side.state.is_some_and(|state| !is_over(state)) {
            let state = format!("is no member and {:?}", side.state);
            verdict.unexplained.push(complain(state));
        }
    }

    /// The log's order, each place once.
    fn judge_order(&self, side: &Side, verdict: &mut Verdict) {
        let places: Vec<Seq> = side.messages().filter_map(|message| message.seq).collect();
        if !places.is_sorted_by(|a, b| a < b) {
            let line = format!("{} shows {} in the order {places:?}", side.name, self.group);
            verdict.unexplained.push(line);
        }
    }

    /// Nobody shows what was said while they were not there.
    fn judge_secrecy(&self, side: &Side, verdict: &mut Verdict) {
        for message in side.messages() {
            let own = |said: &&&Said| said.device == side.index && said.text == message.text;
            let Some(seq) = message
                .seq
                .filter(|_| !self.said.iter().any(|said| own(&said)))
            else {
                continue;
            };
            let there = self.history.present_at(seq);
            if there.is_none_or(|roster| !roster.contains_key(&side.device)) {
                let line = format!(
                    "{} reads {:?} at {seq} of {} without being there",
                    side.name, message.text, self.group
                );
                verdict.unexplained.push(line);
            }
        }
    }

    fn judge_message(&self, said: &Said, verdict: &mut Verdict) {
        let sender = self.devices.iter().find(|side| side.index == said.device);
        let Some(sender) = sender else { return };
        for side in &self.devices {
            let count = side
                .messages()
                .filter(|message| message.text == said.text)
                .count();
            if count > 1 {
                let line = format!("{} has {} {count} times", side.name, said.text);
                verdict.doubled.push(line);
            }
        }
        let Some(own) = sender.find(&said.text) else {
            verdict
                .lost
                .push(format!("{} lost {} of its own", sender.name, said.text));
            return;
        };
        let Some(seq) = own.seq else {
            self.judge_unsent(sender, said, own, verdict);
            return;
        };
        if self.spoiled.contains(&seq) {
            return;
        }
        let Some(chapter) = self.chapter(seq) else {
            verdict
                .lost
                .push(format!("{} at {seq} is in no log", said.text));
            return;
        };
        for side in &self.devices {
            self.judge_delivery(side, sender, said, chapter, verdict);
        }
    }

    fn judge_delivery(
        &self,
        side: &Side,
        sender: &Side,
        said: &Said,
        chapter: &Chapter,
        verdict: &mut Verdict,
    ) {
        let found = side.find(&said.text);
        if let Some(found) = found {
            let is_said_again = self.is_a_second_try(sender, found.seq, chapter)
                || self.was_taken_back(found.seq, chapter);
            if found.seq != Some(chapter.seq) && !is_said_again {
                let line = format!(
                    "{} is at {} for its sender and at {:?} for {}",
                    said.text, chapter.seq, found.seq, side.name
                );
                verdict.unexplained.push(line);
            }
            verdict.delivered += u64::from(side.index != sender.index);
            return;
        }
        let Some(stay) = chapter.roster.get(&side.device) else {
            return;
        };
        let could_open = stay.since <= chapter.seq && stay.since_epoch <= chapter.epoch;
        let excused = self.is_excused(side, stay, chapter)
            || has_left_alone(side, chapter)
            || was_removed_before_the_void(sender, chapter)
            || self.never_entered(side, stay)
            || self.is_in_a_hole(side, chapter);
        if could_open && !excused {
            let line = format!(
                "{} at {} of {} (epoch {}) never reached {}, there since {}",
                said.text, chapter.seq, self.group, chapter.epoch, side.name, stay.since
            );
            verdict.lost.push(line);
        }
    }

    /// A device that entered anew later shows that, and what it missed before is explained, if it
    /// had a reason to: see [`Room::judge_entries`].
    fn is_excused(&self, side: &Side, stay: &Stay, chapter: &Chapter) -> bool {
        let later = self.history.chapters.iter();
        let later = later.filter(|later| later.seq > chapter.seq);
        later
            .filter_map(|later| later.roster.get(&side.device))
            .any(|again| again.since > stay.since && side.shows_its_entry_at(again.since))
    }

    /// A device that was removed before it opened its Welcome, or before it had the answer to its
    /// first entry, was never there as far as it knows.
    fn never_entered(&self, side: &Side, stay: &Stay) -> bool {
        let is_of_this_stay = |chapter: &Chapter| {
            let there = chapter.roster.get(&side.device);
            there.is_some_and(|there| there.since == stay.since)
        };
        let mut commits = self.history.chapters.iter();
        let by_another = commits.any(|commit| {
            commit.seq == stay.since && commit.author.is_some_and(|by| by != side.device)
        });
        let shown = side.messages().filter_map(|shown| self.chapter(shown.seq?));
        let is_later = |item| place_of(item).is_some_and(|seq| seq > stay.since);
        let is_first = side
            .items
            .iter()
            .all(|item| is_unsent(item) || is_later(item));
        (by_another || is_first)
            && !self.history.last().is_some_and(is_of_this_stay)
            && !side.shows_its_entry_at(stay.since)
            && !shown.into_iter().any(is_of_this_stay)
    }

    /// A device that had to enter anew and could not, since it had been removed, says that it
    /// misses something, right where this message would be: it has nothing later from before.
    fn is_in_a_hole(&self, side: &Side, chapter: &Chapter) -> bool {
        let is_later = |message: &MessageView| {
            let shown = message.seq.and_then(|seq| self.chapter(seq));
            shown.is_some_and(|shown| shown.seq > chapter.seq && shown.epoch >= chapter.epoch)
        };
        let holes = side
            .items
            .iter()
            .enumerate()
            .filter(|(_, item)| match item {
                ThreadItem::Event(event) => is_hole_without_a_place(event),
                ThreadItem::Message(_) => false,
            });
        holes
            .map(|(at, _)| side.items.split_at(at))
            .any(|(before, after)| {
                let reads_on = before.iter().any(|item| match item {
                    ThreadItem::Message(message) => !message.mine && is_later(message),
                    ThreadItem::Event(_) => false,
                });
                let is_earlier = after
                    .iter()
                    .any(|item| place_of(item).is_some_and(|seq| seq < chapter.seq));
                !reads_on && !is_earlier
            })
    }

    /// Offered again by a device that was out when the server, all others having it, forgot the
    /// first try: the others keep that, and the sender shows that it entered in between.
    fn is_a_second_try(&self, sender: &Side, first: Option<Seq>, second: &Chapter) -> bool {
        let Some(first) = first.filter(|first| *first < second.seq) else {
            return false;
        };
        let mut between = self.history.chapters.iter();
        self.chapter(first).is_some()
            && between.any(|chapter| {
                let was_there = chapter.roster.contains_key(&sender.device);
                chapter.seq > first && chapter.seq < second.seq && !was_there
            })
    }

    /// Read first in an epoch that was taken back, by somebody who had followed into it, and said
    /// again after that.
    fn was_taken_back(&self, first: Option<Seq>, second: &Chapter) -> bool {
        let Some(first) = first.and_then(|first| self.chapter(first)) else {
            return false;
        };
        let mut void = self.history.chapters.iter().filter(|void| void.is_void);
        void.any(|void| {
            let mut later = self.history.chapters.iter();
            let end = later.find(|end| end.voids == Some(void.seq));
            void.epoch_after <= first.epoch
                && void.seq < first.seq
                && end.is_some_and(|end| first.seq < end.seq && end.seq < second.seq)
        })
    }

    /// What one device said stands in the order in which it was said.
    fn judge_sequence(&self, sender: &Side, verdict: &mut Verdict) {
        let own = self.said.iter().filter(|said| said.device == sender.index);
        let places: Vec<Seq> = own
            .filter_map(|said| sender.find(&said.text)?.seq)
            .collect();
        if !places.is_sorted_by(|a, b| a < b) {
            let line = format!(
                "what {} said in {} is in the order {places:?}",
                sender.name, self.group
            );
            verdict.unexplained.push(line);
        }
    }

    fn chapter(&self, seq: Seq) -> Option<&Chapter> {
        let chapters = self.history.chapters.iter();
        chapters
            .filter(|chapter| chapter.kind == EntryKind::Message)
            .find(|chapter| chapter.seq == seq)
    }
}

/// There was nobody to let the last account go, so it still has its leaf where it has left.
fn has_left_alone(side: &Side, chapter: &Chapter) -> bool {
    let mut stays = chapter.roster.values();
    let is_alone = stays.all(|stay| stay.account == side.account);
    is_alone && side.state == Some(ConversationState::Left)
}

const fn place_of(item: &ThreadItem) -> Option<Seq> {
    match item {
        ThreadItem::Message(message) => message.seq,
        ThreadItem::Event(event) => event.seq,
    }
}

/// Whom a commit let in that was taken back, no roster tells. If it had been removed by then, it reads
/// nothing that follows, and does not hear that what it said went with that commit.
fn was_removed_before_the_void(sender: &Side, chapter: &Chapter) -> bool {
    sender.state == Some(ConversationState::Removed) && !chapter.roster.contains_key(&sender.device)
}

/// What a device wrote and never sent stands nowhere in the log.
const fn is_unsent(item: &ThreadItem) -> bool {
    matches!(item, ThreadItem::Message(message) if message.seq.is_none())
}

/// What a device says that wanted to enter anew and could not.
const fn is_hole_without_a_place(event: &EventView) -> bool {
    event.seq.is_none() && matches!(event.kind, EventKind::MessagesMayBeMissing { from: None })
}

const fn is_over(state: ConversationState) -> bool {
    matches!(
        state,
        ConversationState::Left | ConversationState::Removed | ConversationState::Gone
    )
}

fn devices_by_account(chapter: &Chapter) -> BTreeMap<AccountId, u32> {
    let mut accounts = BTreeMap::new();
    for stay in chapter.roster.values() {
        *accounts.entry(stay.account).or_default() += 1;
    }
    accounts
}
