//! One thread of the relay: its sockets, its machine, its loop.
//!
//! Workers share nothing but the count of streams. The kernel gives all packets of one client to the
//! same one.

use super::crowd::Crowd;
use super::outbox::Outbox;
use super::ports::Ports;
use super::socket::{Inbox, Udp};
use super::stream::{Arrival, Ended};
use super::streams::Streams;
use super::token::Source;
use crate::clock;
use crate::telemetry::log;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use roost_sfu::{Batch, Queue, door};
use roost_turn::stream::{Next, next};
use roost_turn::{Client, FromClient, FromPeer, Moment, Server, Transport};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

const EVENTS: usize = 256;
const TICK_SECONDS: u32 = 1;
/// Connections accepted at a time.
const ACCEPTS: usize = 16;

/// What clients come in by.
pub struct Doors {
    pub udp: Vec<Udp>,
    pub tcp: Vec<std::net::TcpListener>,
    /// Connections that others accepted.
    pub arrivals: Receiver<Arrival>,
    pub crowd: Crowd,
    /// Where what is of group calls goes.
    pub forwarder: Option<Queue>,
}

pub struct Worker {
    poll: Poll,
    machine: Server,
    listeners: Vec<Udp>,
    doors: Vec<TcpListener>,
    arrivals: Receiver<Arrival>,
    crowd: Crowd,
    forwarder: Option<Queue>,
    ports: Ports,
    streams: Streams,
    inbox: Inbox,
    /// What came from a stream, while it is read.
    heard: Vec<u8>,
    outbox: Outbox<Via>,
    /// For the forwarder.
    inward: Batch,
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
    pub fn new(poll: Poll, machine: Server, doors: Doors, ports: Ports) -> io::Result<Self> {
        let mut listeners = doors.udp;
        for (number, listener) in listeners.iter_mut().enumerate() {
            listener.watch(poll.registry(), Source::Listener(number).token())?;
        }
        let mut tcp: Vec<_> = doors.tcp.into_iter().map(TcpListener::from_std).collect();
        for (number, door) in tcp.iter_mut().enumerate() {
            let token = Source::Door(number).token();
            poll.registry().register(door, token, Interest::READABLE)?;
        }
        Ok(Self {
            streams: Streams::new(poll.registry().try_clone()?),
            poll,
            machine,
            listeners,
            doors: tcp,
            arrivals: doors.arrivals,
            crowd: doors.crowd,
            forwarder: doors.forwarder,
            ports,
            inbox: Inbox::new(),
            heard: Vec::new(),
            outbox: Outbox::default(),
            inward: Batch::default(),
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
                    && self.serve_safely(token)
                {
                    ready.push_back(token);
                }
            }
            if catch_unwind(AssertUnwindSafe(|| self.end_round())).is_err() {
                self.drop_round();
            }
        }
    }

    fn end_round(&mut self) {
        self.flush(now());
        self.tick();
    }

    fn drop_round(&mut self) {
        log::bug("the relay dropped packets of a call");
        self.outbox = Outbox::default();
        self.inward = Batch::default();
    }

    /// As [`Worker::serve`]. Should a packet make it panic, the rest of its round is lost, and everybody
    /// else's relays go on: the kernel would give a dead worker's clients to nobody else.
    fn serve_safely(&mut self, token: Token) -> bool {
        let served = catch_unwind(AssertUnwindSafe(|| self.serve(token)));
        served.unwrap_or_else(|_| {
            self.drop_round();
            if let Source::Stream(number) = Source::of(token)
                && let Some(client) = self.streams.close(number)
            {
                self.machine.gone(client, &mut self.ports);
            }
            false
        })
    }

    /// One batch from one socket. Whether there may be more.
    fn serve(&mut self, token: Token) -> bool {
        let now = now();
        let more = match Source::of(token) {
            Source::Listener(number) => self.hear_clients(number, now),
            Source::Door(number) => self.accept(number, now),
            Source::Relay(at, port) => self
                .ports
                .relay(at, port)
                .is_some_and(|relay| self.hear_peers(relay, now)),
            Source::Stream(number) => self.hear_stream(number, now),
            Source::Waker => {
                self.take_arrivals(now);
                false
            }
        };
        if self.outbox.is_full() {
            self.flush(now);
        }
        more
    }

