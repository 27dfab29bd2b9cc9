//! What can be set about a sled store, and the seams through which tests make disks fail.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::folder::disk_space;

const CACHE_BYTES: u64 = 64 * 1024 * 1024;
const KEEP_FREE_BYTES: u64 = 512 * 1024 * 1024;
const KEEP_FREE_PERCENT: u8 = 5;
/// `EX_IOERR` of sysexits.h.
const EXIT_IO_ERROR: i32 = 74;

type OnFatal = dyn Fn(&Fatal) + Send + Sync;
type SyncFile = dyn Fn(&File) -> io::Result<()> + Send + Sync;
type AskSpace = dyn Fn(&Path) -> io::Result<Space> + Send + Sync;

/// How to open a [`SledStore`](crate::SledStore).
pub struct SledOptions {
    pub(super) cache_bytes: u64,
    pub(super) on_fatal: Box<OnFatal>,
    pub(super) sync: Box<SyncFile>,
    pub(super) space: Box<AskSpace>,
    keep_free_bytes: u64,
    keep_free_percent: u8,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self {
            cache_bytes: CACHE_BYTES,
            on_fatal: Box::new(exit),
            sync: Box::new(File::sync_data),
            space: Box::new(disk_space),
            keep_free_bytes: KEEP_FREE_BYTES,
            keep_free_percent: KEEP_FREE_PERCENT,
        }
    }
}

impl SledOptions {
    /// 64 MiB of cache; read-only below 512 MiB or 5 % of free space; the process exits with
    /// code 74 when the store can vouch for nothing any more.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How much memory sled may use for its pages.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Below either of these the store is read-only until there is more space again.
    #[must_use]
    pub fn keep_free(mut self, bytes: u64, percent: u8) -> Self {
        self.keep_free_bytes = bytes;
        self.keep_free_percent = percent;
        self
    }

    /// Called once, from the committer's thread, when the store will never acknowledge again,
    /// after all waiting commits were answered. The process should end with the message: only a
    /// new start reads again what really is on the disk.
    #[must_use]
    pub fn on_fatal(mut self, hook: impl Fn(&Fatal) + Send + Sync + 'static) -> Self {
        self.on_fatal = Box::new(hook);
        self
    }

    /// For tests of failing disks: replaces the sync of sled's file.
    #[doc(hidden)]
    #[must_use]
    pub fn sync_by(
        mut self,
        sync: impl Fn(&File) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.sync = Box::new(sync);
        self
    }

    /// For tests of full disks: replaces the question for free space.
    #[doc(hidden)]
    #[must_use]
    pub fn space_by(
        mut self,
        space: impl Fn(&Path) -> io::Result<Space> + Send + Sync + 'static,
    ) -> Self {
        self.space = Box::new(space);
        self
    }

    pub(super) fn needed_bytes(&self, space: Space) -> u64 {
        let share = (space.total_bytes / 100).saturating_mul(u64::from(self.keep_free_percent));
        share.max(self.keep_free_bytes)
    }
}

impl fmt::Debug for SledOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledOptions")
            .field("cache_bytes", &self.cache_bytes)
            .field("keep_free_bytes", &self.keep_free_bytes)
            .field("keep_free_percent", &self.keep_free_percent)
            .finish_non_exhaustive()
    }
}

/// How much a disk holds.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What we may still write.
    pub free_bytes: u64,
    /// All of it.
    pub total_bytes: u64,
}

/// Why a store will never acknowledge again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the store in {} stops: {reason}. What is on the disk is not known any more; check the disk, \
     then start again: nothing that was acknowledged is lost by stopping now",
    folder.display()
)]
pub struct Fatal {
    /// Where the store is.
    pub folder: PathBuf,
    /// What happened.
    pub reason: String,
}

fn exit(fatal: &Fatal) {
    eprintln!("roost: {fatal}");
    std::process::exit(EXIT_IO_ERROR);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_reserve_counts() {
        let options = SledOptions::new().keep_free(1000, 5);

        let needed = |total_bytes| {
            options.needed_bytes(Space {
                free_bytes: 0,
                total_bytes,
            })
        };

        assert_eq!(needed(10_000), 1000);
        assert_eq!(needed(100_000), 5000);
    }
}
