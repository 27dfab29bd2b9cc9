//! What comes back from a read: values, rows and the versions that wrote them.

use crate::error::{Error, Result};
use crate::key::Key;

/// Names one commit: larger than that of every commit before it, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// Before the first commit. No row carries it.
    pub const ZERO: Self = Self(0);

    /// The version with this number, as when a client hands back an entity tag.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The next version. Commits at a million a second would need 500,000 years to run out.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A value and the commit that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The bytes as they were put.
    pub value: Vec<u8>,
    /// The commit that wrote them.
    pub version: Version,
}

impl Versioned {
    /// The value of a counter, as [`Batch::add`](crate::Batch::add) keeps it.
    ///
    /// # Errors
    ///
    /// [`Error::NotACounter`] if the row was not written by `add`.
    pub fn counter(&self) -> Result<i64> {
        counter_from(&self.value)
    }
}

/// A row of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its key inside the part.
    pub key: Key,
    /// The bytes as they were put.
    pub value: Vec<u8>,
    /// The commit that wrote them.
    pub version: Version,
}

/// How a counter is stored: 8 bytes, big-endian, two's complement.
pub(crate) fn counter_bytes(number: i64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

pub(crate) fn counter_from(value: &[u8]) -> Result<i64> {
    Ok(i64::from_be_bytes(
        value.try_into().map_err(|_| Error::NotACounter)?,
    ))
}
