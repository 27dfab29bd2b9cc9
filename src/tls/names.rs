//! What this machine is called: the names and addresses for its certificate and its links.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// All names under which the server may be reached, in a fixed order: the chosen host first, then
/// `localhost`, the machine's name, its `.local` name, and every address.
#[must_use]
pub fn of_this_machine(host: Option<&str>) -> Vec<String> {
    let machine = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .to_lowercase();
    let addresses: BTreeSet<String> = addresses().iter().map(IpAddr::to_string).collect();
    let local = format!("{machine}.local");
    let named = host
        .into_iter()
        .chain(["localhost", &machine, &local])
        .filter(|name| is_name(name));
    let mut names: Vec<String> = named.map(str::to_owned).collect();
    names.extend(addresses);
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// The host for links when the operator named none: `localhost` for a server that only this machine
/// can reach, the address it listens on, or the first private address of the machine.
#[must_use]
pub fn for_links(listen: SocketAddr) -> String {
    let ip = listen.ip().to_canonical();
    if ip.is_loopback() {
        return "localhost".to_owned();
    }
    if !ip.is_unspecified() {
        return in_url(ip);
    }
    let all = addresses();
    let first = all
        .iter()
        .find(|ip| is_private(ip))
        .or_else(|| all.iter().find(|ip| !ip.is_loopback()));
    first.map_or_else(|| "localhost".to_owned(), |ip| in_url(*ip))
}

/// Addresses of this machine that others could use, and loopback; link-local ones cannot stand in
/// a link.
pub fn addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let usable = interfaces
        .iter()
        .filter(|interface| !interface.is_link_local());
    let mut all: Vec<IpAddr> = usable.map(if_addrs::Interface::ip).collect();
    all.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    all.sort();
    all.dedup();
    all
}

/// The ranges that this machine reaches without a router: an address on each, and the length of its
/// prefix in bits. An interface that has everything behind it (0 bits) says nothing of neighbours.
pub fn links() -> Vec<(IpAddr, u8)> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let links = interfaces
        .into_iter()
        .map(|interface| match interface.addr {
            if_addrs::IfAddr::V4(v4) => (IpAddr::V4(v4.ip), v4.prefixlen),
            if_addrs::IfAddr::V6(v6) => (IpAddr::V6(v6.ip), v6.prefixlen),
        });
    links.filter(|(_, prefix)| *prefix > 0).collect()
}

pub fn is_private(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private(),
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

fn in_url(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// A host name that may stand in a certificate (RFC 1123), or an address.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.parse::<IpAddr>().is_ok() || (name.len() <= 253 && name.split('.').all(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_host_comes_first_and_only_once() {
        let names = of_this_machine(Some("localhost"));

        assert_eq!(names[0], "localhost");
        assert_eq!(names.iter().filter(|name| *name == "localhost").count(), 1);
        assert!(names.contains(&"127.0.0.1".to_owned()));
        assert_eq!(of_this_machine(Some("roost.example"))[0], "roost.example");
    }

    #[test]
    fn links_of_a_server_on_loopback_name_localhost() {
        assert_eq!(for_links("127.0.0.1:1".parse().unwrap()), "localhost");
        assert_eq!(for_links("[::1]:1".parse().unwrap()), "localhost");
    }

    #[test]
    fn an_ipv6_address_is_bracketed_in_links() {
        assert_eq!(for_links("[fd00::7]:1".parse().unwrap()), "[fd00::7]");
        assert_eq!(for_links("192.0.2.7:1".parse().unwrap()), "192.0.2.7");
    }

    #[test]
    fn what_cannot_stand_in_a_certificate_is_left_out() {
        assert!(!is_name("under_score"));
        assert!(!is_name(""));
        assert!(!is_name("a..b"));
        assert!(is_name("my-host.local"));
    }
}
