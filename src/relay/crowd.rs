//! How many streams are open: all together, and of one address.
//!
//! Owns the counts, which all workers share. A stream is counted as long as its [`Place`] lives.

use roost_turn::strangers::network;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Of all addresses. Each may take up to about 300 KiB when its client reads slowly.
pub const STREAMS_MAX: u32 = 2_000;
/// Of one address (an IPv6 /64): an office behind one router, each browser with a few.
pub const STREAMS_PER_ADDRESS_MAX: u32 = 256;

/// The counts.
#[derive(Clone, Default)]
pub struct Crowd(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    all: u32,
    by_address: BTreeMap<IpAddr, u32>,
}

/// Room for one stream; given back when dropped.
pub struct Place {
    crowd: Crowd,
    address: IpAddr,
}

impl Crowd {
    /// Room for one more of this address, if there is any.
    #[must_use]
    pub fn place(&self, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut counts = self.counts();
        let of_address = counts.by_address.get(&address).copied().unwrap_or_default();
        if counts.all >= STREAMS_MAX || of_address >= STREAMS_PER_ADDRESS_MAX {
            return None;
        }
        counts.all += 1;
        counts.by_address.insert(address, of_address + 1);
        drop(counts);
        Some(Place {
            crowd: self.clone(),
            address,
        })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
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

    #[test]
    fn all_together_are_bounded_and_nothing_stays_of_who_left() {
        let crowd = Crowd::default();

        let all: Vec<_> = (0..=255)
            .flat_map(|last| places(&crowd, [192, 0, 2, last]))
            .collect();

        assert_eq!(count(&all), STREAMS_MAX);
        drop(all);
        assert!(crowd.counts().by_address.is_empty());
        assert_eq!(crowd.counts().all, 0);
    }
}
