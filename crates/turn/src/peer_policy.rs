//! Where to may be relayed: to the public internet and to other relays of this server, not into the
//! operator's network.
//!
//! Owns the list of ranges. An address that holds another one (mapped, translated, tunnelled) is
//! judged by the one inside: CVE-2020-26262 and CVE-2026-27624 were relays that did not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

/// An address range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

/// Why text names no address range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address range looks like 192.168.1.0/24 or fd00::/8")]
pub struct NoNetwork;

impl Network {
    /// The range of an address on an interface. None for a prefix that is longer than the address.
    #[must_use]
    pub fn of(address: IpAddr, prefix: u8) -> Option<Self> {
        let most = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= most).then_some(Self {
            first: address,
            prefix,
        })
    }

    const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Self {
        let first = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
        Self { first, prefix }
    }

    const fn v6(start: [u16; 3], prefix: u8) -> Self {
        let [a, b, c] = start;
        let first = IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0));
        Self { first, prefix }
    }

    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.first, ip) {
            (IpAddr::V4(first), IpAddr::V4(ip)) => {
                let shift = 32_u32.saturating_sub(u32::from(self.prefix));
                (u32::from(first) ^ u32::from(ip))
                    .checked_shr(shift)
                    .is_none_or(|rest| rest == 0)
            }
            (IpAddr::V6(first), IpAddr::V6(ip)) => {
                let shift = 128_u32.saturating_sub(u32::from(self.prefix));
                (u128::from(first) ^ u128::from(ip))
                    .checked_shr(shift)
                    .is_none_or(|rest| rest == 0)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl std::str::FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let (first, prefix) = text.split_once('/').ok_or(NoNetwork)?;
        let first: IpAddr = first.parse().map_err(|_| NoNetwork)?;
        let prefix: u8 = prefix.parse().map_err(|_| NoNetwork)?;
        Self::of(first, prefix).ok_or(NoNetwork)
    }
}

/// Ranges of the IANA registries of special-purpose addresses that no peer of a call has.
const REFUSED: [Network; 27] = [
    Network::v4(0, 0, 0, 0, 8),
    Network::v4(10, 0, 0, 0, 8),
    Network::v4(100, 64, 0, 0, 10),
    Network::v4(127, 0, 0, 0, 8),
    Network::v4(169, 254, 0, 0, 16),
    Network::v4(172, 16, 0, 0, 12),
    Network::v4(192, 0, 0, 0, 24),
    Network::v4(192, 0, 2, 0, 24),
    Network::v4(192, 88, 99, 0, 24),
    Network::v4(192, 168, 0, 0, 16),
    Network::v4(198, 18, 0, 0, 15),
    Network::v4(198, 51, 100, 0, 24),
    Network::v4(203, 0, 113, 0, 24),
    Network::v4(224, 0, 0, 0, 4),
    Network::v4(240, 0, 0, 0, 4),
    // Azure's metadata lives in public space.
    Network::v4(168, 63, 129, 16, 32),
    // All of `::/96`: unspecified, loopback, and the old form of embedded IPv4.
    Network::v6([0, 0, 0], 96),
    Network::v6([0x0064, 0xff9b, 1], 48),
    Network::v6([0x0100, 0, 0], 64),
    // Protocol assignments, Teredo and benchmarking among them.
    Network::v6([0x2001, 0, 0], 23),
    Network::v6([0x2001, 0x0db8, 0], 32),
    Network::v6([0x3fff, 0, 0], 20),
    Network::v6([0x5f00, 0, 0], 16),
    Network::v6([0xfc00, 0, 0], 7),
    Network::v6([0xfe80, 0, 0], 10),
    Network::v6([0xfec0, 0, 0], 10),
    Network::v6([0xff00, 0, 0], 8),
];

/// Where this server's clients may have data sent.
#[derive(Clone, Debug)]
pub struct PeerPolicy {
    relays: Vec<IpAddr>,
    relay_ports: RangeInclusive<u16>,
    allowed: Vec<Network>,
    own: Vec<IpAddr>,
    links: Vec<Network>,
    service: Vec<SocketAddr>,
}

