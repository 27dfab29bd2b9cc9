//! Devices of two people, and a network between them whose faults come from a seed.

use crate::call::letter::Letter;
use crate::call::machine::{Calls, Deed, Marker, Scene};
use crate::call::media::{BoundedText, MediaSignal};
use crate::call::stage::Party;
use crate::call::{CallEnd, CallStage, CallView, RingId};
use crate::content::CallLine;
use crate::port::Moment;
use crate::view::Trust;
use roost_wire::{AccountId, DeviceId, GroupId, Seconds, SignatureKey};

pub(super) const GROUP: GroupId = GroupId::new([7; 16]);
pub(super) const ADA: AccountId = AccountId::new([1; 16]);
pub(super) const BEN: AccountId = AccountId::new([2; 16]);
const START_MS: u64 = 1_800_000_000_000;

pub(super) struct Device {
    pub calls: Calls,
    pub me: Party,
    pub signals: Vec<MediaSignal>,
    pub lines: Vec<CallLine>,
    pub mark: Option<Marker>,
    /// Letters that were sent.
    pub sent: Vec<Letter>,
    pub is_trusting: bool,
    pub is_offline: bool,
}

/// What may happen to a letter, each in percent.
#[derive(Default, Clone, Copy)]
pub(super) struct Faults {
    pub lost: u64,
    pub doubled: u64,
    pub delayed: u64,
}

pub(super) struct Network {
    pub devices: Vec<Device>,
    pub now: Moment,
    pub faults: Faults,
    on_the_way: Vec<(Moment, usize, Party, Letter)>,
    dice: u64,
}

impl Network {
    /// One device for each account, in this order.
    pub(super) fn of(accounts: &[AccountId]) -> Self {
        let device = |(at, account): (usize, &AccountId)| {
            let mut calls = Calls::default();
            calls.ring_here(true);
            Device {
                calls,
                me: party(*account, u8::try_from(at).unwrap()),
                signals: Vec::new(),
                lines: Vec::new(),
                mark: None,
                sent: Vec::new(),
                is_trusting: true,
                is_offline: false,
            }
        };
        Self {
            devices: accounts.iter().enumerate().map(device).collect(),
            now: Moment::from_millis(START_MS),
            faults: Faults::default(),
            on_the_way: Vec::new(),
            dice: 1,
        }
    }

    pub(super) fn with_faults(mut self, faults: Faults, seed: u64) -> Self {
        self.faults = faults;
        self.dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        self
    }

    pub(super) fn scene(&self, at: usize) -> Scene {
        let device = &self.devices[at];
        let peer = if device.me.account == ADA { BEN } else { ADA };
        Scene {
            group: GROUP,
            me: device.me.clone(),
            peer: Some(peer),
            is_trusted: device.is_trusting,
            time: self.now.seconds(),
            now: self.now,
        }
    }

    /// Ada's first device calls; yields the name of the call.
    pub(super) fn start(&mut self, at: usize, name: u8) -> RingId {
        let ring = RingId::new([name; 16]);
        let scene = self.scene(at);
        self.devices[at].calls.start(ring, &scene, true).unwrap();
        self.drain(at);
        ring
    }

    pub(super) fn act(&mut self, at: usize, act: impl FnOnce(&mut Calls, Moment)) {
        act(&mut self.devices[at].calls, self.now);
        self.drain(at);
    }

    /// A call of the first device that the second took; nothing is on the way any more.
    pub(super) fn joined(&mut self) -> RingId {
        let ring = self.start(0, 5);
        self.pass(3_000);
        self.act(1, |calls, now| calls.accept(ring, true, now).unwrap());
        self.pass(1_000);
        ring
    }

    pub(super) fn talking(&mut self) -> RingId {
        let ring = self.joined();
        for at in 0..2 {
            self.act(at, |calls, now| calls.connected(ring, now));
        }
        ring
    }

