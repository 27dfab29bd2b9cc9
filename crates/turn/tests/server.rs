//! The machine from outside: packets as a client sends them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

#[path = "server/policy.rs"]
mod policy;

use roost_turn::message::{Attribute, Class, Key, Method, TransactionId, Writer};
use roost_turn::{
    Client, FromClient, FromPeer, Limits, Message, Moment, PeerPolicy, RelaySockets, Secret,
    Server, Transport, address,
};
use std::net::{IpAddr, SocketAddr};

const REALM: &str = "roost.test";
const HOUR: u64 = 3_600;

/// Relay sockets that only count.
#[derive(Default)]
struct Ports {
    open: Vec<SocketAddr>,
    next: u16,
    none_left: bool,
    has_ipv6: bool,
}

impl RelaySockets for Ports {
    fn has_family(&self, is_ipv6: bool) -> bool {
        !is_ipv6 || self.has_ipv6
    }

    fn open(&mut self, is_ipv6: bool, is_even: bool) -> Option<SocketAddr> {
        if self.none_left {
            return None;
        }
        self.next += u16::from(is_even && self.next % 2 == 1);
        let ip = if is_ipv6 { "2a00::3:1" } else { "192.0.3.1" };
        let relay = SocketAddr::new(ip.parse().unwrap(), 49_160 + self.next);
        self.next += 1;
        self.open.push(relay);
        Some(relay)
    }

    fn close(&mut self, relay: SocketAddr) {
        self.open.retain(|open| *open != relay);
    }
}

struct Home {
    server: Server,
    ports: Ports,
    now: Moment,
    count: u8,
}

/// Somebody with a credential.
struct Caller {
    client: Client,
    username: String,
    key: Key,
    nonce: Vec<u8>,
}

fn secret() -> Secret {
    Secret::new([7; 32])
}

