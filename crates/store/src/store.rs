//! The trait behind which every engine stands.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;

use crate::batch::Batch;
use crate::error::Result;
use crate::key::{KeyRange, Part};
use crate::limit::{PAGE_BYTES_MAX, PAGE_ROWS_MAX};
use crate::record::{Row, Version, Versioned};

/// The promise of the [crate], kept alike by every engine.
///
/// A commit whose future is dropped before it resolved may still happen, as after
/// [`Error::Unknown`](crate::Error::Unknown).
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The row, if it is there.
    async fn get(&self, part: &Part, key: &[u8]) -> Result<Option<Versioned>>;

    /// The rows, all as of the same moment, in the order of the keys given.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](crate::Error::TooLarge) above
    /// [`GET_KEYS_MAX`](crate::limit::GET_KEYS_MAX) keys.
    async fn get_many(&self, part: &Part, keys: &[&[u8]]) -> Result<Vec<Option<Versioned>>>;

    /// The first rows of the range in this direction, all as of the same moment, as many as the
    /// limit allows and at least one if there is one.
    async fn scan(
        &self,
        part: &Part,
        range: KeyRange,
        limit: Limit,
        direction: Direction,
    ) -> Result<Page>;

    /// Gives the batch its place: those that have theirs later are judged and applied later. Waits
    /// while [`COMMIT_QUEUE_MAX`](crate::limit::COMMIT_QUEUE_MAX) others wait.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](crate::Error::TooLarge), [`Closed`](crate::Error::Closed).
    async fn enqueue(&self, part: &Part, batch: Batch) -> Result<Queued>;

    /// Applies the batch if all its checks hold; resolves once it is durable.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::Error::Conflict), [`TooLarge`](crate::Error::TooLarge),
    /// [`NotACounter`](crate::Error::NotACounter),
    /// [`CounterOverflow`](crate::Error::CounterOverflow),
    /// [`ReadOnly`](crate::Error::ReadOnly): nothing has changed.
    /// [`Unknown`](crate::Error::Unknown): it is not known whether anything has.
    async fn commit(&self, part: &Part, batch: Batch) -> Result<Receipt> {
        self.enqueue(part, batch).await?.durable().await
    }

    /// Removes the first rows of the range, as many as the limit allows and at least one if there
    /// is one, in one commit; resolves once that is durable.
    async fn delete_range(&self, part: &Part, range: KeyRange, limit: Limit) -> Result<Deleted>;

    /// The parts of this kind that hold a row, in order, after the one given, at most so many and
    /// at most [`PARTS_MAX`](crate::limit::PARTS_MAX).
    async fn parts(&self, kind: u8, after: Option<Part>, limit: usize) -> Result<Vec<Part>>;

    /// Waits for the commits under way, then lets go of everything. Everything asked later is
    /// answered by [`Closed`](crate::Error::Closed). Closing twice is fine.
    async fn close(&self) -> Result<()>;
}

/// A commit that has its place among the others, and what will become of it. Dropping it takes
/// nothing back: the commit still happens.
#[must_use = "it is not known to be durable yet"]
pub struct Queued(Pin<Box<dyn Future<Output = Result<Receipt>> + Send>>);

impl Queued {
    /// What an engine promises to say.
    pub fn new(outcome: impl Future<Output = Result<Receipt>> + Send + 'static) -> Self {
        Self(Box::pin(outcome))
    }

    /// Resolves once the batch is durable.
    ///
    /// # Errors
    ///
    /// As [`Store::commit`].
    pub async fn durable(self) -> Result<Receipt> {
        self.0.await
    }
}

impl fmt::Debug for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queued").finish_non_exhaustive()
    }
}

/// Proof that a commit is durable. Only a committer makes one.
///
/// ```compile_fail
/// let forged = roost_store::Receipt { version: roost_store::Version::ZERO };
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Receipt {
    version: Version,
}

impl Receipt {
    pub(crate) const fn new(version: Version) -> Self {
        Self { version }
    }

    /// The version of the commit, now carried by every row it wrote.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }
}

/// How much to read or remove at once. Zero counts as one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Most rows; cut to [`PAGE_ROWS_MAX`].
    pub rows: usize,
    /// Most bytes of keys and values; cut to [`PAGE_BYTES_MAX`]. The first row is always in.
    pub bytes: usize,
}

impl Limit {
    /// As much as one call can carry.
    pub const MAX: Self = Self {
        rows: PAGE_ROWS_MAX,
        bytes: PAGE_BYTES_MAX,
    };

    /// So many rows, as long as they fit into the bytes of one call.
    #[must_use]
    pub const fn rows(rows: usize) -> Self {
        Self {
            rows,
            bytes: PAGE_BYTES_MAX,
        }
    }

    /// Inside the limits of the crate.
    pub(crate) fn clamped(self) -> Self {
        Self {
            rows: self.rows.clamp(1, PAGE_ROWS_MAX),
            bytes: self.bytes.min(PAGE_BYTES_MAX),
        }
    }
}

/// Which end of a range a scan begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the smallest key up.
    Forward,
    /// From the largest key down.
    Backward,
}

/// What a scan found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The rows, in the direction of the scan.
    pub rows: Vec<Row>,
    /// Whether the limit ended it: there is at least one more row in the range.
    pub more: bool,
}

/// What a range delete did.
#[derive(Debug, PartialEq, Eq)]
pub struct Deleted {
    /// How many rows are gone.
    pub rows: usize,
    /// Whether the limit ended it: there is at least one more row in the range.
    pub more: bool,
    /// The proof that it is durable; none if there was nothing to remove.
    pub receipt: Option<Receipt>,
}

/// Counts rows against a [`Limit`].
pub(crate) struct Allowance {
    rows: usize,
    bytes: usize,
    first: bool,
}

impl Allowance {
    pub(crate) fn new(limit: Limit) -> Self {
        let Limit { rows, bytes } = limit.clamped();
        Self {
            rows,
            bytes,
            first: true,
        }
    }

    /// Whether one more row of so many bytes is allowed; it is then counted.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let fits = self.rows > 0 && (self.first || bytes <= self.bytes);
        if fits {
            self.rows -= 1;
            self.bytes = self.bytes.saturating_sub(bytes);
            self.first = false;
        }
        fits
    }
}
