//! Something a device sends: its encodings, and what each needs.

use crate::layer::{self, Layer};
use crate::limit::{KEY_FRAME_EVERY, LAYERS, LOOK_EVERY, STREAM_GAP};
use roost_wire::api::{TrackId, TrackKind};
use std::time::{Duration, Instant};
use str0m::media::Rid;

#[derive(Debug)]
pub struct Source {
    pub track: TrackId,
    pub kind: TrackKind,
    /// A few.
    streams: Vec<Stream>,
}

#[derive(Debug, Clone, Copy)]
struct Stream {
    rid: Option<Rid>,
    came: Instant,
    /// Since the last look.
    bytes: u64,
    bits_per_second: u64,
    asked: Option<Instant>,
}

impl Source {
    pub const fn new(track: TrackId, kind: TrackKind) -> Self {
        Self {
            track,
            kind,
            streams: Vec::new(),
        }
    }

    /// A packet came.
    pub fn note(&mut self, rid: Option<Rid>, bytes: usize, now: Instant) {
        let bytes = u64::try_from(bytes).unwrap_or(0);
        if let Some(stream) = self.stream(rid) {
            stream.came = now;
            stream.bytes = stream.bytes.saturating_add(bytes);
        } else if self.streams.len() <= LAYERS {
            self.streams.push(Stream {
                rid,
                came: now,
                bytes,
                bits_per_second: 0,
                asked: None,
            });
        }
    }

    /// Measures what each encoding needed since the last look.
    pub fn look(&mut self, passed: Duration) {
        let passed_ms = u64::try_from(passed.max(LOOK_EVERY).as_millis()).unwrap_or(u64::MAX);
        for stream in &mut self.streams {
            let now_bps = stream.bytes.saturating_mul(8_000) / passed_ms.max(1);
            stream.bytes = 0;
            // Over about a second: key frames are large.
            stream.bits_per_second = (stream.bits_per_second * 3 + now_bps) / 4;
        }
    }

    /// What somebody may get who wants so many lines, the smallest first. Layers that stopped are not
    /// there; what is sent whole always is.
    pub fn layers(&self, height: u32, now: Instant) -> Vec<Layer> {
        let there = |stream: &&Stream| now.saturating_duration_since(stream.came) < STREAM_GAP;
        let layers = self.streams.iter().filter(there).map(Stream::layer);
        let layers = layer::wanted(layers.filter(|it| it.rid.is_some()).collect(), height);
        if !layers.is_empty() {
            return layers;
        }
        let whole = self.streams.iter().find(|stream| stream.rid.is_none());
        match whole {
            Some(whole) => vec![whole.layer()],
            None if self.streams.is_empty() => vec![Layer {
                // Most likely it is sent whole, and begins at any moment.
                rid: None,
                bits_per_second: 0,
            }],
            None => Vec::new(),
        }
    }

    /// What all of it needs.
    pub fn bits_per_second(&self) -> u64 {
        self.streams
            .iter()
            .fold(0, |sum, stream| stream.bits_per_second.saturating_add(sum))
    }

    /// Whether a key frame may be asked for now; notes that it was.
    pub fn may_ask(&mut self, rid: Option<Rid>, now: Instant) -> bool {
        let Some(stream) = self.stream(rid) else {
            return false;
        };
        let recently = |at| now.saturating_duration_since(at) < KEY_FRAME_EVERY;
        if stream.asked.is_some_and(recently) {
            return false;
        }
        stream.asked = Some(now);
        true
    }

    fn stream(&mut self, rid: Option<Rid>) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.rid == rid)
    }
}

impl Stream {
    const fn layer(&self) -> Layer {
        Layer {
            rid: self.rid,
            bits_per_second: self.bits_per_second,
        }
    }
}
