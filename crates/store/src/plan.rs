//! What a batch would do to the rows as they are: the rules that all engines share.
//!
//! Owns checks and operations. Never writes anything and knows no engine.

use std::collections::BTreeMap;

use crate::batch::{Batch, Check, Op};
use crate::error::{Error, Result};
use crate::key::Key;
use crate::record::{Version, counter_bytes, counter_from};

/// One part as it is at the moment of the decision.
pub(crate) trait View {
    /// The version of the row, if it is there.
    fn version(&self, key: &Key) -> Result<Option<Version>>;

    /// The value of the row, if it is there.
    fn value(&self, key: &Key) -> Result<Option<Vec<u8>>>;
}

/// What becomes of each row: a new value, or none.
pub(crate) type Writes = BTreeMap<Key, Option<Vec<u8>>>;

/// Judges the checks and works out the operations.
pub(crate) fn plan(batch: Batch, view: &impl View) -> Result<Writes> {
    for (index, check) in batch.checks().iter().enumerate() {
        if !holds(check, view)? {
            return Err(Error::Conflict { check: index });
        }
    }
    let mut writes = Writes::new();
    for op in batch.into_ops() {
        match op {
            Op::Put(key, value) => writes.insert(key, Some(value)),
            Op::Delete(key) => writes.insert(key, None),
            Op::Add(key, number) => {
                let sum = current(&key, &writes, view)?
                    .checked_add(number)
                    .ok_or(Error::CounterOverflow)?;
                writes.insert(key, Some(counter_bytes(sum)))
            }
        };
    }
    Ok(writes)
}

fn holds(check: &Check, view: &impl View) -> Result<bool> {
    let found = view.version(check.key())?;
    Ok(match check {
        Check::Absent(_) => found.is_none(),
        Check::Present(_) => found.is_some(),
        Check::Version(_, version) => found == Some(*version),
    })
}

/// The counter as the operations so far have left it.
fn current(key: &Key, writes: &Writes, view: &impl View) -> Result<i64> {
    let value = match writes.get(key) {
        Some(written) => written.clone(),
        None => view.value(key)?,
    };
    value.map_or(Ok(0), |value| counter_from(&value))
}
