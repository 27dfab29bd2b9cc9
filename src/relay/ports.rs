//! The sockets that relay, and what the world calls them.
//!
//! Owns the two names of each: the address it is bound to, and the one that it is reached at, which
//! differ behind a router that forwards ports. The machine and its clients know only the latter.

use super::socket::Udp;
use super::token::Source;
use mio::Registry;
use roost_turn::RelaySockets;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

/// An address of this machine that relays are opened at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    pub bound: IpAddr,
    /// Where the others of a call reach it.
    pub external: IpAddr,
}

pub struct Ports {
    registry: Registry,
    reach: Vec<Reach>,
    range: RangeInclusive<u16>,
    /// Which of the workers this is, and of how many: each has every so many pairs of the range.
    share: (u16, u16),
    /// By the name that the machine knows.
    open: BTreeMap<SocketAddr, Udp>,
    /// Where the search for a free port goes on, so that one that was closed rests.
    next: u16,
}

impl Ports {
    pub fn new(
        registry: Registry,
        reach: Vec<Reach>,
        range: RangeInclusive<u16>,
        share: (u16, u16),
    ) -> Self {
        Self {
            registry,
            reach,
            range,
            share,
            open: BTreeMap::new(),
            next: 0,
        }
    }

    #[must_use]
    pub fn socket(&self, relay: SocketAddr) -> Option<&Udp> {
        self.open.get(&relay)
    }

    /// The relay at the address of this number.
    #[must_use]
    pub fn relay(&self, at: usize, port: u16) -> Option<SocketAddr> {
        let reach = self.reach.get(at)?;
        Some(SocketAddr::new(reach.external, port))
    }

    /// Where to send what is meant for a peer: our own relays are met inside, since not every
    /// router sends back what comes from behind it.
    #[must_use]
    pub fn inward(&self, peer: SocketAddr) -> SocketAddr {
        self.renamed(peer, |reach| (reach.external, reach.bound))
    }

    /// What the machine calls a peer that packets came from.
    #[must_use]
    pub fn outward(&self, peer: SocketAddr) -> SocketAddr {
        self.renamed(peer, |reach| (reach.bound, reach.external))
    }

    fn renamed(&self, peer: SocketAddr, names: impl Fn(&Reach) -> (IpAddr, IpAddr)) -> SocketAddr {
        if !self.range.contains(&peer.port()) {
            return peer;
        }
        let found = self
            .reach
            .iter()
            .map(names)
            .find(|(from, _)| *from == peer.ip());
        found.map_or(peer, |(_, to)| SocketAddr::new(to, peer.port()))
    }

    /// Ports of this worker, beginning after the one given out last.
    fn candidates(&self) -> impl Iterator<Item = u16> {
        let (mine, of) = self.share;
        let start = *self.range.start();
        let all = move |range: RangeInclusive<u16>| {
            range.filter(move |port| ((port - start) / 2) % of == mine)
        };
        let next = self.next.clamp(start, *self.range.end());
        all(next..=*self.range.end()).chain(all(start..=next.saturating_sub(1)))
    }
}

impl RelaySockets for Ports {
    fn has_family(&self, is_ipv6: bool) -> bool {
        self.reach
            .iter()
            .any(|reach| reach.external.is_ipv6() == is_ipv6)
    }

    fn open(&mut self, is_ipv6: bool, is_even: bool) -> Option<SocketAddr> {
        let (at, reach) = self
            .reach
            .iter()
            .enumerate()
            .find(|(_, reach)| reach.external.is_ipv6() == is_ipv6)?;
        let mut socket = self
            .candidates()
            .filter(|port| !is_even || port.is_multiple_of(2))
            .filter(|port| {
                !self
                    .open
                    .contains_key(&SocketAddr::new(reach.external, *port))
            })
            .find_map(|port| Udp::bind(SocketAddr::new(reach.bound, port), false).ok())?;
        let port = socket.address().port();
        socket
            .watch(&self.registry, Source::Relay(at, port).token())
            .ok()?;
        let relay = SocketAddr::new(reach.external, port);
        self.open.insert(relay, socket);
        self.next = port.saturating_add(1);
        Some(relay)
    }

    fn close(&mut self, relay: SocketAddr) {
        // Closing it takes it from the poll.
        self.open.remove(&relay);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::Poll;

    /// Below the ports that systems give out by themselves.
    const RANGE: RangeInclusive<u16> = 21_110..=21_117;
    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn external() -> IpAddr {
        "203.0.113.9".parse().unwrap()
    }

    fn ports(poll: &Poll, range: RangeInclusive<u16>, share: (u16, u16)) -> Ports {
        let reach = Reach {
            bound: LOOPBACK,
            external: external(),
        };
        let registry = poll.registry().try_clone().unwrap();
        Ports::new(registry, vec![reach], range, share)
    }

    #[test]
    fn a_relay_is_told_by_the_name_it_is_reached_at() {
        let poll = Poll::new().unwrap();
        let mut ports = ports(&poll, 21_100..=21_107, (0, 1));

        let relay = ports.open(false, true).unwrap();

        assert_eq!(relay.ip(), external());
        let bound = ports.socket(relay).unwrap().address();
        assert_eq!(bound, SocketAddr::new(LOOPBACK, relay.port()));
        assert_eq!(ports.inward(relay), bound);
        assert_eq!(ports.outward(bound), relay);
        let elsewhere = SocketAddr::new(external(), 443);
        assert_eq!(ports.inward(elsewhere), elsewhere);
        assert!(!ports.has_family(true));
        assert_eq!(ports.open(true, false), None);
    }

    #[test]
    fn workers_share_the_range_and_each_can_give_an_even_port() {
        let poll = Poll::new().unwrap();
        let (mut one, mut other) = (ports(&poll, RANGE, (0, 2)), ports(&poll, RANGE, (1, 2)));

        let mut given = Vec::new();
        for ports in [&mut one, &mut other] {
            given.push(ports.open(false, true).unwrap().port());
            while let Some(relay) = ports.open(false, false) {
                given.push(relay.port());
            }
        }

        given.sort_unstable();
        assert_eq!(given, RANGE.collect::<Vec<_>>());
        assert!(one.open(false, false).is_none());
    }
}
