//! The streams of one worker.
//!
//! Owns their numbers, which never come again, and which of them have something to send.

use super::stream::{Arrival, Ended, Stream};
use super::token::Source;
use mio::Registry;
use roost_turn::{Client, Moment, Transport};
use std::collections::HashMap;
use std::net::SocketAddr;

pub struct Streams {
    registry: Registry,
    open: HashMap<u64, Stream>,
    next: u64,
    /// What was put into these has not been sent.
    unsent: Vec<u64>,
}

impl Streams {
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            open: HashMap::new(),
            next: 0,
            unsent: Vec::new(),
        }
    }

    /// Takes a connection in; none if the system will not have it.
    pub fn admit(&mut self, arrival: Arrival, now: Moment) -> Option<u64> {
        let number = self.next;
        let token = Source::Stream(number).token();
        let stream = Stream::open(arrival, &self.registry, token, now).ok()?;
        self.next += 1;
        self.open.insert(number, stream);
        Some(number)
    }

    pub fn stream(&mut self, number: u64) -> Option<&mut Stream> {
        self.open.get_mut(&number)
    }

    /// The client whose connection this is.
    #[must_use]
    pub fn client(&self, number: u64) -> Option<Client> {
        let stream = self.open.get(&number)?;
        Some(client(number, stream.address()))
    }

    /// A message for a client, `header` and `payload` together. False if it is lost.
    pub fn put(&mut self, number: u64, header: &[u8], payload: &[u8]) -> bool {
        let Some(stream) = self.open.get_mut(&number) else {
            return false;
        };
        let fits = stream.put(header, payload);
        self.flush_later(number);
        fits
    }

    /// Has this one looked at by the next [`Streams::flush`].
    pub fn flush_later(&mut self, number: u64) {
        if !self.unsent.contains(&number) {
            self.unsent.push(number);
        }
    }

    /// Sends all there is; says whose connection is over.
    pub fn flush(&mut self, now: Moment, mut is_over: impl FnMut(Client)) {
        while let Some(number) = self.unsent.pop() {
            let flushed = self.stream(number).map(|stream| stream.flush(now));
            if flushed == Some(Err(Ended))
                && let Some(client) = self.close(number)
            {
                is_over(client);
            }
        }
    }

    /// Looks about once a second which are still of use; says whose are not.
    pub fn tick(&mut self, now: Moment, is_allocated: impl Fn(Client) -> bool) -> Vec<Client> {
        let mut over = Vec::new();
        self.open.retain(|&number, stream| {
            let client = client(number, stream.address());
            let stays = stream.tick(is_allocated(client), now).is_ok();
            if !stays {
                over.push(client);
            }
            stays
        });
        over
    }

    /// Closes one; says whose it was.
    pub fn close(&mut self, number: u64) -> Option<Client> {
        // Closing the socket takes it from the poll.
        let stream = self.open.remove(&number)?;
        Some(client(number, stream.address()))
    }
}

const fn client(number: u64, address: SocketAddr) -> Client {
    Client {
        transport: Transport::Stream(number),
        address,
    }
}