    /// Hands a letter over as if this device had written it.
    pub(super) fn inject(&mut self, to: usize, from: &Party, letter: Letter) {
        let scene = self.scene(to);
        self.devices[to].calls.hear(&scene, from, letter);
        self.drain(to);
    }

    /// Lets time pass: whatever is due happens in its order.
    pub(super) fn pass(&mut self, millis: u64) {
        let until = self.now.plus_millis(millis);
        loop {
            let letters = self.on_the_way.iter().map(|(at, ..)| *at);
            let timers = self.devices.iter().filter_map(|it| it.calls.deadline());
            let Some(next) = letters.chain(timers).min().filter(|at| *at <= until) else {
                break;
            };
            self.now = self.now.max(next);
            self.step();
        }
        self.now = until;
    }

    fn step(&mut self) {
        let now = self.now;
        for at in 0..self.devices.len() {
            self.devices[at].calls.tick(now);
            self.drain(at);
        }
        let is_due = |(at, ..): &(Moment, usize, Party, Letter)| *at <= now;
        let (due, later) = std::mem::take(&mut self.on_the_way)
            .into_iter()
            .partition(is_due);
        self.on_the_way = later;
        let due: Vec<_> = due;
        for (_, to, from, letter) in due {
            if !self.devices[to].is_offline {
                self.inject(to, &from, letter);
            }
        }
    }

    fn drain(&mut self, at: usize) {
        for deed in self.devices[at].calls.take() {
            match deed {
                Deed::Post(post) => {
                    let letter = Letter {
                        ring: post.ring,
                        counter: post.counter,
                        time: self.now.seconds(),
                        word: post.word,
                    };
                    self.send(at, letter);
                }
                Deed::Signal { signal, .. } => self.devices[at].signals.push(signal),
                Deed::Write { line, .. } => self.devices[at].lines.push(line),
                Deed::Mark(mark) => self.devices[at].mark = mark,
                Deed::Changed => {}
            }
        }
    }

    fn send(&mut self, from: usize, letter: Letter) {
        self.devices[from].sent.push(letter.clone());
        if self.devices[from].is_offline {
            return;
        }
        let me = self.devices[from].me.clone();
        for to in (0..self.devices.len()).filter(|to| *to != from) {
            if self.roll() < self.faults.lost {
                continue;
            }
            let copies = 1 + u64::from(self.roll() < self.faults.doubled);
            for _ in 0..copies {
                let late = if self.roll() < self.faults.delayed {
                    self.roll() * 20
                } else {
                    0
                };
                let at = self.now.plus_millis(20 + late);
                self.on_the_way.push((at, to, me.clone(), letter.clone()));
            }
        }
    }

    /// 0 to 99.
    fn roll(&mut self) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 32) % 100
    }

    pub(super) fn view(&self, at: usize) -> CallView {
        let calls = &self.devices[at].calls;
        calls.view(|_| Trust::FirstSight).unwrap()
    }

    pub(super) fn stage(&self, at: usize) -> CallStage {
        self.view(at).stage
    }

    pub(super) fn ended(&self, at: usize) -> CallEnd {
        match self.stage(at) {
            CallStage::Ended { reason } => reason,
            other => panic!("the call is not over: {other:?}"),
        }
    }
}

pub(super) fn party(account: AccountId, number: u8) -> Party {
    Party {
        account,
        device: DeviceId::new([number; 16]),
        key: SignatureKey::new([number; 32]),
    }
}

pub(super) fn candidate(number: usize) -> MediaSignal {
    MediaSignal::Candidate {
        candidate: BoundedText::new(format!("candidate:{number}")).unwrap(),
        mid: None,
        line: Some(0),
    }
}

pub(super) fn offer(bytes: usize) -> MediaSignal {
    let sdp = BoundedText::new("v".repeat(bytes)).unwrap();
    MediaSignal::Offer { sdp }
}

pub(super) fn seconds(now: Moment) -> Seconds {
    now.seconds()
}
