//! Lets devices talk and hear, all of them by turns in one thread.

use super::device::Device;
use anyhow::{Result, ensure};
use mio::{Events, Poll, Token};
use std::time::{Duration, Instant};

/// Of sound.
pub const SOUND_EVERY: Duration = Duration::from_millis(20);
const SOUND_BYTES: usize = 160;
/// Of a picture: 25 a second.
pub const FRAME_EVERY: Duration = Duration::from_millis(40);
pub const FRAME_PACKETS: usize = 4;
const FRAME_BYTES: usize = 1_100;
/// Of the clock of pictures.
const TICKS_PER_FRAME: u64 = 3_600;
const CONNECT_LIMIT: Duration = Duration::from_secs(60);
/// How long a turn rests at most.
const REST: Duration = Duration::from_millis(5);

/// Devices in calls, of which those with lines that they send on talk.
pub struct Load {
    devices: Vec<Device>,
    talkers: Vec<Talker>,
    poll: Poll,
    events: Events,
}

struct Talker {
    device: usize,
    sound_due: Instant,
    frame_due: Instant,
    frames: u64,
}

impl Load {
    /// `talkers`: the places of those who talk.
    ///
    /// # Errors
    /// The system's.
    pub fn new(mut devices: Vec<Device>, talkers: &[usize], now: Instant) -> Result<Self> {
        let poll = Poll::new()?;
        for (place, device) in devices.iter_mut().enumerate() {
            device.is_watched(poll.registry(), Token(place))?;
        }
        let talkers = talkers.iter().enumerate().map(|(at, &device)| {
            // Not all at the same moment, as people do not speak at the same moment.
            let share = |every: Duration| every.mul_f64(at as f64 / talkers.len() as f64);
            Talker {
                device,
                sound_due: now + share(SOUND_EVERY),
                frame_due: now + share(FRAME_EVERY),
                frames: 0,
            }
        });
        Ok(Self {
            talkers: talkers.collect(),
            devices,
            poll,
            events: Events::with_capacity(1_024),
        })
    }

    /// Until all are connected.
    ///
    /// # Errors
    /// If they do not get so.
    pub fn connects(&mut self, clock: impl Fn() -> Instant) -> Result<()> {
        let begun = clock();
        while !self.devices.iter().all(|it| it.rtc.is_connected()) {
            let now = clock();
            let passed = now.saturating_duration_since(begun);
            ensure!(passed < CONNECT_LIMIT, "not connected");
            self.turn(now)?;
        }
        Ok(())
    }

    /// Talks for so long, and gives how long each packet that came was on the way.
    ///
    /// # Errors
    /// If a connection ends.
    pub fn talks(&mut self, time: Duration, clock: impl Fn() -> Instant) -> Result<Vec<Duration>> {
        let begun = clock();
        for talker in &mut self.talkers {
            talker.sound_due = talker.sound_due.max(begun);
            talker.frame_due = talker.frame_due.max(begun);
        }
        loop {
            let now = clock();
            if now.saturating_duration_since(begun) >= time {
                break;
            }
            for talker in &mut self.talkers {
                if let Some(device) = self.devices.get_mut(talker.device) {
                    talker.talks(device, now)?;
                }
            }
            self.turn(clock())?;
        }
        let delays = self
            .devices
            .iter_mut()
            .map(|it| std::mem::take(&mut it.delays));
        Ok(delays.flatten().collect())
    }

    fn turn(&mut self, now: Instant) -> Result<()> {
        for device in self.devices.iter_mut().filter(|it| it.due() <= now) {
            device.turn(now)?;
        }
        let devices = self.devices.iter().map(Device::due);
        let talkers = self.talkers.iter().map(|it| it.sound_due.min(it.frame_due));
        let due = devices.chain(talkers).min().unwrap_or(now);
        let rest = due.saturating_duration_since(now).min(REST);
        self.poll.poll(&mut self.events, Some(rest))?;
        for event in &self.events {
            if let Some(device) = self.devices.get_mut(event.token().0) {
                device.hears(super::now())?;
            }
        }
        Ok(())
    }
}

impl Talker {
    fn talks(&mut self, device: &mut Device, now: Instant) -> Result<()> {
        if self.sound_due <= now {
            self.sound_due += SOUND_EVERY;
            device.says(SOUND_BYTES, now)?;
        }
        if self.frame_due <= now {
            self.frame_due += FRAME_EVERY;
            let time = self.frames * TICKS_PER_FRAME;
            self.frames += 1;
            device.shows(FRAME_PACKETS, FRAME_BYTES, time, now)?;
        }
        Ok(())
    }
}
