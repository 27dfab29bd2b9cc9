//! Real client cores and the real server logic in one thread, under a seeded network and a
//! stepped clock. Nothing here sleeps, and nothing is pretended but the wires.
//!
//! Owns time, the network and who is up. People act through [`Person`]; [`World::settle`] lets
//! the consequences happen.

pub mod client;
pub mod dice;
pub mod fragile_store;
mod mischief;
pub mod network;
mod person;
pub mod server;
pub mod witness;

pub use person::Person;

use client::Client;
use dice::Seeded;
use fragile_store::Death;
use mischief::Mischief;
use network::{Life, Line, Network, Parcel, Weather};
use roost_client::{Command, Effect, HttpCall, HttpReply, Input, Moment, Notice};
use roost_sfu::Queue;
use roost_wire::api::{self, FetchLog, FoundGroup, SubmitCommit};
use roost_wire::frame::ServerFrame;
use roost_wire::{Call, GroupId, Method, Seq};
use server::{Out, Server};
use std::cell::{RefCell, RefMut};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use witness::Witness;

/// The story begins here: 2026-01-01.
const BEGINNING: Moment = Moment::from_millis(1_767_225_600_000);
/// Nothing but alarms for so long: the consequences are over.
const QUIET_MS: u64 = 180_000;
/// A story that does not settle within this never will.
const SETTLE_LIMIT_MS: u64 = 6 * 3_600_000;
const HOUSEKEEPING_MS: u64 = 10_000;

/// One server, its people, and the network between them.
#[derive(Clone)]
pub struct World(Rc<RefCell<Stage>>);

/// How often things die; chances are in 1,000.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mortality {
    /// A client, in each of its steps.
    pub client: u64,
    /// The server, in each of its requests and frames.
    pub server: u64,
}

/// Everything in the world.
pub struct Stage {
    pub now: Moment,
    pub network: Network,
    pub server: Server,
    pub clients: Vec<Client>,
    pub witness: Witness,
    pub mortality: Mortality,
    mischief: Vec<Mischief>,
    dice: Seeded,
    /// Lines of the story, if it is being written down.
    pub trace: Option<Vec<String>>,
}

