//! How many bytes of request bodies are in memory at once: a body has its place before its first
//! byte is kept, and until its request is answered.

use crate::http::guard::rate::PeerAddr;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// KiB of bodies from nobody who is known.
const STRANGE_KIB_AT_ONCE: usize = 16 * 1024;
/// Of these, bodies from one address.
const STRANGE_BODIES_PER_ADDRESS: u32 = 32;
/// KiB of small bodies of signed-in devices.
const SMALL_KIB_AT_ONCE: usize = 16 * 1024;
/// KiB of the larger ones, which only signed-in devices may send.
const LARGE_KIB_AT_ONCE: usize = 64 * 1024;
/// How long a body waits for its place.
const WAIT_SECONDS: u64 = 10;

/// The places, so that strangers leave room for those who are signed in, and one address for others.
pub struct Bodies {
    strange: Arc<Semaphore>,
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    of_strangers: Arc<Counts>,
}

/// Whose body it is.
#[derive(Debug, Clone, Copy)]
pub enum Sender {
    Stranger(PeerAddr),
    SignedIn,
    SignedInWithMuch,
}

/// Room for one body; given back when dropped.
#[expect(dead_code, reason = "held, not read")]
pub struct Room(OwnedSemaphorePermit, Option<Counted>);

#[derive(Default)]
struct Counts(Mutex<BTreeMap<PeerAddr, u32>>);

/// One body of this address.
struct Counted {
    counts: Arc<Counts>,
    peer: PeerAddr,
}

impl Default for Bodies {
    fn default() -> Self {
        let places = |kib| Arc::new(Semaphore::new(kib));
        Self {
            strange: places(STRANGE_KIB_AT_ONCE),
            small: places(SMALL_KIB_AT_ONCE),
            large: places(LARGE_KIB_AT_ONCE),
            of_strangers: Arc::default(),
        }
    }
}

impl Bodies {
    /// Room for a body of at most so many bytes; none if there is none for a while.
    pub async fn room(&self, bytes: usize, sender: Sender) -> Option<Room> {
        let (places, counted) = match sender {
            Sender::Stranger(peer) => (&self.strange, Some(self.of_strangers.count(peer)?)),
            Sender::SignedIn => (&self.small, None),
            Sender::SignedInWithMuch => (&self.large, None),
        };
        let kib = u32::try_from(bytes.div_ceil(1024)).ok()?;
        let wait = Duration::from_secs(WAIT_SECONDS);
        let permit = timeout(wait, places.clone().acquire_many_owned(kib)).await;
        Some(Room(permit.ok()?.ok()?, counted))
    }
}

impl Counts {
    /// One more of this address; none if it has as many as it may. The machine itself is not
    /// limited: a proxy on it speaks for many.
    fn count(self: &Arc<Self>, peer: PeerAddr) -> Option<Counted> {
        let mut all = self.all();
        let count = all.entry(peer).or_default();
        if *count >= STRANGE_BODIES_PER_ADDRESS && !peer.is_local() {
            return None;
        }
        *count = count.saturating_add(1);
        drop(all);
        let counts = self.clone();
        Some(Counted { counts, peer })
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<PeerAddr, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut all = self.counts.all();
        let left = all
            .get(&self.peer)
            .map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            all.remove(&self.peer);
        } else {
            all.insert(self.peer, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn stranger(address: [u8; 4]) -> Sender {
        Sender::Stranger(PeerAddr::of(address.into()))
    }

    fn take(bodies: &Bodies, bytes: usize, sender: Sender) -> Option<Room> {
        bodies.room(bytes, sender).now_or_never().flatten()
    }

    #[tokio::test]
    async fn bodies_beyond_the_budget_wait_for_room() {
        let bodies = Bodies::default();
        let taken = take(&bodies, LARGE_KIB_AT_ONCE * 1024, Sender::SignedInWithMuch);

        assert!(taken.is_some());
        assert!(take(&bodies, 1, Sender::SignedInWithMuch).is_none());
        assert!(take(&bodies, 1, Sender::SignedIn).is_some());
        drop(taken);
        assert!(take(&bodies, 1, Sender::SignedInWithMuch).is_some());
    }

    #[tokio::test]
    async fn strangers_leave_room_for_the_signed_in_and_one_address_for_others() {
        let bodies = Bodies::default();
        let crowd: Vec<_> = (0..STRANGE_BODIES_PER_ADDRESS)
            .map(|_| take(&bodies, 16 * 1024, stranger([192, 0, 2, 1])))
            .collect();

        assert!(crowd.iter().all(Option::is_some));
        assert!(take(&bodies, 1, stranger([192, 0, 2, 1])).is_none());
        assert!(take(&bodies, 1, stranger([192, 0, 2, 2])).is_some());
        drop(crowd);
        assert!(take(&bodies, 1, stranger([192, 0, 2, 1])).is_some());

        let all = take(
            &bodies,
            STRANGE_KIB_AT_ONCE * 1024,
            stranger([192, 0, 2, 3]),
        );
        assert!(all.is_some());
        assert!(take(&bodies, 1, stranger([192, 0, 2, 2])).is_none());
        assert!(take(&bodies, 1, Sender::SignedIn).is_some());
    }
}
