//! An m-line on which a device receives: what it is to carry, and what it carries.

use crate::descriptor::Descriptor;
use crate::limit::RISE_AFTER;
use crate::splice::{Numbers, Splice};
use roost_wire::api::TrackId;
use std::time::Instant;
use str0m::media::{MediaKind, Rid};

const AUDIO_TICKS_PER_MS: u32 = 48;
const VIDEO_TICKS_PER_MS: u32 = 90;

/// One encoding of a track: all of it, or a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    pub track: TrackId,
    pub rid: Option<Rid>,
}

/// A packet as it came.
#[derive(Debug, Clone, Copy)]
pub struct Came<'a> {
    pub numbers: Numbers,
    pub descriptor: Option<&'a Descriptor>,
    /// Whether pictures can begin with it.
    pub is_key: bool,
}

#[derive(Debug)]
pub struct Slot {
    pub kind: MediaKind,
    /// The track, and the height wanted.
    pub want: Option<(TrackId, u32)>,
    chosen: Option<Encoding>,
    carries: Option<Encoding>,
    /// What is wanted changed, and nothing was chosen since.
    is_new: bool,
    /// There is no room for it.
    is_paused: bool,
    /// Since when there is room for something better.
    rises: Option<Instant>,
    /// The last number of the chosen encoding that was dropped while a key frame was waited for.
    dropped: Option<u64>,
    /// Packets of the key frame were dropped that came before its first one.
    is_torn: bool,
    splice: Splice,
}

impl Slot {
    pub const fn new(kind: MediaKind) -> Self {
        let ticks = match kind {
            MediaKind::Audio => AUDIO_TICKS_PER_MS,
            MediaKind::Video => VIDEO_TICKS_PER_MS,
        };
        Self {
            kind,
            want: None,
            chosen: None,
            carries: None,
            is_new: false,
            is_paused: false,
            rises: None,
            dropped: None,
            is_torn: false,
            splice: Splice::new(ticks),
        }
    }

    /// What it is to carry from now on.
    pub fn wish(&mut self, want: Option<(TrackId, u32)>) {
        let want = want.filter(|(_, height)| *height > 0);
        self.is_new |= want != self.want;
        self.want = want;
        let wanted = self.want.map(|(track, _)| track);
        let is_wanted = |encoding: &Encoding| Some(encoding.track) == wanted;
        self.carries = self.carries.filter(is_wanted);
        self.choose(self.chosen.filter(is_wanted));
    }

    /// What there is room for; none pauses. Something better than before is taken only once there
    /// was room for it for a while, unless what is wanted has changed.
    pub fn settle(&mut self, fits: Option<Encoding>, is_better: bool, now: Instant) {
        let waits = (is_better || (self.is_paused && fits.is_some())) && !self.is_new;
        if waits {
            let since = *self.rises.get_or_insert(now);
            if now.saturating_duration_since(since) < RISE_AFTER {
                return;
            }
        }
        (self.rises, self.is_new, self.is_paused) = (None, false, fits.is_none());
        if self.is_paused {
            self.carries = None;
        }
        self.choose(fits);
    }

    fn choose(&mut self, encoding: Option<Encoding>) {
        if self.chosen != encoding {
            (self.chosen, self.dropped) = (encoding, None);
        }
    }

    pub const fn chosen(&self) -> Option<Encoding> {
        self.chosen
    }

    /// What must send a key frame before this slot can go on.
    pub fn waits_for(&self) -> Option<Encoding> {
        let waits = self.carries != self.chosen || self.is_torn;
        self.chosen
            .filter(|_| self.kind == MediaKind::Video && waits)
    }

    pub const fn carries(&self) -> Option<Encoding> {
        self.carries
    }

    /// The numbers a packet leaves with, if the slot carries it.
    pub fn take(
        &mut self,
        of: Encoding,
        came: Came<'_>,
        now: Instant,
    ) -> Option<(Numbers, Option<Descriptor>)> {
        let sequence = came.numbers.sequence;
        if self.carries != Some(of) {
            if self.chosen != Some(of) {
                return None;
            }
            if !self.can_begin(of, came) {
                self.dropped = self.dropped.max(Some(sequence));
                return None;
            }
            self.carries = Some(of);
            self.is_torn = self.dropped > Some(sequence);
            self.splice.cut();
        } else if self.is_torn {
            // The next key frame came whole.
            self.is_torn = !came.is_key;
        }
        self.splice.renumber(came.numbers, came.descriptor, now)
    }

