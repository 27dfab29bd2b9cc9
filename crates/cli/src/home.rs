//! The folder of one account on one device: its storage, its lock, the authority it believes.

use crate::failure::Failure;
use crate::tls::Trust;
use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const LOCK: &str = "lock";
const AUTHORITY: &str = "ca.pem";
const SOCKET: &str = "running.sock";

/// A folder that only its owner may enter.
#[derive(Debug, Clone)]
pub struct Home(PathBuf);

/// Held by the one process that uses a home.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock is held as long as the file is open")] File);

impl Home {
    /// Uses this folder, making it if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn at(folder: &Path) -> Result<Self, Failure> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| {
                Failure::Broken(format!("cannot use {}: {error}", folder.display()))
            })?;
        Ok(Self(folder.to_owned()))
    }

    /// `$XDG_DATA_HOME/roost-cli`, else `~/.local/share/roost-cli`.
    #[must_use]
    pub fn default_folder() -> PathBuf {
        let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let data = of("XDG_DATA_HOME")
            .map(PathBuf::from)
            .or_else(|| of("HOME").map(|home| PathBuf::from(home).join(".local").join("share")));
        data.unwrap_or_default().join("roost-cli")
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Where a process that holds the lock takes commands from others.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.0.join(SOCKET)
    }

    /// Takes the lock; none if another process has it.
    ///
    /// # Errors
    /// When the file system has no locks.
    pub fn try_lock(&self) -> Result<Option<Lock>, Failure> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(self.0.join(LOCK))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(Failure::Broken(format!("cannot lock the home: {error}"))),
        }
    }

    /// Whom to believe: public authorities, what an earlier command was given, and `file`.
    ///
    /// # Errors
    /// When `file` is no usable certificate.
    pub fn trust(&self, file: Option<&Path>) -> Result<Trust, Failure> {
        let kept = self.0.join(AUTHORITY);
        let file = match file {
            Some(file) => Some(file.to_owned()),
            None => kept.exists().then_some(kept),
        };
        match file {
            Some(file) => Ok(Trust::public().and_file(&file)?),
            None => Ok(Trust::public()),
        }
    }

    /// Keeps the authority in `file`, so that later commands need not be told again.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn keep_authority(&self, file: &Path) -> Result<(), Failure> {
        match std::fs::copy(file, self.0.join(AUTHORITY)) {
            Ok(_) => Ok(()),
            // The kept file itself was given.
            Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_new_home_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(&folder.path().join("a").join("b")).unwrap();

        let mode = home.folder().metadata().unwrap().permissions().mode();

        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_home_has_one_user_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();

        let first = home.try_lock().unwrap();

        assert!(first.is_some());
        assert!(home.try_lock().unwrap().is_none());
        drop(first);
        assert!(home.try_lock().unwrap().is_some());
    }
}
