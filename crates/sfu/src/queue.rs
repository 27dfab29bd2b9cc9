//! What waits for the machine while it is busy: datagrams, what devices ask for, and who has to go.
//!
//! Owns the bounds. Datagrams and wishes beyond them are dropped; who has to go never is.

use crate::limit::DATAGRAM_BYTES;
use crate::{Asked, ConnectError};
use roost_wire::api::{MediaConnected, Want};
use roost_wire::{DeviceId, GroupId};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Datagrams that wait; about a tenth of a second of a busy server.
const DATAGRAMS_MAX: usize = 8_192;
/// Requests that wait.
const ASKED_MAX: usize = 256;

/// How a connection attempt ends.
pub type Reply = Box<dyn FnOnce(Result<MediaConnected, ConnectError>) + Send>;

/// Something a device asks for.
pub enum Ask {
    Connect {
        asked: Asked,
        reply: Reply,
    },
    Watch {
        group: GroupId,
        device: DeviceId,
        wants: Vec<Want>,
    },
}

/// Datagrams that came together.
#[derive(Default)]
pub struct Batch(Vec<(SocketAddr, Vec<u8>)>);

impl Batch {
    /// Takes a datagram that [`crate::door::is_ours`]. Dropped if it is longer than any that is, or if as many are here as
    /// ever wait.
    pub fn put(&mut self, from: SocketAddr, bytes: &[u8]) {
        if bytes.len() <= DATAGRAM_BYTES && self.0.len() < DATAGRAMS_MAX {
            self.0.push((from, bytes.to_vec()));
        }
    }
}

/// All that waited.
#[derive(Default)]
pub struct Waiting {
    pub datagrams: Vec<(SocketAddr, Vec<u8>)>,
    pub asks: Vec<Ask>,
    /// Devices that may not be in a call any more.
    pub cuts: BTreeSet<(GroupId, DeviceId)>,
    /// Devices that may not be in any.
    pub forgotten: BTreeSet<DeviceId>,
    /// Calls that are over.
    pub closed: BTreeSet<GroupId>,
    pub is_over: bool,
}

/// One way in for all. Cheap to clone.
#[derive(Clone, Default)]
pub struct Queue(Arc<(Mutex<Waiting>, Condvar)>);

impl Queue {
    /// Datagrams that are for the machine; `batch` is empty then. What does not fit is dropped.
    pub fn datagrams(&self, batch: &mut Batch) {
        if batch.0.is_empty() {
            return;
        }
        let mut waiting = self.waiting();
        if !waiting.is_over {
            let room = DATAGRAMS_MAX.saturating_sub(waiting.datagrams.len());
            waiting.datagrams.extend(batch.0.drain(..).take(room));
            self.0.1.notify_one();
        }
        batch.0.clear();
    }

    /// Whether there was room for it.
    pub fn ask(&self, ask: Ask) -> bool {
        let mut waiting = self.waiting();
        let fits = waiting.asks.len() < ASKED_MAX && !waiting.is_over;
        if fits {
            waiting.asks.push(ask);
            self.0.1.notify_one();
        }
        fits
    }

    /// The device may not be in the call any more.
    pub fn cut(&self, group: GroupId, device: DeviceId) {
        self.note(|waiting| waiting.cuts.insert((group, device)));
    }

    /// The device may not be in any call any more.
    pub fn forget(&self, device: DeviceId) {
        self.note(|waiting| waiting.forgotten.insert(device));
    }

    /// The call is over.
    pub fn close(&self, group: GroupId) {
        self.note(|waiting| waiting.closed.insert(group));
    }

    /// Notes who has to go, unless nobody is there any more.
    fn note(&self, who: impl FnOnce(&mut Waiting) -> bool) {
        let mut waiting = self.waiting();
        if !waiting.is_over {
            who(&mut waiting);
            self.0.1.notify_one();
        }
    }

    /// Nothing is taken any more; what waits is dropped.
    pub fn end(&self) {
        *self.waiting() = Waiting {
            is_over: true,
            ..Waiting::default()
        };
        self.0.1.notify_one();
    }

    /// All that waits, after at most so long.
    #[must_use]
    pub fn take(&self, at_most: Duration) -> Waiting {
        let waiting = self.waiting();
        let (mut waiting, _) = self
            .0
            .1
            .wait_timeout_while(waiting, at_most, |waiting| waiting.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let is_over = waiting.is_over;
        let taken = std::mem::take(&mut *waiting);
        waiting.is_over = is_over;
        taken
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        !self.is_over
            && self.datagrams.is_empty()
            && self.asks.is_empty()
            && self.cuts.is_empty()
            && self.forgotten.is_empty()
            && self.closed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_its_bound_datagrams_are_dropped_and_who_has_to_go_is_not() {
        let queue = Queue::default();
        let from = SocketAddr::from(([127, 0, 0, 1], 9));
        for _ in 0..=DATAGRAMS_MAX / 2 {
            let mut two = Batch::default();
            two.put(from, b"a");
            two.put(from, &[128; DATAGRAM_BYTES + 1]);
            two.put(from, b"b");
            queue.datagrams(&mut two);
            assert!(two.0.is_empty());
        }
        queue.cut(GroupId::new([1; 16]), DeviceId::new([2; 16]));

        let taken = queue.take(Duration::ZERO);

        assert_eq!(taken.datagrams.len(), DATAGRAMS_MAX);
        let is_small = |(_, bytes): &(_, Vec<u8>)| bytes.len() == 1;
        assert!(taken.datagrams.iter().all(is_small), "none is so large");
        assert_eq!(taken.cuts.len(), 1);
        assert!(queue.take(Duration::ZERO).is_empty());
    }

    #[test]
    fn after_its_end_nothing_waits() {
        let queue = Queue::default();
        queue.end();
        queue.cut(GroupId::new([1; 16]), DeviceId::new([2; 16]));

        let ask = Ask::Watch {
            group: GroupId::new([1; 16]),
            device: DeviceId::new([2; 16]),
            wants: Vec::new(),
        };
        assert!(!queue.ask(ask));
        let left = queue.take(Duration::from_secs(60));
        assert!(left.is_over && left.cuts.is_empty());
    }
}
