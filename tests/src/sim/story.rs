//! A story: who is there, what they do, and what befalls them.
//!
//! Owns the choice of acts. Never looks at what came of them; that is the judge's.

use crate::world::dice::Seeded;
use crate::world::network::Weather;
use crate::world::{Mortality, Person, World};
use roost_client::Command;
use roost_client::view::ConversationState;
use roost_wire::{AccountId, GroupId};

/// What was said where, by which device. Texts are unique in a story.
#[derive(Debug, Clone)]
pub struct Said {
    pub device: usize,
    pub room: GroupId,
    pub text: String,
}

/// A story that was played to its end.
pub struct Story {
    world: World,
    dice: Seeded,
    pub devices: Vec<Person>,
    pub rooms: Vec<GroupId>,
    pub said: Vec<Said>,
}

/// What the dice choose from, and how often.
const ACTS: [(u64, Act); 17] = [
    (300, Act::Say),
    (60, Act::Reply),
    (60, Act::React),
    (30, Act::TakeBack),
    (25, Act::Found),
    (15, Act::Direct),
    (60, Act::Add),
    (45, Act::Remove),
    (20, Act::Leave),
    (30, Act::JoinByLink),
    (45, Act::Race),
    (25, Act::Rename),
    (40, Act::GoOffline),
    (60, Act::GoOnline),
    (15, Act::KillServer),
    (25, Act::Spoil),
    (10, Act::LinkDevice),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Say,
    Reply,
    React,
    TakeBack,
    Found,
    Direct,
    Add,
    Remove,
    Leave,
    JoinByLink,
    Race,
    Rename,
    GoOffline,
    GoOnline,
    KillServer,
    Spoil,
    LinkDevice,
}

const NAMES: [&str; 6] = ["ada", "ben", "cem", "dov", "eva", "fay"];
const DEVICES_MAX: usize = 10;

impl Story {
    /// Plays a whole story: a calm beginning, a rough middle, and a calm end in which everyone is
    /// there and says so.
    #[must_use]
    pub fn play(world: &World, seed: u64) -> Self {
        let mut story = Self {
            world: world.clone(),
            dice: Seeded::new(seed ^ 0x5747_0a11),
            devices: Vec::new(),
            rooms: Vec::new(),
            said: Vec::new(),
        };
        story.begin();
        story.storm();
        for _ in 0..story.dice.between(25, 60) {
            story.act();
            let pause = story.pause();
            story.world.pass(pause);
        }
        story.end();
        story
    }

    fn begin(&mut self) {
        let count = usize::try_from(self.dice.between(3, 6)).unwrap_or(3);
        let first = self.world.device(NAMES[0]);
        first.joins(&self.world.setup_link());
        self.world.settle();
        let link = first.invites(None);
        self.devices.push(first);
        for name in &NAMES[1..count] {
            let person = self.world.device(name);
            person.joins(&link);
            self.devices.push(person);
        }
        self.world.settle();
        for person in &self.devices {
            person.wishes(Command::RefreshPeople);
        }
        self.world.settle();
        if self.dice.chance(400) {
            self.link_device();
        }
        self.found();
        self.world.settle();
    }

    fn storm(&mut self) {
        let dice = &mut self.dice;
        let roughness = dice.below(4);
        let weather = Weather {
            delay_ms: (1, dice.between(10, 2_000)),
            request_lost: roughness * dice.below(40),
            answer_lost: roughness * dice.below(40),
            request_doubled: roughness * dice.below(60),
            line_breaks: roughness * dice.below(15),
        };
        let mortality = Mortality {
            client: roughness * dice.below(8),
            server: roughness * dice.below(5),
        };
        self.world.set_weather(weather);
        self.world.stage().mortality = mortality;
    }

    fn end(&mut self) {
        self.world.set_weather(Weather::CALM);
        self.world.stage().mortality = Mortality::default();
        self.world.pass(30_000);
        for device in &self.devices {
            device.starts();
            device.connects();
        }
        self.world.settle();
        for room in self.rooms.clone() {
            for device in 0..self.devices.len() {
                if self.can_speak(device, &room) {
                    self.say_in(device, room, None);
                }
            }
        }
        self.world.settle();
    }

