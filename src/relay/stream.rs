//! One connection that speaks TURN: TCP, or TLS over it (RFC 8656, section 12.5).
//!
//! Owns its socket, the beginning of a message whose rest has not come, and what waits to be sent.
//! Never waits itself, and never keeps more than it may: what does not fit is lost, as on UDP.

use super::crowd::Place;
use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use roost_turn::Moment;
use roost_turn::stream::{FRAME_BYTES_MAX, begins, padding};
use rustls::ServerConnection;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

/// Read from a socket at a time.
const READ_BYTES: usize = 16_384;
/// What waits for a client that reads slowly: about half a second of video.
pub const QUEUE_BYTES_MAX: usize = 131_072;
/// Of these, what is encrypted already.
const SEALED_BYTES_MAX: usize = 32_768;
/// A client that takes nothing for so long is gone.
const STALLED_SECONDS: u32 = 15;
/// A client without a relay is not kept longer: asking for one takes two round trips.
const IDLE_SECONDS: u32 = 10;

/// The connection is over: by its end, by a fault, or by what was said.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended;

/// A connection as it was accepted.
pub struct Arrival {
    pub socket: std::net::TcpStream,
    pub address: SocketAddr,
    /// None for TCP alone.
    pub tls: Option<Box<ServerConnection>>,
    /// What was heard and decrypted already.
    pub heard: Vec<u8>,
    pub place: Place,
}

pub struct Stream {
    socket: TcpStream,
    address: SocketAddr,
    tls: Option<Box<ServerConnection>>,
    /// The beginning of a message, less than [`FRAME_BYTES_MAX`].
    rest: Vec<u8>,
    /// Whether its first bytes have come, and were those of TURN.
    has_begun: bool,
    outgoing: Vec<u8>,
    /// Since when the client takes nothing.
    stalled_since: Option<Moment>,
    /// When it was last seen to have a relay.
    relayed_at: Moment,
    /// Held, so that it counts.
    place: Place,
}

impl Stream {
    /// # Errors
    /// The system's.
    pub fn open(
        arrival: Arrival,
        registry: &Registry,
        token: Token,
        now: Moment,
    ) -> io::Result<Self> {
        let Arrival {
            socket,
            address,
            mut tls,
            heard,
            place,
        } = arrival;
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let mut socket = TcpStream::from_std(socket);
        socket.register(registry, token, Interest::READABLE | Interest::WRITABLE)?;
        if let Some(tls) = &mut tls {
            tls.set_buffer_limit(Some(SEALED_BYTES_MAX));
        }
        Ok(Self {
            socket,
            address,
            tls,
            rest: heard,
            has_begun: false,
            outgoing: Vec::new(),
            stalled_since: None,
            relayed_at: now,
            place,
        })
    }

    /// Puts what was kept, and what has come, into the empty `bytes`. Whether there may be more.
    ///
    /// # Errors
    /// Nothing more will come.
    pub fn fill(&mut self, bytes: &mut Vec<u8>) -> Result<bool, Ended> {
        bytes.append(&mut self.rest);
        match &mut self.tls {
            None => fill_plain(&mut self.socket, bytes),
            Some(tls) => fill_opened(&mut self.socket, tls, bytes),
        }
    }

    /// Whether what was said may be read: `bytes` are all that came so far, until it may. A web page
    /// can make a browser send a request of HTTP here whose body is TURN.
    ///
    /// # Errors
    /// The stream does not begin as one of TURN does.
    pub fn begins(&mut self, bytes: &[u8]) -> Result<bool, Ended> {
        if !self.has_begun {
            self.has_begun = match begins(bytes) {
                Some(true) => true,
                Some(false) => return Err(Ended),
                None => false,
            };
        }
        Ok(self.has_begun)
    }

    /// Keeps the beginning of a message.
    pub fn keep(&mut self, rest: &[u8]) {
        debug_assert!(rest.len() < FRAME_BYTES_MAX, "a longer one is no message");
        self.rest.clear();
        self.rest.extend_from_slice(rest);
    }

