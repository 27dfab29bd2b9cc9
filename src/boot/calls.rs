//! The relay for calls, as the configuration and the machine's addresses have it.

use crate::config::Calls;
use crate::entropy::SystemDice;
use crate::http::App;
use crate::relay::{Bound, Reach, Relay, RelayError, Settings, Surroundings};
use crate::service::Media;
use crate::telemetry::log::{self, LogSafe};
use crate::tls::names;
use roost_turn::Network;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum CallsError {
    #[error(
        "{0}. Choose another port with --calls-udp or calls.udp in roost.toml, or 0 to do without \
         calls"
    )]
    Relay(#[from] RelayError),
    #[error(
        "calls.external is {external}, but calls are listened for at no address of that kind \
         ({listen}): name an {kind} address, or write listen = \"::\" into [calls] for both"
    )]
    Family {
        external: IpAddr,
        listen: IpAddr,
        kind: &'static str,
    },
}

// It names an address of this machine and what the system said.
impl LogSafe for RelayError {}

/// How the server is reached, for addresses of the relay.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Where the app is served.
    pub listen: SocketAddr,
    /// The name, or the address in the form of a URL.
    pub host: &'a str,
    /// Name and port of HTTPS; none behind a proxy, which cannot pass calls on.
    pub https: Option<&'a str>,
}

/// A relay with its sockets, and what clients call it.
pub struct Relaying {
    pub bound: Bound,
    /// `stun:` and `turn:` addresses (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
}

/// Takes the ports for calls. If nobody asked for the port and it is taken, calls come in by HTTPS
/// alone, and a line says so.
///
/// # Errors
/// Settings that fit nothing here; a port that was asked for and is taken.
pub fn bind(calls: &Calls, place: Place<'_>) -> Result<Relaying, CallsError> {
    let listen = calls.listen.unwrap_or(place.listen.ip());
    let mut settings = settings(calls, listen.to_canonical())?;
    let bound = match Bound::bind(settings.clone()) {
        Err(error @ RelayError::Listen { .. }) if !calls.is_chosen => {
            log::note(
                "calls between two go by TURN over TLS at most, which is slower, and groups have no \
                 calls; stop what uses the port, or choose another one with calls.udp in roost.toml",
                &error,
            );
            settings.listen.clear();
            Bound::bind(settings.clone())
        }
        bound => bound,
    }?;
    let urls = urls(calls, place, !settings.listen.is_empty());
    Ok(Relaying { bound, urls })
}

/// Starts the relay, and lets the server's devices connect to what forwards group calls.
///
/// # Errors
/// The system's.
pub fn start(bound: Bound, app: &App) -> Result<Relay, RelayError> {
    let hub = app.clone();
    let surroundings = Surroundings {
        dice: Box::new(SystemDice),
        tell: Box::new(move |told| hub.deliver(vec![Media::delivery(told)])),
    };
    let relay = bound.start(&app.house.identity.relay_secret, surroundings)?;
    if let Some(queue) = relay.forwarder() {
        app.media.begin(queue);
    }
    Ok(relay)
}

fn urls(calls: &Calls, place: Place<'_>, has_port: bool) -> Vec<String> {
    let host = match calls.external {
        Some(IpAddr::V6(external)) => format!("[{external}]"),
        Some(IpAddr::V4(external)) => external.to_string(),
        None => place.host.to_owned(),
    };
    let port = calls.udp;
    let by_port = [
        format!("stun:{host}:{port}"),
        format!("turn:{host}:{port}?transport=udp"),
        format!("turn:{host}:{port}?transport=tcp"),
    ];
    // The name that the certificate has.
    let by_https = place
        .https
        .map(|https| format!("turns:{https}?transport=tcp"));
    let by_port = by_port.into_iter().filter(|_| has_port);
    by_port.chain(by_https).collect()
}

/// How to run a relay that listens here.
fn settings(calls: &Calls, listen: IpAddr) -> Result<Settings, CallsError> {
    let own = names::addresses();
    let bound = bound(listen, &own);
    let of_family = |external: &IpAddr| bound.iter().any(|ip| ip.is_ipv6() == external.is_ipv6());
    if let Some(external) = calls.external.filter(|external| !of_family(external)) {
        return Err(CallsError::Family {
            external,
            listen,
            kind: if external.is_ipv6() { "IPv4" } else { "IPv6" },
        });
    }
    let reach = bound.iter().map(|bound| Reach {
        bound: *bound,
        external: calls
            .external
            .filter(|external| external.is_ipv6() == bound.is_ipv6())
            .unwrap_or(*bound),
    });
    Ok(Settings {
        listen: listeners(listen, &own)
            .into_iter()
            .map(|ip| SocketAddr::new(ip, calls.udp))
            .collect(),
        reach: reach.collect(),
        ports: calls.ports.clone(),
        own: own.iter().copied().chain(calls.external).collect(),
        links: names::links()
            .into_iter()
            .filter_map(|(address, prefix)| Network::of(address, prefix))
            .collect(),
        allowed: calls.allowed.clone(),
    })
}