impl World {
    /// An empty world with a running server.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let mut dice = Seeded::new(seed);
        let network = Network::new(dice.branch());
        let server = Server::new(dice.branch(), BEGINNING);
        let mut stage = Stage {
            now: BEGINNING,
            network,
            server,
            clients: Vec::new(),
            witness: Witness::default(),
            mortality: Mortality::default(),
            mischief: Vec::new(),
            dice,
            trace: None,
        };
        let first = stage.now.plus_millis(HOUSEKEEPING_MS);
        stage.network.at(first, Parcel::Housekeeping);
        Self(Rc::new(RefCell::new(stage)))
    }

    /// People with one device each, joined and connected: the first by the set-up link, the
    /// others by her invite.
    #[must_use]
    pub fn people<const N: usize>(&self, names: [&str; N]) -> [Person; N] {
        let people = names.map(|name| self.device(name));
        let Some((first, rest)) = people.split_first() else {
            return people;
        };
        first.joins(&self.setup_link());
        self.settle();
        if !rest.is_empty() {
            let link = first.invites(None);
            rest.iter().for_each(|person| person.joins(&link));
            self.settle();
        }
        people
    }

    /// A device without an account.
    #[must_use]
    pub fn device(&self, name: &str) -> Person {
        let mut stage = self.stage();
        let index = stage.clients.len();
        let dice = stage.dice.branch();
        stage.clients.push(Client::new(name, index, dice));
        stage.mischief.push(Mischief::default());
        drop(stage);
        Person::new(self.clone(), index)
    }

    /// A copy of a person's profile as it is stored now, not running yet.
    #[must_use]
    pub fn copy_of(&self, person: &Person, name: &str) -> Person {
        let mut stage = self.stage();
        let index = stage.clients.len();
        let dice = stage.dice.branch();
        let copy = stage.clients[person.index()].cloned(name, index, dice);
        stage.clients.push(copy);
        stage.mischief.push(Mischief::default());
        drop(stage);
        Person::new(self.clone(), index)
    }

    /// The link for the first account.
    #[must_use]
    pub fn setup_link(&self) -> String {
        let stage = self.stage();
        stage.server.setup_link(stage.now)
    }

    /// Lets everything happen that follows from what was done, until nothing is under way and no
    /// client wants to act soon.
    ///
    /// # Panics
    /// If that never comes.
    pub fn settle(&self) {
        let end = self.stage().now.plus_millis(SETTLE_LIMIT_MS);
        let mut last_change = self.stage().now;
        while self
            .stage()
            .happens_before(last_change.plus_millis(QUIET_MS))
        {
            let mut stage = self.stage();
            assert!(stage.now < end, "the world does not settle");
            if stage.turn() {
                last_change = stage.now;
            }
        }
    }

    /// Lets so much time pass.
    pub fn pass(&self, millis: u64) {
        let end = self.stage().now.plus_millis(millis);
        while self.stage().happens_before(end) {
            self.stage().turn();
        }
        self.stage().now = end;
    }

    /// The clock goes on by so much while nobody does anything: what is due happens late.
    pub fn leap(&self, millis: u64) {
        let mut stage = self.stage();
        stage.now = stage.now.plus_millis(millis);
    }

    /// The server is killed and stays down for so long.
    pub fn kill_server(&self, down_ms: u64) {
        self.stage().kill_server(down_ms);
    }

    /// What the server wants of whoever forwards calls goes here.
    pub fn forwards_to(&self, queue: Queue) {
        self.stage().server.forwards_to(queue);
    }

    /// All data of the server as one file, as `roost export` writes it.
    #[must_use]
    pub fn back_up(&self) -> Vec<u8> {
        self.stage().server.export()
    }

    /// The server loses its disk and starts again with `roost import` of a backup.
    pub fn restore(&self, backup: &[u8]) {
        self.stage().kill_server(60_000);
        self.stage().server.replace_disk(backup);
    }

    /// The server will be killed in the commit after so many more.
    pub fn kill_server_in_commit(&self, commits: u64, death: Death) {
        self.stage().server.die_after(commits, death);
    }

    /// The server need not die any more. Whether it has not yet: it made fewer commits.
    #[must_use]
    pub fn spare_server(&self) -> bool {
        self.stage().server.spare()
    }

    pub fn set_weather(&self, weather: Weather) {
        self.stage().network.weather = weather;
    }

    /// The next so many requests and frames are lost.
    pub fn drop_next(&self, count: u32) {
        self.stage().network.drop_next(count);
    }

    /// Writes the story down from now on.
    pub fn write_down(&self) {
        self.stage().trace = Some(Vec::new());
    }

    /// The stage, unless a panic left it in use.
    #[must_use]
    pub fn try_stage(&self) -> Option<RefMut<'_, Stage>> {
        self.0.try_borrow_mut().ok()
    }

    #[must_use]
    pub fn stage(&self) -> RefMut<'_, Stage> {
        self.0.borrow_mut()
    }
}

