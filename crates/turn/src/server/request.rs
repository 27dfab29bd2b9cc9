//! Requests: who asks, whether they may, and what becomes of it.
//!
//! Owns the long-term credentials of RFC 8489 and the four requests of RFC 8656.

use super::{Client, FromClient, RelaySockets, Server};
use crate::allocation::{Allocation, BindError, ChannelNumber, Rate};
use crate::asked;
use crate::auth::{Holder, Username};
use crate::message::{Attribute, Class, ErrorCode, Key, Message, Method, Writer};
use crate::time::Moment;
use std::net::{IpAddr, SocketAddr};

/// Peers of one CreatePermission.
const PEERS_MAX: usize = 32;

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
    /// RFC 8489, section 9.2.4.
    pub(super) fn request(
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
    pub(super) fn tell_stranger(
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