    /// Mostly moments, so that things overlap; sometimes long enough for all of it to end.
    fn pause(&mut self) -> u64 {
        match self.dice.below(10) {
            0..=3 => self.dice.below(20),
            4..=7 => self.dice.below(2_000),
            8 => self.dice.below(20_000),
            _ => self.dice.below(120_000),
        }
    }

    fn act(&mut self) {
        let total = ACTS.iter().map(|(weight, _)| weight).sum();
        let mut roll = self.dice.below(total);
        let chosen = ACTS.iter().find(|(weight, _)| {
            let hit = roll < *weight;
            roll = roll.saturating_sub(*weight);
            hit
        });
        let Some((_, act)) = chosen else { return };
        match act {
            Act::Say => self.say(),
            Act::Reply => self.reply(),
            Act::React => self.react(false),
            Act::TakeBack => self.react(true),
            Act::Found => self.found(),
            Act::Direct => self.direct(),
            Act::Add => self.change_members(Change::Add),
            Act::Remove => self.change_members(Change::Remove),
            Act::Leave => self.leave(),
            Act::JoinByLink => self.join_by_link(),
            Act::Race => self.race(),
            Act::Rename => self.rename(),
            Act::GoOffline => self.go_offline(),
            Act::GoOnline => self.go_online(),
            Act::KillServer => {
                let down = self.dice.between(10, 20_000);
                self.world.kill_server(down);
            }
            Act::Spoil => self.spoil(),
            Act::LinkDevice => self.link_device(),
        }
    }

    fn say(&mut self) {
        let Some((device, room)) = self.anyone_somewhere() else {
            return;
        };
        for _ in 0..self.dice.between(1, 3) {
            self.say_in(device, room, None);
        }
    }

    fn reply(&mut self) {
        let Some((device, room)) = self.anyone_somewhere() else {
            return;
        };
        let messages = self.devices[device].messages_now(&room);
        let to = self.dice.pick(&messages).map(|message| message.id);
        self.say_in(device, room, to);
    }

    fn say_in(&mut self, device: usize, room: GroupId, reply_to: Option<roost_client::MessageId>) {
        let text = format!("{}-{}", self.devices[device].name(), self.said.len());
        let queued = self.devices[device].tries(Command::Send {
            group: room,
            text: text.clone(),
            reply_to,
        });
        if queued {
            self.said.push(Said { device, room, text });
        }
    }

    fn react(&mut self, back: bool) {
        let Some((device, group)) = self.anyone_somewhere() else {
            return;
        };
        let messages = self.devices[device].messages_now(&group);
        let Some(message) = self.dice.pick(&messages).map(|message| message.id) else {
            return;
        };
        let emoji = ["👍", "🎉"][usize::from(self.dice.chance(500))].to_owned();
        self.devices[device].wishes(if back {
            Command::Unreact {
                group,
                message,
                emoji,
            }
        } else {
            Command::React {
                group,
                message,
                emoji,
            }
        });
    }

    fn found(&mut self) {
        let Some(device) = self.anyone() else { return };
        let mut members = self.other_accounts(device);
        members.retain(|_| self.dice.chance(700));
        let name = format!("room {}", self.rooms.len());
        self.devices[device].wishes(Command::CreateGroup { name, members });
        self.note_rooms(device);
    }

    fn direct(&mut self) {
        let Some(device) = self.anyone() else { return };
        let others = self.other_accounts(device);
        let Some(other) = self.dice.pick(&others) else {
            return;
        };
        self.devices[device].wishes(Command::StartDirect(*other));
        self.note_rooms(device);
    }

    fn change_members(&mut self, change: Change) {
        if let Some((device, room)) = self.anyone_somewhere() {
            self.change_in(device, room, change);
        }
    }

    fn change_in(&mut self, device: usize, group: GroupId, change: Change) {
        let inside = self.devices[device].accounts_in(&group);
        let mut others = self.other_accounts(device);
        others.retain(|account| inside.contains(account) == (change == Change::Remove));
        let Some(account) = self.dice.pick(&others).copied() else {
            return;
        };
        self.devices[device].wishes(match change {
            Change::Add => Command::AddMembers {
                group,
                accounts: vec![account],
            },
            Change::Remove => Command::RemoveMember { group, account },
        });
    }

