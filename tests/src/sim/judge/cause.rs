//! Whether the story explains what a client did not bring about.
//!
//! Owns the causes that excuse a device: an entry that a member spoiled, a commit that was taken
//! back, its own removal. Crashes, lost answers and broken lines excuse nothing: a client that
//! enters anew or gives a message up for those alone loses what others still have. No story
//! restores a server or copies a profile, so what clients do then has no excuse here either.

use super::{Room, Side, Verdict, has_left_alone, is_hole_without_a_place, is_over};
use crate::sim::story::Said;
use crate::world::witness::{Chapter, Stay};
use roost_client::view::{EventKind, MessageState, MessageView, ThreadItem};
use roost_wire::log::EntryKind;
use roost_wire::{AccountId, Epoch, Seq};
use std::collections::BTreeMap;

/// Messages of one epoch that nobody can open, after which a device enters anew.
const UNREADABLE_IN_ONE_EPOCH: usize = 3;
/// What clients say of a message that they do not send.
const NO_LONGER_THERE: &str = "You are no longer in this conversation.";
const NEWCOMERS: &str =
    "This was lost on its way, and somebody has come since. Send it again if they may read it.";
const STRANGERS: &str =
    "Somebody is in this conversation who was not before. Look who is here, then send it again.";

impl Room<'_> {
    /// "Messages may be missing" is said only after something was spoiled or taken back, and what
    /// a device says of its own entry is in the log.
    pub(super) fn judge_alarms(&self, side: &Side, verdict: &mut Verdict) {
        for item in &side.items {
            let ThreadItem::Event(event) = item else {
                continue;
            };
            let has_reason = match event.kind {
                EventKind::MessagesMayBeMissing { .. } => {
                    event.seq.is_some_and(|seq| self.was_harmed_upto(seq))
                        || is_hole_without_a_place(event)
                }
                EventKind::Rejoined => self.commits_of(side).any(|own| Some(own.seq) == event.seq),
                EventKind::FoundHere { who } => event
                    .seq
                    .is_some_and(|seq| self.came_before(side, who, seq)),
                _ => true,
            };
            if !has_reason {
                let line = format!(
                    "{} in {} shows {:?} at {:?} without a reason",
                    side.name, self.group, event.kind, event.seq
                );
                verdict.unexplained.push(line);
            }
        }
    }

    /// Whoever takes a new leaf instead of its own gives up what it has not read by then.
    pub(super) fn judge_entries(&self, side: &Side, verdict: &mut Verdict) {
        for entry in self.commits_of(side) {
            let Some(given_up) = entry.given_up else {
                continue;
            };
            if !self.has_reason_to_enter(side, &given_up, entry.seq) {
                let line = format!(
                    "{} entered {} anew at {}, there since {}, without a reason",
                    side.name, self.group, entry.seq, given_up.since
                );
                verdict.unexplained.push(line);
            }
        }
    }

    /// The server takes back only what members had to refuse, and what hangs on that.
    pub(super) fn judge_voids(&self, verdict: &mut Verdict) {
        let voids = self.history.chapters.iter();
        for voided in voids.filter_map(|chapter| chapter.voids) {
            if !self.spoiled.contains(&voided) && !self.hangs_on_spoiled(voided) {
                let line = format!("{} of {} was taken back unspoiled", voided, self.group);
                verdict.unexplained.push(line);
            }
        }
    }

    /// What never got into the log must say why, and it must be so.
    pub(super) fn judge_unsent(
        &self,
        sender: &Side,
        said: &Said,
        own: &MessageView,
        verdict: &mut Verdict,
    ) {
        let is_so = match &own.state {
            MessageState::Failed(why) if why == NO_LONGER_THERE => self.was_out(sender),
            MessageState::Failed(why) if why == NEWCOMERS => self.has_voids(),
            MessageState::Failed(why) if why == STRANGERS => has_met_a_stranger(sender),
            _ => false,
        };
        if !is_so {
            let line = format!("{} never left {} ({:?})", said.text, sender.name, own.state);
            verdict.lost.push(line);
        }
    }

    fn has_reason_to_enter(&self, side: &Side, given_up: &Stay, seq: Seq) -> bool {
        let between: Vec<&Chapter> = self
            .history
            .chapters
            .iter()
            .filter(|chapter| given_up.since <= chapter.seq && chapter.seq < seq)
            .collect();
        let broken_commit = between.iter().any(|chapter| {
            let is_spoiled = self.spoiled.contains(&chapter.seq);
            chapter.is_void || (chapter.kind == EntryKind::Commit && is_spoiled)
        });
        broken_commit || self.has_unreadable(&between) || self.was_let_in_unseen(side, given_up)
    }

    fn has_unreadable(&self, between: &[&Chapter]) -> bool {
        let mut by_epoch: BTreeMap<Epoch, usize> = BTreeMap::new();
        for chapter in between {
            if chapter.kind == EntryKind::Message && self.spoiled.contains(&chapter.seq) {
                *by_epoch.entry(chapter.epoch).or_default() += 1;
            }
        }
        by_epoch
            .values()
            .any(|count| *count >= UNREADABLE_IN_ONE_EPOCH)
    }

    /// Added by somebody else, which it never learned: it went by what it had from before its
    /// removal, or by the server's word that it has a place.
    fn was_let_in_unseen(&self, side: &Side, stay: &Stay) -> bool {
        !self.commits_of(side).any(|own| own.seq == stay.since)
            && !side.shows_its_entry_at(stay.since)
    }

    /// Whether it came after a spoiled commit and before that was taken back.
    fn hangs_on_spoiled(&self, commit: Seq) -> bool {
        let mut chapters = self.history.chapters.iter();
        chapters.any(|end| {
            let below = end.voids.filter(|voided| *voided < commit);
            end.seq > commit && below.is_some_and(|voided| self.spoiled.contains(&voided))
        })
    }

    fn was_harmed_upto(&self, seq: Seq) -> bool {
        let mut chapters = self.history.chapters.iter();
        let taken_back = chapters.any(|chapter| chapter.is_void && chapter.seq <= seq);
        taken_back || self.spoiled.iter().any(|spoiled| *spoiled <= seq)
    }

    /// Whether somebody who had not been there with this device was there when it entered.
    fn came_before(&self, side: &Side, who: AccountId, seq: Seq) -> bool {
        let is_in = |chapter: &Chapter| chapter.roster.values().any(|stay| stay.account == who);
        let mut chapters = self.history.chapters.iter();
        let was_apart = chapters
            .clone()
            .filter(|chapter| chapter.seq < seq)
            // Whom a commit let in that was taken back, no roster tells.
            .filter(|chapter| chapter.is_void || chapter.roster.contains_key(&side.device))
            .any(|chapter| !is_in(chapter));
        let is_there = chapters.any(|chapter| chapter.seq == seq && is_in(chapter));
        was_apart && (is_there || self.was_harmed_upto(seq))
    }

    fn has_voids(&self) -> bool {
        let mut chapters = self.history.chapters.iter();
        chapters.any(|chapter| chapter.voids.is_some())
    }

    /// Whether it has left or was out for a while. Whom a commit let in that was taken back, no
    /// roster tells.
    fn was_out(&self, side: &Side) -> bool {
        let mut chapters = self.history.chapters.iter();
        let is_there = |chapter: &&Chapter| chapter.roster.contains_key(&side.device);
        let was_removed = chapters.any(|chapter| is_there(&chapter))
            && chapters.any(|chapter| !is_there(&chapter));
        let is_left = self
            .history
            .last()
            .is_some_and(|last| has_left_alone(side, last));
        was_removed || is_left || self.has_voids() || side.state.is_some_and(is_over)
    }

    fn commits_of(&self, side: &Side) -> impl Iterator<Item = &Chapter> {
        let device = side.device;
        let chapters = self.history.chapters.iter();
        chapters.filter(move |chapter| chapter.author == Some(device))
    }
}

/// What it says of that is judged with its alarms.
fn has_met_a_stranger(side: &Side) -> bool {
    let mut events = side.items.iter();
    events.any(|item| match item {
        ThreadItem::Event(event) => matches!(event.kind, EventKind::FoundHere { .. }),
        ThreadItem::Message(_) => false,
    })
}
