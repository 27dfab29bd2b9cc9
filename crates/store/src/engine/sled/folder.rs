//! The folder of a sled store: the lock, what has to be synced or removed, the free space.
//!
//! Owns the files. Knows nothing about rows.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::options::{SledOptions, Space};
use super::{guarded, sled_error};
use crate::error::{Error, ReadOnly, Result};

const LOCK_FILE: &str = "lock";
const SLED_FOLDER: &str = "sled";
const UNFINISHED_FOLDER: &str = "new";
const PROBE_FILE: &str = "probe";
/// A segment of sled to be cleared, a snapshot, and some more.
const PROBE_BYTES: usize = 4 * 1024 * 1024;

/// How sled 0.34.7 says that its file is locked.
const SLED_IS_LOCKED: &str = "could not acquire lock";
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// An open store folder. The lock is held as long as this lives.
pub(super) struct Folder {
    path: PathBuf,
    /// Our own descriptor of sled's file: what sled calls flush is not a sync.
    data: Option<File>,
    options: SledOptions,
    _lock: File,
}

impl Folder {
    /// Makes the folder if there is none and takes the lock.
    pub(super) fn lock(path: &Path, options: SledOptions) -> Result<Self> {
        create_folder(path).map_err(Error::io("creating the folder of the store"))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))
            .map_err(Error::io("opening the lock of the store"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                data: None,
                options,
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked {
                folder: path.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(Error::io("locking the store")(error)),
        }
    }

    /// Opens sled, and makes durable what is there.
    pub(super) fn open(&mut self) -> Result<sled::Db> {
        self.data = None;
        let place = self.path.join(SLED_FOLDER);
        if !place.is_dir() {
            self.make(&place)?;
        }
        remove_unfinished_snapshots(&place).map_err(Error::io("removing unfinished snapshots"))?;
        let db = self.open_sled(&place)?;
        self.data = Some(
            self.sync_all(&place)
                .map_err(Error::io("syncing the store"))?,
        );
        Ok(db)
    }

    /// Makes durable what sled has written.
    pub(super) fn sync(&self) -> io::Result<()> {
        let data = self
            .data
            .as_ref()
            .ok_or_else(|| io::Error::other("the store is not open"))?;
        (self.options.sync)(data)
    }

    /// Refuses to write when too little space is left.
    pub(super) fn require_space(&self) -> Result<()> {
        let space = (self.options.space)(&self.path).map_err(Error::io("asking for free space"))?;
        let needed_bytes = self.options.needed_bytes(space);
        if space.free_bytes < needed_bytes {
            let free_bytes = space.free_bytes;
            return Err(ReadOnly::DiskNearlyFull {
                free_bytes,
                needed_bytes,
            }
            .into());
        }
        Ok(())
    }

    /// Whether as much can be written as sled needs to open: what is said to be free may be under
    /// a quota.
    pub(super) fn try_writing(&self) -> Result<()> {
        let probe = self.path.join(PROBE_FILE);
        let written = fs::write(&probe, vec![0xa5; PROBE_BYTES])
            .and_then(|()| File::open(&probe)?.sync_all());
        let removed = fs::remove_file(&probe);
        written
            .and(removed)
            .map_err(Error::io("trying whether the disk takes writes again"))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn options(&self) -> &SledOptions {
        &self.options
    }

    /// Makes an empty store under another name first: a power cut leaves a whole one or none.
    fn make(&self, place: &Path) -> Result<()> {
        let unfinished = self.path.join(UNFINISHED_FOLDER);
        if unfinished.is_dir() {
            fs::remove_dir_all(&unfinished).map_err(Error::io("removing an unfinished store"))?;
        }
        drop(self.open_sled(&unfinished)?);
        self.sync_all(&unfinished)
            .and_then(|_| fs::rename(&unfinished, place))
            .and_then(|()| File::open(&self.path)?.sync_all())
            .map_err(Error::io("making the store durable"))
    }

    /// We hold the lock of the folder, so if sled's own is held, then by threads of the sled that
    /// we have just closed.
    fn open_sled(&self, place: &Path) -> Result<sled::Db> {
        for _ in 1..LOCK_TRIES {
            match self.try_open_sled(place) {
                Err(Error::Io { source, .. }) if source.to_string().contains(SLED_IS_LOCKED) => {
                    std::thread::sleep(LOCK_PAUSE);
                }
                result => return result,
            }
        }
        self.try_open_sled(place)
    }

    fn try_open_sled(&self, place: &Path) -> Result<sled::Db> {
        let config = sled::Config::new()
            .path(place)
            .cache_capacity(self.options.cache_bytes);
        guarded(&format!("the store in {}", place.display()), || {
            config
                .open()
                .map_err(|error| sled_error("opening the store", error))
        })
    }

    /// sled syncs neither its configuration nor its folders. Returns its file.
    fn sync_all(&self, place: &Path) -> io::Result<File> {
        let data = OpenOptions::new()
            .read(true)
            .write(true)
            .open(place.join("db"))?;
        (self.options.sync)(&data)?;
        for name in ["conf", "blobs", "."] {
            File::open(place.join(name))?.sync_all()?;
        }
        Ok(data)
    }
}

/// A full disk leaves one, and sled then refuses to open.
fn remove_unfinished_snapshots(place: &Path) -> io::Result<()> {
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// What the system says about the disk below the folder.
pub(super) fn disk_space(path: &Path) -> io::Result<Space> {
    let found = rustix::fs::statvfs(path)?;
    Ok(Space {
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
    })
}

/// Makes the folder and those above it, each of them durable in the one above.
fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        Some(_) | None => Path::new("."),
    };
    create_folder(above)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) | Ok(()) => (),
    }
    File::open(above)?.sync_all()
}
