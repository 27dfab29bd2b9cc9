//! What the page found out about calls, and what to do about it: in the words of routers and
//! browsers.

use crate::view::{Device, DoctorPanel, Finding, Health};
use roost_wire::api::RelayPass;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What is looked at, in this order.
const NAMES: [(&str, &str); 7] = [
    ("mic", "Microphone"),
    ("camera", "Camera"),
    ("udp", "Relay over UDP"),
    ("tcp", "Relay over TCP"),
    ("tls", "Relay over TLS"),
    ("echo", "Media through the relay"),
    ("outside", "The relay’s address"),
];

/// Where the relay is unless somebody set another port.
const USUAL_PORT: u16 = 3_478;

/// What the page has told so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    results: BTreeMap<String, String>,
    /// Of the relay, by its pass.
    port: Option<u16>,
}

impl Findings {
    /// Where the relay is, by its pass.
    pub fn note_pass(&mut self, pass: &RelayPass) {
        let mut urls = pass.urls.as_slice().iter();
        self.port = urls.find_map(|url| port(url.as_str()));
    }

    /// Takes only what was to be looked at.
    pub fn note(&mut self, name: String, result: String) {
        if NAMES.iter().any(|(known, _)| *known == name) {
            self.results.insert(name, result);
        }
    }

    fn of(&self, name: &str) -> Option<&str> {
        self.results.get(name).map(String::as_str)
    }

    fn works(&self, name: &str) -> bool {
        self.of(name).is_some_and(|result| result.starts_with("on"))
    }

    /// Only TLS, which goes to the server's own name, finds the relay.
    fn is_elsewhere(&self) -> bool {
        let is_closed = |name: &str| self.of(name) == Some("closed");
        self.works("tls") && ["udp", "tcp", "outside"].into_iter().all(is_closed)
    }

    /// Where the relay says it is.
    fn relay(&self) -> Option<IpAddr> {
        ["udp", "tcp", "tls"].iter().find_map(|way| {
            let (_, address) = self.of(way)?.split_once(' ')?;
            address.parse().ok()
        })
    }

    fn port(&self) -> u16 {
        self.port.unwrap_or(USUAL_PORT)
    }

    fn is_done(&self) -> bool {
        NAMES.iter().all(|(name, _)| self.of(name).is_some())
    }
}

#[must_use]
pub fn doctor(findings: &Findings) -> DoctorPanel {
    let lines = NAMES.iter().map(|(name, what)| {
        let (health, advice) = findings.of(name).map_or((Health::Waiting, None), |result| {
            judge(name, result, findings)
        });
        Finding {
            what,
            health,
            advice,
        }
    });
    let lines: Vec<Finding> = lines.collect();
    DoctorPanel {
        echo: findings.works("echo"),
        title: "Check calls",
        done: findings.is_done(),
        verdict: verdict(findings, &lines).to_owned(),
        lines,
    }
}

fn verdict(findings: &Findings, lines: &[Finding]) -> &'static str {
    let is_fine = |line: &Finding| line.health == Health::Good;
    let relays = ["udp", "tcp", "tls"].iter().any(|way| findings.works(way));
    if lines.iter().all(is_fine) {
        "Calls work from here."
    } else if relays && findings.works("echo") {
        "Calls work from here, with what is said above."
    } else if relays {
        "The server answers, but its relay does not carry calls: see above."
    } else {
        "Calls work from here only with people in the same network."
    }
}

fn judge(name: &str, result: &str, findings: &Findings) -> (Health, Option<String>) {
    let (health, advice) = match (name, result) {
        ("mic" | "camera", state) => return device(name, Device::parse(state).unwrap_or_default()),
        (_, "unknown") => (Health::Bad, "Not known, since the relay does not answer."),
        ("outside", "none" | "closed") => return (Health::Bad, Some(outside(findings))),
        ("outside", _) => return address(findings),
        ("tls", "none") => (
            Health::Bearable,
            "This server is behind a proxy, which cannot pass on calls over TLS. Calls work without, unless a network lets only web pages through.",
        ),
        (_, "none") => (
            Health::Bad,
            "This server relays no calls in this way. Its operator can switch that on: calls.udp in roost.toml.",
        ),
        (_, "denied") => (
            Health::Bad,
            "The relay does not take this server’s passes. Is another program on its port?",
        ),
        ("udp" | "tcp", "closed") if findings.is_elsewhere() => (
            Health::Bad,
            "No answer: this network may pass only web pages, or the relay’s address is wrong: see below.",
        ),
        ("udp" | "tcp", "closed") => return unanswered(name, findings),
        ("tls", "closed") => (
            Health::Bearable,
            "No answer over TLS. A proxy before the server does not let it through. Calls work without, unless a network lets only web pages through.",
        ),
        ("echo", "closed") => (
            Health::Bad,
            "The relay answers, but nothing comes through. If you run this server: let its firewall pass the UDP ports of calls.relay, 49160 to 49259 unless you set others.",
        ),
        _ => return (Health::Good, None),
    };
    (health, Some(advice.to_owned()))
}