/// Each family that the machine has gets a socket of its own.
fn listeners(ip: IpAddr, own: &[IpAddr]) -> Vec<IpAddr> {
    if !ip.is_unspecified() {
        return vec![ip];
    }
    let four = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let six = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let has_six = ip.is_ipv6() && own.iter().any(IpAddr::is_ipv6);
    [four].into_iter().chain(has_six.then_some(six)).collect()
}

/// Where relays are opened: at the address that is listened to, else at one of each family, rather
/// one that the internet knows. A machine without a network calls itself.
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
    let found: Vec<_> = [false, true]
        .into_iter()
        .filter(|is_ipv6| !is_ipv6 || listen.is_ipv6())
        .filter_map(of)
        .collect();
    if found.is_empty() {
        return vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn calls(external: &str) -> Calls {
        Calls {
            udp: 3_478,
            is_chosen: false,
            listen: None,
            ports: 50_000..=50_009,
            external: external.parse().ok(),
            allowed: Vec::new(),
        }
    }

    const PLACE: Place<'static> = Place {
        listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8_443),
        host: "roost.example",
        https: Some("roost.example:8443"),
    };

    #[test]
    fn relays_are_opened_where_the_internet_sees_them_if_it_does() {
        let own = ips(&["127.0.0.1", "192.168.1.7", "203.0.113.9", "fd00::7"]);
        let any = |text: &str| bound(text.parse().unwrap(), &own);

        assert_eq!(any("::"), ips(&["203.0.113.9", "fd00::7"]));
        assert_eq!(any("0.0.0.0"), ips(&["203.0.113.9"]));
        assert_eq!(any("127.0.0.1"), ips(&["127.0.0.1"]));
        let alone = bound("::".parse().unwrap(), &ips(&["127.0.0.1", "::1"]));
        assert_eq!(alone, ips(&["127.0.0.1"]));
    }

    #[test]
    fn a_family_that_the_machine_does_not_have_is_not_listened_for() {
        let any = |own: &[&str]| listeners("::".parse().unwrap(), &ips(own));

        assert_eq!(any(&["127.0.0.1", "::1"]), ips(&["0.0.0.0", "::"]));
        assert_eq!(any(&["127.0.0.1", "192.168.1.7"]), ips(&["0.0.0.0"]));
        let one = "fd00::7".parse().unwrap();
        assert_eq!(listeners(one, &ips(&["127.0.0.1"])), [one]);
    }

    #[test]
    fn behind_a_router_relays_are_named_by_its_address() {
        let calls = calls("203.0.113.9");

        let settings = settings(&calls, "192.168.1.7".parse().unwrap()).unwrap();

        assert_eq!(settings.listen, ["192.168.1.7:3478".parse().unwrap()]);
        assert_eq!(
            settings.reach,
            [Reach {
                bound: "192.168.1.7".parse().unwrap(),
                external: "203.0.113.9".parse().unwrap()
            }]
        );
        assert!(settings.own.contains(&"203.0.113.9".parse().unwrap()));
        let urls = urls(&calls, PLACE, true);
        assert_eq!(urls[1], "turn:203.0.113.9:3478?transport=udp");
        assert_eq!(urls[3], "turns:roost.example:8443?transport=tcp");
    }

    #[test]
    fn what_the_interfaces_reach_is_known_to_the_relay() {
        let settings = settings(&calls(""), PLACE.listen.ip()).unwrap();

        let has = |text: &str| {
            let ip = text.parse().unwrap();
            settings.links.iter().any(|link| link.contains(ip))
        };
        assert!(has("127.3.2.1"), "the range of the loopback interface");
        assert!(!settings.reach.is_empty() && settings.own.contains(&PLACE.listen.ip()));
    }

    #[test]
    fn clients_are_told_of_what_there_is_and_of_nothing_else() {
        let all = urls(&calls(""), PLACE, true);
        assert_eq!(
            all,
            [
                "stun:roost.example:3478",
                "turn:roost.example:3478?transport=udp",
                "turn:roost.example:3478?transport=tcp",
                "turns:roost.example:8443?transport=tcp",
            ]
        );
        assert_eq!(urls(&calls(""), PLACE, false), all[3..]);
        let proxied = Place {
            https: None,
            ..PLACE
        };
        assert_eq!(urls(&calls(""), proxied, true), all[..3]);
        assert!(urls(&calls(""), proxied, false).is_empty());
    }

    #[test]
    fn an_external_address_of_a_family_that_is_not_listened_to_is_refused() {
        let refused = bind(&calls("2001:db8::1"), PLACE)
            .err()
            .unwrap()
            .to_string();

        assert!(
            refused.contains("calls.external is 2001:db8::1"),
            "{refused}"
        );
        assert!(refused.contains("name an IPv4 address"), "{refused}");
    }
}
