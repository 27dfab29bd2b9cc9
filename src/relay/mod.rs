//! The relay for calls: the machine of `roost-turn` on real sockets.
//!
//! Owns threads and ports. What relays never learns who is whom: credentials name nobody, and what
//! is relayed is encrypted between the ends of a call. What forwards knows which device is in which
//! call.

mod crowd;
mod door;
mod forward;
mod names;
mod outbox;
mod ports;
mod socket;
mod stream;
mod streams;
mod token;
mod worker;

pub use door::Door;
pub use forward::{Surroundings, Tell};
pub use names::Reach;

use crowd::Crowd;
use forward::Forwarder;
use mio::{Poll, Waker};
use names::Names;
use ports::Ports;
use roost_sfu::Queue;
use roost_turn::{Limits, Network, PeerPolicy, Secret, Server};
use socket::Udp;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use stream::Arrival;
use token::Source;
use worker::{Doors, Worker};

/// More are not faster: the kernel is what is busy.
const WORKERS_MAX: u16 = 4;
/// Ports of the relays that a worker needs to be of use: a device has a quarter of them, and tries
/// three or four in one call, which may all come to the same worker.
const PORTS_PER_WORKER_MIN: u16 = 16;

/// The realm of all credentials (RFC 8489, section 9.2).
const REALM: &str = "roost";

/// What a relay is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where clients come to by UDP and TCP: at most one address of each family, with one port. None
    /// if they come by the [`Door`] only.
    pub listen: Vec<SocketAddr>,
    /// Where relays are opened, at most one of each family.
    pub reach: Vec<Reach>,
    pub ports: RangeInclusive<u16>,
    /// Addresses of this machine: nothing there but relays may be sent to.
    pub own: Vec<IpAddr>,
    /// What its interfaces reach without a router: no peer of a call is there, unless allowed.
    pub links: Vec<Network>,
    /// Ranges of the operator's own network that calls may reach.
    pub allowed: Vec<Network>,
}

/// Why there is no relay.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("cannot take calls on {protocol} {address}: {error}")]
    Listen {
        protocol: &'static str,
        address: SocketAddr,
        error: io::Error,
    },
    #[error("cannot start the relay for calls: {0}")]
    Start(#[from] io::Error),
}

/// A relay that has its sockets.
pub struct Bound {
    settings: Settings,
    listeners: Vec<Listeners>,
}

/// The sockets of one worker that clients come to.
struct Listeners {
    udp: Vec<Udp>,
    tcp: Vec<TcpListener>,
}

/// A relay that runs until it is dropped.
pub struct Relay {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    ways: Vec<(SyncSender<Arrival>, Arc<Waker>)>,
    crowd: Crowd,
    /// What forwards group calls takes from here; none without a UDP port.
    queue: Option<Queue>,
}

impl Bound {
    /// Takes the ports.
    ///
    /// # Errors
    /// A port that is taken; the system's.
    pub fn bind(settings: Settings) -> Result<Self, RelayError> {
        // Alone first, so that a port which others use is found to be taken.
        Listeners::bind(&settings.listen, false)?;
        let count = workers(&settings.ports);
        let listeners = (0..count).map(|_| Listeners::bind(&settings.listen, count > 1));
        Ok(Self {
            listeners: listeners.collect::<Result<_, _>>()?,
            settings,
        })
    }

    /// Starts the workers, and what forwards group calls.
    ///
    /// # Errors
    /// The system's.
    pub fn start(self, secret: &[u8; 32], surroundings: Surroundings) -> Result<Relay, RelayError> {
        let mut relay = Relay {
            stop: Arc::default(),
            threads: Vec::new(),
            ways: Vec::new(),
            crowd: Crowd::default(),
            queue: None,
        };
        let names = names(&self.settings, self.listeners.first());
        relay.start_forwarder(&names, self.listeners.first(), surroundings)?;
        let count = u16::try_from(self.listeners.len()).unwrap_or(WORKERS_MAX);
        for (number, listeners) in (0..count).zip(self.listeners) {
            let machine = machine(&self.settings, &names, secret, count);
            relay.start_worker((machine, names.clone()), listeners, (number, count))?;
        }
        Ok(relay)
    }
}