    fn flush(&mut self, now: Moment) {
        let Self {
            outbox,
            listeners,
            machine,
            ports,
            streams,
            forwarder,
            inward,
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
        if let Some(queue) = forwarder {
            queue.datagrams(inward);
        }
        streams.flush(now, |client| machine.gone(client, ports));
    }

    fn hear_clients(&mut self, number: usize, now: Moment) -> bool {
        let Some(listener) = self.listeners.get(number) else {
            return false;
        };
        let Ok(filled) = listener.receive(&mut self.inbox) else {
            return false;
        };
        for (address, packet) in self.inbox.datagrams(filled) {
            if self.forwarder.is_some() && door::is_ours(packet) {
                self.inward.put(address, packet);
                continue;
            }
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
                    let out = (&mut self.outbox, &mut self.inward);
                    send(&self.ports, out, (relay, peer), payload);
                }
                FromClient::Nothing => {}
            }
        }
        Inbox::is_full(filled)
    }

    fn hear_peers(&mut self, relay: SocketAddr, now: Moment) -> bool {
        let Some(socket) = self.ports.socket(relay) else {
            return false;
        };
        let Ok(filled) = socket.receive(&mut self.inbox) else {
            return false;
        };
        for (peer, payload) in self.inbox.datagrams(filled) {
            let peer = self.ports.names.outward(peer);
            let step = self.machine.from_peer(relay, peer, payload, now);
            let (client, header, payload) = match &step {
                FromPeer::Channel { client, header } => (client, header.as_slice(), payload),
                FromPeer::Indication { client, message } => (client, &[][..], message.as_slice()),
                FromPeer::Nothing => continue,
            };
            match client.transport {
                Transport::Udp => {
                    self.outbox
                        .put(Via::Listener, client.address, header, payload);
                }
                Transport::Stream(number) => {
                    // What a slow client has no room for is lost, as it would be on UDP.
                    self.streams.put(number, header, payload);
                }
            }
        }
        Inbox::is_full(filled)
    }

    /// Whether there may be more to accept.
    fn accept(&mut self, number: usize, now: Moment) -> bool {
        for _ in 0..ACCEPTS {
            let Some(door) = self.doors.get(number) else {
                return false;
            };
            let (socket, address) = match door.accept() {
                Ok(accepted) => accepted,
                Err(error) => return error.kind() == io::ErrorKind::ConnectionAborted,
            };
            let Some(place) = self.crowd.place(address.ip()) else {
                // Closed.
                continue;
            };
            let arrival = Arrival {
                socket: socket.into(),
                address,
                tls: None,
                heard: Vec::new(),
                place,
            };
            self.streams.admit(arrival, now);
        }
        true
    }

    fn take_arrivals(&mut self, now: Moment) {
        while let Ok(arrival) = self.arrivals.try_recv() {
            if let Some(number) = self.streams.admit(arrival, now) {
                // The poll does not know of what was heard already.
                self.hear_stream(number, now);
            }
        }
    }

    fn hear_stream(&mut self, number: u64, now: Moment) -> bool {
        let mut heard = std::mem::take(&mut self.heard);
        let more = self.read_stream(number, &mut heard, now);
        heard.clear();
        self.heard = heard;
        if more.is_err()
            && let Some(client) = self.streams.close(number)
        {
            self.machine.gone(client, &mut self.ports);
        }
        more == Ok(true)
    }

    /// Whether there may be more; `heard` is room for what came.
    fn read_stream(
        &mut self,
        number: u64,
        heard: &mut Vec<u8>,
        now: Moment,
    ) -> Result<bool, Ended> {
        let client = self.streams.client(number).ok_or(Ended)?;
        let stream = self.streams.stream(number).ok_or(Ended)?;
        let more = stream.fill(heard)?;
        let mut left = heard.as_slice();
        if !stream.begins(left)? {
            stream.keep(left);
            return Ok(more);
        }
        while let Next::Frame { bytes, padded } = next(left).map_err(|_| Ended)? {
            let message = left.get(..bytes).ok_or(Ended)?;
            self.take(client, number, message, now)?;
            left = left.get(padded..).ok_or(Ended)?;
        }
        let stream = self.streams.stream(number).ok_or(Ended)?;
        stream.keep(left);
        self.streams.flush_later(number);
        Ok(more)
    }

    /// One message of a stream.
    fn take(
        &mut self,
        client: Client,
        number: u64,
        message: &[u8],
        now: Moment,
    ) -> Result<(), Ended> {
        match self
            .machine
            .from_client(client, message, now, &mut self.ports)
        {
            FromClient::Answer(answer) => {
                // Nobody asks twice on a stream, so an answer must not be lost.
                self.streams
                    .put(number, &[], &answer)
                    .then_some(())
                    .ok_or(Ended)
            }
            FromClient::ToPeer {
                relay,
                peer,
                payload,
            } => {
                let out = (&mut self.outbox, &mut self.inward);
                send(&self.ports, out, (relay, peer), payload);
                Ok(())
            }
            FromClient::Nothing => Ok(()),
        }
    }

    fn tick(&mut self) {
        let now = now();
        if now < self.ticked.plus_seconds(TICK_SECONDS) {
            return;
        }
        self.ticked = now;
        let Self {
            machine,
            ports,
            streams,
            ..
        } = self;
        machine.tick(now, ports);
        for client in streams.tick(now, |client| machine.is_allocated(client)) {
            machine.gone(client, ports);
        }
        // Where something kept us from it: too many open files, or a waker that failed.
        for number in 0..self.doors.len() {
            self.accept(number, now);
        }
        self.take_arrivals(now);
        self.flush(now);
    }
}

/// What a client sends by its relay. What forwards group calls is met inside: nothing is sent to its
/// port, where this relay listens as well, so that nobody reaches the relay through itself.
fn send(
    ports: &Ports,
    (outbox, inward): (&mut Outbox<Via>, &mut Batch),
    (relay, peer): (SocketAddr, SocketAddr),
    payload: &[u8],
) {
    if !ports.names.forwarder().contains(&peer) {
        outbox.put(Via::Relay(relay), ports.names.inward(peer), &[], payload);
    } else if door::is_ours(payload) {
        inward.put(relay, payload);
    }
}

/// The one of this family.
fn listener(listeners: &[Udp], to: SocketAddr) -> Option<&Udp> {
    listeners
        .iter()
        .find(|listener| listener.address().is_ipv6() == to.is_ipv6())
}

fn now() -> Moment {
    Moment::from_millis(clock::even().millis())
}
