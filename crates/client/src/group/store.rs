//! MLS state in memory, as mls-rs reads and writes it, with a note of every row that changed.
//!
//! Owns the rows of [`Table::Groups`], [`Table::Trees`], [`Table::Epochs`] and
//! [`Table::KeyPackages`]. Never writes anywhere else: the core takes the changed rows into the
//! step's one transaction.

use crate::port::{Row, Table, Write};
use mls_rs::KeyPackage;
use mls_rs::mls_rs_codec::{MlsDecode, MlsEncode};
use mls_rs_core::error::IntoAnyError;
use mls_rs_core::extension::ExtensionType;
use mls_rs_core::group::{EpochRecord, GroupState, GroupStateStorage};
use mls_rs_core::key_package::{KeyPackageData, KeyPackageStorage};
use roost_mls::limit::PRIOR_EPOCHS_KEPT;
use roost_wire::GroupId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// One set of MLS rows. Clones share it; a staging store is a new one.
#[derive(Clone, Default)]
pub(crate) struct GroupStore(Arc<Mutex<Rows>>);

#[derive(Default)]
struct Rows {
    values: BTreeMap<(Table, Vec<u8>), Zeroizing<Vec<u8>>>,
    changed: BTreeSet<(Table, Vec<u8>)>,
}

/// A stored row that cannot be read.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a stored key package cannot be read")]
pub(crate) struct Unreadable;

impl IntoAnyError for Unreadable {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(Box::new(self))
    }
}

impl GroupStore {
    /// Takes a row read from storage.
    pub(crate) fn load(&self, row: Row) {
        let key = (row.table, row.key);
        self.rows().values.insert(key, Zeroizing::new(row.value));
    }

    /// The rows that changed since the last call, for the transaction.
    pub(crate) fn take_writes(&self) -> Vec<Write> {
        let mut rows = self.rows();
        let changed = std::mem::take(&mut rows.changed);
        let write = |(table, key): (Table, Vec<u8>)| {
            let value = rows.values.get(&(table, key.clone()));
            Write {
                table,
                key,
                value: value.map(|value| value.to_vec()),
            }
        };
        changed.into_iter().map(write).collect()
    }

    /// Every row.
    pub(crate) fn all(&self) -> Vec<Row> {
        let rows = self.rows();
        let row = |((table, key), value): (&(Table, Vec<u8>), &Zeroizing<Vec<u8>>)| Row {
            table: *table,
            key: key.clone(),
            value: value.to_vec(),
        };
        rows.values.iter().map(row).collect()
    }

    /// Whether there is state of this group.
    pub(crate) fn has(&self, group: &GroupId) -> bool {
        let key = (Table::Groups, group.as_bytes().to_vec());
        self.rows().values.contains_key(&key)
    }

    pub(crate) fn tree(&self, group: &GroupId) -> Option<Vec<u8>> {
        let key = (Table::Trees, group.as_bytes().to_vec());
        self.rows().values.get(&key).map(|tree| tree.to_vec())
    }

    pub(crate) fn put_tree(&self, group: &GroupId, tree: Vec<u8>) {
        self.rows()
            .put(Table::Trees, group.as_bytes().to_vec(), tree);
    }

    /// Forgets all state of a group.
    pub(crate) fn delete(&self, group: &GroupId) {
        let mut rows = self.rows();
        let gone: Vec<_> = rows.of_group(group).collect();
        for (table, key) in gone {
            rows.delete(table, key);
        }
    }

    /// All rows of one group: what a staged entry consists of.
    pub(crate) fn export(&self, group: &GroupId) -> Vec<Row> {
        let rows = self.rows();
        let row = |(table, key): (Table, Vec<u8>)| {
            let value = rows.values.get(&(table, key.clone()))?.to_vec();
            Some(Row { table, key, value })
        };
        rows.of_group(group).filter_map(row).collect()
    }

    /// Puts rows made in a staging store in place of a group's own.
    pub(crate) fn replace(&self, group: &GroupId, staged: Vec<Row>) {
        self.delete(group);
        let mut rows = self.rows();
        for Row { table, key, value } in staged {
            rows.put(table, key, value);
        }
    }

