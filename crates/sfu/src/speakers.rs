//! Who is heard: by the levels that clients put into the headers of their sound (RFC 6464).

use roost_wire::DeviceId;
use roost_wire::limit::CALL_SPEAKERS;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Louder is speech, in decibels below the loudest.
const HEARD_DB: i8 = -50;
/// How long somebody counts as speaking between two words.
const PAUSE: Duration = Duration::from_millis(800);

/// The levels of a call.
#[derive(Debug, Default)]
pub struct Speakers {
    heard: BTreeMap<DeviceId, Heard>,
    told: Vec<DeviceId>,
}

#[derive(Debug, Clone, Copy)]
struct Heard {
    at: Instant,
    /// Smoothed, in sixteenths of a decibel.
    level: i32,
}

impl Speakers {
    /// A packet of sound at a level in decibels, 0 the loudest.
    pub fn hear(&mut self, device: DeviceId, level: i8, now: Instant) {
        if level < HEARD_DB {
            return;
        }
        let level = i32::from(level) * 16;
        let heard = self.heard.entry(device).or_insert(Heard { at: now, level });
        heard.at = now;
        heard.level += (level - heard.level) / 8;
    }

    pub fn forget(&mut self, device: &DeviceId) {
        self.heard.remove(device);
    }

    /// Whether somebody speaks, as it was last said.
    pub fn speaks(&self, device: &DeviceId) -> bool {
        self.told.contains(device)
    }

    /// Who speaks, the loudest first, if that is not what was said last.
    pub fn news(&mut self, now: Instant) -> Option<Vec<DeviceId>> {
        self.heard
            .retain(|_, heard| now.saturating_duration_since(heard.at) < PAUSE);
        let mut loudest: Vec<_> = self.heard.iter().map(|(id, it)| (-it.level, *id)).collect();
        loudest.sort_unstable();
        let speaking: Vec<_> = loudest
            .into_iter()
            .map(|(_, id)| id)
            .take(CALL_SPEAKERS)
            .collect();
        if speaking == self.told {
            return None;
        }
        self.told.clone_from(&speaking);
        Some(speaking)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn the_loudest_comes_first_and_silence_is_said_once() {
        let (mut speakers, start) = (Speakers::default(), Instant::now());
        let [quiet, loud, noise] = [1, 2, 3].map(|number| DeviceId::new([number; 16]));

        speakers.hear(quiet, -40, start);
        speakers.hear(loud, -20, start);
        speakers.hear(noise, -90, start);

        assert_eq!(speakers.news(start), Some(vec![loud, quiet]));
        assert_eq!(speakers.news(start), None);
        assert_eq!(speakers.news(start + PAUSE), Some(Vec::new()));
        assert_eq!(speakers.news(start + PAUSE), None);
    }
}
