//! The thread that forwards group calls: the machine of `roost-sfu` on the relay's UDP port.
//!
//! Owns the loop. Datagrams come from the workers, which listen; answers leave by the same port.

use super::names::Names;
use super::outbox::Outbox;
use super::socket::Udp;
use crate::clock;
use crate::entropy::Dice;
use crate::telemetry::log;
use roost_sfu::{Ask, Certificate, Queue, Sfu, Told, Waiting};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long nothing may happen before the loop looks around.
const IDLE: Duration = Duration::from_secs(1);
/// Addresses named to clients at most.
const ADDRESSES_MAX: usize = 8;

/// What the machine's news are told to.
pub type Tell = Box<dyn Fn(Told) + Send>;

/// What the thread needs from outside.
pub struct Surroundings {
    pub dice: Box<dyn Dice>,
    pub tell: Tell,
}

pub struct Forwarder {
    sfu: Sfu,
    certificate: Certificate,
    queue: Queue,
    sockets: Vec<Udp>,
    names: Names,
    outbox: Outbox<()>,
    surroundings: Surroundings,
}

impl Forwarder {
    /// Starts the thread; it ends when the queue does.
    ///
    /// # Errors
    /// The system's.
    pub fn start(
        queue: Queue,
        sockets: Vec<Udp>,
        names: Names,
        surroundings: Surroundings,
    ) -> io::Result<JoinHandle<()>> {
        let certificate = Certificate::generate().map_err(io::Error::other)?;
        let forwarder = Self {
            sfu: machine(&certificate, &names),
            certificate,
            queue,
            sockets,
            names,
            outbox: Outbox::default(),
            surroundings,
        };
        std::thread::Builder::new()
            .name("calls".to_owned())
            .spawn(move || forwarder.run())
    }

    fn run(mut self) {
        loop {
            let now = clock::steady();
            let due = self.sfu.deadline();
            let wait = due.map_or(IDLE, |due| due.saturating_duration_since(now).min(IDLE));
            let waiting = self.queue.take(wait);
            if waiting.is_over {
                return;
            }
            let now = clock::steady();
            if catch_unwind(AssertUnwindSafe(|| self.serve(waiting, now))).is_err() {
                self.begin_anew();
            }
        }
    }

    /// Nobody is connected any more; clients notice, and connect again.
    fn begin_anew(&mut self) {
        log::bug("all group calls were interrupted and begin anew");
        self.sfu = machine(&self.certificate, &self.names);
        self.outbox = Outbox::default();
    }

    fn serve(&mut self, waiting: Waiting, now: Instant) {
        for (group, device) in &waiting.cuts {
            self.sfu.disconnect(group, device);
        }
        for group in &waiting.closed {
            self.sfu.close(group);
        }
        for device in &waiting.forgotten {
            self.sfu.forget(device);
        }
        for ask in waiting.asks {
            self.answer(ask, now);
        }
        for (from, bytes) in &waiting.datagrams {
            self.sfu.receive(*from, bytes, now);
        }
        self.sfu.advance(now);
        for datagram in self.sfu.take_datagrams() {
            let to = self.names.inward(datagram.to);
            self.outbox.put((), to, &[], &datagram.bytes);
        }
        let sockets = &self.sockets;
        self.outbox.flush(|(), to, bytes, segment| {
            let of_family = |socket: &&Udp| socket.address().is_ipv6() == to.is_ipv6();
            if let Some(socket) = sockets.iter().find(of_family) {
                socket.send(to, bytes, segment);
            }
        });
        for told in self.sfu.take_told() {
            (self.surroundings.tell)(told);
        }
    }

    fn answer(&mut self, ask: Ask, now: Instant) {
        match ask {
            Ask::Connect { asked, reply } => {
                let dice = self.surroundings.dice.bytes();
                reply(self.sfu.connect(&asked, &dice, now));
            }
            Ask::Watch {
                group,
                device,
                wants,
            } => self.sfu.watch(&group, &device, &wants, now),
        }
    }
}

impl Drop for Forwarder {
    /// However it ended, nobody waits for it.
    fn drop(&mut self) {
        self.queue.end();
    }
}

fn machine(certificate: &Certificate, names: &Names) -> Sfu {
    let addresses = names.forwarder().to_vec();
    Sfu::new(certificate.clone(), addresses, clock::steady())
}

/// Where clients reach the port: as relays are reached first, then every other address of this
/// machine that is listened to.
pub fn addresses(
    listen: &[SocketAddr],
    reach: impl Iterator<Item = IpAddr>,
    own: &[IpAddr],
) -> Vec<SocketAddr> {
    let mut found: Vec<SocketAddr> = Vec::new();
    for ip in reach.chain(own.iter().copied()) {
        let listener = listen.iter().find(|it| it.is_ipv6() == ip.is_ipv6());
        let Some(listener) = listener else {
            continue;
        };
        let is_heard = listener.ip().is_unspecified() && !ip.is_loopback();
        let address = SocketAddr::new(ip, listener.port());
        let is_first = !found.iter().any(|it| it.is_ipv6() == ip.is_ipv6());
        if (is_heard || is_first || ip == listener.ip()) && !found.contains(&address) {
            found.push(address);
        }
    }
    found.truncate(ADDRESSES_MAX);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(listen: &[&str], reach: &[&str], own: &[&str]) -> Vec<String> {
        let ips = |texts: &[&str]| -> Vec<IpAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let listen: Vec<_> = listen.iter().map(|text| text.parse().unwrap()).collect();
        let found = addresses(&listen, ips(reach).into_iter(), &ips(own));
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn clients_are_told_of_every_address_that_is_listened_to() {
        assert_eq!(
            all(
                &["0.0.0.0:3478"],
                &["203.0.113.9"],
                &["127.0.0.1", "192.168.1.7", "fd00::7"]
            ),
            ["203.0.113.9:3478", "192.168.1.7:3478"]
        );
        assert_eq!(
            all(&["127.0.0.1:9"], &["127.0.0.1"], &["127.0.0.1", "10.0.0.1"]),
            ["127.0.0.1:9"]
        );
    }
}
