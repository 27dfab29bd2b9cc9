//! The line that a call leaves in its conversation, written by the caller.

use super::{ContentError, Part};
use crate::call::RingId;
use minicbor::{Decode, Encode};
use roost_wire::api;

/// Ours: one [`CallLine`] in CBOR.
const CALL: &str = "application/vnd.roost.call+cbor";
/// Encoded length at most: an id, a flag and two small numbers.
const LINE_BYTES: usize = 64;

/// A call between two that is over, or one of a group that began. Who called is whoever sent the message: nobody can write down a call of
/// somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CallLine {
    #[n(0)]
    pub ring: RingId,
    #[n(1)]
    pub video: bool,
    #[n(2)]
    pub outcome: CallOutcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum CallOutcome {
    #[n(0)]
    Talked {
        /// Not known if the caller's program ended before the call.
        #[n(0)]
        seconds: Option<u32>,
    },
    #[n(1)]
    Missed,
    #[n(2)]
    Declined,
    #[n(3)]
    Busy,
    #[n(4)]
    Failed,
    /// A group call, which others may join: written when it begins.
    #[n(5)]
    Begun,
}

impl CallLine {
    /// Whether the person who was called would want to know.
    #[must_use]
    pub const fn is_missed(&self) -> bool {
        matches!(self.outcome, CallOutcome::Missed | CallOutcome::Busy)
    }

    /// One line for people; `mine` if one has called oneself.
    #[must_use]
    pub fn summary(&self, mine: bool) -> String {
        let call = if self.video { "Video call" } else { "Call" };
        let missed = if self.video {
            "Missed video call"
        } else {
            "Missed call"
        };
        match self.outcome {
            CallOutcome::Talked {
                seconds: Some(seconds),
            } => format!("{call}, {}", length(seconds)),
            CallOutcome::Talked { seconds: None } => call.to_owned(),
            CallOutcome::Missed if mine => format!("{call}, no answer"),
            CallOutcome::Busy if mine => format!("{call}, busy"),
            CallOutcome::Missed | CallOutcome::Busy => missed.to_owned(),
            CallOutcome::Declined => format!("{call}, declined"),
            CallOutcome::Failed => format!("{call}, failed"),
            CallOutcome::Begun => "Started a call".to_owned(),
        }
    }

    pub(super) fn to_part(self) -> Part {
        Part::Single {
            content_type: CALL.to_owned(),
            content: api::encode(&self),
        }
    }

    pub(super) fn of(part: &Part) -> Result<Self, ContentError> {
        match part {
            Part::Single {
                content_type,
                content,
            } if content_type == CALL => api::decode(content, "call", LINE_BYTES)
                .map_err(|_| ContentError::Invalid("call line")),
            Part::Null | Part::Single { .. } | Part::External(_) | Part::Multi { .. } => {
                Err(ContentError::Invalid("call line"))
            }
        }
    }
}

fn length(seconds: u32) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {} min", minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(video: bool, outcome: CallOutcome) -> CallLine {
        let ring = RingId::new([7; 16]);
        CallLine {
            ring,
            video,
            outcome,
        }
    }

    #[test]
    fn a_line_comes_back_from_its_part_whatever_the_outcome() {
        let longest = Some(u32::MAX);
        for outcome in [
            CallOutcome::Talked { seconds: longest },
            CallOutcome::Talked { seconds: None },
            CallOutcome::Missed,
            CallOutcome::Declined,
            CallOutcome::Busy,
            CallOutcome::Failed,
        ] {
            let line = line(true, outcome);

            assert_eq!(CallLine::of(&line.to_part()), Ok(line));
        }
    }

    #[test]
    fn a_missed_call_is_one_only_for_who_was_called() {
        let missed = line(false, CallOutcome::Missed);
        let seconds = Some(12 * 60 + 4);
        let talked = line(true, CallOutcome::Talked { seconds });

        assert_eq!(missed.summary(false), "Missed call");
        assert_eq!(missed.summary(true), "Call, no answer");
        assert_eq!(talked.summary(true), "Video call, 12 min");
        assert!(!talked.is_missed());
    }
}
