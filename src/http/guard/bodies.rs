//! How many bytes of request bodies are in memory at once: a body has its place before its first
//! byte is kept, and until its request is answered.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// KiB of bodies that need no session.
const SMALL_KIB_AT_ONCE: usize = 16 * 1024;
/// KiB of the larger ones, which only signed-in devices may send.
const LARGE_KIB_AT_ONCE: usize = 64 * 1024;
/// How long a body waits for its place.
const WAIT_SECONDS: u64 = 10;

/// The places. Two kinds, so that strangers leave room for those who are signed in.
pub struct Bodies {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// Room for one body; given back when dropped.
#[expect(dead_code, reason = "held, not read")]
pub struct Room(OwnedSemaphorePermit);

impl Default for Bodies {
    fn default() -> Self {
        Self {
            small: Arc::new(Semaphore::new(SMALL_KIB_AT_ONCE)),
            large: Arc::new(Semaphore::new(LARGE_KIB_AT_ONCE)),
        }
    }
}

impl Bodies {
    /// Room for a body of at most so many bytes; none if there is none for a while.
    pub async fn room(&self, bytes: usize, is_large: bool) -> Option<Room> {
        let places = if is_large { &self.large } else { &self.small };
        let kib = u32::try_from(bytes.div_ceil(1024)).ok()?;
        let wait = Duration::from_secs(WAIT_SECONDS);
        let permit = timeout(wait, places.clone().acquire_many_owned(kib)).await;
        permit.ok()?.ok().map(Room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn bodies_beyond_the_budget_wait_for_room() {
        let bodies = Bodies::default();
        let has_room = |is_large| bodies.room(1, is_large).now_or_never().flatten().is_some();
        let taken = bodies.room(LARGE_KIB_AT_ONCE * 1024, true).await;

        assert!(taken.is_some());
        assert!(!has_room(true));
        assert!(has_room(false), "strangers have a budget of their own");
        drop(taken);
        assert!(has_room(true));
    }
}
