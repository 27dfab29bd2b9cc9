//! The rows of one step, and how rows are named and encoded.
//!
//! Owns the keys of every table but those of MLS state, and the format version. One row is
//! written once a step, however often it changed.

use crate::port::{Row, Table, Write};
use minicbor::{Decode, Encode};
use roost_wire::{GroupId, api};
use std::collections::BTreeMap;

/// Version of the storage format that this code writes. Older ones are migrated by `open`, newer
/// ones refused.
pub(crate) const FORMAT: u16 = 1;
/// No stored row is larger: a staged entry with its tree, commit and epochs.
const ROW_BYTES: usize = 32 * 1024 * 1024;

/// Collects the writes of a step.
#[derive(Default)]
pub(crate) struct Vault(BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>);

impl Vault {
    pub(crate) fn put<T: Encode<()>>(&mut self, table: Table, key: Vec<u8>, value: &T) {
        self.0.insert((table, key), Some(api::encode(value)));
    }

    pub(crate) fn delete(&mut self, table: Table, key: Vec<u8>) {
        self.0.insert((table, key), None);
    }

    /// The step's writes so far.
    pub(crate) fn take(&mut self) -> Vec<Write> {
        std::mem::take(&mut self.0)
            .into_iter()
            .map(|((table, key), value)| Write { table, key, value })
            .collect()
    }

    /// What was put.
    pub(crate) fn rows(self) -> impl Iterator<Item = Row> {
        let rows = self.0.into_iter();
        rows.filter_map(|((table, key), value)| {
            let value = value?;
            Some(Row { table, key, value })
        })
    }
}

/// Reads a stored value; none if it is damaged.
pub(crate) fn read<T: for<'b> Decode<'b, ()>>(row: &Row) -> Option<T> {
    api::decode(&row.value, "stored row", ROW_BYTES).ok()
}

/// Key of something of a group, told apart by a letter.
pub(crate) fn group_key(group: &GroupId, part: u8, rest: &[u8]) -> Vec<u8> {
    [group.as_bytes(), &[part][..], rest].concat()
}

/// Key of a numbered row of a group.
pub(crate) fn indexed_key(group: &GroupId, index: u64) -> Vec<u8> {
    [&group.as_bytes()[..], &index.to_be_bytes()].concat()
}

/// Takes `indexed_key` apart.
pub(crate) fn indexed(key: &[u8]) -> Option<(GroupId, u64)> {
    let (group, index) = key.split_at_checked(GroupId::BYTES)?;
    let index = u64::from_be_bytes(index.try_into().ok()?);
    Some((GroupId::try_from(group).ok()?, index))
}

/// Takes `group_key` apart.
pub(crate) fn group_part(key: &[u8]) -> Option<(GroupId, u8, &[u8])> {
    let (group, rest) = key.split_at_checked(GroupId::BYTES)?;
    let (part, rest) = rest.split_first()?;
    Some((GroupId::try_from(group).ok()?, *part, rest))
}
