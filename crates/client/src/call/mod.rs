//! One-to-one calls: who rings, who answers, and the signals that two browsers need to talk.
//!
//! Owns the call as a machine without I/O: it is told what the person wants, what other devices say
//! and what time it is, and tells what to send. Its letters travel as droppable signals inside the
//! group's encryption, each signed by its device. Never sees sound or pictures, keys or sockets.

mod hear;
mod letter;
mod link;
mod machine;
mod media;
mod past;
mod stage;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use letter::{Letter, Place};
pub(crate) use machine::{Calls, Deed, Marker, Post, Refusal, Scene};
pub use media::{BoundedText, CANDIDATE_BYTES, MID_BYTES, MediaSignal, SDP_BYTES};
pub(crate) use stage::Party;
pub use view::{CallEnd, CallStage, CallView};

use minicbor::{Decode, Encode};
use roost_wire::{Malformed, text};

/// Names a call between people, from its first ring; chosen at random by the caller.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct RingId(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]);

impl RingId {
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl std::str::FromStr for RingId {
    type Err = Malformed;

    fn from_str(hex: &str) -> Result<Self, Malformed> {
        text::unhex(hex).map(Self)
    }
}

impl std::fmt::Display for RingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&text::hex(&self.0))
    }
}

impl std::fmt::Debug for RingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RingId({self})")
    }
}
