//! Where to may be relayed, asked in every way a client can ask.

use super::*;

/// An address of each range of design and registries that no peer of a call has.
const INSIDE: [&str; 24] = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.254",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
];

const INSIDE_IPV6: [&str; 15] = [
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
    "fdff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
];

/// How IPv6 names an address of IPv4: mapped, translated, tunnelled, compatible.
fn disguises(plain: &str) -> [String; 4] {
    let IpAddr::V4(v4) = plain.parse().unwrap() else {
        panic!("{plain} is none of IPv4")
    };
    let [a, b, c, d] = v4.octets();
    [
        format!("::ffff:{plain}"),
        format!("64:ff9b::{plain}"),
        format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1"),
        format!("::{plain}"),
    ]
}

/// A caller with a relay of this family.
fn caller(home: &mut Home, is_ipv6: bool) -> Caller {
    home.ports.has_ipv6 = true;
    let from = if is_ipv6 {
        "[2a00::7]:4000"
    } else {
        "198.51.100.7:4000"
    };
    let caller = home.caller("ada", from);
    let family = [if is_ipv6 { 2 } else { 1 }, 0, 0, 0];
    let answer = home.request(&caller, Method::ALLOCATE, |request| {
        request
            .attribute(Attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
            .attribute(Attribute::REQUESTED_ADDRESS_FAMILY, &family)
    });
    assert_eq!(error_of(&answer), None);
    caller
}

/// Asks for it by CreatePermission, ChannelBind and Send.
fn is_out_of_reach(home: &mut Home, caller: &Caller, ip: &str) {
    let ip: IpAddr = ip.parse().unwrap();
    let to = SocketAddr::new(ip, 49_200).to_string();
    home.count = 10;
    assert_eq!(home.permits(caller, &to), Err(403), "permission for {to}");
    assert_eq!(home.binds(caller, 0x4000, &to), Err(403), "channel to {to}");
    assert!(!home.sends(caller, &to), "data to {to}");
}

#[test]
fn no_range_of_ipv4_that_is_inside_is_reached_in_any_way() {
    let mut home = Home::new();
    let caller = caller(&mut home, false);

    for inside in INSIDE {
        is_out_of_reach(&mut home, &caller, inside);
    }
    assert_eq!(home.permits(&caller, "1.1.1.1:49200"), Ok(()));
}

#[test]
fn no_range_of_ipv6_that_is_inside_is_reached_in_any_way() {
    let mut home = Home::new();
    let caller = caller(&mut home, true);

    for inside in INSIDE_IPV6 {
        is_out_of_reach(&mut home, &caller, inside);
    }
    assert_eq!(home.permits(&caller, "[2a00::9]:49200"), Ok(()));
}

#[test]
fn no_disguise_of_an_inside_address_is_reached_in_any_way() {
    let mut home = Home::new();
    let caller = caller(&mut home, true);

    for disguise in INSIDE.iter().flat_map(|plain| disguises(plain)) {
        is_out_of_reach(&mut home, &caller, &disguise);
    }
}

#[test]
fn a_listener_of_ours_is_not_reached_in_any_disguise() {
    let mut home = Home::new();
    let caller = caller(&mut home, true);

    for disguise in &disguises("192.0.3.1")[..3] {
        let to = format!("[{disguise}]:443");
        home.count = 10;
        assert_eq!(home.binds(&caller, 0x4000, &to), Err(403), "{to}");
        // A permission is for an address; whether a port of it is meant shows when data comes.
        assert_eq!(home.permits(&caller, &to), Ok(()));
        assert!(!home.sends(&caller, &to), "{to}");
    }
}
