//! What can go wrong, split by what the caller can do about it.

use std::io;
use std::path::PathBuf;

/// What every operation of the store returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation did not do what it was asked.
///
/// Except for [`Error::Unknown`], a refused commit has changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A check did not hold. Read again and decide again.
    #[error("check {check} of the batch does not hold")]
    Conflict {
        /// Which one, counted from 0 in the order they were added.
        check: usize,
    },
    /// The commit may have happened or not. Ask the row that would show it.
    #[error("the outcome of the commit is unknown")]
    Unknown,
    /// Over a limit of [`limit`](crate::limit). Trying again is useless.
    #[error("{what}: {got} is above the limit of {max}")]
    TooLarge {
        /// What was counted, with its unit.
        what: &'static str,
        /// How many there were.
        got: usize,
        /// How many there may be.
        max: usize,
    },
    /// The row is not a counter.
    #[error("the row is not a counter")]
    NotACounter,
    /// The counter would leave the range of an `i64`.
    #[error("the counter would overflow")]
    CounterOverflow,
    /// Nothing can be written now; reading goes on.
    #[error("the store is read-only: {0}")]
    ReadOnly(#[from] ReadOnly),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// Another process holds the folder.
    #[error("another process is using the folder {}", folder.display())]
    Locked {
        /// The folder that was to be opened.
        folder: PathBuf,
    },
    /// Bytes on the disk or in an export are not what was written.
    #[error("damaged: {what}")]
    Damaged {
        /// What was being read.
        what: String,
    },
    /// An import into a store that is not empty.
    #[error("the store already holds data; an import needs an empty one")]
    NotEmpty,
    /// Reading or writing failed.
    #[error("{during}: {source}")]
    Io {
        /// What was being done.
        during: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a store takes no writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadOnly {
    /// Too little space is left. Writing goes on by itself once there is more.
    #[error("{free_bytes} bytes are free on the disk, {needed_bytes} are needed")]
    DiskNearlyFull {
        /// What is free now.
        free_bytes: u64,
        /// What has to be free.
        needed_bytes: u64,
    },
    /// A write failed although there seemed to be space. Writing goes on by itself once the
    /// engine could be reopened.
    #[error("a write to the disk failed: {0}")]
    WriteFailed(String),
    /// A sync failed: what is on the disk is not known, so nothing is acknowledged any more.
    #[error("a sync of the disk failed: {0}")]
    SyncFailed(String),
}

impl Error {
    pub(crate) fn io(during: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { during, source }
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}

/// Refuses what is above its limit.
pub(crate) const fn at_most(what: &'static str, got: usize, max: usize) -> Result<()> {
    if got > max {
        Err(Error::TooLarge { what, got, max })
    } else {
        Ok(())
    }
}
