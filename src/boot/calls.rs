//! The relay for calls, as the configuration and the machine's addresses have it.

use crate::config::Calls;
use crate::relay::{Reach, Settings};
use crate::tls::names;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How to run the relay of a server that listens here.
pub fn settings(calls: &Calls, listen: SocketAddr) -> Settings {
    let own = names::addresses();
    let bound = bound(listen.ip().to_canonical(), &own);
    let reach = bound.iter().map(|bound| Reach {
        bound: *bound,
        external: calls
            .external
            .filter(|external| external.is_ipv6() == bound.is_ipv6())
            .unwrap_or(*bound),
    });
    Settings {
        listen: listeners(listen.ip().to_canonical())
            .into_iter()
            .map(|ip| SocketAddr::new(ip, calls.udp))
            .collect(),
        reach: reach.collect(),
        ports: calls.ports.clone(),
        own: own.iter().copied().chain(calls.external).collect(),
        allowed: calls.allowed.clone(),
    }
}

/// `host:port`, as clients reach it.
pub fn place(calls: &Calls, host: &str) -> String {
    match calls.external {
        Some(external) => SocketAddr::new(external, calls.udp).to_string(),
        None => format!("{host}:{}", calls.udp),
    }
}

/// Each family has a socket of its own.
fn listeners(ip: IpAddr) -> Vec<IpAddr> {
    if ip.is_unspecified() {
        let four = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let six = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        if ip.is_ipv6() {
            vec![four, six]
        } else {
            vec![four]
        }
    } else {
        vec![ip]
    }
}

/// Where relays are opened: at the address that is listened to, else at one of each family, rather
/// one that the internet knows.
fn bound(listen: IpAddr, own: &[IpAddr]) -> Vec<IpAddr> {
    if !listen.is_unspecified() {
        return vec![listen];
    }
    let of = |is_ipv6: bool| {
        let family = own.iter().filter(move |ip| ip.is_ipv6() == is_ipv6);
        let mut usable = family.filter(|ip| !ip.is_loopback());
        let public = usable.clone().find(|ip| !names::is_private(ip));
        public.or_else(|| usable.next()).copied()
    };
    [false, true]
        .into_iter()
        .filter(|is_ipv6| !is_ipv6 || listen.is_ipv6())
        .filter_map(of)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn relays_are_opened_where_the_internet_sees_them_if_it_does() {
        let own = ips(&["127.0.0.1", "192.168.1.7", "203.0.113.9", "fd00::7"]);
        let any = |text: &str| bound(text.parse().unwrap(), &own);

        assert_eq!(any("::"), ips(&["203.0.113.9", "fd00::7"]));
        assert_eq!(any("0.0.0.0"), ips(&["203.0.113.9"]));
        assert_eq!(any("127.0.0.1"), ips(&["127.0.0.1"]));
    }

    #[test]
    fn behind_a_router_relays_are_named_by_its_address() {
        let calls = Calls {
            udp: 3_478,
            ports: 50_000..=50_009,
            external: Some("203.0.113.9".parse().unwrap()),
            allowed: Vec::new(),
        };

        let settings = settings(&calls, "192.168.1.7:8443".parse().unwrap());

        assert_eq!(settings.listen, ["192.168.1.7:3478".parse().unwrap()]);
        assert_eq!(
            settings.reach,
            [Reach {
                bound: "192.168.1.7".parse().unwrap(),
                external: "203.0.113.9".parse().unwrap()
            }]
        );
        assert!(settings.own.contains(&"203.0.113.9".parse().unwrap()));
        assert_eq!(place(&calls, "roost.example"), "203.0.113.9:3478");
    }
}
