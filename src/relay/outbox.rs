//! What is to be sent: datagrams of one size to one place leave together.

use std::net::SocketAddr;

/// The most that one system call takes (an IP packet's length, less its headers).
const RUN_BYTES_MAX: usize = 65_000;
/// The largest that leave together: every path of IPv6 carries it (RFC 8200, section 5, less headers). Of
/// what is too large for the way out the kernel takes no run, and no run is tried any more then.
const RUN_SEGMENT_BYTES_MAX: usize = 1_232;
/// The most segments that kernels take at once.
const RUN_SEGMENTS_MAX: usize = 64;
/// So much is sent before more is taken up: runs are looked through for each datagram.
const FULL_BYTES: usize = 256 * 1024;
const FULL_RUNS: usize = 256;
/// Buffers that are kept for later runs.
const SPARE_MAX: usize = 64;

/// Datagrams of a batch, in runs.
pub struct Outbox<V> {
    runs: Vec<Run<V>>,
    /// All together.
    bytes: usize,
    /// Of runs that were sent, to be filled again.
    spare: Vec<Vec<u8>>,
}

/// Datagrams that leave by one socket for one place. All are of one size but the last, which may
/// be shorter.
struct Run<V> {
    via: V,
    to: SocketAddr,
    segment: usize,
    bytes: Vec<u8>,
    is_full: bool,
}

impl<V> Default for Outbox<V> {
    fn default() -> Self {
        Self {
            runs: Vec::new(),
            bytes: 0,
            spare: Vec::new(),
        }
    }
}

impl<V: Copy + PartialEq> Outbox<V> {
    /// One datagram, `header` and `payload` together. The order of those to one place is kept.
    pub fn put(&mut self, via: V, to: SocketAddr, header: &[u8], payload: &[u8]) {
        let length = header.len().saturating_add(payload.len());
        let last = self
            .runs
            .iter_mut()
            .rev()
            .find(|run| run.via == via && run.to == to);
        let run = match last {
            Some(run) if run.takes(length) => run,
            Some(_) | None => {
                let bytes = self.spare.pop().unwrap_or_default();
                self.runs.push(Run::new(via, to, length, bytes));
                let Some(run) = self.runs.last_mut() else {
                    return;
                };
                run
            }
        };
        run.bytes.extend_from_slice(header);
        run.bytes.extend_from_slice(payload);
        run.is_full = length < run.segment;
        self.bytes = self.bytes.saturating_add(length);
    }

    /// It is time to send what is there.
    pub const fn is_full(&self) -> bool {
        self.bytes >= FULL_BYTES || self.runs.len() >= FULL_RUNS
    }

    /// Sends all of it: where by, where to, the datagrams, the size of each.
    pub fn flush(&mut self, mut send: impl FnMut(V, SocketAddr, &[u8], usize)) {
        for Run {
            via,
            to,
            segment,
            mut bytes,
            ..
        } in self.runs.drain(..)
        {
            send(via, to, &bytes, segment);
            if self.spare.len() < SPARE_MAX {
                bytes.clear();
                self.spare.push(bytes);
            }
        }
        self.bytes = 0;
    }
}

impl<V> Run<V> {
    const fn new(via: V, to: SocketAddr, segment: usize, bytes: Vec<u8>) -> Self {
        Self {
            via,
            to,
            segment,
            bytes,
            is_full: false,
        }
    }

    fn takes(&self, length: usize) -> bool {
        let bytes = self.bytes.len().saturating_add(length);
        // An empty datagram has no segment that could be told from another.
        let segments = bytes.div_ceil(self.segment.max(1));
        !self.is_full
            && self.segment <= RUN_SEGMENT_BYTES_MAX
            && (1..=self.segment).contains(&length)
            && bytes <= RUN_BYTES_MAX
            && segments <= RUN_SEGMENTS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn flushed(outbox: &mut Outbox<u8>) -> Vec<(u8, u16, Vec<Vec<u8>>)> {
        let mut sent = Vec::new();
        outbox.flush(|via, to, bytes, segment| {
            let datagrams = match bytes {
                [] => vec![Vec::new()],
                bytes => bytes.chunks(segment).map(<[u8]>::to_vec).collect(),
            };
            sent.push((via, to.port(), datagrams));
        });
        sent
    }

    #[test]
    fn datagrams_of_one_size_to_one_place_leave_together_whatever_is_between_them() {
        let mut outbox = Outbox::default();
        for payload in [b"aaa", b"bbb"] {
            outbox.put(1, place(1), b"h", payload);
            outbox.put(1, place(2), b"", payload);
        }

        let sent = flushed(&mut outbox);

        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0], (1, 1, vec![b"haaa".to_vec(), b"hbbb".to_vec()]));
        assert!(flushed(&mut outbox).is_empty());
    }

    #[test]
    fn a_shorter_one_ends_a_run_and_a_longer_one_begins_another() {
        let mut outbox = Outbox::default();
        for payload in ["aaa", "b", "ccc", "dddd"] {
            outbox.put(1, place(1), b"", payload.as_bytes());
        }

        let runs: Vec<_> = flushed(&mut outbox)
            .into_iter()
            .map(|(_, _, datagrams)| datagrams.len())
            .collect();
        assert_eq!(runs, [2, 1, 1]);
    }

    #[test]
    fn an_outbox_is_full_of_bytes_or_of_places_until_it_is_sent() {
        let mut outbox = Outbox::default();
        while !outbox.is_full() {
            outbox.put(1, place(1), b"", &[7; 1_000]);
        }
        assert!(outbox.bytes >= FULL_BYTES);
        flushed(&mut outbox);
        assert!(!outbox.is_full());

        for port in 1..=u16::try_from(FULL_RUNS).unwrap() {
            assert!(!outbox.is_full());
            outbox.put(1, place(port), b"", &[]);
        }
        assert!(outbox.is_full());
        flushed(&mut outbox);
        assert!(!outbox.is_full());
    }

    #[test]
    fn what_some_paths_do_not_carry_leaves_alone() {
        let mut outbox = Outbox::default();
        for _ in 0..2 {
            outbox.put(1, place(1), b"", &[7; RUN_SEGMENT_BYTES_MAX]);
            outbox.put(1, place(2), b"", &[7; RUN_SEGMENT_BYTES_MAX + 1]);
        }

        let sent = flushed(&mut outbox);
        let to = |port| sent.iter().filter(move |run| run.1 == port).count();
        assert_eq!((to(1), to(2)), (1, 2));
    }

    proptest! {
        #[test]
        fn every_datagram_leaves_whole_and_in_the_order_of_its_place(
            datagrams in prop::collection::vec((0..2_u8, 1..4_u16, 0..1_500_usize), 0..200)
        ) {
            let mut outbox = Outbox::default();
            let mut expected: Vec<(u8, u16, Vec<u8>)> = Vec::new();
            for (number, (via, to, length)) in datagrams.into_iter().enumerate() {
                let payload = vec![u8::try_from(number % 251).unwrap(); length];
                outbox.put(via, place(to), b"", &payload);
                expected.push((via, to, payload));
            }
            let sent = flushed(&mut outbox);
            for (via, to) in [0, 1].into_iter().flat_map(|via| (1..4).map(move |to| (via, to))) {
                let got: Vec<_> = sent.iter().filter(|run| (run.0, run.1) == (via, to)).flat_map(|run| run.2.clone()).collect();
                let wanted: Vec<_> = expected.iter().filter(|one| (one.0, one.1) == (via, to)).map(|one| one.2.clone()).collect();
                prop_assert_eq!(got, wanted);
            }
        }
    }
}
