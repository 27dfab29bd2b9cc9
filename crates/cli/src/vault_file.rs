//! Keeps a core's rows in one redb file, one transaction for each step.

use crate::vault::{self, TimelinePage, Vault, VaultError};
use redb::{Database, ReadableDatabase as _, TableDefinition};
use roost_client::{Row, Table, Write};
use roost_wire::GroupId;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Place of a row (see [`vault::place`]) to its value.
const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
const FILE: &str = "account.redb";
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// A file that only its owner may read. The values in it are not encrypted.
#[derive(Debug)]
pub struct VaultFile(Database);

impl VaultFile {
    /// Opens the file in this folder, or makes it.
    ///
    /// # Errors
    /// When the file cannot be made or is not one of ours.
    pub fn open(folder: &Path) -> Result<Self, VaultError> {
        let path = folder.join(FILE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        options.open(&path).map_err(VaultError::of)?;
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(&path)
            .map_err(VaultError::of)?;
        let vault = Self(database);
        vault.make_table()?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(VaultError::of)?;
        Ok(vault)
    }

    fn make_table(&self) -> Result<(), VaultError> {
        let transaction = self.0.begin_write().map_err(VaultError::of)?;
        transaction.open_table(ROWS).map_err(VaultError::of)?;
        transaction.commit().map_err(VaultError::of)
    }

    fn rows(&self) -> Result<redb::ReadOnlyTable<&'static [u8], &'static [u8]>, VaultError> {
        let transaction = self.0.begin_read().map_err(VaultError::of)?;
        transaction.open_table(ROWS).map_err(VaultError::of)
    }
}

impl Vault for VaultFile {
    fn opened_rows(&self) -> Result<Vec<Row>, VaultError> {
        let end = vault::place(Table::Timeline, &[]);
        let mut rows = Vec::new();
        for entry in self.rows()?.range(..&end[..]).map_err(VaultError::of)? {
            let (place, value) = entry.map_err(VaultError::of)?;
            rows.extend(vault::row_at(place.value(), value.value().to_vec()));
        }
        Ok(rows)
    }

    fn apply(&mut self, writes: &[Write]) -> Result<(), VaultError> {
        if writes.is_empty() {
            return Ok(());
        }
        let transaction = self.0.begin_write().map_err(VaultError::of)?;
        {
            let mut rows = transaction.open_table(ROWS).map_err(VaultError::of)?;
            for Write { table, key, value } in writes {
                let place = vault::place(*table, key);
                match value {
                    Some(value) => rows.insert(&place[..], &value[..]),
                    None => rows.remove(&place[..]),
                }
                .map_err(VaultError::of)?;
            }
        }
        transaction.commit().map_err(VaultError::of)
    }

    fn timeline(
        &self,
        group: GroupId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<TimelinePage, VaultError> {
        let (first, end) = vault::timeline_places(group, before);
        let bounds = (
            first.as_ref().map(Vec::as_slice),
            end.as_ref().map(Vec::as_slice),
        );
        let rows = self.rows()?;
        let mut trouble = None;
        let newest_first = rows
            .range::<&[u8]>(bounds)
            .map_err(VaultError::of)?
            .rev()
            .map_while(|entry| entry.map_err(|error| trouble = Some(error)).ok())
            .filter_map(|(place, value)| vault::row_at(place.value(), value.value().to_vec()));
        let page = vault::page(newest_first, limit);
        match trouble {
            Some(error) => Err(VaultError::of(error)),
            None => Ok(page),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_file_keeps_the_promise() {
        let folder = tempfile::tempdir().unwrap();

        vault::conformance::keeps_its_promise(VaultFile::open(folder.path()).unwrap());
    }

    #[test]
    fn rows_are_there_after_reopening_and_nobody_else_can_read_them() {
        let folder = tempfile::tempdir().unwrap();
        let write = Write {
            table: Table::People,
            key: b"k".to_vec(),
            value: Some(b"v".to_vec()),
        };
        VaultFile::open(folder.path())
            .unwrap()
            .apply(&[write])
            .unwrap();

        let rows = VaultFile::open(folder.path())
            .unwrap()
            .opened_rows()
            .unwrap();

        assert_eq!((rows.len(), &rows[0].value[..]), (1, &b"v"[..]));
        let mode = folder
            .path()
            .join(FILE)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_of_another_kind_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), b"not a database").unwrap();

        assert!(VaultFile::open(folder.path()).is_err());
    }
}
