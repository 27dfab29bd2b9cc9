//! The time at which an entry is judged: the server's, not the reader's clock.

use roost_wire::Seconds;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const UNSET: u64 = 0;

/// Server time of the entry being judged, shared between a shell and the rules it handed to
/// mls-rs. Set it before each commit is built or processed. While it is unset, every commit that
/// depends on time (one that adds or joins) is refused.
///
/// One per group and thread of judgement: clones share the value.
#[derive(Clone, Debug, Default)]
pub struct JudgementTime(Arc<AtomicU64>);

impl JudgementTime {
    /// A time not set yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Judge what follows as of `now`.
    pub fn set(&self, now: Seconds) {
        self.0.store(now.get(), Ordering::SeqCst);
    }

    /// The time set last; none before the first `set`.
    #[must_use]
    pub fn now(&self) -> Option<Seconds> {
        match self.0.load(Ordering::SeqCst) {
            UNSET => None,
            seconds => Some(Seconds::new(seconds)),
        }
    }
}
