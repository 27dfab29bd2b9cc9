//! How often somebody without credentials is answered.
//!
//! Owns a count for each address, so that nobody can use the server to flood another with answers
//! to forged requests. Those who proved who they are do not count.

use crate::time::Moment;
use std::collections::HashMap;
use std::net::IpAddr;

/// How many answers an address gets.
#[derive(Clone, Copy, Debug)]
pub struct Answers {
    pub at_once: u32,
    pub per_second: u32,
}

impl Default for Answers {
    /// An office behind one address that begins a call needs many.
    fn default() -> Self {
        Self {
            at_once: 200,
            per_second: 50,
        }
    }
}
/// Addresses that are told apart; others share one count.
const ADDRESSES_MAX: usize = 8_192;

/// Counts of all addresses.
#[derive(Debug)]
pub struct Strangers {
    counts: HashMap<IpAddr, Count>,
    rest: Count,
    answers: Answers,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    left: u32,
    since: Moment,
}

impl Strangers {
    #[must_use]
    pub fn new(answers: Answers, now: Moment) -> Self {
        Self {
            counts: HashMap::new(),
            rest: Count::new(answers, now),
            answers,
        }
    }

    /// Whether this address gets another answer now.
    #[must_use]
    pub fn may_ask(&mut self, address: IpAddr, now: Moment) -> bool {
        let address = network(address);
        let has_room = self.counts.len() < ADDRESSES_MAX || self.counts.contains_key(&address);
        let count = if has_room {
            let new = Count::new(self.answers, now);
            self.counts.entry(address).or_insert(new)
        } else {
            &mut self.rest
        };
        count.take(self.answers, now)
    }

    /// Forgets whoever has been quiet.
    pub fn tick(&mut self, now: Moment) {
        let answers = self.answers;
        self.counts.retain(|_, count| !count.is_full(answers, now));
    }
}

impl Count {
    const fn new(answers: Answers, now: Moment) -> Self {
        Self {
            left: answers.at_once,
            since: now,
        }
    }

    fn take(&mut self, answers: Answers, now: Moment) -> bool {
        let earned = self.earned(answers, now);
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(answers.at_once);
            self.since = now;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    fn is_full(&self, answers: Answers, now: Moment) -> bool {
        self.left.saturating_add(self.earned(answers, now)) >= answers.at_once
    }

    fn earned(&self, answers: Answers, now: Moment) -> u32 {
        let millis = now.millis().saturating_sub(self.since.millis());
        let earned = millis.saturating_mul(u64::from(answers.per_second)) / 1_000;
        u32::try_from(earned).unwrap_or(u32::MAX)
    }
}

/// What counts as one address: whoever has one of IPv6 has 2^64 of them.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn answers(strangers: &mut Strangers, address: &str, now: Moment) -> usize {
        let asked = (0..1_000).filter(|_| strangers.may_ask(ip(address), now));
        asked.count()
    }

    #[test]
    fn a_flood_is_answered_as_often_as_a_crowd_would_be() {
        let start = Moment::default();
        let mut strangers = Strangers::new(Answers::default(), start);

        assert_eq!(answers(&mut strangers, "198.51.100.1", start), 200);
        assert_eq!(answers(&mut strangers, "198.51.100.2", start), 200);
        let later = start.plus_seconds(1);
        assert_eq!(answers(&mut strangers, "198.51.100.1", later), 50);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let start = Moment::default();
        let mut strangers = Strangers::new(Answers::default(), start);

        assert_eq!(answers(&mut strangers, "2a00::1", start), 200);
        assert_eq!(answers(&mut strangers, "2a00::2:1", start), 0);
        assert_eq!(answers(&mut strangers, "2a00:0:0:1::1", start), 200);
    }

    #[test]
    fn memory_is_bounded_and_given_back() {
        let start = Moment::default();
        let mut strangers = Strangers::new(Answers::default(), start);
        for number in 0..20_000_u32 {
            let _ = strangers.may_ask(IpAddr::from(number.to_be_bytes()), start);
        }
        assert_eq!(strangers.counts.len(), ADDRESSES_MAX);

        strangers.tick(start.plus_seconds(10));
        assert!(strangers.counts.is_empty());
    }
}