    /// Whether one of these key packages is a last resort, which others may have used too.
    pub(crate) fn has_last_resort(&self, references: &[&[u8]]) -> bool {
        let rows = self.rows();
        references.iter().any(|reference| {
            let stored = rows.values.get(&(Table::KeyPackages, reference.to_vec()));
            let package = stored.and_then(|value| decode_package(value).ok());
            let package = package
                .and_then(|package| KeyPackage::mls_decode(&mut &*package.key_package_bytes).ok());
            package.is_some_and(|package| {
                package
                    .extensions
                    .has_extension(ExtensionType::LAST_RESORT_KEY_PACKAGE)
            })
        })
    }

    /// A store of its own with the key packages of this one, to join a group that is not kept.
    pub(crate) fn lend_key_packages(&self) -> Self {
        let lent = Self::default();
        let rows = self.rows();
        let packages = rows
            .values
            .iter()
            .filter(|((table, _), _)| *table == Table::KeyPackages);
        for ((table, key), value) in packages {
            lent.load(Row {
                table: *table,
                key: key.clone(),
                value: value.to_vec(),
            });
        }
        drop(rows);
        lent
    }

    /// Forgets the key packages that were used up where they were lent.
    pub(crate) fn take_back_key_packages(&self, lent: &Self) {
        let used: Vec<Vec<u8>> = {
            let (rows, left) = (self.rows(), lent.rows());
            let packages = rows
                .values
                .keys()
                .filter(|(table, _)| *table == Table::KeyPackages);
            let used = packages.filter(|key| !left.values.contains_key(key));
            used.map(|(_, key)| key.clone()).collect()
        };
        let mut rows = self.rows();
        for key in used {
            rows.delete(Table::KeyPackages, key);
        }
    }

    /// Forgets every key package, or only those that expired before `now` (seconds since 1970).
    pub(crate) fn drop_key_packages(&self, expired_before: Option<u64>) {
        let mut rows = self.rows();
        let is_over = |value: &[u8]| match (expired_before, decode_package(value)) {
            (None, _) | (Some(_), Err(_)) => true,
            (Some(now), Ok(package)) => package.expiration < now,
        };
        let packages = rows
            .values
            .iter()
            .filter(|((table, _), _)| *table == Table::KeyPackages);
        let gone: Vec<_> = packages
            .filter(|(_, value)| is_over(value))
            .map(|((_, key), _)| key.clone())
            .collect();
        for key in gone {
            rows.delete(Table::KeyPackages, key);
        }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.changed.insert((table, key.clone()));
        self.values.insert((table, key), Zeroizing::new(value));
    }

    fn delete(&mut self, table: Table, key: Vec<u8>) {
        if self.values.remove(&(table, key.clone())).is_some() {
            self.changed.insert((table, key));
        }
    }

    fn of_group(&self, group: &GroupId) -> impl Iterator<Item = (Table, Vec<u8>)> {
        let state = [Table::Groups, Table::Trees]
            .into_iter()
            .map(|table| (table, group.as_bytes().to_vec()))
            .filter(|key| self.values.contains_key(key));
        let epochs = self.epochs_of(group.as_bytes());
        let epochs = epochs.into_iter().map(|(_, key)| (Table::Epochs, key));
        state.chain(epochs).collect::<Vec<_>>().into_iter()
    }

    fn epochs_of(&self, group: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let first = (Table::Epochs, group.to_vec());
        self.values
            .range(first..)
            .map(|(key, _)| key)
            .take_while(|(table, key)| *table == Table::Epochs && key.starts_with(group))
            .filter_map(|(_, key)| Some((epoch_in(key)?, key.clone())))
            .collect()
    }

    fn trim_epochs(&mut self, group: &[u8]) {
        let epochs = self.epochs_of(group);
        let newest = epochs.last().map_or(0, |(epoch, _)| *epoch);
        for (epoch, key) in epochs {
            if newest.saturating_sub(epoch) >= PRIOR_EPOCHS_KEPT {
                self.delete(Table::Epochs, key);
            }
        }
    }
}

impl GroupStateStorage for GroupStore {
    type Error = Unreadable;

