//! The machine: packets in, what to do about them out.
//!
//! Owns the allocations and every rule of RFC 8656 about what passes through them. The shell owns the sockets: it feeds
//! [`Server::from_client`] and [`Server::from_peer`], and sends what they say.

mod request;

use crate::allocation::Allocation;
use crate::asked;
use crate::auth::Secret;
use crate::limits::Limits;
use crate::message::{Attribute, Class, Message, Method, TransactionId, Writer};
use crate::peer_policy::PeerPolicy;
use crate::strangers::Strangers;
use crate::time::Moment;
use std::collections::HashMap;
use std::net::SocketAddr;

/// What is relayed of one datagram: more than any path carries whole. What is written about a peer
/// has to fit into one message.
const RELAYED_BYTES_MAX: usize = 16_000;

/// How a client reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    Udp,
    /// TCP or TLS: a connection of the shell's.
    Stream(u64),
}

/// Where packets of a client come from: its end of the five-tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Client {
    pub transport: Transport,
    pub address: SocketAddr,
}

/// The sockets that the shell relays with.
pub trait RelaySockets {
    /// Whether there is an address of this family to relay from.
    fn has_family(&self, is_ipv6: bool) -> bool;
    /// Opens one, on an even port if that is asked for; none if there is no such port left.
    fn open(&mut self, is_ipv6: bool, is_even: bool) -> Option<SocketAddr>;
    fn close(&mut self, relay: SocketAddr);
}

/// What to do about a packet of a client.
#[derive(Debug, PartialEq, Eq)]
pub enum FromClient<'a> {
    /// Send this back.
    Answer(Vec<u8>),
    /// Send this from the relay to the peer.
    ToPeer {
        relay: SocketAddr,
        peer: SocketAddr,
        payload: &'a [u8],
    },
    Nothing,
}

/// What to do about a packet that came to a relay.
#[derive(Debug, PartialEq, Eq)]
pub enum FromPeer {
    /// Send it to the client behind these four bytes (and padding in a stream).
    Channel {
        client: Client,
        header: [u8; 4],
    },
    /// Send this to the client.
    Indication {
        client: Client,
        message: Vec<u8>,
    },
    Nothing,
}

/// A TURN server.
pub struct Server {
    secret: Secret,
    realm: String,
    policy: PeerPolicy,
    limits: Limits,
    allocations: HashMap<Client, Allocation>,
    relays: HashMap<SocketAddr, Client>,
    strangers: Strangers,
}

impl Server {
    #[must_use]
    pub fn new(secret: Secret, realm: String, policy: PeerPolicy, limits: Limits) -> Self {
        Self {
            secret,
            realm,
            policy,
            limits,
            allocations: HashMap::new(),
            relays: HashMap::new(),
            strangers: Strangers::new(limits.answers, Moment::default()),
        }
    }

    /// How many relays are open.
    #[must_use]
    pub fn allocations(&self) -> usize {
        self.allocations.len()
    }

    /// Whether this client has a relay.
    #[must_use]
    pub fn is_allocated(&self, client: Client) -> bool {
        self.allocations.contains_key(&client)
    }

