//! The engine for tests and simulations: a map, a lock, and futures that never wait.
//!
//! Owns nothing on any disk. A commit is durable at once; [`MemoryStore::fork`] is what a crash
//! would leave. Every future is ready at its first poll, so no runtime is needed.

use std::collections::BTreeMap;
use std::future::ready;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::batch::{Batch, key_within_limit, range_within_limit};
use crate::error::{Error, Result, at_most};
use crate::key::{Key, KeyRange, Part};
use crate::limit::{GET_KEYS_MAX, PARTS_MAX};
use crate::plan::{View, plan};
use crate::record::{Row, Version, Versioned};
use crate::store::{Allowance, Deleted, Direction, Limit, Page, Queued, Receipt, Store};

/// A [`Store`] in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    parts: BTreeMap<Part, Rows>,
    last: Option<Version>,
    closed: bool,
}

type Rows = BTreeMap<Key, Versioned>;

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy as a crash right now would leave it, open and independent of this one.
    #[must_use]
    pub fn fork(&self) -> Self {
        let mut state = self.lock().clone();
        state.closed = false;
        Self {
            state: Mutex::new(state),
        }
    }

    /// How many rows there are in all parts.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.lock().parts.values().map(BTreeMap::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere cannot leave a half: all changes of one commit are made by one
        // `extend` that does not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.lock();
        if state.closed {
            Err(Error::Closed)
        } else {
            Ok(state)
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, part: &Part, key: &[u8]) -> Result<Option<Versioned>> {
        key_within_limit(key)?;
        Ok(self.open()?.row(part, key).cloned())
    }

    async fn get_many(&self, part: &Part, keys: &[&[u8]]) -> Result<Vec<Option<Versioned>>> {
        at_most("keys of one read", keys.len(), GET_KEYS_MAX)?;
        keys.iter().try_for_each(|key| key_within_limit(key))?;
        let state = self.open()?;
        Ok(keys
            .iter()
            .map(|key| state.row(part, key).cloned())
            .collect())
    }

    async fn scan(
        &self,
        part: &Part,
        range: KeyRange,
        limit: Limit,
        direction: Direction,
    ) -> Result<Page> {
        range_within_limit(&range)?;
        Ok(self.open()?.page(part, &range, limit, direction))
    }

    async fn enqueue(&self, part: &Part, batch: Batch) -> Result<Queued> {
        batch.within_limits()?;
        let mut state = self.open()?;
        let view = PartView {
            state: &state,
            part,
        };
        let outcome = plan(batch, &view).map(|writes| state.write(part, writes));
        Ok(Queued::new(ready(outcome)))
    }

    async fn delete_range(&self, part: &Part, range: KeyRange, limit: Limit) -> Result<Deleted> {
        range_within_limit(&range)?;
        let mut state = self.open()?;
        let Page { rows, more } = state.page(part, &range, limit, Direction::Forward);
        let count = rows.len();
        let receipt = (count > 0)
            .then(|| state.write(part, rows.into_iter().map(|row| (row.key, None)).collect()));
        Ok(Deleted {
            rows: count,
            more,
            receipt,
        })
    }

    async fn parts(&self, kind: u8, after: Option<Part>, limit: usize) -> Result<Vec<Part>> {
        let state = self.open()?;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let later = state
            .parts
            .range((start, Bound::Unbounded))
            .map(|(part, _)| *part);
        Ok(later
            .filter(|part| part.kind() == kind)
            .take(limit.min(PARTS_MAX))
            .collect())
    }

    async fn close(&self) -> Result<()> {
        self.lock().closed = true;
        Ok(())
    }
}

impl State {
    fn row(&self, part: &Part, key: &[u8]) -> Option<&Versioned> {
        self.parts.get(part)?.get(key)
    }

    fn page(&self, part: &Part, range: &KeyRange, limit: Limit, direction: Direction) -> Page {
        let Some(rows) = self.parts.get(part).filter(|_| !range.is_empty()) else {
            return Page {
                rows: Vec::new(),
                more: false,
            };
        };
        let found = rows.range::<[u8], _>((range.lower(), range.upper()));
        match direction {
            Direction::Forward => first(found, limit),
            Direction::Backward => first(found.rev(), limit),
        }
    }

    fn write(&mut self, part: &Part, writes: crate::plan::Writes) -> Receipt {
        let version = self.last.unwrap_or(Version::ZERO).next();
        self.last = Some(version);
        let rows = self.parts.entry(*part).or_default();
        for (key, value) in writes {
            match value {
                Some(value) => rows.insert(key, Versioned { value, version }),
                None => rows.remove(&key),
            };
        }
        if rows.is_empty() {
            self.parts.remove(part);
        }
        Receipt::new(version)
    }
}

/// As many rows as the limit allows.
fn first<'a>(rows: impl Iterator<Item = (&'a Key, &'a Versioned)>, limit: Limit) -> Page {
    let mut allowance = Allowance::new(limit);
    let mut page = Page {
        rows: Vec::new(),
        more: false,
    };
    for (key, Versioned { value, version }) in rows {
        if !allowance.take(key.as_bytes().len().saturating_add(value.len())) {
            page.more = true;
            break;
        }
        page.rows.push(Row {
            key: key.clone(),
            value: value.clone(),
            version: *version,
        });
    }
    page
}

struct PartView<'a> {
    state: &'a State,
    part: &'a Part,
}

impl View for PartView<'_> {
    fn version(&self, key: &Key) -> Result<Option<Version>> {
        Ok(self
            .state
            .row(self.part, key.as_bytes())
            .map(|row| row.version))
    }

    fn value(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        Ok(self
            .state
            .row(self.part, key.as_bytes())
            .map(|row| row.value.clone()))
    }
}