    fn state(&self, group_id: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Unreadable> {
        let key = (Table::Groups, group_id.to_vec());
        Ok(self.rows().values.get(&key).cloned())
    }

    fn epoch(
        &self,
        group_id: &[u8],
        epoch_id: u64,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Unreadable> {
        let key = (Table::Epochs, epoch_key(group_id, epoch_id));
        Ok(self.rows().values.get(&key).cloned())
    }

    fn write(
        &mut self,
        state: GroupState,
        epoch_inserts: Vec<EpochRecord>,
        epoch_updates: Vec<EpochRecord>,
    ) -> Result<(), Unreadable> {
        let mut rows = self.rows();
        rows.put(Table::Groups, state.id.clone(), state.data.to_vec());
        for record in epoch_inserts {
            let key = epoch_key(&state.id, record.id);
            rows.put(Table::Epochs, key, record.data.to_vec());
        }
        for record in epoch_updates {
            let key = epoch_key(&state.id, record.id);
            if rows.values.contains_key(&(Table::Epochs, key.clone())) {
                rows.put(Table::Epochs, key, record.data.to_vec());
            }
        }
        rows.trim_epochs(&state.id);
        Ok(())
    }

    fn max_epoch_id(&self, group_id: &[u8]) -> Result<Option<u64>, Unreadable> {
        Ok(self
            .rows()
            .epochs_of(group_id)
            .last()
            .map(|(epoch, _)| *epoch))
    }
}

impl KeyPackageStorage for GroupStore {
    type Error = Unreadable;

    fn delete(&mut self, id: &[u8]) -> Result<(), Unreadable> {
        self.rows().delete(Table::KeyPackages, id.to_vec());
        Ok(())
    }

    fn insert(&mut self, id: Vec<u8>, package: KeyPackageData) -> Result<(), Unreadable> {
        let bytes = package.mls_encode_to_vec().map_err(|_| Unreadable)?;
        self.rows().put(Table::KeyPackages, id, bytes);
        Ok(())
    }

    fn get(&self, id: &[u8]) -> Result<Option<KeyPackageData>, Unreadable> {
        let key = (Table::KeyPackages, id.to_vec());
        let rows = self.rows();
        rows.values
            .get(&key)
            .map(|value| decode_package(value))
            .transpose()
    }
}

fn decode_package(bytes: &[u8]) -> Result<KeyPackageData, Unreadable> {
    KeyPackageData::mls_decode(&mut &*bytes).map_err(|_| Unreadable)
}

fn epoch_key(group: &[u8], epoch: u64) -> Vec<u8> {
    [group, &epoch.to_be_bytes()].concat()
}

fn epoch_in(key: &[u8]) -> Option<u64> {
    let (_, epoch) = key.split_last_chunk::<8>()?;
    Some(u64::from_be_bytes(*epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: u64) -> EpochRecord {
        EpochRecord::new(epoch, vec![1].into())
    }

    fn state(id: u8) -> GroupState {
        GroupState {
            id: vec![id; 16],
            data: vec![9].into(),
        }
    }

    #[test]
    fn only_the_last_prior_epochs_are_kept_and_their_deletion_is_written() {
        let mut store = GroupStore::default();

        for epoch in 0..5 {
            store
                .write(state(1), vec![record(epoch)], Vec::new())
                .unwrap();
        }

        assert_eq!(store.max_epoch_id(&[1; 16]).unwrap(), Some(4));
        assert!(store.epoch(&[1; 16], 2).unwrap().is_some());
        assert!(store.epoch(&[1; 16], 1).unwrap().is_none());
        let deleted = store
            .take_writes()
            .into_iter()
            .filter(|write| write.value.is_none());
        assert_eq!(deleted.count(), 2);
    }

    #[test]
    fn a_staged_group_replaces_all_rows_of_the_old_one_and_of_no_other() {
        let group = GroupId::new([1; 16]);
        let mut store = GroupStore::default();
        store.write(state(1), vec![record(7)], Vec::new()).unwrap();
        store.write(state(2), vec![record(7)], Vec::new()).unwrap();
        let mut staging = GroupStore::default();
        staging.write(state(1), Vec::new(), Vec::new()).unwrap();

        store.replace(&group, staging.export(&group));

        assert!(store.has(&group));
        assert_eq!(store.max_epoch_id(&[1; 16]).unwrap(), None);
        assert_eq!(store.max_epoch_id(&[2; 16]).unwrap(), Some(7));
    }
}