    /// A message to send, `header` and `payload` together. False if there is no room for it.
    #[must_use]
    pub fn put(&mut self, header: &[u8], payload: &[u8]) -> bool {
        let length = header.len().saturating_add(payload.len());
        let padding = padding(length);
        let all = [self.outgoing.len(), length, padding.len()];
        if all.iter().sum::<usize>() > QUEUE_BYTES_MAX {
            return false;
        }
        self.outgoing.extend_from_slice(header);
        self.outgoing.extend_from_slice(payload);
        self.outgoing.extend_from_slice(padding);
        true
    }

    /// Sends what the client takes.
    ///
    /// # Errors
    /// The client takes nothing any more.
    pub fn flush(&mut self, now: Moment) -> Result<(), Ended> {
        let sent = match &mut self.tls {
            None => flush_plain(&mut self.socket, &mut self.outgoing),
            Some(tls) => flush_sealed(&mut self.socket, tls, &mut self.outgoing),
        }?;
        let is_waiting =
            !self.outgoing.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.wants_write());
        self.stalled_since = match self.stalled_since {
            _ if !is_waiting => None,
            Some(since) if !sent => Some(since),
            Some(_) | None => Some(now),
        };
        Ok(())
    }

    /// Looks about once a second whether it is still of use, and gives memory back.
    ///
    /// # Errors
    /// It is not.
    pub fn tick(&mut self, is_allocated: bool, now: Moment) -> Result<(), Ended> {
        self.place.counts_as(is_allocated);
        if is_allocated {
            self.relayed_at = now;
        }
        if self.outgoing.is_empty() {
            self.outgoing = Vec::new();
        }
        let is_stalled = self
            .stalled_since
            .is_some_and(|since| now >= since.plus_seconds(STALLED_SECONDS));
        if is_stalled || now >= self.relayed_at.plus_seconds(IDLE_SECONDS) {
            return Err(Ended);
        }
        Ok(())
    }

    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

