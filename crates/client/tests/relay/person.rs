//! Devices with storage, and a world in which they and the relay take turns.

use super::machine::{Relay, SETUP};
use roost_client::view::{MessageView, ThreadItem};
use roost_client::{
    Command, Core, Effect, Input, MessageId, Moment, Notice, Row, Step, Table, Unreachable,
};
use roost_wire::link::InviteLink;
use roost_wire::{AccountId, DeviceId, GroupId, InviteId};
use std::collections::{BTreeMap, VecDeque};

/// One device: a core, what it has stored, and what it still has to do.
pub struct Person {
    pub core: Core,
    pub rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    effects: VecDeque<Effect>,
    pub notices: Vec<Notice>,
    seed: u64,
    pub offline: bool,
    /// Crashes once: at this effect from now, before or after it is performed.
    crash: Option<(usize, bool)>,
    pub steps: usize,
    socket: bool,
    wake: Option<Moment>,
}

impl Person {
    pub fn new(seed: u64) -> Self {
        let core = Core::fresh();
        Self {
            core,
            rows: BTreeMap::new(),
            effects: VecDeque::new(),
            notices: Vec::new(),
            seed,
            offline: false,
            crash: None,
            steps: 0,
            socket: false,
            wake: None,
        }
    }

    fn dice(seed: u64) -> impl FnMut(&mut [u8]) {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        move |bytes: &mut [u8]| {
            for byte in bytes {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = (state >> 32) as u8;
            }
        }
    }

    /// Feeds one input and stores what follows.
    pub fn feed(&mut self, input: Input, now: Moment) {
        self.seed = self.seed.wrapping_add(1_000_003);
        let mut dice = Self::dice(self.seed);
        let Step {
            writes,
            effects,
            notices,
        } = self.core.handle(input, now, &mut dice);
        for write in writes {
            match write.value {
                Some(value) => self.rows.insert((write.table, write.key), value),
                None => self.rows.remove(&(write.table, write.key)),
            };
        }
        self.steps += 1;
        self.compare();
        for effect in effects {
            match effect {
                Effect::WakeAt(at) => self.wake = Some(at),
                Effect::LoadTimeline {
                    group,
                    before,
                    limit,
                } => self.load(group, before, limit, now),
                other => self.effects.push_back(other),
            }
        }
        self.notices.extend(notices);
    }

    fn load(&mut self, group: GroupId, before: Option<u64>, limit: u32, now: Moment) {
        let of_group = self.rows.iter().filter(|((table, key), _)| {
            let index = u64::from_be_bytes(key.last_chunk::<8>().copied().unwrap_or_default());
            *table == Table::Timeline
                && key.starts_with(group.as_bytes())
                && before.is_none_or(|before| index < before)
        });
        let all: Vec<Row> = of_group
            .map(|((table, key), value)| Row {
                table: *table,
                key: key.clone(),
                value: value.clone(),
            })
            .collect();
        let skip = all.len().saturating_sub(limit as usize);
        let more = skip > 0;
        let rows = all.into_iter().skip(skip).collect();
        self.feed(Input::Timeline { group, rows, more }, now);
    }

    /// What was stored is what is in memory, and comes back as it.
    fn compare(&self) {
        assert_same(&self.core.rows(), &self.stored());
        let again = Core::open(self.stored()).unwrap();
        assert_same(&again.rows(), &self.stored());
    }

    /// All rows but the timeline's.
    pub fn stored(&self) -> Vec<Row> {
        let rows = self
            .rows
            .iter()
            .filter(|((table, _), _)| *table != Table::Timeline);
        rows.map(|((table, key), value)| Row {
            table: *table,
            key: key.clone(),
            value: value.clone(),
        })
        .collect()
    }

    /// As after a crash: everything in memory is lost, and what was not yet sent too.
    pub fn restart(&mut self) {
        self.core = Core::open(self.stored()).unwrap();
        self.effects.clear();
        self.socket = false;
    }

    pub fn account(&self) -> AccountId {
        self.core.me().unwrap().account
    }