impl Relay {
    /// Where connections come in that the web server accepted.
    #[must_use]
    pub fn door(&self) -> Door {
        Door::new(self.crowd.clone(), self.ways.clone())
    }

    /// The way to what forwards group calls.
    #[must_use]
    pub fn forwarder(&self) -> Option<Queue> {
        self.queue.clone()
    }

    fn start_forwarder(
        &mut self,
        names: &Names,
        listeners: Option<&Listeners>,
        surroundings: Surroundings,
    ) -> io::Result<()> {
        let sockets = listeners.into_iter().flat_map(|it| &it.udp).map(Udp::twin);
        let sockets: Vec<_> = sockets.collect::<io::Result<_>>()?;
        if sockets.is_empty() {
            return Ok(());
        }
        let queue = Queue::default();
        let thread = Forwarder::start(queue.clone(), sockets, names.clone(), surroundings)?;
        self.threads.push(thread);
        self.queue = Some(queue);
        Ok(())
    }

    fn start_worker(
        &mut self,
        (machine, names): (Server, Names),
        listeners: Listeners,
        share: (u16, u16),
    ) -> io::Result<()> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), Source::Waker.token())?);
        let (way, arrivals) = sync_channel(door::ARRIVALS_MAX);
        let ports = Ports::new(poll.registry().try_clone()?, names, share);
        let doors = Doors {
            udp: listeners.udp,
            tcp: listeners.tcp,
            arrivals,
            crowd: self.crowd.clone(),
            forwarder: self.queue.clone(),
        };
        let worker = Worker::new(poll, machine, doors, ports)?;
        let stop = self.stop.clone();
        let thread = std::thread::Builder::new()
            .name(format!("relay {}", share.0))
            .spawn(move || worker.run(&stop))?;
        self.threads.push(thread);
        self.ways.push((way, waker));
        Ok(())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(queue) = &self.queue {
            queue.end();
        }
        for (_, waker) in &self.ways {
            // One that cannot be woken stops at its next tick.
            let _ = waker.wake();
        }
        for thread in self.threads.drain(..) {
            // A worker that panicked has stopped as well.
            let _ = thread.join();
        }
    }
}

impl Listeners {
    fn bind(addresses: &[SocketAddr], is_shared: bool) -> Result<Self, RelayError> {
        let failed = |protocol, address| {
            move |error| RelayError::Listen {
                protocol,
                address,
                error,
            }
        };
        let udp = addresses
            .iter()
            .map(|&address| Udp::bind(address, is_shared).map_err(failed("UDP", address)));
        let tcp = addresses
            .iter()
            .map(|&address| socket::listen(address, is_shared).map_err(failed("TCP", address)));
        Ok(Self {
            udp: udp.collect::<Result<_, _>>()?,
            tcp: tcp.collect::<Result<_, _>>()?,
        })
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

/// What the ports are called, for one of the workers' listeners.
fn names(settings: &Settings, listeners: Option<&Listeners>) -> Names {
    let listen = listeners.into_iter().flat_map(|it| &it.udp);
    let listen: Vec<_> = listen.map(Udp::address).collect();
    let reach = settings.reach.iter().map(|reach| reach.external);
    let forwarder = forward::addresses(&listen, reach, &settings.own);
    Names::new(settings.reach.clone(), settings.ports.clone(), forwarder)
}

/// The machine of one of so many workers.
fn machine(settings: &Settings, names: &Names, secret: &[u8; 32], workers: u16) -> Server {
    let relays = settings
        .reach
        .iter()
        .flat_map(|reach| [reach.bound, reach.external]);
    let policy = PeerPolicy::new(
        relays.collect(),
        settings.ports.clone(),
        settings.allowed.clone(),
    )
    .on_machine(settings.own.clone(), settings.links.clone())
    .with_service(names.forwarder().to_vec());
    let limits = Limits::default()
        .with_ports(settings.ports.len())
        .shared(workers);
    Server::new(Secret::new(*secret), REALM.to_owned(), policy, limits)
}