fn fill_plain(socket: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<bool, Ended> {
    match read(socket, bytes) {
        Ok(0) => Err(Ended),
        Ok(_) => Ok(true),
        Err(error) => is_empty_yet(&error),
    }
}

fn fill_opened(
    socket: &mut TcpStream,
    tls: &mut ServerConnection,
    bytes: &mut Vec<u8>,
) -> Result<bool, Ended> {
    let more = match tls.read_tls(socket) {
        Ok(0) => return Err(Ended),
        Ok(_) => true,
        Err(error) => is_empty_yet(&error)?,
    };
    if tls.process_new_packets().is_err() {
        // The alert is a courtesy.
        let _ = tls.write_tls(socket);
        return Err(Ended);
    }
    loop {
        match read(&mut tls.reader(), bytes) {
            Ok(0) => return Err(Ended),
            Ok(_) => {}
            Err(error) => return is_empty_yet(&error).map(|_| more),
        }
    }
}

/// Appends what there is, up to [`READ_BYTES`].
fn read(from: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let kept = bytes.len();
    bytes.resize(kept.saturating_add(READ_BYTES), 0);
    let heard = from.read(bytes.get_mut(kept..).unwrap_or_default());
    bytes.truncate(kept.saturating_add(*heard.as_ref().unwrap_or(&0)));
    heard
}

/// Whether to try again at once, if it is no fault.
fn is_empty_yet(error: &io::Error) -> Result<bool, Ended> {
    match error.kind() {
        ErrorKind::WouldBlock => Ok(false),
        ErrorKind::Interrupted => Ok(true),
        _ => Err(Ended),
    }
}

/// Whether anything was sent.
fn flush_plain(socket: &mut TcpStream, outgoing: &mut Vec<u8>) -> Result<bool, Ended> {
    let mut sent = false;
    while !outgoing.is_empty() {
        match socket.write(outgoing) {
            Ok(0) => return Err(Ended),
            Ok(count) => {
                outgoing.drain(..count);
                sent = true;
            }
            Err(error) => {
                if !is_empty_yet(&error)? {
                    break;
                }
            }
        }
    }
    Ok(sent)
}

/// Whether anything was sent.
fn flush_sealed(
    socket: &mut TcpStream,
    tls: &mut ServerConnection,
    outgoing: &mut Vec<u8>,
) -> Result<bool, Ended> {
    let mut sent = false;
    loop {
        let sealed = tls.writer().write(outgoing).map_err(|_| Ended)?;
        outgoing.drain(..sealed);
        if !tls.wants_write() {
            return Ok(sent);
        }
        match tls.write_tls(socket) {
            Ok(0) => return Err(Ended),
            Ok(_) => sent = true,
            Err(error) => {
                if !is_empty_yet(&error)? {
                    return Ok(sent);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::crowd::Crowd;
    use mio::Poll;
    use std::net::{Ipv4Addr, TcpListener};

    /// A stream and the client's end of it.
    fn pair() -> (Poll, Stream, std::net::TcpStream) {
        let poll = Poll::new().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, address) = listener.accept().unwrap();
        let arrival = Arrival {
            socket,
            address,
            tls: None,
            heard: b"first".to_vec(),
            place: Crowd::default().place(address.ip()).unwrap(),
        };
        let now = Moment::default();
        let stream = Stream::open(arrival, poll.registry(), Token(1), now).unwrap();
        (poll, stream, client)
    }

    fn heard(stream: &mut Stream) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"again") {
            let mut more = Vec::new();
            stream.fill(&mut more).unwrap();
            bytes.extend(more);
        }
        bytes
    }

    #[test]
    fn what_was_kept_comes_before_what_follows() {
        let (_poll, mut stream, mut client) = pair();
        let mut bytes = Vec::new();
        let _ = stream.fill(&mut bytes).unwrap();
        assert_eq!(bytes, b"first");

        stream.keep(b"fir");
        client.write_all(b"st again").unwrap();
        assert_eq!(heard(&mut stream), b"first again");

        drop(client);
        assert_eq!(stream.fill(&mut Vec::new()), Err(Ended));
    }

    #[test]
    fn a_stream_begins_with_a_request_or_ends() {
        let binding = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        let (_poll, mut stream, _client) = pair();
        assert_eq!(stream.begins(&[]), Ok(false));
        assert_eq!(stream.begins(&binding[..7]), Ok(false));
        assert_eq!(stream.begins(&binding), Ok(true));
        assert_eq!(stream.begins(&[0x40, 0, 0, 0]), Ok(true), "it has begun");

        let no_cookie = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x43];
        for first in [&b"P"[..], b"G", &[0x40, 0, 0, 0], &no_cookie] {
            let (_poll, mut stream, _client) = pair();
            assert_eq!(stream.begins(first), Err(Ended), "{first:?}");
        }
    }

    #[test]
    fn a_client_that_does_not_read_loses_packets_and_in_the_end_its_connection() {
        let (_poll, mut stream, _client) = pair();
        let start = Moment::default();
        let mut put = 0_usize;
        // The kernel takes some megabytes before it says that it is full.
        while stream.put(&[0x40; 4], &[7; 1_199]) {
            put += 1;
            assert!(put < 100_000, "nothing is ever lost");
            stream.flush(start).unwrap();
        }

        assert!(stream.outgoing.len() <= QUEUE_BYTES_MAX);
        assert!(stream.outgoing.len().is_multiple_of(4));
        stream
            .flush(start.plus_seconds(STALLED_SECONDS - 1))
            .unwrap();
        let almost = start.plus_seconds(STALLED_SECONDS - 1);
        assert_eq!(stream.tick(true, almost), Ok(()));
        let late = start.plus_seconds(STALLED_SECONDS);
        assert_eq!(stream.tick(true, late), Err(Ended));
    }

    #[test]
    fn a_client_without_a_relay_is_not_kept() {
        let (_poll, mut stream, _client) = pair();
        let start = Moment::default();

        assert_eq!(stream.tick(true, start.plus_seconds(100)), Ok(()));
        assert_eq!(stream.tick(false, start.plus_seconds(109)), Ok(()));
        assert_eq!(stream.tick(false, start.plus_seconds(110)), Err(Ended));
    }
}
