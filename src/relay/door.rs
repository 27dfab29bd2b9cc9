//! Where connections that the web server accepted come in: TURN over TLS shares its port.
//!
//! Owns the ways to the workers. Never reads a byte of a connection.

use super::crowd::Crowd;
use super::stream::Arrival;
use mio::Waker;
use rustls::ServerConnection;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;

/// Connections on their way to one worker; beyond, they are dropped.
pub const ARRIVALS_MAX: usize = 64;

/// Hands connections to the workers. Cheap to clone.
#[derive(Clone)]
pub struct Door(Arc<Ways>);

struct Ways {
    crowd: Crowd,
    workers: Vec<(SyncSender<Arrival>, Arc<Waker>)>,
    next: AtomicUsize,
}

impl Door {
    pub(super) fn new(crowd: Crowd, workers: Vec<(SyncSender<Arrival>, Arc<Waker>)>) -> Self {
        Self(Arc::new(Ways {
            crowd,
            workers,
            next: AtomicUsize::new(0),
        }))
    }

    /// Hands over a connection after its handshake, with what was heard of it already. It is closed
    /// if there are too many.
    pub fn hand_over(
        &self,
        socket: TcpStream,
        address: SocketAddr,
        tls: ServerConnection,
        heard: Vec<u8>,
    ) {
        let Some(place) = self.0.crowd.place(address.ip()) else {
            return;
        };
        let turn = self.0.next.fetch_add(1, Ordering::Relaxed);
        let Some(which) = turn.checked_rem(self.0.workers.len()) else {
            return;
        };
        let arrival = Arrival {
            socket,
            address,
            tls: Some(Box::new(tls)),
            heard,
            place,
        };
        if let Some((way, waker)) = self.0.workers.get(which)
            && way.try_send(arrival).is_ok()
        {
            // One that is not woken looks at its next tick.
            let _ = waker.wake();
        }
    }
}
