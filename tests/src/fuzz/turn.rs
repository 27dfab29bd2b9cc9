//! STUN, channel data, and streams of them.

use roost_turn::message::Attribute;
use roost_turn::stream::{Next, begins, next, padding};
use roost_turn::{
    Client, FromClient, Limits, Message, Moment, PeerPolicy, RelaySockets, Secret, Server,
    Transport, address,
};
use std::net::SocketAddr;

/// A message: whatever can be asked of it.
pub fn stun(bytes: &[u8]) {
    let _ = served(Transport::Udp, bytes);
    let Ok(message) = Message::parse(bytes) else {
        return;
    };
    let mut length = 0;
    for (kind, value) in message.attributes() {
        length += value.len();
        let _ = (
            kind.must_be_understood(),
            address::from_xor(value, message.transaction()),
        );
    }
    assert!(
        length <= bytes.len(),
        "attributes are longer than the message"
    );
    let _ = message.attribute(Attribute::MESSAGE_INTEGRITY);
}

/// Channel data of somebody without a relay goes nowhere.
pub fn channel_data(bytes: &[u8]) {
    let packet = [&[0x40, 0x01], bytes].concat();
    assert!(!served(Transport::Udp, &packet), "relayed for a stranger");
    assert!(
        !served(Transport::Stream(1), &packet),
        "relayed for a stranger"
    );
}

/// A stream, read to its end: each message lies inside it, and nothing is read twice.
pub fn stream(bytes: &[u8]) {
    let mut left = bytes;
    while let Ok(Next::Frame { bytes, padded }) = next(left) {
        assert!(bytes > 0 && bytes + padding(bytes).len() == padded);
        assert!(padded <= left.len(), "a message beyond what came");
        let _ = served(Transport::Stream(1), left.get(..bytes).unwrap_or_default());
        left = left.get(padded..).unwrap_or_default();
    }
}

/// What is told of the first bytes stays so when more come.
pub fn peek(bytes: &[u8]) {
    let mut told = None;
    for end in 0..=bytes.len() {
        let now = begins(bytes.get(..end).unwrap_or_default());
        assert!(
            told.is_none() || now == told,
            "told otherwise after {end} bytes"
        );
        assert!(
            now.is_some() || end < 8,
            "nothing is told after {end} bytes"
        );
        told = now;
    }
}

/// Whether anything was relayed.
fn served(transport: Transport, bytes: &[u8]) -> bool {
    let policy = PeerPolicy::new(Vec::new(), 49_160..=49_259, Vec::new());
    let secret = Secret::new([7; 32]);
    let mut server = Server::new(secret, "roost".to_owned(), policy, Limits::default());
    let client = Client {
        transport,
        address: SocketAddr::from(([198, 51, 100, 7], 4_000)),
    };
    let now = Moment::from_millis(1_900_000_000_000);
    let step = server.from_client(client, bytes, now, &mut NoSockets);
    matches!(step, FromClient::ToPeer { .. })
}

struct NoSockets;

impl RelaySockets for NoSockets {
    fn has_family(&self, _is_ipv6: bool) -> bool {
        true
    }

    fn open(&mut self, _is_ipv6: bool, _is_even: bool) -> Option<SocketAddr> {
        None
    }

    fn close(&mut self, _relay: SocketAddr) {}
}
