//! How many streams are open: all together, of one address, and without a relay.
//!
//! Owns the counts, which all workers share. A stream is counted as long as its [`Place`] lives.

use roost_turn::strangers::network;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Of all addresses. Each may take up to about 300 KiB when its client reads slowly.
pub const STREAMS_MAX: u32 = 2_000;
/// Of all addresses, those without a relay: anybody can open these, and what is left is for those who
/// have a pass.
pub const STRANGERS_MAX: u32 = STREAMS_MAX / 2;
/// Of one address (an IPv6 /64): an office behind one router, each browser with a few.
pub const STREAMS_PER_ADDRESS_MAX: u32 = 256;

/// The counts.
#[derive(Clone, Default)]
pub struct Crowd(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    all: u32,
    strangers: u32,
    by_address: BTreeMap<IpAddr, u32>,
}

/// Room for one stream; given back when dropped.
pub struct Place {
    crowd: Crowd,
    address: IpAddr,
    has_relay: bool,
}

impl Crowd {
    /// Room for one more of this address, without a relay as yet, if there is any.
    #[must_use]
    pub fn place(&self, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut counts = self.counts();
        let of_address = counts.by_address.get(&address).copied().unwrap_or_default();
        let is_full = counts.all >= STREAMS_MAX || counts.strangers >= STRANGERS_MAX;
        if is_full || of_address >= STREAMS_PER_ADDRESS_MAX {
            return None;
        }
        counts.all += 1;
        counts.strangers += 1;
        counts.by_address.insert(address, of_address + 1);
        drop(counts);
        Some(Place {
            crowd: self.clone(),
            address,
            has_relay: false,
        })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Counts the stream among those with a relay, or without.
    pub fn counts_as(&mut self, has_relay: bool) {
        if has_relay == self.has_relay {
            return;
        }
        self.has_relay = has_relay;
        let mut counts = self.crowd.counts();
        counts.strangers = if has_relay {
            counts.strangers.saturating_sub(1)
        } else {
            counts.strangers.saturating_add(1)
        };
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counts_as(true);
        let mut counts = self.crowd.counts();
        counts.all = counts.all.saturating_sub(1);
        let of_address = counts.by_address.get(&self.address).copied();
        match of_address.unwrap_or_default().saturating_sub(1) {
            0 => counts.by_address.remove(&self.address),
            left => counts.by_address.insert(self.address, left),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(crowd: &Crowd, address: [u8; 4]) -> Vec<Place> {
        std::iter::from_fn(|| crowd.place(address.into())).collect()
    }

    fn count(places: &[Place]) -> u32 {
        u32::try_from(places.len()).unwrap()
    }

    #[test]
    fn one_address_leaves_room_for_others() {
        let crowd = Crowd::default();

        let mut one = places(&crowd, [192, 0, 2, 1]);

        assert_eq!(count(&one), STREAMS_PER_ADDRESS_MAX);
        assert!(crowd.place([192, 0, 2, 2].into()).is_some());
        one.pop();
        assert!(crowd.place([192, 0, 2, 1].into()).is_some());
    }

    /// As many as there are, of all addresses.
    fn everybody(crowd: &Crowd) -> Vec<Place> {
        let all = (0..=255).flat_map(|last| places(crowd, [192, 0, 2, last]));
        all.collect()
    }

    #[test]
    fn strangers_leave_half_of_the_room_to_those_who_relay() {
        let crowd = Crowd::default();

        let mut strangers = everybody(&crowd);
        assert_eq!(count(&strangers), STRANGERS_MAX);
        assert!(crowd.place([198, 51, 100, 1].into()).is_none());

        strangers[0].counts_as(true);
        strangers[0].counts_as(true);
        assert_eq!(count(&places(&crowd, [198, 51, 100, 1])), 1);
        strangers[0].counts_as(false);
        assert!(crowd.place([198, 51, 100, 1].into()).is_none());
    }

    #[test]
    fn all_together_are_bounded_and_nothing_stays_of_who_left() {
        let crowd = Crowd::default();

        let mut all = Vec::new();
        for _ in 0..4 {
            all.extend(everybody(&crowd));
            all.iter_mut().for_each(|place| place.counts_as(true));
        }

        assert_eq!(count(&all), STREAMS_MAX);
        drop(all);
        let counts = crowd.counts();
        assert!(counts.by_address.is_empty());
        assert_eq!((counts.all, counts.strangers), (0, 0));
    }
}
