//! Bounds of the machine, with their units.

use std::time::Duration;

/// Connections of all calls together.
pub const CONNECTIONS: usize = 1_000;
/// Places one connection is heard from at a time: a phone that changes networks has two or three.
pub const ADDRESSES_PER_CONNECTION: usize = 4;
/// Places one connection is ever heard from, and names of streams (RFC 3550, SSRC) it ever has: the
/// media library keeps all of them. Whoever needs more connects anew.
pub const PLACES_PER_CONNECTION: usize = 64;
pub const SSRCS_PER_CONNECTION: usize = 256;
/// How long a place is kept for the connection that proved itself there last.
pub const PLACE_KEPT: Duration = Duration::from_secs(10);
/// A datagram; what is larger is of nobody who follows the path's limits.
pub const DATAGRAM_BYTES: usize = 2_000;
/// Of one packet of media, what is passed on: browsers send 1,200 at most. The media library puts what
/// leaves into 2,000 bytes, behind a header that may be longer than the one it came with.
pub const PAYLOAD_BYTES: usize = 1_400;
/// M-lines of one offer: what is sent, what is received, and some that were given up.
pub const OFFER_M_LINES: usize = 96;
/// Lines of one offer that name streams: browsers have four for each, and six of a track.
pub const OFFER_SSRC_LINES: usize = 256;
/// A connection that is silent for so long is over. Clients check theirs every few seconds.
pub const SILENCE: Duration = Duration::from_secs(20);
/// Packets that leave to one connection before others get their turn.
pub const PACKETS_AT_ONCE: usize = 64;
/// How often a key frame of one stream is asked for at most.
pub const KEY_FRAME_EVERY: Duration = Duration::from_millis(300);
/// How often layers and speakers are looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long there must be room for a better layer before it is taken.
pub const RISE_AFTER: Duration = Duration::from_millis(1_500);
/// A stream of which nothing came for so long is not there.
pub const STREAM_GAP: Duration = Duration::from_millis(1_500);
/// Layers of one track.
pub const LAYERS: usize = 3;
/// What a connection is taken to carry until that was measured, in bits a second.
pub const FIRST_ESTIMATE_BPS: u64 = 1_500_000;
/// What a connection is taken to carry at least of sound and smallest layers, in bits a second.
pub const LEAST_BPS: u64 = 300_000;
