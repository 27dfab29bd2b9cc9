//! The machine: packets in, what to do about them out.
//!
//! Owns the allocations and every rule of RFC 8656 about them. The shell owns the sockets: it feeds
//! [`Server::from_client`] and [`Server::from_peer`], and sends what they say.

use crate::allocation::{Allocation, BindError, ChannelNumber, Rate};
use crate::asked;
use crate::auth::{Holder, Secret, Username};
use crate::message::{Attribute, Class, ErrorCode, Key, Message, Method, TransactionId, Writer};
use crate::peer_policy::PeerPolicy;
use crate::strangers::{Answers, Strangers};
use crate::time::Moment;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

/// What is relayed of one datagram: more than any path carries whole. What is written about a peer
/// has to fit into one message.
const RELAYED_BYTES_MAX: usize = 16_000;
/// Peers of one CreatePermission.
const PEERS_MAX: usize = 32;
/// A relay by UDP, by TCP and by TLS.
const HOLDER_ALLOCATIONS_MIN: usize = 3;

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

/// Bounds of one server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub allocations_max: usize,
    pub allocations_per_holder_max: usize,
    /// Of one allocation, each way together.
    pub bytes_per_second: u64,
    /// To one address, for who has not proved who they are.
    pub answers: Answers,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            allocations_max: 1_000,
            allocations_per_holder_max: 16,
            bytes_per_second: 2_000_000,
            answers: Answers::default(),
        }
    }
}

impl Limits {
    /// For a server with so many ports: one holder has a quarter of them at most, but at least as many
    /// as one end of a call tries.
    #[must_use]
    pub fn with_ports(self, ports: usize) -> Self {
        let share = (ports / 4).max(HOLDER_ALLOCATIONS_MIN);
        Self {
            allocations_per_holder_max: self.allocations_per_holder_max.min(share),
            ..self
        }
    }

    /// For each of so many servers that share what one may do, and do not know of each other. Each
    /// may do something.
    #[must_use]
    pub fn shared(self, servers: u16) -> Self {
        let servers = servers.max(1);
        let share = |all: usize| (all / usize::from(servers)).max(1);
        let answers = |all: u32| (all / u32::from(servers)).max(1);
        Self {
            allocations_max: share(self.allocations_max),
            allocations_per_holder_max: share(self.allocations_per_holder_max),
            bytes_per_second: self.bytes_per_second,
            answers: Answers {
                at_once: answers(self.answers.at_once),
                per_second: answers(self.answers.per_second),
            },
        }
    }
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

/// A request whose sender proved who they are.
struct Request<'a, 'm> {
    client: Client,
    message: &'m Message<'a>,
    holder: Holder,
    key: Key,
    now: Moment,
}

/// An answer before it is written.
enum Verdict {
    Done(Vec<(Attribute, Value)>),
    Refused(ErrorCode),
}

enum Value {
    Address(SocketAddr),
    Number(u32),
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

    /// RFC 8489, section 9.2.4.
    fn request(
        &mut self,
        client: Client,
        message: &Message<'_>,
        now: Moment,
        sockets: &mut dyn RelaySockets,
    ) -> FromClient<'static> {
        let known = [
            Method::ALLOCATE,
            Method::REFRESH,
            Method::CREATE_PERMISSION,
            Method::CHANNEL_BIND,
        ];
        if !known.contains(&message.method()) {
            return FromClient::Nothing;
        }
        let request = match self.authenticate(client, message, now) {
            Ok(request) => request,
            Err(answer) => return self.tell_stranger(client, answer, now),
        };
        let unknown = asked::unknown_attributes(message);
        if !unknown.is_empty() {
            let answer = Writer::answer(message, Class::Error)
                .error(ErrorCode::UnknownAttribute)
                .attribute(Attribute::UNKNOWN_ATTRIBUTES, &unknown);
            return FromClient::Answer(answer.sign(&request.key));
        }
        let verdict = match message.method() {
            Method::ALLOCATE => self.allocate(&request, sockets),
            Method::REFRESH => self.refresh(&request, sockets),
            Method::CREATE_PERMISSION => self.create_permission(&request),
            _ => self.channel_bind(&request),
        };
        FromClient::Answer(request.answer(&verdict))
    }

