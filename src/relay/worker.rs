//! One thread of the relay: its sockets, its machine, its loop.
//!
//! Workers share nothing. The kernel gives all packets of one client to the same one.

use super::outbox::Outbox;
use super::ports::Ports;
use super::socket::{Inbox, Udp};
use crate::clock;
use mio::{Events, Poll, Token};
use roost_turn::{Client, FromClient, FromPeer, Moment, Server, Transport};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const EVENTS: usize = 256;
const TICK_SECONDS: u32 = 1;

pub struct Worker {
    poll: Poll,
    machine: Server,
    listeners: Vec<Udp>,
    ports: Ports,
    inbox: Inbox,
    outbox: Outbox<Via>,
    ticked: Moment,
}

/// The socket that something leaves by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Via {
    Listener,
    Relay(SocketAddr),
}

impl Worker {
    /// # Errors
    /// The system's.
    pub fn new(
        poll: Poll,
        machine: Server,
        mut listeners: Vec<Udp>,
        ports: Ports,
    ) -> io::Result<Self> {
        for (number, listener) in listeners.iter_mut().enumerate() {
            listener.watch(poll.registry(), Token(number))?;
        }
        Ok(Self {
            poll,
            machine,
            listeners,
            ports,
            inbox: Inbox::new(),
            outbox: Outbox::default(),
            ticked: Moment::default(),
        })
    }

    /// Serves until told to stop.
    pub fn run(mut self, stop: &Arc<AtomicBool>) {
        let mut events = Events::with_capacity(EVENTS);
        // Sockets that may have more. Each gets one turn, so that no flood starves the others.
        let mut ready = VecDeque::new();
        while !stop.load(Ordering::Relaxed) {
            let wait = if ready.is_empty() { TICK_SECONDS } else { 0 };
            let wait = Duration::from_secs(u64::from(wait));
            if self.poll.poll(&mut events, Some(wait)).is_err() {
                // A signal; whatever else it is, the next try tells.
                continue;
            }
            for event in &events {
                if !ready.contains(&event.token()) {
                    ready.push_back(event.token());
                }
            }
            for _ in 0..ready.len() {
                if let Some(token) = ready.pop_front()
                    && self.serve(token)
                {
                    ready.push_back(token);
                }
            }
            self.tick();
        }
    }

    /// One batch from one socket. Whether there may be more.
    fn serve(&mut self, token: Token) -> bool {
        let now = now();
        let is_listener = token.0 < self.listeners.len();
        let more = if is_listener {
            self.hear_clients(token, now)
        } else {
            self.ports
                .relay(token)
                .is_some_and(|relay| self.hear_peers(relay, now))
        };
        let Self {
            outbox,
            listeners,
            ports,
            ..
        } = self;
        outbox.flush(|via, to, bytes, segment| {
            let socket = match via {
                Via::Listener => listener(listeners, to),
                Via::Relay(relay) => ports.socket(relay),
            };
            if let Some(socket) = socket {
                socket.send(to, bytes, segment);
            }
        });
        more
    }

    fn hear_clients(&mut self, token: Token, now: Moment) -> bool {
        let Some(listener) = self.listeners.get(token.0) else {
            return false;
        };
        let Ok(filled) = listener.receive(&mut self.inbox) else {
            return false;
        };
        for (address, packet) in self.inbox.datagrams(filled) {
            let client = Client {
                transport: Transport::Udp,
                address,
            };
            match self
                .machine
                .from_client(client, packet, now, &mut self.ports)
            {
                FromClient::Answer(answer) => {
                    self.outbox.put(Via::Listener, address, &[], &answer);
                }
                FromClient::ToPeer {
                    relay,
                    peer,
                    payload,
                } => {
                    let peer = self.ports.inward(peer);
                    self.outbox.put(Via::Relay(relay), peer, &[], payload);
                }
                FromClient::Nothing => {}
            }
        }
        true
    }

    fn hear_peers(&mut self, relay: SocketAddr, now: Moment) -> bool {
        let Some(socket) = self.ports.socket(relay) else {
            return false;
        };
        let Ok(filled) = socket.receive(&mut self.inbox) else {
            return false;
        };
        for (peer, payload) in self.inbox.datagrams(filled) {
            let peer = self.ports.outward(peer);
            match self.machine.from_peer(relay, peer, payload, now) {
                FromPeer::Channel { client, header } => {
                    self.outbox
                        .put(Via::Listener, client.address, &header, payload);
                }
                FromPeer::Indication { client, message } => {
                    self.outbox
                        .put(Via::Listener, client.address, &[], &message);
                }
                FromPeer::Nothing => {}
            }
        }
        true
    }

    fn tick(&mut self) {
        let now = now();
        if now >= self.ticked.plus_seconds(TICK_SECONDS) {
            self.ticked = now;
            self.machine.tick(now, &mut self.ports);
        }
    }
}

/// The one of this family.
fn listener(listeners: &[Udp], to: SocketAddr) -> Option<&Udp> {
    listeners
        .iter()
        .find(|listener| listener.address().is_ipv6() == to.is_ipv6())
}

fn now() -> Moment {
    Moment::from_millis(clock::now().millis())
}