/// The relay's port is shut, by this way.
fn unanswered(name: &str, findings: &Findings) -> (Health, Option<String>) {
    let port = findings.port();
    if name == "tcp" {
        let advice = format!(
            "No answer over TCP. If you run this server: forward TCP {port} in your router, too. Calls work without, unless a network blocks UDP."
        );
        return (Health::Bearable, Some(advice));
    }
    if findings.works("tcp") || findings.works("tls") {
        let advice = format!(
            "UDP is blocked between this device and the server: by this network, or because the router before the server does not forward UDP {port} to it. Calls go over TCP or TLS instead, with more delay."
        );
        return (Health::Bearable, Some(advice));
    }
    let advice = format!(
        "No answer over UDP. If you run this server: forward UDP {port} in your router to the machine it runs on."
    );
    (Health::Bad, Some(advice))
}

fn device(name: &str, state: Device) -> (Health, Option<String>) {
    let what = if name == "mic" {
        "microphone"
    } else {
        "camera"
    };
    let advice = match state {
        Device::On | Device::Off | Device::Waiting => return (Health::Good, None),
        Device::Refused => format!(
            "The browser may not use the {what}. Allow it beside the address, then look again."
        ),
        Device::Absent => {
            format!("There is no {what}. Calls work without: you are just not heard or seen.")
        }
        Device::Busy => format!("Another program has the {what}. Close it, then look again."),
    };
    let health = if name == "mic" {
        Health::Bad
    } else {
        Health::Bearable
    };
    (health, Some(advice))
}

/// The relay cannot be reached at the address that it gives out.
fn outside(findings: &Findings) -> String {
    let port = findings.port();
    match findings.relay() {
        Some(address) if is_carriers(&address) => carriers(&address),
        Some(address) => format!(
            "The relay says it is at {address}, and cannot be reached there. If you run this server: set calls.external in roost.toml to your router’s own address (it shows it as WAN or internet address), and forward UDP {port} and the ports of calls.relay (49160 to 49259 unless you set others) to the machine it runs on. Some routers do not send back what comes from inside: then look from another network, too."
        ),
        None => "The relay opened no port, so nobody can reach it.".to_owned(),
    }
}

/// The port of a TURN URL without TLS: `turn:host:port?transport=udp`.
fn port(url: &str) -> Option<u16> {
    let (place, _) = url.strip_prefix("turn:")?.split_once('?')?;
    place.rsplit_once(':')?.1.parse().ok()
}

/// It can be reached from here; whether from everywhere tells the address.
fn address(findings: &Findings) -> (Health, Option<String>) {
    match findings.relay() {
        Some(address) if is_carriers(&address) => (Health::Bearable, Some(carriers(&address))),
        Some(address) if address.is_loopback() => (
            Health::Bearable,
            Some(format!(
                "{address} is reached only on the server’s own machine. For others, start the server with --listen '[::]:8443'."
            )),
        ),
        Some(address) if is_local(&address) => (
            Health::Bearable,
            Some(format!(
                "{address} is reached only in this network. For calls with people elsewhere, set calls.external in roost.toml to your router’s own address."
            )),
        ),
        Some(_) | None => (Health::Good, None),
    }
}

fn carriers(address: &IpAddr) -> String {
    format!(
        "{address} belongs to your provider’s carrier-grade NAT: nobody outside reaches it. Ask your provider for an address of your own, set calls.external to that of a machine that forwards to this one, or use IPv6."
    )
}

/// RFC 6598.
const fn is_carriers(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => {
            let [first, second, ..] = four.octets();
            first == 100 && second & 0xC0 == 64
        }
        IpAddr::V6(_) => false,
    }
}

