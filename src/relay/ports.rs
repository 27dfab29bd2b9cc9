//! The sockets that relay.
//!
//! Owns which port is free for the next one. What the world calls them is in `names`.

use super::names::Names;
use super::socket::Udp;
use super::token::Source;
use mio::Registry;
use roost_turn::RelaySockets;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

pub struct Ports {
    registry: Registry,
    pub names: Names,
    /// Which of the workers this is, and of how many: each has every so many pairs of the range.
    share: (u16, u16),
    /// By the name that the machine knows.
    open: BTreeMap<SocketAddr, Udp>,
    /// Where the search for a free port goes on, so that one that was closed rests.
    next: u16,
}

impl Ports {
    pub const fn new(registry: Registry, names: Names, share: (u16, u16)) -> Self {
        Self {
            registry,
            names,
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
        let reach = self.names.reach().get(at)?;
        Some(SocketAddr::new(reach.external, port))
    }

    /// Ports of this worker, beginning after the one given out last.
    fn candidates(&self) -> impl Iterator<Item = u16> {
        let (mine, of) = self.share;
        let range = self.names.ports();
        let start = *range.start();
        let all = move |range: RangeInclusive<u16>| {
            range.filter(move |port| ((port - start) / 2) % of == mine)
        };
        let next = self.next.clamp(start, *range.end());
        all(next..=*range.end()).chain(all(start..=next.saturating_sub(1)))
    }
}

impl RelaySockets for Ports {
    fn has_family(&self, is_ipv6: bool) -> bool {
        let mut reach = self.names.reach().iter();
        reach.any(|reach| reach.external.is_ipv6() == is_ipv6)
    }

    fn open(&mut self, is_ipv6: bool, is_even: bool) -> Option<SocketAddr> {
        let names = self.names.clone();
        let (at, reach) = names
            .reach()
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
    use crate::relay::names::Reach;
    use mio::Poll;
    use std::net::IpAddr;

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
        let names = Names::new(vec![reach], range, Vec::new());
        Ports::new(registry, names, share)
    }

    #[test]
    fn a_relay_is_told_by_the_name_it_is_reached_at() {
        let poll = Poll::new().unwrap();
        let mut ports = ports(&poll, 21_100..=21_107, (0, 1));

        let relay = ports.open(false, true).unwrap();

        assert_eq!(relay.ip(), external());
        let bound = ports.socket(relay).unwrap().address();
        assert_eq!(bound, SocketAddr::new(LOOPBACK, relay.port()));
        assert_eq!(ports.names.inward(relay), bound);
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