impl PeerPolicy {
    /// `relays` are the addresses that relays are opened and reached at: of them only `relay_ports`
    /// may be sent to, since everything else there is a listener. `allowed` are ranges of the
    /// operator's own network that calls may reach.
    #[must_use]
    pub fn new(
        relays: Vec<IpAddr>,
        relay_ports: RangeInclusive<u16>,
        allowed: Vec<Network>,
    ) -> Self {
        Self {
            relays: relays.into_iter().map(inner).collect(),
            relay_ports,
            allowed,
            own: Vec::new(),
            links: Vec::new(),
            service: Vec::new(),
        }
    }

    /// With what a machine has around it. `own` are all its addresses: where no relays are, nothing
    /// is reached, whatever is allowed. `links` are the ranges its interfaces reach without a
    /// router: the neighbours, whose addresses may well be public.
    #[must_use]
    pub fn on_machine(self, own: Vec<IpAddr>, links: Vec<Network>) -> Self {
        Self {
            own: own.into_iter().map(inner).collect(),
            links,
            ..self
        }
    }

    /// With a service of this server's own that clients may reach by its very addresses. The caller
    /// hands over to it what is sent there: on the network it may be the relay that listens there.
    #[must_use]
    pub fn with_service(self, service: Vec<SocketAddr>) -> Self {
        Self { service, ..self }
    }

    /// Whether a permission for this address may be made; ports are looked at when data comes.
    #[must_use]
    pub fn permits(&self, ip: IpAddr) -> bool {
        let ip = inner(ip);
        let is_in = |networks: &[Network]| networks.iter().any(|network| network.contains(ip));
        if self.relays.contains(&ip) || self.has_service(ip) {
            return true;
        }
        if self.own.contains(&ip) {
            return false;
        }
        is_in(&self.allowed) || !(is_in(&REFUSED) || is_in(&self.links))
    }

    /// Whether data may be sent to this peer.
    #[must_use]
    pub fn permits_peer(&self, peer: SocketAddr) -> bool {
        if peer.port() == 0 {
            return false;
        }
        // In no disguise: who hands it over must know it again.
        if self.service.contains(&peer) {
            return true;
        }
        let ip = inner(peer.ip());
        if self.relays.contains(&ip) {
            return self.relay_ports.contains(&peer.port());
        }
        !self.has_service(ip) && self.permits(ip)
    }

    fn has_service(&self, ip: IpAddr) -> bool {
        self.service.iter().any(|service| service.ip() == ip)
    }
}

