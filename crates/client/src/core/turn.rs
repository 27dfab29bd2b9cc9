//! What one call of `handle` carries along.

use crate::notice::Notice;
use crate::port::{Dice, Effect, Moment};

pub(super) struct Turn<'a> {
    pub now: Moment,
    pub dice: &'a mut dyn Dice,
    pub effects: Vec<Effect>,
    pub notices: Vec<Notice>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(now: Moment, dice: &'a mut dyn Dice) -> Self {
        Self {
            now,
            dice,
            effects: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// Adds a notice, once a step.
    pub(super) fn notify(&mut self, notice: Notice) {
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }

    pub(super) fn refuse(&mut self, reason: &str) {
        let reason = reason.to_owned();
        self.notify(Notice::Refused { reason });
    }

    /// A random number below `bound` (0 for 0); slightly uneven, fit for jitter only.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.dice.fill(&mut bytes);
        u64::from_be_bytes(bytes).checked_rem(bound).unwrap_or(0)
    }

    pub(super) fn sixteen(&mut self) -> [u8; 16] {
        crate::identity::sixteen(self.dice)
    }
}
