//! The relay for calls: the machine of `roost-turn` on real sockets.
//!
//! Owns threads and ports. Never learns who is whom: credentials name nobody, and what is relayed
//! is encrypted between the ends of a call.

mod outbox;
mod ports;
mod socket;
mod worker;

pub use ports::Reach;

use mio::{Poll, Token, Waker};
use ports::Ports;
use roost_turn::{Limits, Network, PeerPolicy, Secret, Server};
use socket::Udp;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use worker::Worker;

/// More are not faster: the kernel is what is busy.
const WORKERS_MAX: u16 = 4;
/// Ports of the relays that a worker needs to be of use.
const PORTS_PER_WORKER_MIN: u16 = 4;
const WAKER: Token = Token(usize::MAX);

/// The realm of all credentials (RFC 8489, section 9.2).
const REALM: &str = "roost";

/// What a relay is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where clients come to, at most one address of each family, with one port.
    pub listen: Vec<SocketAddr>,
    /// Where relays are opened, at most one of each family.
    pub reach: Vec<Reach>,
    pub ports: RangeInclusive<u16>,
    /// Addresses of this machine: nothing there but relays may be sent to.
    pub own: Vec<IpAddr>,
    /// Ranges of the operator's own network that calls may reach.
    pub allowed: Vec<Network>,
}

/// Why there is no relay.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error(
        "cannot receive calls on UDP {address}: {error}. Choose another port with calls.udp in \
         roost.toml, or 0 to do without calls"
    )]
    Listen {
        address: SocketAddr,
        error: io::Error,
    },
    #[error("cannot start the relay for calls: {0}")]
    Start(#[from] io::Error),
}

/// A relay that runs until it is dropped.
pub struct Relay {
    stop: Arc<AtomicBool>,
    workers: Vec<(Arc<Waker>, JoinHandle<()>)>,
}

impl Relay {
    /// # Errors
    /// A port that is taken; the system's.
    pub fn start(settings: &Settings, secret: &[u8; 32]) -> Result<Self, RelayError> {
        let mut relay = Self {
            stop: Arc::default(),
            workers: Vec::new(),
        };
        for address in &settings.listen {
            // Alone, so that a port which others use is found to be taken.
            listener(*address, false)?;
        }
        let count = workers(&settings.ports);
        for number in 0..count {
            let poll = Poll::new()?;
            let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
            let worker = worker(settings, secret, poll, (number, count))?;
            let stop = relay.stop.clone();
            let thread = std::thread::Builder::new()
                .name(format!("relay {number}"))
                .spawn(move || worker.run(&stop))?;
            relay.workers.push((waker, thread));
        }
        Ok(relay)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for (waker, thread) in self.workers.drain(..) {
            // One that cannot be woken stops at its next tick.
            let _ = waker.wake();
            // A worker that panicked has stopped as well.
            let _ = thread.join();
        }
    }
}

/// One a core, as far as there are ports for them.
fn workers(ports: &RangeInclusive<u16>) -> u16 {
    if !cfg!(target_os = "linux") {
        // Elsewhere sockets that share a port do not share its packets fairly.
        return 1;
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cores = u16::try_from(cores).unwrap_or(WORKERS_MAX);
    let enough = u16::try_from(ports.len()).unwrap_or(u16::MAX) / PORTS_PER_WORKER_MIN;
    cores.min(WORKERS_MAX).min(enough).max(1)
}

fn worker(
    settings: &Settings,
    secret: &[u8; 32],
    poll: Poll,
    share: (u16, u16),
) -> Result<Worker, RelayError> {
    let listeners = settings
        .listen
        .iter()
        .map(|address| listener(*address, share.1 > 1));
    let listeners = listeners.collect::<Result<_, _>>()?;
    let policy = PeerPolicy::new(
        settings.own.clone(),
        settings.ports.clone(),
        settings.allowed.clone(),
    );
    let machine = Server::new(
        Secret::new(*secret),
        REALM.to_owned(),
        policy,
        Limits::default(),
    );
    let ports = Ports::new(
        poll.registry().try_clone()?,
        settings.reach.clone(),
        settings.ports.clone(),
        share,
    );
    Ok(Worker::new(poll, machine, listeners, ports)?)
}

fn listener(address: SocketAddr, is_shared: bool) -> Result<Udp, RelayError> {
    Udp::bind(address, is_shared).map_err(|error| RelayError::Listen { address, error })
}
