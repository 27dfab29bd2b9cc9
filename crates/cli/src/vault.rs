//! Where a driver keeps a core's rows: the promise, and a keeper in memory.

use roost_client::{Row, Table, Write};
use roost_wire::GroupId;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Storage failed. The core that asked must be thrown away and opened again.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the stored account: {0}")]
pub struct VaultError(pub String);

impl VaultError {
    pub(crate) fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Part of a conversation's history.
#[derive(Debug, Default)]
pub struct TimelinePage {
    /// In the order of their keys.
    pub rows: Vec<Row>,
    /// Whether older rows exist.
    pub more: bool,
}

/// Keeps rows. What one call of `apply` is given is kept wholly or not at all.
pub trait Vault {
    /// All rows that `Core::open` needs: every table but the timeline.
    ///
    /// # Errors
    /// When storage cannot be read.
    fn opened_rows(&self) -> Result<Vec<Row>, VaultError>;

    /// Applies the writes of one step; durable when it returns.
    ///
    /// # Errors
    /// When nothing, or not all, could be stored.
    fn apply(&mut self, writes: &[Write]) -> Result<(), VaultError>;

    /// The newest rows of a group's timeline with an index below `before`, at most `limit`.
    ///
    /// # Errors
    /// When storage cannot be read.
    fn timeline(
        &self,
        group: GroupId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<TimelinePage, VaultError>;
}

/// The place of a row among all rows: tag of its table, then its key.
pub(crate) fn place(table: Table, key: &[u8]) -> Vec<u8> {
    [&[table.tag()], key].concat()
}

/// The row kept at this place; none if the table is not known.
pub(crate) fn row_at(place: &[u8], value: Vec<u8>) -> Option<Row> {
    let (tag, key) = place.split_first()?;
    Some(Row {
        table: Table::from_tag(*tag)?,
        key: key.to_vec(),
        value,
    })
}

/// The places of a group's timeline from its begin to before `before`.
pub(crate) fn timeline_places(
    group: GroupId,
    before: Option<u64>,
) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let first = place(Table::Timeline, group.as_bytes());
    let end = match before {
        Some(index) => Bound::Excluded([&first[..], &index.to_be_bytes()].concat()),
        None => Bound::Included([&first[..], &u64::MAX.to_be_bytes()].concat()),
    };
    (Bound::Included(first), end)
}

/// The newest `limit` of rows that come newest first, in the order of their keys.
pub(crate) fn page(newest_first: impl Iterator<Item = Row>, limit: u32) -> TimelinePage {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut rows: Vec<Row> = newest_first.take(limit.saturating_add(1)).collect();
    let more = rows.len() > limit;
    rows.truncate(limit);
    rows.reverse();
    TimelinePage { rows, more }
}

/// Keeps rows for as long as it lives: for load tests with many clients, where nobody comes back.
#[derive(Debug, Default)]
pub struct MemoryVault(BTreeMap<Vec<u8>, Vec<u8>>);

impl Vault for MemoryVault {
    fn opened_rows(&self) -> Result<Vec<Row>, VaultError> {
        let rows = self.0.range(..place(Table::Timeline, &[]));
        Ok(rows
            .filter_map(|(place, value)| row_at(place, value.clone()))
            .collect())
    }

    fn apply(&mut self, writes: &[Write]) -> Result<(), VaultError> {
        for Write { table, key, value } in writes {
            match value {
                Some(value) => self.0.insert(place(*table, key), value.clone()),
                None => self.0.remove(&place(*table, key)),
            };
        }
        Ok(())
    }

    fn timeline(
        &self,
        group: GroupId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<TimelinePage, VaultError> {
        let rows = self.0.range(timeline_places(group, before)).rev();
        Ok(page(
            rows.filter_map(|(place, value)| row_at(place, value.clone())),
            limit,
        ))
    }
}

#[cfg(test)]
pub(crate) mod conformance {
    //! What every keeper must do.

    use super::*;

    pub(crate) fn keeps_its_promise(mut vault: impl Vault) {
        let (group, next_group) = (GroupId::new([7; 16]), GroupId::new([8; 16]));
        let entry = |group: GroupId, index: u64| Write {
            table: Table::Timeline,
            key: [&group.as_bytes()[..], &index.to_be_bytes()].concat(),
            value: Some(index.to_be_bytes().to_vec()),
        };
        let put = |key: &[u8], value: Option<&[u8]>| Write {
            table: Table::State,
            key: key.to_vec(),
            value: value.map(<[u8]>::to_vec),
        };
        let mut writes: Vec<Write> = (0..10).map(|index| entry(group, index)).collect();
        writes.push(entry(group, u64::MAX));
        writes.push(entry(next_group, 3));
        writes.extend([put(b"a", Some(b"1")), put(b"b", Some(b"2"))]);

        vault.apply(&writes).unwrap();
        vault
            .apply(&[put(b"a", None), put(b"b", Some(b"3"))])
            .unwrap();

        let rows = vault.opened_rows().unwrap();
        assert_eq!(
            rows.len(),
            1,
            "the timeline is not among the rows to open with"
        );
        assert_eq!(
            (&rows[0].key[..], &rows[0].value[..]),
            (&b"b"[..], &b"3"[..])
        );
        let indexes = |before, limit| {
            let page = vault.timeline(group, before, limit).unwrap();
            let index = |row: &Row| u64::from_be_bytes(row.value[..].try_into().unwrap());
            (page.rows.iter().map(index).collect::<Vec<_>>(), page.more)
        };
        assert_eq!(indexes(None, 3), (vec![8, 9, u64::MAX], true));
        assert_eq!(indexes(Some(8), 3), (vec![5, 6, 7], true));
        assert_eq!(indexes(Some(3), 3), (vec![0, 1, 2], false));
        assert_eq!(indexes(Some(0), 3), (vec![], false));
        assert_eq!(indexes(None, 0), (vec![], true));
    }

    #[test]
    fn memory_keeps_the_promise() {
        keeps_its_promise(MemoryVault::default());
    }
}