    /// An answer to somebody who may not be who they seem.
    fn tell_stranger(
        &mut self,
        client: Client,
        answer: Vec<u8>,
        now: Moment,
    ) -> FromClient<'static> {
        if self.strangers.may_ask(client.address.ip(), now) {
            FromClient::Answer(answer)
        } else {
            FromClient::Nothing
        }
    }

    fn authenticate<'a, 'm>(
        &self,
        client: Client,
        message: &'m Message<'a>,
        now: Moment,
    ) -> Result<Request<'a, 'm>, Vec<u8>> {
        let challenge = |code| {
            let nonce = self.secret.nonce(client.address.ip(), now);
            Writer::answer(message, Class::Error)
                .error(code)
                .attribute(Attribute::REALM, self.realm.as_bytes())
                .attribute(Attribute::NONCE, nonce.as_bytes())
                .finish()
        };
        if message.attribute(Attribute::MESSAGE_INTEGRITY).is_none() {
            return Err(challenge(ErrorCode::Unauthenticated));
        }
        let [name, realm, nonce] = [Attribute::USERNAME, Attribute::REALM, Attribute::NONCE]
            .map(|kind| message.attribute(kind));
        let (Some(name), Some(realm), Some(nonce)) = (name, realm, nonce) else {
            let answer = Writer::answer(message, Class::Error).error(ErrorCode::BadRequest);
            return Err(answer.finish());
        };
        if !self.secret.takes_nonce(nonce, client.address.ip(), now) {
            return Err(challenge(ErrorCode::StaleNonce));
        }
        let name = Username::parse(name)
            .filter(|_| realm == self.realm.as_bytes())
            .ok_or_else(|| challenge(ErrorCode::Unauthenticated))?;
        let key = self.secret.key(name.full, &self.realm);
        // What was begun in time goes on, though not for ever: a call may outlast a credential.
        let is_late = name.is_over(now) && !self.allocations.contains_key(&client);
        if is_late || !message.is_signed_by(&key) {
            return Err(challenge(ErrorCode::Unauthenticated));
        }
        Ok(Request {
            client,
            message,
            holder: self.secret.holder_of(&name),
            key,
            now,
        })
    }

    /// RFC 8656, section 7.2.
    fn allocate(&mut self, request: &Request<'_, '_>, sockets: &mut dyn RelaySockets) -> Verdict {
        if let Some(allocation) = self.allocations.get(&request.client) {
            // The answer was lost.
            return if allocation.made_by == request.message.transaction() {
                allocated(allocation, request)
            } else {
                Verdict::Refused(ErrorCode::AllocationMismatch)
            };
        }
        let is_ipv6 = match asked::requested_family(request.message) {
            Ok(is_ipv6) => is_ipv6,
            Err(code) => return Verdict::Refused(code),
        };
        if !sockets.has_family(is_ipv6) {
            return Verdict::Refused(ErrorCode::AddressFamilyNotSupported);
        }
        let of_holder = self
            .allocations
            .values()
            .filter(|allocation| allocation.holder == request.holder);
        if of_holder.count() >= self.limits.allocations_per_holder_max {
            return Verdict::Refused(ErrorCode::AllocationQuotaReached);
        }
        if self.allocations.len() >= self.limits.allocations_max {
            return Verdict::Refused(ErrorCode::InsufficientCapacity);
        }
        // RFC 8656, section 18.6: the port behind an even one can be reserved, but is not here.
        let even = request.message.attribute(Attribute::EVEN_PORT);
        let reserves = even.is_some_and(|value| value.first().is_none_or(|first| *first != 0));
        if reserves {
            return Verdict::Refused(ErrorCode::InsufficientCapacity);
        }
        let Some(relay) = sockets.open(is_ipv6, even.is_some()) else {
            return Verdict::Refused(ErrorCode::InsufficientCapacity);
        };
        let mut allocation = Allocation::new(
            request.holder,
            relay,
            request.message.transaction(),
            request.now,
            Rate::new(self.limits.bytes_per_second, request.now),
        );
        allocation.refresh(asked::lifetime(request.message), request.now);
        let answer = allocated(&allocation, request);
        self.relays.insert(relay, request.client);
        self.allocations.insert(request.client, allocation);
        answer
    }

    /// RFC 8656, section 8.2.
    fn refresh(&mut self, request: &Request<'_, '_>, sockets: &mut dyn RelaySockets) -> Verdict {
        let seconds = match request.message.attribute(Attribute::LIFETIME) {
            Some([0, 0, 0, 0]) => 0,
            _ => asked::lifetime(request.message),
        };
        let family = match request
            .message
            .attribute(Attribute::REQUESTED_ADDRESS_FAMILY)
        {
            Some(_) => asked::requested_family(request.message).ok(),
            None => None,
        };
        let allocation = match self.allocation(request) {
            Ok(allocation) => allocation,
            Err(code) => return Verdict::Refused(code),
        };
        if family.is_some_and(|is_ipv6| is_ipv6 != allocation.relay.is_ipv6()) {
            return Verdict::Refused(ErrorCode::PeerAddressFamilyMismatch);
        }
        let left = allocation.refresh(seconds, request.now);
        if left == 0 {
            self.end(request.client, sockets);
        }
        Verdict::Done(vec![(Attribute::LIFETIME, Value::Number(left))])
    }

    /// RFC 8656, section 10.2.
    fn create_permission(&mut self, request: &Request<'_, '_>) -> Verdict {
        let peers = match self.requested_peers(request) {
            Ok(peers) => peers,
            Err(code) => return Verdict::Refused(code),
        };
        let ips: Vec<IpAddr> = peers.iter().map(SocketAddr::ip).collect();
        if ips.iter().any(|&ip| !self.policy.permits(ip)) {
            return Verdict::Refused(ErrorCode::Forbidden);
        }
        let permitted = self
            .allocation(request)
            .map(|allocation| allocation.permit(&ips, request.now));
        match permitted {
            Err(code) => Verdict::Refused(code),
            Ok(true) => Verdict::Done(Vec::new()),
            Ok(false) => Verdict::Refused(ErrorCode::InsufficientCapacity),
        }
    }

    /// RFC 8656, section 12.2.
    fn channel_bind(&mut self, request: &Request<'_, '_>) -> Verdict {
        let number = match request.message.attribute(Attribute::CHANNEL_NUMBER) {
            Some(&[n0, n1, _, _]) => ChannelNumber::new(u16::from_be_bytes([n0, n1])),
            _ => None,
        };
        let peers = match self.requested_peers(request) {
            Ok(peers) => peers,
            Err(code) => return Verdict::Refused(code),
        };
        let (Some(number), &[peer]) = (number, peers.as_slice()) else {
            return Verdict::Refused(ErrorCode::BadRequest);
        };
        if !self.policy.permits_peer(peer) {
            return Verdict::Refused(ErrorCode::Forbidden);
        }
        let bound = match self.allocation(request) {
            Err(code) => return Verdict::Refused(code),
            Ok(allocation) => allocation.bind(number, peer, request.now),
        };
        match bound {
            Ok(()) => Verdict::Done(Vec::new()),
            Err(BindError::Taken) => Verdict::Refused(ErrorCode::BadRequest),
            Err(BindError::Full) => Verdict::Refused(ErrorCode::InsufficientCapacity),
        }
    }

    /// The peers a request names, all of the family of its allocation.
    fn requested_peers(&mut self, request: &Request<'_, '_>) -> Result<Vec<SocketAddr>, ErrorCode> {
        let is_ipv6 = self.allocation(request)?.relay.is_ipv6();
        let peers = asked::peers(request.message).ok_or(ErrorCode::BadRequest)?;
        if peers.is_empty() || peers.len() > PEERS_MAX {
            return Err(ErrorCode::BadRequest);
        }
        if peers.iter().any(|peer| peer.is_ipv6() != is_ipv6) {
            return Err(ErrorCode::PeerAddressFamilyMismatch);
        }
        Ok(peers)
    }

    fn allocation(&mut self, request: &Request<'_, '_>) -> Result<&mut Allocation, ErrorCode> {
        let allocation = self
            .allocations
            .get_mut(&request.client)
            .ok_or(ErrorCode::AllocationMismatch)?;
        if allocation.holder == request.holder {
            Ok(allocation)
        } else {
            Err(ErrorCode::WrongCredentials)
        }
    }
}

impl Request<'_, '_> {
    fn answer(&self, verdict: &Verdict) -> Vec<u8> {
        let writer = match verdict {
            Verdict::Refused(code) => Writer::answer(self.message, Class::Error).error(*code),
            Verdict::Done(values) => values.iter().fold(
                Writer::answer(self.message, Class::Success),
                |writer, (kind, value)| match value {
                    Value::Address(address) => writer.address(*kind, *address),
                    Value::Number(number) => writer.attribute(*kind, &number.to_be_bytes()),
                },
            ),
        };
        writer.sign(&self.key)
    }
}

fn allocated(allocation: &Allocation, request: &Request<'_, '_>) -> Verdict {
    let left = allocation
        .until
        .seconds()
        .saturating_sub(request.now.seconds());
    Verdict::Done(vec![
        (
            Attribute::XOR_RELAYED_ADDRESS,
            Value::Address(allocation.relay),
        ),
        (
            Attribute::XOR_MAPPED_ADDRESS,
            Value::Address(request.client.address),
        ),
        (
            Attribute::LIFETIME,
            Value::Number(u32::try_from(left).unwrap_or(asked::LIFETIME_SECONDS_MAX)),
        ),
    ])
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