    fn leave(&mut self) {
        if let Some((device, room)) = self.anyone_somewhere() {
            self.devices[device].wishes(Command::Leave(room));
        }
    }

    fn join_by_link(&mut self) {
        let Some((device, room)) = self.anyone_somewhere() else {
            return;
        };
        let link = self.devices[device].latest_invite(&room);
        let (Some(link), Some(other)) = (link, self.anyone()) else {
            self.devices[device].wishes(Command::CreateInvite {
                group: Some(room),
                uses: 20,
                days: 7,
            });
            return;
        };
        self.devices[other].wishes(Command::Join {
            link,
            name: String::new(),
        });
    }

    /// Two members change the group at the same moment.
    fn race(&mut self) {
        let Some((first, room)) = self.anyone_somewhere() else {
            return;
        };
        let there: Vec<usize> = (0..self.devices.len())
            .filter(|device| *device != first && self.can_speak(*device, &room))
            .collect();
        let second = self.dice.pick(&there).copied();
        for device in [Some(first), second].into_iter().flatten() {
            let change = if self.dice.chance(600) {
                Change::Add
            } else {
                Change::Remove
            };
            self.change_in(device, room, change);
        }
    }

    fn rename(&mut self) {
        if let Some((device, group)) = self.anyone_somewhere() {
            let name = format!("name {}", self.dice.below(100));
            self.devices[device].wishes(Command::Rename { group, name });
        }
    }

    fn go_offline(&mut self) {
        if let Some(device) = self.anyone() {
            self.devices[device].disconnects();
        }
    }

    fn go_online(&mut self) {
        for device in &self.devices {
            if device.is_up() && self.dice.chance(500) {
                device.connects();
            }
        }
    }

    fn spoil(&mut self) {
        let Some((device, room)) = self.anyone_somewhere() else {
            return;
        };
        if self.dice.chance(500) {
            self.devices[device].spoils_messages(1);
            self.say_in(device, room, None);
        } else {
            self.devices[device].spoils_commits(1);
            let change = if self.dice.chance(500) {
                Change::Add
            } else {
                Change::Remove
            };
            self.change_in(device, room, change);
        }
    }

    fn link_device(&mut self) {
        let Some(device) = self.anyone() else { return };
        if self.devices.len() >= DEVICES_MAX {
            return;
        }
        let name = format!("{}+{}", self.devices[device].name(), self.devices.len());
        if let Some(linked) = self.devices[device].links_device_now(&name) {
            self.devices.push(linked);
        }
    }

    /// A device that is up and belongs to an account.
    fn anyone(&mut self) -> Option<usize> {
        let up: Vec<usize> = (0..self.devices.len())
            .filter(|&device| self.devices[device].is_up() && self.devices[device].has_account())
            .collect();
        self.dice.pick(&up).copied()
    }

    fn anyone_somewhere(&mut self) -> Option<(usize, GroupId)> {
        let device = self.anyone()?;
        let mut rooms = self.devices[device].rooms();
        rooms.retain(|room| self.can_speak(device, room));
        self.note_rooms(device);
        let room = self.dice.pick(&rooms)?;
        Some((device, *room))
    }

    fn can_speak(&self, device: usize, room: &GroupId) -> bool {
        let device = &self.devices[device];
        device.is_up()
            && device.has_account()
            && device.state(room).is_some_and(ConversationState::can_write)
    }

    fn other_accounts(&self, device: usize) -> Vec<AccountId> {
        let mine = self.devices[device].account_now();
        let mut others: Vec<AccountId> = self
            .devices
            .iter()
            .filter_map(Person::account_now)
            .filter(|account| Some(*account) != mine)
            .collect();
        others.sort();
        others.dedup();
        others
    }

    fn note_rooms(&mut self, device: usize) {
        if !self.devices[device].is_up() {
            return;
        }
        for room in self.devices[device].rooms() {
            if !self.rooms.contains(&room) {
                self.rooms.push(room);
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Add,
    Remove,
}