    /// Pictures begin with a key frame. Where there is one stream only, and no descriptor to say
    /// which those are, the receiver waits by itself.
    fn can_begin(&self, of: Encoding, came: Came<'_>) -> bool {
        match self.kind {
            MediaKind::Audio => true,
            MediaKind::Video => came.is_key || (came.descriptor.is_none() && of.rid.is_none()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const TRACK: TrackId = TrackId::new(4);

    fn of(rid: &str) -> Encoding {
        Encoding {
            track: TRACK,
            rid: Some(rid.into()),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn start() -> Instant {
        Instant::now()
    }

    fn wanted() -> Slot {
        let mut slot = Slot::new(MediaKind::Video);
        slot.wish(Some((TRACK, 720)));
        slot.settle(Some(of("l")), false, start());
        slot
    }

    fn taken(slot: &mut Slot, rid: &str, key: bool) -> Option<u64> {
        numbered(slot, rid, key, 1)
    }

    fn numbered(slot: &mut Slot, rid: &str, key: bool, sequence: u64) -> Option<u64> {
        let flags = if key { 0x80 } else { 0 };
        let descriptor = Descriptor::parse(&[0x80, 0, 1, flags]);
        let came = Came {
            numbers: Numbers { sequence, time: 0 },
            descriptor: descriptor.as_ref(),
            is_key: key,
        };
        let left = slot.take(of(rid), came, start());
        left.map(|(numbers, _)| numbers.sequence)
    }

    #[test]
    fn what_is_chosen_is_carried_from_a_key_frame_on_and_what_was_before_until_then() {
        let mut slot = wanted();

        assert_eq!(taken(&mut slot, "l", false), None);
        assert_eq!(slot.waits_for(), Some(of("l")));
        assert_eq!(taken(&mut slot, "l", true), Some(1));
        slot.settle(Some(of("h")), false, start());
        assert_eq!(taken(&mut slot, "h", false), None);
        assert!(taken(&mut slot, "l", false).is_some());
        assert!(taken(&mut slot, "h", true).is_some());
        assert_eq!(taken(&mut slot, "l", true), None);
        assert_eq!(slot.waits_for(), None);
    }

    #[test]
    fn a_layer_without_descriptors_begins_with_a_key_frame_and_a_whole_stream_at_once() {
        let (mut slot, start) = (wanted(), start());
        let came = |is_key| Came {
            numbers: Numbers {
                sequence: 1,
                time: 0,
            },
            descriptor: None,
            is_key,
        };

        assert!(slot.take(of("l"), came(false), start).is_none());
        assert!(slot.take(of("l"), came(true), start).is_some());

        let whole = Encoding {
            track: TRACK,
            rid: None,
        };
        slot.settle(Some(whole), false, start);
        assert!(slot.take(whole, came(false), start).is_some());
    }

    #[test]
    fn a_paused_slot_carries_nothing() {
        let mut slot = wanted();
        assert!(taken(&mut slot, "l", true).is_some());

        slot.wish(Some((TRACK, 0)));

        assert_eq!(taken(&mut slot, "l", true), None);
        assert_eq!(slot.waits_for(), None);
    }

    #[test]
    fn a_slot_goes_down_at_once_and_up_when_there_was_room_for_a_while() {
        let (mut slot, start) = (wanted(), start());
        let at = |ms| start + Duration::from_millis(ms);
        let step = |slot: &mut Slot, rid, is_better, ms| {
            slot.settle(Some(of(rid)), is_better, at(ms));
            slot.chosen()
        };

        assert_eq!(step(&mut slot, "h", true, 0), Some(of("l")));
        assert_eq!(step(&mut slot, "h", true, 1_499), Some(of("l")));
        assert_eq!(step(&mut slot, "l", false, 1_500), Some(of("l")));
        assert_eq!(step(&mut slot, "h", true, 1_750), Some(of("l")));
        assert_eq!(step(&mut slot, "h", true, 3_250), Some(of("h")));
        assert_eq!(step(&mut slot, "l", false, 3_500), Some(of("l")));
        slot.settle(None, false, at(3_750));
        assert_eq!(slot.chosen(), None);
        assert_eq!(step(&mut slot, "l", true, 4_000), None);
        assert_eq!(step(&mut slot, "l", true, 5_500), Some(of("l")));
        slot.wish(Some((TRACK, 360)));
        assert_eq!(step(&mut slot, "m", true, 5_600), Some(of("m")));
    }

    #[test]
    fn a_key_frame_whose_packets_overtook_its_first_one_is_asked_for_again() {
        let mut slot = wanted();

        assert_eq!(numbered(&mut slot, "l", false, 12), None);
        assert!(numbered(&mut slot, "l", true, 11).is_some());
        assert_eq!(slot.waits_for(), Some(of("l")));
        assert!(numbered(&mut slot, "l", false, 13).is_some());
        assert!(numbered(&mut slot, "l", true, 14).is_some());
        assert_eq!(slot.waits_for(), None);
    }
}
