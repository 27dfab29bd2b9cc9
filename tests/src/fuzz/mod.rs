//! What a fuzzer calls: plain functions that take any bytes and must return.
//!
//! Owns the targets. Their corpora lie in `tests/fuzz/corpus/NAME/`; a test replays them. Frames are
//! opened in the browser only: `tests/tests/browser_outside` gives its code any bytes.

// The devices of the machine's own tests.
#[path = "../../../crates/sfu/tests/kit/mod.rs"]
pub mod kit;
mod media;
mod sdp;
mod seal;
mod turn;

/// A target by the name of its corpus.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 8] = [
    ("stun", turn::stun),
    ("channel_data", turn::channel_data),
    ("stream", turn::stream),
    ("peek", turn::peek),
    ("sdp", sdp::sdp),
    ("datagram", media::datagram),
    ("rtp", media::rtp),
    ("rtcp", media::rtcp),
];
