//! The machine on plain sockets of this computer, to try other clients against it:
//!
//!     cargo run -p roost-turn --example turn_udp -- 127.0.0.1:3478 ada
//!
//! prints a user name and a password, and serves until it is stopped. One packet at a time, one
//! thread: this shows that the protocol is right, not how fast it can be.

use roost_turn::{
    Client, FromClient, FromPeer, Limits, Moment, Network, PeerPolicy, RelaySockets, Secret,
    Server, Transport,
};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use std::collections::BTreeMap;
use std::error::Error;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::{SystemTime, UNIX_EPOCH};

const REALM: &str = "roost";
const RELAY_PORTS: std::ops::RangeInclusive<u16> = 49_160..=49_259;
const PACKET_BYTES: usize = 65_536;
/// Room before a payload for the header of channel data.
const HEADER: usize = 4;
const LISTENER: u64 = 0;

struct Relays {
    ip: IpAddr,
    poll: OwnedFd,
    open: BTreeMap<SocketAddr, UdpSocket>,
}

impl RelaySockets for Relays {
    fn has_family(&self, is_ipv6: bool) -> bool {
        self.ip.is_ipv6() == is_ipv6
    }

    fn open(&mut self, _: bool, is_even: bool) -> Option<SocketAddr> {
        let mut ports = RELAY_PORTS
            .filter(|port| !is_even || port % 2 == 0)
            .map(|port| SocketAddr::new(self.ip, port));
        let (relay, socket) =
            ports.find_map(|relay| Some((relay, UdpSocket::bind(relay).ok()?)))?;
        socket.set_nonblocking(true).ok()?;
        let token = epoll::EventData::new_u64(u64::from(relay.port()));
        epoll::add(&self.poll, &socket, token, epoll::EventFlags::IN).ok()?;
        self.open.insert(relay, socket);
        Some(relay)
    }

    fn close(&mut self, relay: SocketAddr) {
        self.open.remove(&relay);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().ok_or("which address?")?.parse()?;
    let user = arguments.next().ok_or("for whom?")?;
    let secret = Secret::new([7; 32]);
    let holder = secret.holder(user.as_bytes());
    let credential = secret.credential(holder, [0; 8], now().plus_seconds(3_600));
    println!("{} {}", credential.username, *credential.password);

    // This computer only, so its own addresses may be reached.
    let allowed: Vec<Network> = vec!["127.0.0.0/8".parse()?];
    let policy = PeerPolicy::new(Vec::new(), RELAY_PORTS, allowed);
    let server = Server::new(secret, REALM.into(), policy, Limits::default());
    serve(server, UdpSocket::bind(address)?)
}

fn serve(mut server: Server, listener: UdpSocket) -> Result<(), Box<dyn Error>> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    listener.set_nonblocking(true)?;
    let token = epoll::EventData::new_u64(LISTENER);
    epoll::add(&poll, &listener, token, epoll::EventFlags::IN)?;
    let mut relays = Relays {
        ip: listener.local_addr()?.ip(),
        poll: poll.try_clone()?,
        open: BTreeMap::new(),
    };
    let mut buffer = vec![0; PACKET_BYTES];
    let mut events = Vec::with_capacity(64);
    let second = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    loop {
        epoll::wait(&poll, spare_capacity(&mut events), Some(&second))?;
        for event in events.drain(..) {
            match event.data.u64() {
                LISTENER => from_client(&mut server, &listener, &mut relays, &mut buffer),
                port => {
                    let relay = SocketAddr::new(relays.ip, u16::try_from(port)?);
                    from_peer(&mut server, &listener, &relays, relay, &mut buffer);
                }
            }
        }
        server.tick(now(), &mut relays);
    }
}

fn from_client(server: &mut Server, listener: &UdpSocket, relays: &mut Relays, buffer: &mut [u8]) {
    while let Ok((length, address)) = listener.recv_from(buffer) {
        let client = Client {
            transport: Transport::Udp,
            address,
        };
        let packet = buffer.get(..length).unwrap_or_default();
        match server.from_client(client, packet, now(), relays) {
            FromClient::Answer(answer) => drop(listener.send_to(&answer, address)),
            FromClient::ToPeer {
                relay,
                peer,
                payload,
            } => {
                if let Some(socket) = relays.open.get(&relay) {
                    let _ = socket.send_to(payload, peer);
                }
            }
            FromClient::Nothing => {}
        }
    }
}

fn from_peer(
    server: &mut Server,
    listener: &UdpSocket,
    relays: &Relays,
    relay: SocketAddr,
    buffer: &mut [u8],
) {
    let Some(socket) = relays.open.get(&relay) else {
        return;
    };
    loop {
        let Some(Ok((length, peer))) = buffer.get_mut(HEADER..).map(|rest| socket.recv_from(rest))
        else {
            return;
        };
        let payload = buffer.get(HEADER..HEADER + length).unwrap_or_default();
        match server.from_peer(relay, peer, payload, now()) {
            FromPeer::Channel { client, header } => {
                if let Some(start) = buffer.first_chunk_mut::<HEADER>() {
                    *start = header;
                }
                let packet = buffer.get(..HEADER + length).unwrap_or_default();
                let _ = listener.send_to(packet, client.address);
            }
            FromPeer::Indication { client, message } => {
                let _ = listener.send_to(&message, client.address);
            }
            FromPeer::Nothing => {}
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a shell reads the clock")]
fn now() -> Moment {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Moment::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
