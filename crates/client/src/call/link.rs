//! Signals between two devices, in order and each once, over letters that may be lost.
//!
//! Owns numbers, acknowledgements and when to say something again. Each letter acknowledges all that
//! came; what is not acknowledged is said again, all of it in one letter. Never knows what is said.

use super::letter::{Parcel, SIGNALS_BYTES, SIGNALS_MAX};
use super::media::MediaSignal;
use crate::port::Moment;
use roost_wire::{DeviceId, List};
use std::collections::VecDeque;

/// Signals that may wait for their acknowledgement.
pub(super) const WAITING_MAX: usize = SIGNALS_MAX;
/// Between two letters: what is said meanwhile travels together. The server takes ten a second.
const PACE_MS: u64 = 100;
/// An acknowledgement waits so long for something to travel with.
const ACK_MS: u64 = 50;
const RESEND_FIRST_MS: u64 = 500;
const RESEND_MAX_MS: u64 = 3_000;

/// There is no room for another signal: the other side has not been heard for long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// One end of a link.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// Not acknowledged, oldest first.
    waiting: VecDeque<MediaSignal>,
    /// Signals that were acknowledged.
    acknowledged: u64,
    /// How many of `waiting` were said at least once.
    said: usize,
    /// Signals that came.
    heard: u64,
    ack_at: Option<Moment>,
    again_at: Option<Moment>,
    tries: u32,
    last_letter: Option<Moment>,
}

impl Link {
    pub(super) fn push(&mut self, signal: MediaSignal) -> Result<(), Full> {
        if self.waiting.len() >= WAITING_MAX {
            return Err(Full);
        }
        self.waiting.push_back(signal);
        Ok(())
    }

    /// Takes what came; yields what is new and next.
    pub(super) fn hear(&mut self, parcel: Parcel, now: Moment) -> Vec<MediaSignal> {
        self.take_ack(parcel.ack, now);
        let signals = parcel.signals.into_vec();
        if !signals.is_empty() {
            self.ack_at.get_or_insert(now.plus_millis(ACK_MS));
        }
        let mut new = Vec::new();
        // No honest device counts so far that numbers end.
        for (number, signal) in (parcel.first..=u64::MAX).zip(signals) {
            if self.heard.checked_add(1) == Some(number) {
                self.heard = number;
                new.push(signal);
            }
        }
        new
    }

    /// The line was gone and is back: what waits is said at once.
    pub(super) fn hasten(&mut self, now: Moment) {
        self.tries = 0;
        if self.said > 0 {
            self.again_at = Some(now);
        }
    }

    /// The next letter, if one is due.
    pub(super) fn next(&mut self, to: DeviceId, now: Moment) -> Option<Parcel> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        let is_again = self.again_at.is_some_and(|at| at <= now);
        let skip = if is_again { 0 } else { self.said };
        let signals = self.after(skip);
        self.said = self.said.max(skip.saturating_add(signals.len()));
        if is_again {
            self.tries = self.tries.saturating_add(1);
        }
        if is_again || self.said > 0 && self.again_at.is_none() {
            self.again_at = Some(now.plus_millis(pause(self.tries)));
        }
        self.ack_at = None;
        self.last_letter = Some(now);
        let skipped = u64::try_from(skip).unwrap_or(u64::MAX);
        Some(Parcel {
            to,
            ack: self.heard,
            first: self.acknowledged.saturating_add(skipped).saturating_add(1),
            signals: List::capped(signals),
        })
    }

    /// When `next` has something.
    pub(super) fn due(&self) -> Option<Moment> {
        let paced = self
            .last_letter
            .map_or(Moment::default(), |last| last.plus_millis(PACE_MS));
        let fresh = (self.said < self.waiting.len()).then_some(paced);
        let ack = self.ack_at.map(|at| at.max(paced));
        [fresh, ack, self.again_at].into_iter().flatten().min()
    }

    fn take_ack(&mut self, ack: u64, now: Moment) {
        let news = usize::try_from(ack.saturating_sub(self.acknowledged)).unwrap_or(usize::MAX);
        // Nobody can have heard what was not said.
        if news == 0 || news > self.said {
            return;
        }
        self.waiting.drain(..news);
        self.said = self.said.saturating_sub(news);
        self.acknowledged = ack;
        self.tries = 0;
        self.again_at = (self.said > 0).then(|| now.plus_millis(pause(0)));
    }

    /// What waits behind the first `skip`, as much as fits into one letter.
    fn after(&self, skip: usize) -> Vec<MediaSignal> {
        let mut room = SIGNALS_BYTES;
        let mut fits = |signal: &&MediaSignal| {
            let left = room.checked_sub(signal.size_bytes());
            room = left.unwrap_or(0);
            left.is_some()
        };
        let waiting = self.waiting.iter().skip(skip);
        waiting.take_while(|signal| fits(signal)).cloned().collect()
    }
}

/// Before something is said once more: half a second, a second, two, three, three …
fn pause(tries: u32) -> u64 {
    let doubled = RESEND_FIRST_MS.saturating_mul(1 << tries.min(8));
    doubled.min(RESEND_MAX_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parcel_whose_numbers_end_is_heard_like_any_other_that_does_not_fit() {
        let mut link = Link::default();
        let parcel = Parcel {
            to: DeviceId::new([1; 16]),
            ack: 0,
            first: u64::MAX,
            signals: List::capped(vec![MediaSignal::Restart, MediaSignal::Restart]),
        };

        assert_eq!(link.hear(parcel, Moment::default()), []);
    }
}