impl Stage {
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let since = self.now.since(BEGINNING);
            trace.push(format!(
                "{:>7}.{:03} {}",
                since / 1_000,
                since % 1_000,
                line()
            ));
        }
    }

    /// The entries of a group that some client spoiled on their way out.
    #[must_use]
    pub fn spoiled_entries(&self, group: &GroupId) -> BTreeSet<Seq> {
        let is_spoiled = |hash: &_| self.mischief.iter().any(|client| client.has_spoiled(hash));
        self.witness.entries_where(group, is_spoiled)
    }

    fn happens_before(&self, end: Moment) -> bool {
        self.network.next().is_some_and(|next| next < end)
    }

    /// One thing happens. Whether it was more than an alarm.
    fn turn(&mut self) -> bool {
        let Some((moment, parcel)) = self.network.take() else {
            return false;
        };
        self.now = self.now.max(moment);
        let is_change = parcel.is_under_way();
        match parcel {
            Parcel::Request { from, call, echo } => self.serve(from, &call, echo),
            Parcel::Answer { to, call, result } => self.feed(to, Input::Reply { call, result }),
            Parcel::Dial { from, line, path } => self.accept(from, line, &path),
            Parcel::Dialled { to, line, open } => self.dialled(to, line, open),
            Parcel::FrameUp { line, frame } => self.frame_up(line, &frame),
            Parcel::FrameDown { to, line, frame } => self.frame_down(to, line, frame),
            Parcel::HangUp { line } => self.server.hang_up(line),
            Parcel::HungUp { to, line } => self.hung_up(to, line),
            Parcel::Wake { to, serial } => self.wake(to, serial),
            Parcel::ClientStarts { client } => self.start_client(client),
            Parcel::ServerStarts => self.start_server(),
            Parcel::Housekeeping => self.keep_house(),
        }
        is_change
    }

    // The server's side.

    fn serve(&mut self, from: Life, call: &HttpCall, echo: bool) {
        self.dare_server();
        let reply = self.server.request(call, self.now);
        if !self.server_survived() {
            return self.network.give_up(self.now, from, call.id);
        }
        let Some(reply) = reply else {
            return self.network.give_up(self.now, from, call.id);
        };
        let name = self.clients[from.client].name.clone();
        self.note(|| {
            format!(
                "{name}: {} {} -> {}",
                call.method.as_str(),
                call.path,
                reply.status
            )
        });
        self.observe(call, &reply);
        if !echo {
            self.network.answer(self.now, from, call.id, reply);
        }
        self.pump();
    }

    fn accept(&mut self, from: Life, line: Line, path: &str) {
        self.dare_server();
        let open = self.server.dial(line, from, path, self.now);
        let survived = self.server_survived();
        self.network.dialled(self.now, from, line, survived && open);
        self.pump();
    }

    fn frame_up(&mut self, line: Line, frame: &[u8]) {
        self.dare_server();
        self.server.frame(line, frame, self.now);
        if self.server_survived() {
            self.pump();
        }
    }

    fn keep_house(&mut self) {
        self.server.tick(self.now);
        if self.server_survived() {
            self.pump();
        }
        let next = self.now.plus_millis(HOUSEKEEPING_MS);
        self.network.at(next, Parcel::Housekeeping);
    }

    /// Sends what the server's connections have to say.
    fn pump(&mut self) {
        let outs = self.server.drain(self.now);
        if !self.server_survived() {
            return;
        }
        for (line, to, out) in outs {
            match out {
                Out::Frame(frame) => {
                    self.witness.frame(&frame);
                    if !self.network.frame_down(self.now, to, line, frame) {
                        self.break_line(to, line);
                    }
                }
                Out::Closed => self.network.hung_up(self.now, to, line),
            }
        }
    }

    fn observe(&mut self, call: &HttpCall, reply: &HttpReply) {
        if reply.status != 200 {
            return;
        }
        if call.method == Method::Post
            && call.path == "/v1/groups"
            && let Ok(request) = api::decode::<FoundGroup>(&call.body, "found", usize::MAX)
        {
            self.witness.founded(&request);
        }
        if call.method == Method::Post
            && call.path.ends_with("/commits")
            && let Ok(request) = api::decode::<SubmitCommit>(&call.body, "commit", usize::MAX)
            && let Ok(accepted) = SubmitCommit::reply(&reply.body)
        {
            self.witness.committed(&request, accepted);
        }
        if let Some(group) = log_of(call)
            && let Ok(page) = FetchLog::reply(&reply.body)
        {
            self.witness.page(group, page);
        }
    }

    fn dare_server(&mut self) {
        if self.dice.chance(self.mortality.server) {
            let death = if self.dice.chance(500) {
                Death::BeforeTheCommit
            } else {
                Death::AfterTheCommit
            };
            let commits = self.dice.below(4);
            self.server.die_after(commits, death);
        }
    }

    /// Whether the server lives; clears up after it if it just died.
    fn server_survived(&mut self) -> bool {
        if self.server.is_dying() {
            let down = self.dice.between(50, 3_000);
            self.kill_server(down);
        }
        self.server.is_up()
    }

    fn kill_server(&mut self, down_ms: u64) {
        self.note(|| "the server dies".into());
        for (line, life) in self.server.die() {
            self.network.hung_up(self.now, life, line);
        }
        let start = self.now.plus_millis(down_ms);
        self.network.at(start, Parcel::ServerStarts);
    }

    fn start_server(&mut self) {
        self.note(|| "the server starts".into());
        self.server.start(self.now);
    }

    // The clients' side.

    /// A person wishes something.
    pub fn command(&mut self, client: usize, command: Command) {
        let name = self.clients[client].name.clone();
        self.note(|| format!("{name} wants {command:?}"));
        let life = self.clients[client].life;
        self.feed(life, Input::Command(command));
    }

    pub fn tell(&mut self, client: usize, frame: &ServerFrame) {
        let life = self.clients[client].life;
        self.feed(life, Input::Frame(frame.to_bytes()));
    }

    /// One input for a client, with all that follows at once.
    fn feed(&mut self, to: Life, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            if self.clients[to.client].life != to || !self.clients[to.client].is_up() {
                return;
            }
            let input = self.mischief[to.client].colour(input);
            let dies = self.dice.chance(self.mortality.client);
            let dies_first = dies && self.dice.chance(300);
            let doom = self.clients[to.client].doom();
            let dies_first = dies_first || doom == Some(Death::BeforeTheCommit);
            let now = self.now;
            let known = self.clients[to.client].notices.len();
            let Some(stored) = self.clients[to.client].step(input, now, dies_first) else {
                return self.kill_client(to.client);
            };
            self.note_news(to.client, known);
            let survives = if dies {
                self.dice.below(stored.effects.len() as u64 + 1)
            } else if doom.is_some() {
                0
            } else {
                u64::MAX
            };
            for (count, effect) in (0..).zip(stored.effects) {
                if count == survives {
                    break;
                }
                inputs.extend(self.perform(to, effect));
            }
            if dies || doom.is_some() {
                return self.kill_client(to.client);
            }
        }
    }

    /// Writes down what a client announced beyond the first `known`.
    fn note_news(&mut self, client: usize, known: usize) {
        if self.trace.is_none() {
            return;
        }
        let client = &self.clients[client];
        let news = client.notices.iter().skip(known).filter(|notice| {
            !matches!(
                notice,
                Notice::ConversationsChanged
                    | Notice::ThreadChanged(_)
                    | Notice::PeopleChanged
                    | Notice::ConnectionChanged
            )
        });
        let lines: Vec<String> = news
            .map(|notice| format!("{}: {notice:?}", client.name))
            .collect();
        for line in lines {
            self.note(|| line);
        }
    }

    fn perform(&mut self, by: Life, effect: Effect) -> Option<Input> {
        let now = self.now;
        let client = &mut self.clients[by.client];
        match effect {
            Effect::Http(call) => {
                let call = self.mischief[by.client].taint_call(call);
                self.network.request(now, by, call);
            }
            Effect::OpenSocket { path } => {
                client.line = Some(self.network.dial(now, by, path));
            }
            Effect::Send(frame) => {
                if let Some(line) = client.line {
                    let frame = self.mischief[by.client].taint_frame(frame);
                    if !self.network.frame_up(now, line, frame) {
                        self.break_line(by, line);
                    }
                }
            }
            Effect::CloseSocket => {
                if let Some(line) = client.line.take() {
                    self.network.hang_up(now, line);
                }
            }
            Effect::WakeAt(moment) => {
                client.alarm += 1;
                let serial = client.alarm;
                self.network.at(
                    moment.max(now.plus_millis(1)),
                    Parcel::Wake { to: by, serial },
                );
            }
            Effect::LoadTimeline {
                group,
                before,
                limit,
            } => return Some(client.timeline(group, before, limit)),
        }
        None
    }

    fn wake(&mut self, to: Life, serial: u64) {
        if self.clients[to.client].alarm == serial {
            self.feed(to, Input::Tick);
        }
    }

    fn dialled(&mut self, to: Life, line: Line, open: bool) {
        if self.clients[to.client].line != Some(line) || self.clients[to.client].life != to {
            return;
        }
        if open {
            self.feed(to, Input::SocketOpened);
        } else {
            self.clients[to.client].line = None;
            self.feed(to, Input::SocketClosed);
        }
    }

    fn frame_down(&mut self, to: Life, line: Line, frame: Vec<u8>) {
        if self.clients[to.client].line == Some(line) {
            self.feed(to, Input::Frame(frame));
        }
    }

    fn hung_up(&mut self, to: Life, line: Line) {
        let client = &mut self.clients[to.client];
        if client.life == to && client.line == Some(line) {
            client.line = None;
            self.feed(to, Input::SocketClosed);
        }
    }

    /// Both ends of a line learn that it is gone; what was on it is lost.
    fn break_line(&mut self, client: Life, line: Line) {
        self.network.cut(line);
        self.network.hang_up(self.now, line);
        self.network.hung_up(self.now, client, line);
    }

    pub fn kill_client(&mut self, client: usize) {
        let name = self.clients[client].name.clone();
        self.note(|| format!("{name} crashes"));
        if let Some(line) = self.clients[client].line {
            self.network.hang_up(self.now, line);
        }
        self.clients[client].die();
        let start = self.now.plus_millis(self.dice.between(50, 5_000));
        self.network.at(start, Parcel::ClientStarts { client });
    }

    fn start_client(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if client.is_up() {
            return;
        }
        client.start();
        let (life, wish) = (client.life, client.first_wish());
        if let Some(wish) = wish {
            self.feed(life, wish);
        }
    }
}

/// The group whose log a request asks for.
fn log_of(call: &HttpCall) -> Option<GroupId> {
    let rest = call.path.strip_prefix("/v1/groups/")?;
    let (group, verb) = rest.split_once('/')?;
    (call.method == Method::Get && verb.starts_with("log"))
        .then(|| group.parse().ok())
        .flatten()
}
