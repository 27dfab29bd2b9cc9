//! The server node: the real [`App`] over a disk that outlives it.
//!
//! Owns which process is running and the server's ends of connections. Every future of the app is
//! polled to its end in place; one that waits met the death of its process, or waits for the test's own
//! thread that plays who forwards calls.

use super::dice::Seeded;
use super::fragile_store::{Death, FragileStore};
use super::network::{Life, Line};
use futures_util::FutureExt;
use roost::{App, Connection, PeerAddr, Settings, api};
use roost_client::{HttpCall, HttpReply, Moment};
use roost_sfu::Queue;
use roost_wire::Ticket;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

/// A server and its disk.
pub struct Server {
    store: FragileStore,
    dice: Seeded,
    process: Option<Process>,
}

struct Process {
    app: App,
    lines: BTreeMap<Line, (Life, Connection)>,
}

/// What a connection of the server does.
#[derive(Debug)]
pub enum Out {
    Frame(Vec<u8>),
    Closed,
}

impl Server {
    /// A new server with an empty disk, running.
    #[must_use]
    pub fn new(dice: Seeded, now: Moment) -> Self {
        let mut server = Self {
            store: FragileStore::new(),
            dice,
            process: None,
        };
        server.start(now);
        server
    }

    /// Starts the process, unless it runs.
    ///
    /// # Panics
    /// If the app cannot open what it left.
    pub fn start(&mut self, now: Moment) {
        if self.process.is_some() {
            return;
        }
        self.store = self.store.restarted();
        let settings = Settings {
            origin: "https://roost.test".to_owned(),
            messages_per_second: 0,
            requests_per_second: 0,
            strangers_per_second: 0,
            ..Settings::default()
        };
        let dice = SharedDice(Mutex::new(self.dice.branch()));
        let app = App::open(Arc::new(self.store.clone()), settings, Box::new(dice))
            .now_or_never()
            .expect("a new process is not dying")
            .expect("the server opens what it left");
        self.process = Some(Process {
            app,
            lines: BTreeMap::new(),
        });
        self.tick(now);
    }

    /// The process is gone with its connections.
    pub fn die(&mut self) -> Vec<(Line, Life)> {
        let lines = self.process.take().map(|process| process.lines);
        let lines = lines.into_iter().flatten();
        lines.map(|(line, (life, _))| (line, life)).collect()
    }

    /// What it wants of whoever forwards calls goes here.
    ///
    /// # Panics
    /// While it is down.
    pub fn forwards_to(&self, queue: Queue) {
        let process = self.process.as_ref().expect("the server runs");
        process.app.media.begin(queue);
    }

    /// All data as one file.
    #[must_use]
    pub fn export(&self) -> Vec<u8> {
        self.store.export()
    }

    /// The disk is gone; the next process finds this file's.
    pub fn replace_disk(&mut self, file: &[u8]) {
        self.store = FragileStore::imported(file);
    }

    pub fn die_after(&self, commits: u64, death: Death) {
        self.store.die_after(commits, death);
    }

    /// It need not die any more. Whether it has not yet.
    pub fn spare(&self) -> bool {
        self.store.spare()
    }

    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// Whether the process met its death and has not been cleared away.
    #[must_use]
    pub fn is_dying(&self) -> bool {
        self.process.is_some() && self.store.is_dead()
    }

    /// Answers a request; none if the process is down or died over it.
    #[must_use]
    pub fn request(&self, call: &HttpCall, now: Moment) -> Option<HttpReply> {
        let process = self.process.as_ref()?;
        let request = api::Request {
            method: call.method,
            path_and_query: call.path.clone(),
            token: call.token.clone(),
            body: call.body.clone(),
            peer: PeerAddr::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
        };
        let now = time(now);
        let mut answer = pin!(api::dispatch(&process.app, &request, now));
        let response = loop {
            if let Some(response) = answer.as_mut().now_or_never() {
                break response;
            }
            if self.store.is_dead() {
                return None;
            }
            std::thread::yield_now();
        };
        Some(HttpReply {
            status: response.status,
            body: response.body,
        })
    }

    /// Opens a connection; whether it was let in.
    pub fn dial(&mut self, line: Line, from: Life, path: &str, now: Moment) -> bool {
        let Some(process) = &mut self.process else {
            return false;
        };
        let ticket = path
            .rsplit_once("ticket=")
            .map(|(_, ticket)| ticket.parse());
        let Some(Ok(ticket)) = ticket else {
            return false;
        };
        let ticket: Ticket = ticket;
        match process.app.connect(&ticket, time(now)) {
            Ok(connection) => {
                process.lines.insert(line, (from, connection));
                true
            }
            Err(_) => false,
        }
    }

    pub fn frame(&mut self, line: Line, frame: &[u8], now: Moment) {
        let Some(process) = &mut self.process else {
            return;
        };
        if let Some((_, connection)) = process.lines.get_mut(&line) {
            // Death shows in the store.
            let _ = connection.on_frame(frame, time(now)).now_or_never();
        }
    }

    /// The client hung up.
    pub fn hang_up(&mut self, line: Line) {
        if let Some(process) = &mut self.process {
            process.lines.remove(&line);
        }
    }

    pub fn tick(&mut self, now: Moment) {
        if let Some(process) = &self.process {
            let _ = process.app.tick(time(now)).now_or_never();
        }
    }

    /// Lets all connections work, and takes what they send.
    pub fn drain(&mut self, now: Moment) -> Vec<(Line, Life, Out)> {
        let mut outs = Vec::new();
        let Some(process) = &mut self.process else {
            return outs;
        };
        loop {
            let before = outs.len();
            for (line, (life, connection)) in &mut process.lines {
                let Some(frames) = connection.turn(time(now)).now_or_never() else {
                    return outs;
                };
                let frames = frames.into_iter().map(|frame| Out::Frame(frame.to_vec()));
                outs.extend(frames.map(|frame| (*line, *life, frame)));
                if connection.is_over() || connection.is_overdue(time(now)) {
                    outs.push((*line, *life, Out::Closed));
                }
            }
            process
                .lines
                .retain(|_, (_, connection)| !connection.is_over());
            if outs.len() == before {
                return outs;
            }
        }
    }

    /// The link for the first account.
    ///
    /// # Panics
    /// If there is an account.
    #[must_use]
    pub fn setup_link(&self, now: Moment) -> String {
        let process = self.process.as_ref().expect("the server runs");
        let link = process.app.invites.setup(now.seconds()).now_or_never();
        let link = link
            .expect("the process is not dying")
            .expect("the store works");
        link.expect("nobody has joined").to_string()
    }
}

/// Seeded dice that many tasks may throw.
struct SharedDice(Mutex<Seeded>);

impl roost::Dice for SharedDice {
    fn fill(&self, bytes: &mut [u8]) {
        let mut dice = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        roost_client::Dice::fill(&mut *dice, bytes);
    }
}

const fn time(now: Moment) -> roost::Moment {
    roost::Moment::from_millis(now.millis())
}