    pub fn device(&self) -> DeviceId {
        self.core.me().unwrap().device
    }

    pub fn opened(&mut self) -> GroupId {
        let opened = self.notices.iter().rev().find_map(|notice| match notice {
            Notice::Opened(group) => Some(*group),
            _ => None,
        });
        opened.expect("a conversation was opened")
    }
}

/// Names the rows that differ: values are too long to be read.
fn assert_same(memory: &[Row], stored: &[Row]) {
    let missing = |these: &[Row], those: &[Row]| -> Vec<(Table, String)> {
        let only = these.iter().filter(|row| !those.contains(row));
        only.map(|row| (row.table, row.key.escape_ascii().to_string()))
            .collect()
    };
    assert_eq!(missing(memory, stored), [], "only in memory");
    assert_eq!(missing(stored, memory), [], "only in storage");
}

/// People, a relay and a clock.
pub struct World {
    pub relay: Relay,
    pub people: Vec<Person>,
    pub now: Moment,
    /// Every n-th answer and frame is damaged on its way.
    pub damage: Option<u64>,
    carried: u64,
}

impl World {
    pub fn new() -> Self {
        let relay = Relay::new();
        Self {
            now: Moment::from_millis(relay.now.get() * 1_000),
            relay,
            people: Vec::new(),
            damage: None,
            carried: 0,
        }
    }

    pub fn crash_at(&mut self, at: usize, nth: usize, after: bool) {
        self.people[at].crash = Some((nth, after));
    }

    /// Synchronises one person up to the first request whose path ends like this, which is left to
    /// be sent. Whether there was one.
    pub fn sync_until(&mut self, at: usize, path_ends: &str) -> bool {
        self.tell(at, Command::SyncOnce);
        self.perform_until(at, path_ends)
    }

    /// Performs one person's effects up to the first request whose path ends like this.
    pub fn perform_until(&mut self, at: usize, path_ends: &str) -> bool {
        let is_it = |effect: &Effect| match effect {
            Effect::Http(call) => call.path.ends_with(path_ends),
            _ => false,
        };
        while let Some(next) = self.people[at].effects.front() {
            if is_it(next) {
                return true;
            }
            self.perform_next(at);
        }
        false
    }

    pub fn has_crashed(&self, at: usize) -> bool {
        self.people[at].crash.is_none()
    }

    /// Lets time pass, in seconds.
    pub fn pass(&mut self, seconds: u64) {
        self.now = self.now.plus_millis(seconds * 1_000);
        self.relay.now = self.relay.now.max(self.now.seconds());
    }

    pub fn tick(&mut self, at: usize) {
        let now = self.now;
        self.people[at].feed(Input::Tick, now);
    }

    pub fn drop_socket(&mut self, at: usize) {
        let device = self.people[at].device();
        self.relay.sockets.remove(&device);
        self.people[at].socket = false;
        let now = self.now;
        self.people[at].feed(Input::SocketClosed, now);
    }

    /// As `run`, but the clock stands still.
    pub fn run_without_time(&mut self) {
        loop {
            let mut idle = true;
            for at in 0..self.people.len() {
                idle &= !self.perform_next(at) && !self.deliver(at);
            }
            if idle {
                return;
            }
        }
    }

    fn carry(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        self.carried += 1;
        if let Some(every) = self.damage
            && self.carried.is_multiple_of(every)
            && !bytes.is_empty()
        {
            let at = (self.carried.wrapping_mul(2_654_435_761) as usize) % bytes.len();
            bytes[at] ^= 0x55;
        }
        bytes
    }

    /// A world with people who have joined by the set-up link.
    pub fn with(names: &[&str]) -> Self {
        let mut world = Self::new();
        for name in names {
            let at = world.device();
            let link = world.setup_link();
            let name = (*name).to_owned();
            world.tell(at, Command::Join { link, name });
            world.sync(at);
        }
        for at in 0..names.len() {
            world.tell(at, Command::RefreshPeople);
            world.sync(at);
        }
        world
    }

