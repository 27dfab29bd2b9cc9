//! Calls that are over for this device: what it said last, and what it has heard.
//!
//! Owns the memory by which a late or repeated letter changes nothing, and by which a last word that
//! was lost is said again. Bounded in number and time.

use super::RingId;
use super::letter::Word;
use super::machine::Post;
use super::stage::{Party, Tally};
use crate::port::Moment;
use roost_wire::{DeviceId, GroupId};
use std::collections::VecDeque;

/// Calls that are remembered, and how long.
const KEPT_MAX: usize = 32;
const KEPT_MS: u64 = 180_000;
/// A last word is said again after so long, unasked.
const AGAIN_MS: [u64; 2] = [1_000, 3_000];
/// Whoever has not heard it is told at most this often.
pub(super) const REPLY_MS: u64 = 500;

#[derive(Debug)]
struct Past {
    ring: RingId,
    group: GroupId,
    tally: Tally,
    last: Option<Word>,
    until: Moment,
    again: Vec<Moment>,
    replied: Moment,
}

impl Past {
    fn say(&mut self, word: Word, now: Moment) -> Post {
        self.replied = now;
        Post {
            group: self.group,
            ring: self.ring,
            counter: self.tally.next(),
            word,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Pasts(VecDeque<Past>);

impl Pasts {
    /// A call is over here. Yields the last word, to be said now.
    pub(super) fn add(
        &mut self,
        ring: RingId,
        group: GroupId,
        tally: Tally,
        last: Option<Word>,
        now: Moment,
    ) -> Option<Post> {
        if self.0.len() >= KEPT_MAX {
            self.0.pop_front();
        }
        let again = match last {
            // Only the caller asks who is there.
            None | Some(Word::Busy) => Vec::new(),
            Some(_) => AGAIN_MS.map(|after| now.plus_millis(after)).to_vec(),
        };
        let mut past = Past {
            ring,
            group,
            tally,
            last: last.clone(),
            until: now.plus_millis(KEPT_MS),
            again,
            replied: now,
        };
        let post = last.map(|word| past.say(word, now));
        self.0.push_back(past);
        post
    }

    pub(super) fn has(&self, ring: &RingId) -> bool {
        self.0.iter().any(|past| past.ring == *ring)
    }

    /// A letter about a call that is over: whoever goes on with it has not heard the last word.
    pub(super) fn hear(
        &mut self,
        me: &DeviceId,
        from: &Party,
        (ring, counter): (RingId, u64),
        word: &Word,
        now: Moment,
    ) -> Option<Post> {
        let past = self.0.iter_mut().find(|past| past.ring == ring)?;
        if !past.tally.is_news(&from.key, counter) {
            return None;
        }
        let was_heard = matches!(word, Word::Ring { heard, .. } if heard.as_slice().contains(me));
        let knows = was_heard && past.last == Some(Word::Busy);
        let too_soon = now.since(past.replied) < REPLY_MS && now >= past.replied;
        if word.is_last() || knows || too_soon {
            return None;
        }
        let last = past.last.clone()?;
        Some(past.say(last, now))
    }

    /// Last words that are due again.
    pub(super) fn tick(&mut self, now: Moment) -> Vec<Post> {
        self.0.retain(|past| past.until > now);
        let mut posts = Vec::new();
        for past in &mut self.0 {
            let waiting = past.again.len();
            past.again.retain(|at| *at > now);
            if past.again.len() < waiting
                && let Some(last) = past.last.clone()
            {
                posts.push(past.say(last, now));
            }
        }
        posts
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        self.0
            .iter()
            .flat_map(|past| past.again.iter().copied())
            .min()
    }
}
