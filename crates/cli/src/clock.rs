//! The only reader of the system's clock in this package.

use roost_client::Moment;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, by the system's clock.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this shell reads the clock for the core"
)]
pub fn now() -> Moment {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Moment::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