/// The address that packets to this one end up at: IPv4 inside IPv6 is taken out (RFC 4291 2.5.5.2,
/// RFC 6052 2.1, RFC 2765 2.1, RFC 3056 2).
#[must_use]
pub fn inner(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let embedded = match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => (high, low),
        [0x2002, high, low, ..] => (high, low),
        _ => return ip,
    };
    let [a, b] = embedded.0.to_be_bytes();
    let [c, d] = embedded.1.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn policy() -> PeerPolicy {
        PeerPolicy::new(vec![ip("192.0.3.1")], 49_160..=49_259, Vec::new())
    }

    const INSIDE: [&str; 22] = [
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "192.0.2.1",
        "192.88.99.1",
        "198.51.100.1",
        "203.0.113.1",
    ];

    #[test]
    fn inside_networks_are_refused_in_every_disguise() {
        for plain in INSIDE {
            let IpAddr::V4(v4) = ip(plain) else {
                unreachable!()
            };
            let [a, b, c, d] = v4.octets();
            let disguises = [
                plain.to_owned(),
                format!("::ffff:{plain}"),
                format!("::ffff:0:{plain}"),
                format!("64:ff9b::{plain}"),
                format!("::{plain}"),
                format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1"),
            ];
            for disguise in disguises {
                assert!(!policy().permits(ip(&disguise)), "{disguise}");
                let peer = SocketAddr::new(ip(&disguise), 49_200);
                assert!(!policy().permits_peer(peer), "{disguise}");
            }
        }
    }

    #[test]
    fn inside_networks_of_ipv6_are_refused() {
        for text in [
            "::",
            "::1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!policy().permits(ip(text)), "{text}");
        }
    }

    #[test]
    fn the_internet_is_allowed() {
        for text in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "2a00::1",
            "64:ff9b::1.1.1.1",
        ] {
            assert!(policy().permits(ip(text)), "{text}");
            assert!(
                !policy().permits_peer(SocketAddr::new(ip(text), 0)),
                "{text}"
            );
        }
    }

    #[test]
    fn of_this_machine_only_relays_are_reached() {
        let to = |text: &str, port| policy().permits_peer(SocketAddr::new(ip(text), port));

        assert!(policy().permits(ip("192.0.3.1")));
        assert!(to("192.0.3.1", 49_160));
        assert!(to("::ffff:192.0.3.1", 49_259));
        assert!(!to("192.0.3.1", 3_478));
        assert!(!to("64:ff9b::192.0.3.1", 443));
    }

    #[test]
    fn a_service_of_this_machine_is_reached_by_its_very_addresses() {
        let service: Vec<SocketAddr> = ["192.0.3.1:3478", "10.0.0.7:3478"]
            .map(|text| text.parse().unwrap())
            .to_vec();
        let own = vec![ip("192.0.3.1"), ip("10.0.0.7")];
        let policy = policy().on_machine(own, Vec::new()).with_service(service);
        let to = |text: &str, port| policy.permits_peer(SocketAddr::new(ip(text), port));

        assert!(policy.permits(ip("192.0.3.1")) && policy.permits(ip("10.0.0.7")));
        assert!(to("192.0.3.1", 3_478) && to("10.0.0.7", 3_478));
        assert!(to("192.0.3.1", 49_200));
        for (address, port) in [
            ("192.0.3.1", 443),
            ("10.0.0.7", 443),
            ("10.0.0.7", 49_200),
            ("::ffff:192.0.3.1", 3_478),
            ("64:ff9b::10.0.0.7", 3_478),
        ] {
            assert!(!to(address, port), "{address} {port}");
        }
    }

    #[test]
    fn an_own_address_without_relays_is_never_reached() {
        let everything = vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
        let own = ["127.0.0.1", "172.17.0.1", "1.1.1.7", "2a00::7", "192.0.3.1"].map(ip);
        let policy = PeerPolicy::new(vec![ip("192.0.3.1")], 49_160..=49_259, everything)
            .on_machine(own.to_vec(), Vec::new());

        for text in ["127.0.0.1", "172.17.0.1", "::ffff:1.1.1.7", "2a00::7"] {
            assert!(!policy.permits(ip(text)), "{text}");
            assert!(
                !policy.permits_peer(SocketAddr::new(ip(text), 49_200)),
                "{text}"
            );
        }
        assert!(policy.permits_peer(SocketAddr::new(ip("192.0.3.1"), 49_200)));
        assert!(policy.permits(ip("1.1.1.8")));
    }

    #[test]
    fn neighbours_with_public_addresses_are_refused_unless_allowed() {
        let links = vec![
            Network::of(ip("2a00:1:2:3::7"), 64).unwrap(),
            Network::of(ip("1.1.1.7"), 24).unwrap(),
        ];
        let allowed = vec!["2a00:1:2:3::9/128".parse().unwrap()];
        let policy = PeerPolicy::new(vec![ip("1.1.1.7")], 49_160..=49_259, allowed)
            .on_machine(vec![ip("1.1.1.7"), ip("2a00:1:2:3::7")], links);
        let to = |text: &str| policy.permits_peer(SocketAddr::new(ip(text), 49_200));

        assert!(!to("2a00:1:2:3::8") && !to("1.1.1.8") && !to("64:ff9b::1.1.1.8"));
        assert!(!to("2a00:1:2:3::7"));
        assert!(to("2a00:1:2:3::9") && to("2a00:1:2:4::8") && to("1.1.2.8") && to("1.1.1.7"));
        assert_eq!(Network::of(ip("1.1.1.7"), 33), None);
    }

    #[test]
    fn an_operator_can_open_a_range() {
        let lan = "192.168.0.0/16".parse().unwrap();
        let policy = PeerPolicy::new(Vec::new(), 1..=2, vec![lan]);

        assert!(policy.permits(ip("192.168.3.4")));
        assert!(policy.permits(ip("::ffff:192.168.3.4")));
        assert!(!policy.permits(ip("10.0.0.1")));
    }

    #[test]
    fn ranges_are_read_with_their_bounds() {
        for text in ["", "10.0.0.0", "10.0.0.0/33", "::/129", "10.0.0/8", "/8"] {
            assert_eq!(text.parse::<Network>(), Err(NoNetwork), "{text}");
        }
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains(ip("203.0.113.9")));
        let one: Network = "10.0.0.1/32".parse().unwrap();
        assert!(one.contains(ip("10.0.0.1")) && !one.contains(ip("10.0.0.2")));
    }
}
