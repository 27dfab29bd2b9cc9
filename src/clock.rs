//! The only reader of the system's time. Everything else is told what time it is.

use roost_wire::Seconds;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A point in time: milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    #[must_use]
    pub const fn from_seconds(seconds: Seconds) -> Self {
        Self(seconds.get().saturating_mul(1000))
    }

    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds, rounded down.
    #[must_use]
    pub const fn seconds(self) -> Seconds {
        Seconds::new(self.0 / 1000)
    }

    /// Milliseconds from `earlier` to this; 0 if that was later.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// The system's clock.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this file is where the clock is read"
)]
pub fn now() -> Moment {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Moment(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The system's clock as it was when this process first asked, and what has passed since: what a relay
/// lives by, which would end calls or keep them for ever when somebody sets the clock.
#[must_use]
pub fn even() -> Moment {
    static BEGUN: OnceLock<(Moment, Instant)> = OnceLock::new();
    let (begun, since) = BEGUN.get_or_init(|| (now(), steady()));
    let passed = steady().saturating_duration_since(*since).as_millis();
    begun.plus_millis(u64::try_from(passed).unwrap_or(u64::MAX))
}

/// The system's steady clock, for what must not jump.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this file is where the clock is read"
)]
pub fn steady() -> Instant {
    Instant::now()
}
