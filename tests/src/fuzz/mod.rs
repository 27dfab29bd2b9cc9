//! What a fuzzer calls: plain functions that take any bytes and must return.
//!
//! Owns the targets. Their corpora lie in `tests/fuzz/corpus/NAME/`; a test replays them.

mod turn;

/// A target by the name of its corpus.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 4] = [
    ("stun", turn::stun),
    ("channel_data", turn::channel_data),
    ("stream", turn::stream),
    ("peek", turn::peek),
];
