//! An m-line on which a device receives: what it is to carry, and what it carries.

use crate::descriptor::Descriptor;
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

#[derive(Debug)]
pub struct Slot {
    pub kind: MediaKind,
    /// The track, and the height wanted.
    pub want: Option<(TrackId, u32)>,
    /// What was chosen of it.
    pub chosen: Option<Encoding>,
    carries: Option<Encoding>,
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
            splice: Splice::new(ticks),
        }
    }

    /// What it is to carry from now on.
    pub fn wish(&mut self, want: Option<(TrackId, u32)>) {
        self.want = want.filter(|(_, height)| *height > 0);
        let wanted = self.want.map(|(track, _)| track);
        let is_wanted = |encoding: &Encoding| Some(encoding.track) == wanted;
        self.chosen = self.chosen.filter(is_wanted);
        self.carries = self.carries.filter(is_wanted);
    }

    /// What must send a key frame before this slot can go on.
    pub fn waits_for(&self) -> Option<Encoding> {
        self.chosen
            .filter(|_| self.kind == MediaKind::Video && self.carries != self.chosen)
    }

    pub const fn carries(&self) -> Option<Encoding> {
        self.carries
    }

    /// The numbers a packet leaves with, if the slot carries it.
    pub fn take(
        &mut self,
        of: Encoding,
        came: Numbers,
        descriptor: Option<&Descriptor>,
        now: Instant,
    ) -> Option<(Numbers, Option<Descriptor>)> {
        if self.carries != Some(of) {
            if self.chosen != Some(of) || !self.can_begin(of, descriptor) {
                return None;
            }
            self.carries = Some(of);
            self.splice.cut();
        }
        self.splice.renumber(came, descriptor, now)
    }

    /// Pictures begin with a key frame. Who does not say which those are has one stream only, and
    /// the receiver waits by itself.
    fn can_begin(&self, of: Encoding, descriptor: Option<&Descriptor>) -> bool {
        match (self.kind, descriptor) {
            (MediaKind::Audio, _) => true,
            (MediaKind::Video, Some(descriptor)) => descriptor.is_key(),
            (MediaKind::Video, None) => of.rid.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACK: TrackId = TrackId::new(4);

    fn of(rid: &str) -> Encoding {
        Encoding {
            track: TRACK,
            rid: Some(rid.into()),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn taken(slot: &mut Slot, rid: &str, key: bool) -> Option<u64> {
        let flags = if key { 0x80 } else { 0 };
        let descriptor = Descriptor::parse(&[0x80, 0, 1, flags]);
        let came = Numbers {
            sequence: 5,
            time: 0,
        };
        let left = slot.take(of(rid), came, descriptor.as_ref(), Instant::now());
        left.map(|(numbers, _)| numbers.sequence)
    }

    #[test]
    fn a_layer_goes_on_until_the_chosen_one_brings_a_key_frame() {
        let mut slot = Slot::new(MediaKind::Video);
        slot.wish(Some((TRACK, 720)));
        slot.chosen = Some(of("l"));

        assert_eq!(taken(&mut slot, "l", false), None);
        assert_eq!(slot.waits_for(), Some(of("l")));
        assert_eq!(taken(&mut slot, "l", true), Some(1));
        slot.chosen = Some(of("h"));
        assert_eq!(taken(&mut slot, "h", false), None);
        assert!(taken(&mut slot, "l", false).is_some());
        assert!(taken(&mut slot, "h", true).is_some());
        assert_eq!(taken(&mut slot, "l", true), None);
        assert_eq!(slot.waits_for(), None);
    }

    #[test]
    fn a_paused_slot_carries_nothing() {
        let mut slot = Slot::new(MediaKind::Video);
        slot.wish(Some((TRACK, 720)));
        slot.chosen = Some(of("l"));
        assert!(taken(&mut slot, "l", true).is_some());

        slot.wish(Some((TRACK, 0)));

        assert_eq!(taken(&mut slot, "l", true), None);
        assert_eq!(slot.waits_for(), None);
    }
}
