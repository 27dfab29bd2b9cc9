//! One transaction: what must hold, and what is then done.

use crate::error::{Result, at_most};
use crate::key::{Key, KeyRange};
use crate::limit::{BATCH_BYTES_MAX, BATCH_STEPS_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::record::Version;

/// What must hold for a batch to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// There is no such row.
    Absent(Key),
    /// The row is there.
    Present(Key),
    /// The row is there and was last written by this commit.
    Version(Key, Version),
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Write the row, whether it is there or not.
    Put(Key, Vec<u8>),
    /// Remove the row; nothing happens if there is none.
    Delete(Key),
    /// Add to a counter; one that is not there counts from 0.
    Add(Key, i64),
}

/// Checks and operations on one part that happen together or not at all.
///
/// Checks see the part as it was before the batch. Operations happen in the order they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a batch does nothing until it is committed"]
pub struct Batch {
    checks: Vec<Check>,
    ops: Vec<Op>,
}

impl Batch {
    /// Checks nothing, changes nothing.
    pub const fn new() -> Self {
        Self {
            checks: Vec::new(),
            ops: Vec::new(),
        }
    }

    /// Only if there is no such row.
    pub fn absent(self, key: impl Into<Key>) -> Self {
        self.check(Check::Absent(key.into()))
    }

    /// Only if the row is there.
    pub fn present(self, key: impl Into<Key>) -> Self {
        self.check(Check::Present(key.into()))
    }

    /// Only if the row was last written by this commit.
    pub fn version(self, key: impl Into<Key>, version: Version) -> Self {
        self.check(Check::Version(key.into(), version))
    }

    /// Only if the row is still as it was read: there with this version, or not there.
    pub fn unchanged(self, key: impl Into<Key>, seen: Option<Version>) -> Self {
        match seen {
            Some(version) => self.version(key, version),
            None => self.absent(key),
        }
    }

    /// Write the row.
    pub fn put(self, key: impl Into<Key>, value: impl Into<Vec<u8>>) -> Self {
        self.op(Op::Put(key.into(), value.into()))
    }

    /// Remove the row.
    pub fn delete(self, key: impl Into<Key>) -> Self {
        self.op(Op::Delete(key.into()))
    }

    /// Add to a counter. Read it by [`Versioned::counter`](crate::Versioned::counter).
    pub fn add(self, key: impl Into<Key>, number: i64) -> Self {
        self.op(Op::Add(key.into(), number))
    }

    /// One more check.
    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// One more operation.
    pub fn op(mut self, op: Op) -> Self {
        self.ops.push(op);
        self
    }

    /// What must hold.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// What is done.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    pub(crate) fn into_ops(self) -> Vec<Op> {
        self.ops
    }

    /// How many bytes of keys and values it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let checks: usize = self
            .checks
            .iter()
            .map(|check| check.key().as_bytes().len())
            .sum();
        let ops: usize = self.ops.iter().map(Op::bytes).sum();
        checks.saturating_add(ops)
    }

    /// Refuses a batch beyond the limits.
    pub(crate) fn within_limits(&self) -> Result<()> {
        let steps = self.checks.len().saturating_add(self.ops.len());
        at_most("steps of a batch", steps, BATCH_STEPS_MAX)?;
        for key in self
            .checks
            .iter()
            .map(Check::key)
            .chain(self.ops.iter().map(Op::key))
        {
            key_within_limit(key.as_bytes())?;
        }
        for op in &self.ops {
            if let Op::Put(_, value) = op {
                at_most("value bytes", value.len(), VALUE_BYTES_MAX)?;
            }
        }
        at_most("bytes of a batch", self.bytes(), BATCH_BYTES_MAX)
    }
}

impl Check {
    /// The row it looks at.
    #[must_use]
    pub const fn key(&self) -> &Key {
        match self {
            Self::Absent(key) | Self::Present(key) | Self::Version(key, _) => key,
        }
    }
}

impl Op {
    /// The row it changes.
    #[must_use]
    pub const fn key(&self) -> &Key {
        match self {
            Self::Put(key, _) | Self::Delete(key) | Self::Add(key, _) => key,
        }
    }

    fn bytes(&self) -> usize {
        let value = match self {
            Self::Put(_, value) => value.len(),
            Self::Delete(_) => 0,
            Self::Add(_, _) => 8,
        };
        self.key().as_bytes().len().saturating_add(value)
    }
}

/// Refuses a key beyond the limit.
pub(crate) const fn key_within_limit(key: &[u8]) -> Result<()> {
    at_most("key bytes", key.len(), KEY_BYTES_MAX)
}

/// Refuses a range whose bounds are beyond the limit.
pub(crate) fn range_within_limit(range: &KeyRange) -> Result<()> {
    use std::ops::Bound::{Excluded, Included, Unbounded};

    for bound in [range.lower(), range.upper()] {
        match bound {
            Included(key) | Excluded(key) => key_within_limit(key)?,
            Unbounded => (),
        }
    }
    Ok(())
}
