//! Which connection a datagram is of: the one that a STUN request names, or the one that proved
//! itself where the datagram came from.
//!
//! Owns that nobody takes a place from another. Never checks a proof.

use crate::limit::{ADDRESSES_PER_CONNECTION, PLACE_KEPT};
use roost_wire::api::MediaConnection;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

#[derive(Default)]
pub struct Places {
    by_name: BTreeMap<String, MediaConnection>,
    by_place: BTreeMap<SocketAddr, Held>,
}

#[derive(Clone, Copy)]
struct Held {
    by: MediaConnection,
    proved: Instant,
}

/// Whether a connection was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proved {
    Again,
    Anew,
}

impl Places {
    /// A connection by its name.
    pub fn add(&mut self, name: String, id: MediaConnection) {
        self.by_name.insert(name, id);
    }

    pub fn remove(&mut self, name: &str, id: MediaConnection) {
        self.by_name.remove(name);
        self.by_place.retain(|_, held| held.by != id);
    }

    pub fn named(&self, name: &str) -> Option<MediaConnection> {
        self.by_name.get(name).copied()
    }

    pub fn at(&self, place: SocketAddr) -> Option<MediaConnection> {
        self.by_place.get(&place).map(|held| held.by)
    }

    /// A connection proved that it is there; none if the place is not its. One that another proved
    /// to be at not long ago stays that one's, since addresses are easily forged.
    pub fn prove(
        &mut self,
        place: SocketAddr,
        by: MediaConnection,
        now: Instant,
    ) -> Option<Proved> {
        let held = Held { by, proved: now };
        let before = self.by_place.get(&place).copied();
        let fresh = |it: &Held| now.saturating_duration_since(it.proved) < PLACE_KEPT;
        if before.filter(fresh).is_some_and(|it| it.by != by) {
            return None;
        }
        self.by_place.insert(place, held);
        if before.is_some_and(|it| it.by == by) {
            return Some(Proved::Again);
        }
        self.limit(by);
        Some(Proved::Anew)
    }

    /// Only so many places of one connection; the one proved longest ago goes.
    fn limit(&mut self, by: MediaConnection) {
        let of_it = self.by_place.iter().filter(|(_, held)| held.by == by);
        if of_it.clone().count() <= ADDRESSES_PER_CONNECTION {
            return;
        }
        let oldest = of_it.min_by_key(|(_, held)| held.proved);
        if let Some(oldest) = oldest.map(|(place, _)| *place) {
            self.by_place.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: MediaConnection = MediaConnection::new(1);
    const BEN: MediaConnection = MediaConnection::new(2);

    fn place(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn a_place_is_whose_proof_is_fresh_and_of_many_the_oldest_goes() {
        let (mut places, start) = (Places::default(), Instant::now());

        assert_eq!(places.prove(place(1), ADA, start), Some(Proved::Anew));
        assert_eq!(places.prove(place(1), ADA, start), Some(Proved::Again));
        assert_eq!(places.prove(place(1), BEN, start + PLACE_KEPT / 2), None);
        assert_eq!(places.at(place(1)), Some(ADA));
        let late = places.prove(place(1), BEN, start + PLACE_KEPT);
        assert_eq!(late, Some(Proved::Anew));
        assert_eq!(places.at(place(1)), Some(BEN));

        for (port, now) in (2..=6).zip(1..) {
            let proved = places.prove(place(port), ADA, start + PLACE_KEPT * now);
            assert_eq!(proved, Some(Proved::Anew));
        }
        assert_eq!(places.at(place(2)), None);
        assert_eq!(places.at(place(6)), Some(ADA));
        places.remove("none", ADA);
        assert_eq!(places.at(place(6)), None);
        assert_eq!(places.at(place(1)), Some(BEN));
    }
}