    /// One packet, or one message of a stream.
    pub fn from_client<'a>(
        &mut self,
        client: Client,
        packet: &'a [u8],
        now: Moment,
        sockets: &mut dyn RelaySockets,
    ) -> FromClient<'a> {
        if packet
            .first()
            .is_some_and(|first| matches!(first, 0x40..=0x7f))
        {
            return self.channel_data(client, packet, now);
        }
        let Ok(message) = Message::parse(packet) else {
            return FromClient::Nothing;
        };
        match (message.class(), message.method()) {
            (Class::Request, Method::BINDING) => {
                self.tell_stranger(client, binding(client, &message), now)
            }
            (Class::Request, _) => self.request(client, &message, now, sockets),
            (Class::Indication, Method::SEND) => self.send(client, &message, now),
            (Class::Indication | Class::Success | Class::Error, _) => FromClient::Nothing,
        }
    }

    /// A packet of `bytes` that came to a relay. The payload is needed only for an indication.
    #[must_use]
    pub fn from_peer(
        &mut self,
        relay: SocketAddr,
        peer: SocketAddr,
        payload: &[u8],
        now: Moment,
    ) -> FromPeer {
        let Some(&client) = self.relays.get(&relay) else {
            return FromPeer::Nothing;
        };
        let Some(allocation) = self.allocations.get_mut(&client) else {
            return FromPeer::Nothing;
        };
        let Some(length) = u16::try_from(payload.len())
            .ok()
            .filter(|_| payload.len() <= RELAYED_BYTES_MAX)
        else {
            return FromPeer::Nothing;
        };
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        if !allocation.is_permitted(peer.ip(), now) || !allocation.lets_pass(payload.len(), now) {
            return FromPeer::Nothing;
        }
        match allocation.channel_to(peer, now) {
            Some(number) => {
                let [n0, n1] = number.get().to_be_bytes();
                let [l0, l1] = length.to_be_bytes();
                let header = [n0, n1, l0, l1];
                FromPeer::Channel { client, header }
            }
            None => FromPeer::Indication {
                client,
                message: data(peer, payload),
            },
        }
    }

    /// Ends what is over. Call it about once a second.
    pub fn tick(&mut self, now: Moment, sockets: &mut dyn RelaySockets) {
        self.strangers.tick(now);
        let over: Vec<Client> = self
            .allocations
            .iter()
            .filter(|(_, allocation)| now >= allocation.until)
            .map(|(&client, _)| client)
            .collect();
        for client in over {
            self.end(client, sockets);
        }
    }

    /// Ends the allocation of a stream that was closed.
    pub fn gone(&mut self, client: Client, sockets: &mut dyn RelaySockets) {
        self.end(client, sockets);
    }

    fn end(&mut self, client: Client, sockets: &mut dyn RelaySockets) {
        if let Some(allocation) = self.allocations.remove(&client) {
            self.relays.remove(&allocation.relay);
            sockets.close(allocation.relay);
        }
    }

    fn channel_data<'a>(
        &mut self,
        client: Client,
        packet: &'a [u8],
        now: Moment,
    ) -> FromClient<'a> {
        let Some((&[n0, n1, l0, l1], rest)) = packet.split_first_chunk::<4>() else {
            return FromClient::Nothing;
        };
        // Over UDP what follows is padding (RFC 8656, section 12.5).
        let Some(payload) = rest.get(..usize::from(u16::from_be_bytes([l0, l1]))) else {
            return FromClient::Nothing;
        };
        let Some(allocation) = self.allocations.get_mut(&client) else {
            return FromClient::Nothing;
        };
        let Some(peer) = allocation.peer_of(u16::from_be_bytes([n0, n1]), now) else {
            return FromClient::Nothing;
        };
        if !allocation.lets_pass(payload.len(), now) {
            return FromClient::Nothing;
        }
        FromClient::ToPeer {
            relay: allocation.relay,
            peer,
            payload,
        }
    }

    /// RFC 8656, section 11.2.
    fn send<'a>(&mut self, client: Client, message: &Message<'a>, now: Moment) -> FromClient<'a> {
        let unknown = |(kind, _): (Attribute, _)| {
            kind.must_be_understood()
                && ![Attribute::XOR_PEER_ADDRESS, Attribute::DATA].contains(&kind)
        };
        if message.attributes().any(unknown) {
            return FromClient::Nothing;
        }
        let (Some(peer), Some(payload)) = (
            asked::peers(message).and_then(|peers| peers.first().copied()),
            message.attribute(Attribute::DATA),
        ) else {
            return FromClient::Nothing;
        };
        let Some(allocation) = self.allocations.get_mut(&client) else {
            return FromClient::Nothing;
        };
        let is_open = allocation.is_permitted(peer.ip(), now) && self.policy.permits_peer(peer);
        if !is_open || !allocation.lets_pass(payload.len(), now) {
            return FromClient::Nothing;
        }
        FromClient::ToPeer {
            relay: allocation.relay,
            peer,
            payload,
        }
    }
}

/// RFC 8489, section 12.
fn binding(client: Client, message: &Message<'_>) -> Vec<u8> {
    Writer::answer(message, Class::Success)
        .address(Attribute::XOR_MAPPED_ADDRESS, client.address)
        .finish()
}

/// RFC 8656, section 11.3.
fn data(peer: SocketAddr, payload: &[u8]) -> Vec<u8> {
    // Nobody answers an indication, so its number need only look like one.
    Writer::new(Class::Indication, Method::DATA, TransactionId([0; 12]))
        .address(Attribute::XOR_PEER_ADDRESS, peer)
        .attribute(Attribute::DATA, payload)
        .finish()
}
