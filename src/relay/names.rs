//! What the world calls the ports of this relay.
//!
//! Owns the two names of each: the address it is bound to, and the one that it is reached at, which
//! differ behind a router that forwards ports. The machines and their clients know only the latter.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

/// An address of this machine that relays are opened at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    pub bound: IpAddr,
    /// Where the others of a call reach it.
    pub external: IpAddr,
}

#[derive(Debug, Clone)]
pub struct Names {
    reach: Vec<Reach>,
    ports: RangeInclusive<u16>,
    forwarder: Vec<SocketAddr>,
}

impl Names {
    /// `ports` are those of relays, `forwarder` is where clients reach what forwards group calls.
    pub const fn new(
        reach: Vec<Reach>,
        ports: RangeInclusive<u16>,
        forwarder: Vec<SocketAddr>,
    ) -> Self {
        Self {
            reach,
            ports,
            forwarder,
        }
    }

    pub fn reach(&self) -> &[Reach] {
        &self.reach
    }

    /// Ports of relays.
    pub const fn ports(&self) -> &RangeInclusive<u16> {
        &self.ports
    }

    /// Where clients reach what forwards group calls.
    pub fn forwarder(&self) -> &[SocketAddr] {
        &self.forwarder
    }

    /// Where to send what is meant for a peer: our own relays are met inside, since not every
    /// router sends back what comes from behind it.
    pub fn inward(&self, peer: SocketAddr) -> SocketAddr {
        self.renamed(peer, |reach| (reach.external, reach.bound))
    }

    /// What the machine calls a peer that packets came from.
    pub fn outward(&self, peer: SocketAddr) -> SocketAddr {
        self.renamed(peer, |reach| (reach.bound, reach.external))
    }

    fn renamed(&self, peer: SocketAddr, names: impl Fn(&Reach) -> (IpAddr, IpAddr)) -> SocketAddr {
        let is_forwarder = self.forwarder.iter().any(|it| it.port() == peer.port());
        if !is_forwarder && !self.ports.contains(&peer.port()) {
            return peer;
        }
        let found = self
            .reach
            .iter()
            .map(names)
            .find(|(from, _)| *from == peer.ip());
        found.map_or(peer, |(_, to)| SocketAddr::new(to, peer.port()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_ports_of_ours_have_two_names() {
        let reach = Reach {
            bound: at("192.168.1.7:0").ip(),
            external: at("203.0.113.9:0").ip(),
        };
        let forwarder = vec![at("203.0.113.9:3478")];
        let names = Names::new(vec![reach], 49_160..=49_259, forwarder);

        for port in [49_160, 49_259, 3_478] {
            let (inside, outside) = (
                SocketAddr::new(reach.bound, port),
                SocketAddr::new(reach.external, port),
            );
            assert_eq!(names.inward(outside), inside);
            assert_eq!(names.outward(inside), outside);
        }
        for elsewhere in ["203.0.113.9:443", "203.0.113.8:3478", "192.168.1.7:49260"] {
            assert_eq!(names.inward(at(elsewhere)), at(elsewhere));
            assert_eq!(names.outward(at(elsewhere)), at(elsewhere));
        }
    }
}