fn peer(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl Home {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let own: IpAddr = "192.0.3.1".parse().unwrap();
        let policy = PeerPolicy::new(vec![own], 49_160..=49_259, Vec::new());
        Self {
            server: Server::new(secret(), REALM.into(), policy, limits),
            ports: Ports::default(),
            now: Moment::from_millis(1_900_000_000_000),
            count: 0,
        }
    }

    fn pass(&mut self, seconds: u32) {
        self.now = self.now.plus_seconds(seconds);
        self.server.tick(self.now, &mut self.ports);
    }

    fn caller(&mut self, user: &str, from: &str) -> Caller {
        let until = Moment::from_millis(self.now.millis() + HOUR * 1_000);
        self.count += 1;
        let (holder, dice) = (secret().holder(user.as_bytes()), [self.count; 8]);
        let credential = secret().credential(holder, dice, until);
        let client = Client {
            transport: Transport::Udp,
            address: peer(from),
        };
        let key = secret().key(&credential.username, REALM);
        let mut caller = Caller {
            client,
            username: credential.username,
            key,
            nonce: Vec::new(),
        };
        caller.nonce = self.challenge(&caller);
        caller
    }

    /// A first Allocate without credentials, and the nonce of its answer.
    fn challenge(&mut self, caller: &Caller) -> Vec<u8> {
        let request = Writer::new(Class::Request, Method::ALLOCATE, self.transaction())
            .attribute(Attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
            .finish();
        let answer = self.asks(caller.client, &request).unwrap();
        assert_eq!(error_of(&answer), Some(401));
        let answer = Message::parse(&answer).unwrap();
        assert_eq!(answer.attribute(Attribute::REALM), Some(REALM.as_bytes()));
        answer.attribute(Attribute::NONCE).unwrap().to_vec()
    }

    fn transaction(&mut self) -> TransactionId {
        self.count += 1;
        TransactionId([self.count; 12])
    }

    fn asks(&mut self, client: Client, packet: &[u8]) -> Option<Vec<u8>> {
        match self
            .server
            .from_client(client, packet, self.now, &mut self.ports)
        {
            FromClient::Answer(answer) => Some(answer),
            FromClient::Nothing => None,
            FromClient::ToPeer { .. } => panic!("a request is not relayed"),
        }
    }

    fn request(
        &mut self,
        caller: &Caller,
        method: Method,
        fill: impl FnOnce(Writer) -> Writer,
    ) -> Vec<u8> {
        let writer = Writer::new(Class::Request, method, self.transaction())
            .attribute(Attribute::USERNAME, caller.username.as_bytes())
            .attribute(Attribute::REALM, REALM.as_bytes())
            .attribute(Attribute::NONCE, &caller.nonce);
        let request = fill(writer).sign(&caller.key);
        self.asks(caller.client, &request).expect("an answer")
    }

    fn allocates(&mut self, caller: &Caller) -> Result<SocketAddr, u16> {
        let answer = self.request(caller, Method::ALLOCATE, |request| {
            request.attribute(Attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
        });
        if let Some(error) = error_of(&answer) {
            return Err(error);
        }
        let answer = Message::parse(&answer).unwrap();
        assert!(answer.is_signed_by(&caller.key));
        let value = answer.attribute(Attribute::XOR_RELAYED_ADDRESS).unwrap();
        Ok(address::from_xor(value, answer.transaction()).unwrap())
    }

    fn permits(&mut self, caller: &Caller, to: &str) -> Result<(), u16> {
        let to = peer(to);
        let answer = self.request(caller, Method::CREATE_PERMISSION, |request| {
            request.address(Attribute::XOR_PEER_ADDRESS, to)
        });
        error_of(&answer).map_or(Ok(()), Err)
    }

    fn binds(&mut self, caller: &Caller, number: u16, to: &str) -> Result<(), u16> {
        let to = peer(to);
        let [n0, n1] = number.to_be_bytes();
        let answer = self.request(caller, Method::CHANNEL_BIND, |request| {
            request
                .attribute(Attribute::CHANNEL_NUMBER, &[n0, n1, 0, 0])
                .address(Attribute::XOR_PEER_ADDRESS, to)
        });
        error_of(&answer).map_or(Ok(()), Err)
    }

    fn refreshes(&mut self, caller: &Caller, seconds: u32) -> Result<u32, u16> {
        let answer = self.request(caller, Method::REFRESH, |request| {
            request.attribute(Attribute::LIFETIME, &seconds.to_be_bytes())
        });
        if let Some(error) = error_of(&answer) {
            return Err(error);
        }
        let answer = Message::parse(&answer).unwrap();
        let lifetime = answer.attribute(Attribute::LIFETIME).unwrap();
        Ok(u32::from_be_bytes(lifetime.try_into().unwrap()))
    }

    /// Whether data by a Send indication would be relayed.
    fn sends(&mut self, caller: &Caller, to: &str) -> bool {
        let packet = Writer::new(Class::Indication, Method::SEND, self.transaction())
            .address(Attribute::XOR_PEER_ADDRESS, peer(to))
            .attribute(Attribute::DATA, b"data")
            .finish();
        let step = self
            .server
            .from_client(caller.client, &packet, self.now, &mut self.ports);
        match step {
            FromClient::ToPeer {
                peer: reached,
                payload,
                ..
            } => reached == peer(to) && payload == b"data",
            FromClient::Answer(_) => panic!("indications have no answer"),
            FromClient::Nothing => false,
        }
    }
}

fn error_of(answer: &[u8]) -> Option<u16> {
    let answer = Message::parse(answer).expect("a well-formed answer");
    let value = answer.attribute(Attribute::ERROR_CODE)?;
    Some(u16::from(value[2]) * 100 + u16::from(value[3]))
}

#[test]
fn a_binding_request_is_answered_with_where_it_came_from() {
    let mut home = Home::new();
    let client = Client {
        transport: Transport::Udp,
        address: peer("[2a00::7]:4000"),
    };
    let request = Writer::new(Class::Request, Method::BINDING, home.transaction()).finish();
    let answer = home.asks(client, &request).unwrap();
    let answer = Message::parse(&answer).unwrap();
    let value = answer.attribute(Attribute::XOR_MAPPED_ADDRESS).unwrap();

    assert_eq!(
        address::from_xor(value, answer.transaction()),
        Some(client.address)
    );
}

#[test]
fn data_goes_both_ways_by_indication_and_by_channel() {
    let mut home = Home::new();
    let ada = home.caller("ada", "198.51.100.7:4000");
    let relay = home.allocates(&ada).unwrap();
    assert!(!home.sends(&ada, "1.1.1.1:9"), "nothing is permitted yet");
    home.permits(&ada, "1.1.1.1:9").unwrap();
    assert!(home.sends(&ada, "1.1.1.1:10"));

    let back = home
        .server
        .from_peer(relay, peer("1.1.1.1:10"), b"hi", home.now);
    let FromPeer::Indication { client, message } = back else {
        panic!("{back:?}")
    };
    let message = Message::parse(&message).unwrap();
    assert_eq!(
        (client, message.attribute(Attribute::DATA)),
        (ada.client, Some(&b"hi"[..]))
    );

    home.binds(&ada, 0x4001, "1.1.1.1:10").unwrap();
    let back = home
        .server
        .from_peer(relay, peer("1.1.1.1:10"), b"hi", home.now);
    let header = [0x40, 1, 0, 2];
    assert_eq!(
        back,
        FromPeer::Channel {
            client: ada.client,
            header
        }
    );
    let packet = [0x40, 1, 0, 2, b'h', b'o', 0, 0];
    let step = home
        .server
        .from_client(ada.client, &packet, home.now, &mut home.ports);
    let (peer, payload) = (peer("1.1.1.1:10"), &b"ho"[..]);
    assert_eq!(
        step,
        FromClient::ToPeer {
            relay,
            peer,
            payload
        }
    );
}

#[test]
fn whoever_is_not_permitted_reaches_nobody() {
    let mut home = Home::new();
    let ada = home.caller("ada", "198.51.100.7:4000");
    let relay = home.allocates(&ada).unwrap();
    home.permits(&ada, "1.1.1.1:9").unwrap();
    let from = |home: &mut Home, text: &str| {
        home.server.from_peer(relay, peer(text), b"hi", home.now) != FromPeer::Nothing
    };

    assert!(from(&mut home, "1.1.1.1:1"));
    assert!(from(&mut home, "[::ffff:1.1.1.1]:1"));
    assert!(!from(&mut home, "1.1.1.2:9"));
    home.pass(300);
    assert!(!from(&mut home, "1.1.1.1:9"));
    assert!(!home.sends(&ada, "1.1.1.1:9"));
}

#[test]
fn the_operators_network_is_out_of_reach_for_every_request() {
    let mut home = Home::new();
    let ada = home.caller("ada", "198.51.100.7:4000");
    home.allocates(&ada).unwrap();
    for inside in [
        "127.0.0.1:80",
        "10.0.0.1:80",
        "169.254.169.254:80",
        "0.0.0.0:80",
    ] {
        assert_eq!(home.permits(&ada, inside), Err(403), "{inside}");
        assert_eq!(home.binds(&ada, 0x4000, inside), Err(403), "{inside}");
        assert!(!home.sends(&ada, inside), "{inside}");
    }
}

#[test]
fn of_this_server_only_relays_are_reached() {
    let mut home = Home::new();
    let ada = home.caller("ada", "198.51.100.7:4000");
    home.allocates(&ada).unwrap();

    home.permits(&ada, "192.0.3.1:0").unwrap();
    assert!(home.sends(&ada, "192.0.3.1:49200"));
    assert!(!home.sends(&ada, "192.0.3.1:443"));
    assert_eq!(home.binds(&ada, 0x4000, "192.0.3.1:443"), Err(403));
    assert_eq!(home.binds(&ada, 0x4000, "192.0.3.1:49200"), Ok(()));
}

#[test]
fn an_address_inside_another_one_is_of_another_family_and_refused() {
    let mut home = Home::new();
    let ada = home.caller("ada", "198.51.100.7:4000");
    home.allocates(&ada).unwrap();

    assert_eq!(home.permits(&ada, "[::ffff:127.0.0.1]:80"), Err(443));
    assert_eq!(home.permits(&ada, "[64:ff9b::7f00:1]:80"), Err(443));
}

#[test]
fn nobody_allocates_with_a_wrong_or_late_credential() {
    let mut home = Home::new();
    let mut ada = home.caller("ada", "198.51.100.7:4000");
    ada.key = secret().key("9999999999:eve", REALM);
    assert_eq!(home.allocates(&ada), Err(401));

    let late = home.caller("ada", "198.51.100.7:4000");
    home.pass(3_599);
    assert_eq!(home.allocates(&late).map(drop), Ok(()));
    let later = home.caller("ada", "198.51.100.7:4001");
    home.pass(3_600);
    assert_eq!(home.allocates(&later), Err(438), "the nonce ends first");
    let nonce = home.challenge(&later);
    let later = Caller { nonce, ..later };
    assert_eq!(home.allocates(&later), Err(401));
}

#[test]
fn a_call_outlasts_the_credential_it_began_with() {
    let mut home = Home::new();
    let mut ada = home.caller("ada", "198.51.100.7:4000");
    home.allocates(&ada).unwrap();
    for _ in 0..10 {
        home.pass(500);
        ada.nonce = if home.refreshes(&ada, 600) == Err(438) {
            secret()
                .nonce(ada.client.address.ip(), home.now)
                .into_bytes()
        } else {
            ada.nonce
        };
        assert_eq!(home.refreshes(&ada, 600), Ok(600));
    }
    home.pass(600);
    assert_eq!(home.server.allocations(), 0);
}

#[test]
fn no_relay_is_kept_beyond_twelve_hours_without_a_new_credential() {
    let mut home = Home::new();
    let mut ada = home.caller("ada", "198.51.100.7:4000");
    home.allocates(&ada).unwrap();
    assert_eq!(home.refreshes(&ada, 3_600), Ok(3_600));
    let fresh = |home: &Home, caller: &Caller| {
        let ip = caller.client.address.ip();
        secret().nonce(ip, home.now).into_bytes()
    };
    for _ in 0..23 {
        home.pass(1_800);
        home.count = 10;
        ada.nonce = fresh(&home, &ada);
        assert!(home.refreshes(&ada, 3_600).is_ok());
    }
    home.pass(1_740);
    ada.nonce = fresh(&home, &ada);
    assert_eq!(home.refreshes(&ada, 3_600), Ok(60));
    home.pass(60);

    assert_eq!(home.server.allocations(), 0);
    assert_eq!(home.allocates(&ada), Err(401));
}

#[test]
fn another_users_allocation_is_not_touched() {
    let mut home = Home::new();
    let ada = home.caller("ada", "198.51.100.7:4000");
    home.allocates(&ada).unwrap();
    let eve = home.caller("eve", "198.51.100.7:4000");

    assert_eq!(home.refreshes(&eve, 0), Err(441));
    assert_eq!(home.permits(&eve, "1.1.1.1:9"), Err(441));
    assert_eq!(home.allocates(&eve), Err(437));
}

#[test]
fn an_allocation_is_closed_by_a_lifetime_of_zero() {
    let mut home = Home::new();
    let ada = home.caller("ada", "198.51.100.7:4000");
    home.allocates(&ada).unwrap();

    assert_eq!(home.refreshes(&ada, 0), Ok(0));
    assert!(home.ports.open.is_empty());
    assert_eq!(home.refreshes(&ada, 0), Err(437));
}

#[test]
fn an_allocate_whose_answer_was_lost_is_answered_as_before() {
    let mut home = Home::new();
    let ada = home.caller("ada", "198.51.100.7:4000");
    let first = home.allocates(&ada).unwrap();
    home.count -= 1;

    assert_eq!(home.allocates(&ada), Ok(first));
    assert_eq!(home.server.allocations(), 1);
    assert_eq!(home.allocates(&ada), Err(437), "another request");
}

#[test]
fn users_and_the_server_have_a_bound() {
    let limits = Limits {
        allocations_max: 3,
        allocations_per_holder_max: 2,
        ..Limits::default()
    };
    let mut home = Home::with(limits);
    let mut allocates = |user: &str, port: u16| {
        let caller = home.caller(user, &format!("198.51.100.7:{port}"));
        home.allocates(&caller).map(drop)
    };

    assert_eq!(allocates("ada", 1), Ok(()));
    assert_eq!(allocates("ada", 2), Ok(()));
    assert_eq!(allocates("ada", 3), Err(486));
    assert_eq!(allocates("ben", 4), Ok(()));
    assert_eq!(allocates("cleo", 5), Err(508));
}

#[test]
fn servers_that_share_a_range_do_together_what_one_may() {
    let all = Limits::default();
    let each = all.with_ports(100).shared(4);
    assert_eq!(each.allocations_per_holder_max, 4);
    assert_eq!(each.allocations_max, 250);
    let answers = each.answers;
    assert_eq!((answers.at_once, answers.per_second), (50, 12));
    assert_eq!(each.bytes_per_second, all.bytes_per_second);

    let few = |ports, servers| {
        let limits = all.with_ports(ports).shared(servers);
        limits.allocations_per_holder_max
    };
    assert_eq!((few(32, 1), few(8, 1), few(8, 4)), (8, 3, 1));

    let mut home = Home::with(each);
    let client = home.caller("ada", "198.51.100.7:4000").client;
    let request = Writer::new(Class::Request, Method::BINDING, home.transaction()).finish();
    let answered = (0..200).filter(|_| home.asks(client, &request).is_some());
    assert_eq!(answered.count(), 49, "one was the challenge");
}

#[test]
fn without_a_port_to_relay_from_the_client_is_told() {
    let mut home = Home::new();
    home.ports.none_left = true;
    let ada = home.caller("ada", "198.51.100.7:4000");

    assert_eq!(home.allocates(&ada), Err(508));
    assert_eq!(home.server.allocations(), 0);
}

#[test]
fn an_attribute_that_must_be_understood_and_is_not_is_named() {
    let mut home = Home::new();
    let ada = home.caller("ada", "198.51.100.7:4000");
    let dont_fragment = Attribute(0x001a);
    let answer = home.request(&ada, Method::ALLOCATE, |request| {
        request
            .attribute(Attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
            .attribute(dont_fragment, &[])
    });

    assert_eq!(error_of(&answer), Some(420));
    let answer = Message::parse(&answer).unwrap();
    let named = answer.attribute(Attribute::UNKNOWN_ATTRIBUTES);
    assert_eq!(named, Some(&[0, 0x1a][..]));
    assert_eq!(home.server.allocations(), 0);
}

#[test]
fn a_flood_without_credentials_is_not_answered_for_long() {
    let mut home = Home::new();
    let client = Client {
        transport: Transport::Udp,
        address: peer("198.51.100.7:4000"),
    };
    let request = Writer::new(Class::Request, Method::ALLOCATE, TransactionId([1; 12]))
        .attribute(Attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
        .finish();
    let answers: Vec<_> = (0..10_000)
        .filter_map(|_| home.asks(client, &request))
        .collect();

    assert!(answers.len() <= 200);
    let answered: usize = answers.iter().map(Vec::len).sum();
    assert!(
        answered <= request.len() * 10_000,
        "more comes back than went in"
    );
    let ada = home.caller("ada", "198.51.100.8:4000");
    assert!(home.allocates(&ada).is_ok());
}

#[test]
fn an_even_port_can_be_had_and_the_one_behind_it_not_be_reserved() {
    let mut home = Home::new();
    let ada = home.caller("ada", "198.51.100.7:4000");
    home.allocates(&ada).unwrap();
    let mut with = |from: &str, value: u8| {
        let caller = home.caller("ada", from);
        let answer = home.request(&caller, Method::ALLOCATE, |request| {
            request
                .attribute(Attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
                .attribute(Attribute::EVEN_PORT, &[value])
        });
        error_of(&answer).map_or(Ok(home.ports.open.clone()), Err)
    };

    assert_eq!(with("198.51.100.7:4001", 0x80), Err(508));
    let open = with("198.51.100.7:4002", 0).unwrap();
    assert_eq!(open[1].port() % 2, 0);
}

#[test]
fn only_udp_is_relayed_and_only_families_that_are_there() {
    let mut home = Home::new();
    let ada = home.caller("ada", "198.51.100.7:4000");
    let mut code = |transport: Option<u8>, family: Option<u8>| {
        let answer = home.request(&ada, Method::ALLOCATE, |mut request| {
            if let Some(transport) = transport {
                let value = [transport, 0, 0, 0];
                request = request.attribute(Attribute::REQUESTED_TRANSPORT, &value);
            }
            if let Some(family) = family {
                let value = [family, 0, 0, 0];
                request = request.attribute(Attribute::REQUESTED_ADDRESS_FAMILY, &value);
            }
            request
        });
        error_of(&answer)
    };

    assert_eq!(code(None, None), Some(400));
    assert_eq!(code(Some(6), None), Some(442));
    assert_eq!(code(Some(17), Some(3)), Some(440));
    assert_eq!(code(Some(17), Some(2)), Some(440));
    assert_eq!(code(Some(17), Some(1)), None);
}

mod rubbish {
    use super::*;
    use proptest::prelude::*;

    fn any_transport() -> impl Strategy<Value = Transport> {
        prop_oneof![
            Just(Transport::Udp),
            any::<u64>().prop_map(Transport::Stream)
        ]
    }

    proptest! {
        #[test]
        fn nothing_a_client_sends_panics(
            transport in any_transport(),
            packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..20),
        ) {
            let mut home = Home::new();
            let client = Client { transport, address: peer("198.51.100.7:4000") };
            for packet in packets {
                let _ = home.server.from_client(client, &packet, home.now, &mut home.ports);
            }
            prop_assert_eq!(home.server.allocations(), 0);
        }

        #[test]
        fn nothing_that_is_damaged_on_its_way_panics_or_allocates(at in 0_usize..200, to: u8) {
            let mut home = Home::new();
            let ada = home.caller("ada", "198.51.100.7:4000");
            let mut request = Writer::new(Class::Request, Method::ALLOCATE, TransactionId([1; 12]))
                .attribute(Attribute::USERNAME, ada.username.as_bytes())
                .attribute(Attribute::REALM, REALM.as_bytes())
                .attribute(Attribute::NONCE, &ada.nonce)
                .attribute(Attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
                .sign(&ada.key);
            let whole = request.clone();
            if let Some(byte) = request.get_mut(at) {
                *byte = to;
            }
            let _ = home.server.from_client(ada.client, &request, home.now, &mut home.ports);
            prop_assert_eq!(home.server.allocations(), usize::from(request == whole));
        }

        #[test]
        fn nothing_that_comes_to_a_relay_panics(
            length in prop_oneof![0..=65_535_usize, 65_400..=65_535_usize, 15_900..=16_100_usize],
            is_ipv6: bool,
            has_channel: bool,
        ) {
            let mut home = Home::new();
            home.ports.has_ipv6 = is_ipv6;
            let ada = home.caller("ada", "198.51.100.7:4000");
            let family = if is_ipv6 { 2 } else { 1 };
            let answer = home.request(&ada, Method::ALLOCATE, |request| {
                request
                    .attribute(Attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
                    .attribute(Attribute::REQUESTED_ADDRESS_FAMILY, &[family, 0, 0, 0])
            });
            prop_assert_eq!(error_of(&answer), None);
            let to = if is_ipv6 { "[2a00::9]:9" } else { "1.1.1.1:9" };
            home.permits(&ada, to).unwrap();
            if has_channel {
                home.binds(&ada, 0x4001, to).unwrap();
            }
            let step = home.server.from_peer(home.ports.open[0], peer(to), &vec![7; length], home.now);
            prop_assert_eq!(step == FromPeer::Nothing, length > 16_000);
        }

        #[test]
        fn a_payload_comes_out_as_it_went_in(payload in proptest::collection::vec(any::<u8>(), 0..1_500)) {
            let mut home = Home::new();
            let ada = home.caller("ada", "198.51.100.7:4000");
            let relay = home.allocates(&ada).unwrap();
            home.binds(&ada, 0x4001, "1.1.1.1:10").unwrap();
            let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
            let mut packet = vec![0x40, 1];
            packet.extend(length);
            packet.extend(&payload);
            let step = home.server.from_client(ada.client, &packet, home.now, &mut home.ports);
            prop_assert_eq!(step, FromClient::ToPeer { relay, peer: peer("1.1.1.1:10"), payload: &payload });
            let header = [0x40, 1, length[0], length[1]];
            let back = home.server.from_peer(relay, peer("1.1.1.1:10"), &payload, home.now);
            prop_assert_eq!(back, FromPeer::Channel { client: ada.client, header });
        }
    }
}
