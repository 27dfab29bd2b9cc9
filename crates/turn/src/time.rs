//! Points in time, as the shell tells them.

/// Milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000
    }

    #[must_use]
    pub const fn plus_seconds(self, seconds: u32) -> Self {
        #[expect(
            clippy::as_conversions,
            reason = "`From` is not const; this one widens"
        )]
        Self(self.0.saturating_add(seconds as u64 * 1_000))
    }
}
