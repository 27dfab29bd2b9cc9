//! One outgoing stream made of pieces of several: numbers and times go on where the last piece
//! ended, so that the receiver sees one sender.

use crate::descriptor::Descriptor;
use std::time::{Duration, Instant};

/// Time that passes between two pieces at least, in milliseconds.
const PIECE_GAP_MS: u128 = 1;

/// The numbers of a packet: extended sequence number and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    pub sequence: u64,
    pub time: u32,
}

/// Where the outgoing stream is.
#[derive(Debug)]
pub struct Splice {
    /// Ticks of the RTP clock in a millisecond.
    ticks_per_ms: u32,
    /// The last packet that left.
    last: Option<Last>,
    piece: Option<Piece>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    sequence: u64,
    time: u32,
    frame: u16,
    at: Instant,
}

/// What is added to the numbers of the piece that is on.
#[derive(Debug, Clone, Copy)]
struct Piece {
    first: i64,
    sequence: i64,
    time: u32,
    frame: u16,
}

impl Splice {
    pub const fn new(ticks_per_ms: u32) -> Self {
        Self {
            ticks_per_ms,
            last: None,
            piece: None,
        }
    }

    /// The next packet begins a piece.
    pub const fn cut(&mut self) {
        self.piece = None;
    }

    /// The numbers a packet leaves with; none if it is older than its piece.
    pub fn renumber(
        &mut self,
        came: Numbers,
        descriptor: Option<&Descriptor>,
        now: Instant,
    ) -> Option<(Numbers, Option<Descriptor>)> {
        let sequence = i64::try_from(came.sequence).ok()?;
        let piece = match self.piece {
            Some(piece) => piece,
            None => *self
                .piece
                .insert(self.begin(sequence, came.time, descriptor, now)),
        };
        if sequence < piece.first {
            return None;
        }
        let leaves = Numbers {
            sequence: u64::try_from(sequence.checked_add(piece.sequence)?).ok()?,
            time: came.time.wrapping_add(piece.time),
        };
        let descriptor = descriptor.map(|it| it.with_frame(it.frame().wrapping_add(piece.frame)));
        self.note(leaves, descriptor.as_ref(), now);
        Some((leaves, descriptor))
    }

    fn begin(
        &self,
        sequence: i64,
        time: u32,
        descriptor: Option<&Descriptor>,
        now: Instant,
    ) -> Piece {
        let frame = descriptor.map_or(0, Descriptor::frame);
        // The first number of all is small: the receiver takes it for one of the first round.
        let (next, next_time, next_frame) = match self.last {
            None => (1, time, frame),
            Some(last) => (
                last.sequence.saturating_add(1),
                last.time
                    .wrapping_add(self.ticks(now.saturating_duration_since(last.at))),
                last.frame.wrapping_add(1),
            ),
        };
        Piece {
            first: sequence,
            sequence: i64::try_from(next)
                .unwrap_or(i64::MAX)
                .saturating_sub(sequence),
            time: next_time.wrapping_sub(time),
            frame: next_frame.wrapping_sub(frame),
        }
    }

    fn ticks(&self, passed: Duration) -> u32 {
        let ms = passed.as_millis().max(PIECE_GAP_MS);
        let ms = u32::try_from(ms).unwrap_or(u32::MAX);
        ms.wrapping_mul(self.ticks_per_ms)
    }

    fn note(&mut self, leaves: Numbers, descriptor: Option<&Descriptor>, now: Instant) {
        let before = self.last;
        if before.is_some_and(|last| last.sequence >= leaves.sequence) {
            return;
        }
        let frame = descriptor.map(Descriptor::frame);
        self.last = Some(Last {
            sequence: leaves.sequence,
            time: leaves.time,
            frame: frame.or(before.map(|last| last.frame)).unwrap_or_default(),
            at: now,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where streams begin is the tests' own business.
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn start() -> Instant {
        Instant::now()
    }

    fn came(sequence: u64, time: u32) -> Numbers {
        Numbers { sequence, time }
    }

    fn frame(number: u8) -> Descriptor {
        Descriptor::parse(&[0x80, 0, number]).unwrap()
    }

    #[test]
    fn a_piece_goes_on_where_the_last_one_ended() {
        let (mut splice, start) = (Splice::new(90), start());
        let mut leave = |sequence, time, number, ms| {
            let now = start + Duration::from_millis(ms);
            let (numbers, descriptor) = splice
                .renumber(came(sequence, time), Some(&frame(number)), now)
                .unwrap();
            (numbers.sequence, numbers.time, descriptor.unwrap().frame())
        };

        assert_eq!(leave(70_000, 500, 7, 0), (1, 500, 7));
        assert_eq!(leave(70_002, 600, 8, 1), (3, 600, 8));
        splice.cut();
        let mut leave = |sequence, time, number, ms| {
            let now = start + Duration::from_millis(ms);
            let (numbers, descriptor) = splice
                .renumber(came(sequence, time), Some(&frame(number)), now)
                .unwrap();
            (numbers.sequence, numbers.time, descriptor.unwrap().frame())
        };
        assert_eq!(leave(9, 1_000_000, 200, 11), (4, 1_500, 9));
        assert_eq!(leave(10, 1_000_090, 201, 12), (5, 1_590, 10));
    }

    #[test]
    fn a_late_packet_of_a_piece_keeps_its_place_and_one_before_it_is_dropped() {
        let (mut splice, now) = (Splice::new(48), start());
        let mut leave = |sequence| {
            let left = splice.renumber(came(sequence, 0), None, now);
            left.map(|(numbers, _)| numbers.sequence)
        };

        assert_eq!(leave(100), Some(1));
        assert_eq!(leave(103), Some(4));
        assert_eq!(leave(101), Some(2));
        assert_eq!(leave(99), None);
        assert_eq!(leave(104), Some(5));
    }
}