    pub fn device(&mut self) -> usize {
        let seed = self.people.len() as u64 + 1;
        self.people.push(Person::new(seed));
        self.people.len() - 1
    }

    pub fn setup_link(&self) -> String {
        let link = InviteLink {
            origin: "https://relay:8443".into(),
            invite: InviteId::new([1; 16]),
            secret: SETUP,
            inviter: None,
            group_name: None,
        };
        link.to_string()
    }

    pub fn tell(&mut self, at: usize, command: Command) {
        self.people[at].feed(Input::Command(command), self.now);
    }

    /// One-shot synchronisation, as a terminal does it.
    pub fn sync(&mut self, at: usize) {
        self.tell(at, Command::SyncOnce);
        self.run();
    }

    /// Everybody synchronises until nothing changes any more.
    pub fn settle(&mut self) {
        for _ in 0..4 {
            for at in 0..self.people.len() {
                if !self.people[at].offline {
                    self.sync(at);
                }
            }
            self.now = self.now.plus_millis(5_000);
        }
    }

    /// Performs effects, in turn, until there are none; then lets time pass while somebody waits
    /// for it shortly.
    pub fn run(&mut self) {
        for _ in 0..20_000 {
            let mut idle = true;
            for at in 0..self.people.len() {
                idle &= !self.perform_next(at) && !self.deliver(at);
            }
            if idle && !self.pass_time() {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    /// Connects everybody, for good.
    pub fn go_live(&mut self) {
        for at in 0..self.people.len() {
            self.tell(at, Command::Connect);
        }
        self.run();
    }

    /// Lets time pass to the millisecond: what is due happens in its order.
    pub fn live_for(&mut self, millis: u64) {
        let until = self.now.plus_millis(millis);
        loop {
            self.run_without_time();
            let wakes = self.people.iter().filter_map(|person| person.wake);
            let Some(next) = wakes.min().filter(|at| *at <= until) else {
                break;
            };
            self.wake_at(next);
        }
        self.now = until;
        self.relay.now = self.relay.now.max(self.now.seconds());
    }

    fn wake_at(&mut self, at: Moment) {
        self.now = self.now.max(at);
        self.relay.now = self.relay.now.max(self.now.seconds());
        for person in &mut self.people {
            if person.wake.is_some_and(|at| at <= self.now) {
                person.wake = None;
                person.feed(Input::Tick, self.now);
            }
        }
    }

    /// A further device of somebody's account.
    pub fn link(&mut self, of: usize) -> usize {
        let device = self.device();
        let origin = "https://relay:8443".to_owned();
        self.tell(device, Command::RequestLink { origin });
        let request = self.link_text(device);
        self.tell(of, Command::GrantLink { request });
        let grant = self.link_text(of);
        self.tell(device, Command::AcceptLink { grant });
        self.run();
        self.settle();
        self.settle();
        device
    }

    fn link_text(&self, at: usize) -> String {
        let mut notices = self.people[at].notices.iter().rev();
        let text = notices.find_map(|notice| match notice {
            Notice::LinkRequest { text } | Notice::LinkGrant { text } => Some(text.clone()),
            _ => None,
        });
        text.expect("a text to carry over")
    }

    /// Moves on to the next wake-up within 20 seconds.
    fn pass_time(&mut self) -> bool {
        let soon = self.now.plus_millis(20_000);
        let wakes = self.people.iter().filter_map(|person| person.wake);
        let Some(next) = wakes.filter(|at| *at <= soon).min() else {
            return false;
        };
        self.wake_at(next);
        true
    }

    /// Performs one effect, if there is one.
    pub fn perform_next(&mut self, at: usize) -> bool {
        let Some(effect) = self.people[at].effects.pop_front() else {
            return false;
        };
        match self.people[at].crash {
            Some((0, false)) => {
                self.crash(at);
                return true;
            }
            Some((nth, after)) if nth > 0 => self.people[at].crash = Some((nth - 1, after)),
            Some(_) | None => {}
        }
        let now = self.now;
        let person = &mut self.people[at];
        match effect {
            Effect::Http(call) if person.offline => {
                person.feed(
                    Input::Reply {
                        call: call.id,
                        result: Err(Unreachable),
                    },
                    now,
                );
            }
            Effect::Http(call) => {
                let mut reply = self.relay.answer(&call);
                if self.people[at].crash == Some((0, true)) {
                    // The answer is lost with the process.
                    self.crash(at);
                } else {
                    reply.body = self.carry(reply.body);
                    let result = Ok(reply);
                    self.people[at].feed(
                        Input::Reply {
                            call: call.id,
                            result,
                        },
                        now,
                    );
                }
            }
            Effect::OpenSocket { .. } if person.offline => person.feed(Input::SocketClosed, now),
            Effect::OpenSocket { .. } => {
                person.socket = true;
                person.feed(Input::SocketOpened, now);
            }
            Effect::Send(bytes) => {
                let device = person.device();
                self.relay.frame(device, &bytes);
            }
            Effect::CloseSocket => {
                let device = person.core.me().map(|me| me.device);
                person.socket = false;
                if let Some(device) = device {
                    self.relay.sockets.remove(&device);
                    self.relay.cut.remove(&device);
                }
            }
            Effect::WakeAt(_) | Effect::LoadTimeline { .. } => {}
        }
        true
    }

    fn crash(&mut self, at: usize) {
        let now = self.now;
        self.people[at].crash = None;
        self.people[at].restart();
        self.people[at].feed(Input::Command(Command::SyncOnce), now);
    }

    /// Hands over what is on its way by socket.
    pub fn deliver(&mut self, at: usize) -> bool {
        let person = &mut self.people[at];
        if !person.socket {
            return false;
        }
        let device = person.device();
        let frames = self
            .relay
            .sockets
            .get_mut(&device)
            .map(std::mem::take)
            .unwrap_or_default();
        let some = !frames.is_empty();
        if self.relay.cut.contains(&device) {
            return some;
        }
        for frame in frames {
            let bytes = self.carry(frame.to_bytes());
            self.people[at].feed(Input::Frame(bytes), self.now);
        }
        some
    }

    pub fn say(&mut self, at: usize, group: GroupId, text: &str) -> MessageId {
        let text = text.to_owned();
        self.tell(
            at,
            Command::Send {
                group,
                text,
                reply_to: None,
            },
        );
        let queued = self.people[at]
            .notices
            .iter()
            .rev()
            .find_map(|notice| match notice {
                Notice::Queued { message, .. } => Some(*message),
                _ => None,
            });
        queued.expect("the message was queued")
    }

    pub fn direct(&mut self, from: usize, to: usize) -> GroupId {
        let account = self.people[to].account();
        self.tell(from, Command::StartDirect(account));
        self.settle();
        self.people[from].opened()
    }

    pub fn group(&mut self, from: usize, name: &str, members: &[usize]) -> GroupId {
        let members = members
            .iter()
            .map(|at| self.people[*at].account())
            .collect();
        let name = name.to_owned();
        self.tell(from, Command::CreateGroup { name, members });
        self.settle();
        self.people[from].opened()
    }

    pub fn items(&mut self, at: usize, group: GroupId) -> Vec<ThreadItem> {
        self.tell(at, Command::OpenThread(group));
        let thread = self.people[at].core.thread(&group).unwrap();
        thread.items().to_vec()
    }

    pub fn messages(&mut self, at: usize, group: GroupId) -> Vec<MessageView> {
        let items = self.items(at, group).into_iter();
        items
            .filter_map(|item| match item {
                ThreadItem::Message(message) => Some(message),
                ThreadItem::Event(_) => None,
            })
            .collect()
    }

    pub fn texts(&mut self, at: usize, group: GroupId) -> Vec<String> {
        self.messages(at, group)
            .into_iter()
            .map(|message| message.text)
            .collect()
    }

    pub fn troubles(&self, at: usize) -> Vec<(roost_client::Trouble, u64)> {
        self.people[at].core.troubles().iter().collect()
    }
}