const fn is_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_private() || four.is_link_local(),
        IpAddr::V6(six) => six.is_unique_local() || six.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: [(&str, &str); 7] = [
        ("mic", "on"),
        ("camera", "on"),
        ("udp", "on 203.0.113.9"),
        ("tcp", "on 203.0.113.9"),
        ("tls", "on 203.0.113.9"),
        ("echo", "on"),
        ("outside", "on"),
    ];

    /// All is well but for these.
    fn found(faults: &[(&str, &str)]) -> DoctorPanel {
        let mut findings = Findings::default();
        for (name, result) in FINE.iter().chain(faults) {
            findings.note((*name).to_owned(), (*result).to_owned());
        }
        doctor(&findings)
    }

    fn advice(panel: &DoctorPanel, what: &str) -> String {
        let line = panel.lines.iter().find(|line| line.what == what).unwrap();
        line.advice.clone().unwrap_or_default()
    }

    #[test]
    fn nothing_is_said_where_all_is_well() {
        let panel = found(&[]);

        assert!(panel.done);
        assert_eq!(panel.verdict, "Calls work from here.");
        assert!(panel.lines.iter().all(|line| line.advice.is_none()));
    }

    #[test]
    fn blocked_udp_is_told_from_a_relay_that_is_not_there() {
        let blocked = found(&[("udp", "closed")]);
        let gone = found(&[("udp", "closed"), ("tcp", "closed"), ("tls", "closed")]);

        assert!(advice(&blocked, "Relay over UDP").contains("UDP is blocked"));
        assert!(advice(&gone, "Relay over UDP").contains("forward UDP 3478"));
        assert!(gone.verdict.contains("same network"));
    }

    #[test]
    fn a_wrong_address_is_named_with_the_setting_that_mends_it() {
        let wrong = found(&[("outside", "closed")]);
        let carrier = found(&[("udp", "on 100.64.3.4"), ("outside", "closed")]);
        let local = found(&[("udp", "on 192.168.1.7")]);
        let here = found(&[("udp", "on 127.0.0.1")]);

        assert!(advice(&wrong, "The relay’s address").contains("203.0.113.9"));
        assert!(advice(&wrong, "The relay’s address").contains("calls.external"));
        assert!(advice(&carrier, "The relay’s address").contains("carrier-grade"));
        assert!(advice(&local, "The relay’s address").contains("only in this network"));
        assert!(advice(&here, "The relay’s address").contains("--listen '[::]:8443'"));
    }

    #[test]
    fn blocked_udp_and_a_wrong_address_are_told_apart() {
        let all = [
            ("udp", "closed"),
            ("tcp", "closed"),
            ("echo", "closed"),
            ("outside", "closed"),
        ];
        let elsewhere = found(&all);
        let blocked = found(&[("udp", "closed"), ("echo", "closed")]);

        assert!(advice(&elsewhere, "Relay over UDP").contains("see below"));
        assert!(advice(&blocked, "Relay over UDP").contains("UDP is blocked"));
        assert!(advice(&blocked, "The relay’s address").is_empty());
    }

    #[test]
    fn a_refused_camera_is_the_browsers_and_not_the_networks() {
        let panel = found(&[("camera", "refused")]);

        assert!(advice(&panel, "Camera").contains("beside the address"));
        assert_eq!(
            panel.verdict,
            "Calls work from here, with what is said above."
        );
    }

    #[test]
    fn the_port_to_forward_is_the_one_that_the_relay_has() {
        assert_eq!(port("turn:relay.example:5349?transport=tcp"), Some(5349));
        assert_eq!(port("turn:[2001:db8::1]:9?transport=udp"), Some(9));
        assert_eq!(port("turns:relay.example:443?transport=tcp"), None);
        let mut findings = Findings {
            port: Some(5_349),
            ..Findings::default()
        };
        for way in ["udp", "tcp", "tls"] {
            findings.note(way.to_owned(), "closed".to_owned());
        }
        let panel = doctor(&findings);

        assert!(advice(&panel, "Relay over UDP").contains("forward UDP 5349"));
        assert!(advice(&panel, "Relay over TCP").contains("forward TCP 5349"));
    }

    #[test]
    fn what_was_not_asked_is_not_believed() {
        let mut findings = Findings::default();
        findings.note("other".to_owned(), "on".to_owned());

        assert_eq!(findings, Findings::default());
    }
}
