//! The engine on sled 0.34.7: durable, one process, one folder.
//!
//! Owns the measures that make sled keep the promise:
//!
//! - One committer thread takes up to 256 waiting commits, applies them as one batch, flushes, and
//!   calls fdatasync on a descriptor of its own: what sled calls flush is not a sync.
//! - Rows are at most 4 KiB; longer values are split. sled keeps long ones in files it never syncs.
//! - Readers look through the images of the rows from before the group under way, so that they see
//!   durable rows only, and all of a group at once. Reading goes straight to sled's page cache on
//!   the caller's thread.
//! - A failed sync ends it: those who wait learn `Unknown`, nothing is acknowledged again, and the
//!   hook ends the process. A panic of sled counts as one.
//! - Below a reserve of free space nothing is written: reading goes on, and writing too as soon as
//!   there is space.
//! - A write that fails for want of space all the same does not end it either: those who wait learn
//!   `Unknown`, then the store is read-only, and each later commit tries whether the disk takes
//!   writes again; if so, sled is opened anew. Until then rows beside the failed write may answer
//!   `Io`: sled splits its nodes while it reads, which is a write. A read that fails has the
//!   committer try as well.
//! - A new store is made under another name and renamed, so that a power cut leaves a whole one.

mod committer;
mod folder;
mod layered;
mod layout;
mod options;
mod row;

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

use self::committer::{Committer, Done, Request, Task};
use self::folder::Folder;
use self::layered::{Layer, Layered};
pub use self::options::{Fatal, SledOptions, Space};
use crate::batch::{Batch, key_within_limit, range_within_limit};
use crate::error::{Error, ReadOnly, Result, at_most};
use crate::key::{KeyRange, Part};
use crate::limit::{COMMIT_QUEUE_MAX, GET_KEYS_MAX, PARTS_MAX};
use crate::record::Versioned;
use crate::store::{Deleted, Direction, Limit, Page, Queued, Receipt, Store};

/// A [`Store`] in a folder, kept by sled.
pub struct SledStore {
    shared: Arc<Shared>,
    queue: Mutex<Option<mpsc::Sender<Request>>>,
    ended: watch::Receiver<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SledStore {
    /// Opens the store in this folder, or makes a new one. Blocks while sled recovers.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if another process (or this one) has it open, [`Error::Damaged`] if it
    /// cannot be read, [`Error::Io`].
    pub fn open(path: impl AsRef<Path>, options: SledOptions) -> Result<Self> {
        let folder = Folder::lock(path.as_ref(), options)?;
        let shared = Arc::new(Shared::default());
        let committer = Committer::start(folder, Arc::clone(&shared))?;
        let (queue, requests) = mpsc::channel(COMMIT_QUEUE_MAX);
        let (end, ended) = watch::channel(false);
        let thread = std::thread::Builder::new()
            .name("store committer".to_owned())
            .spawn(move || {
                committer.run(requests);
                end.send_replace(true);
            })
            .map_err(Error::io("starting the committer"))?;
        Ok(Self {
            shared,
            queue: Mutex::new(Some(queue)),
            ended,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Gives the task its place, and waits for one while the queue is full.
    async fn enter(&self, part: &Part, task: Task) -> Result<oneshot::Receiver<Result<Done>>> {
        let queue = self
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let (answer, answered) = oneshot::channel();
        let request = Request {
            part: *part,
            task,
            answer,
        };
        let queue = queue.ok_or(Error::Closed)?;
        queue.send(request).await.map_err(|_| Error::Closed)?;
        Ok(answered)
    }

    /// Reads. Where a failed write left rows that cannot be read, the committer tries first whether
    /// the disk takes writes again: else nobody would who has to read before they write.
    async fn read<T>(&self, read: impl Fn(Layered<'_>) -> Result<T> + Sync) -> Result<T> {
        match self.shared.read(&read) {
            Err(Error::Io { .. } | Error::ReadOnly(ReadOnly::WriteFailed(_))) => {}
            done => return done,
        }
        let nothing = Task::Commit(Batch::new());
        // Whether it helped, the next look tells.
        let _ = answer(self.enter(&Part::new(0, b""), nothing).await?).await;
        self.shared.read(read)
    }

    /// Takes no more commits; the committer ends after those it has.
    fn shut(&self) {
        drop(
            self.queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore").finish_non_exhaustive()
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        self.shut();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // The committer catches its panics; there is nobody left to tell about another.
            let _ = thread.join();
        }
    }
}

#[async_trait]
impl Store for SledStore {
    async fn get(&self, part: &Part, key: &[u8]) -> Result<Option<Versioned>> {
        key_within_limit(key)?;
        self.read(|rows| rows.row(part, key)).await
    }

    async fn get_many(&self, part: &Part, keys: &[&[u8]]) -> Result<Vec<Option<Versioned>>> {
        at_most("keys of one read", keys.len(), GET_KEYS_MAX)?;
        keys.iter().try_for_each(|key| key_within_limit(key))?;
        self.read(|rows| keys.iter().map(|key| rows.row(part, key)).collect())
            .await
    }

    async fn scan(
        &self,
        part: &Part,
        range: KeyRange,
        limit: Limit,
        direction: Direction,
    ) -> Result<Page> {
        range_within_limit(&range)?;
        self.read(|rows| rows.page(part, &range, limit, direction))
            .await
    }

    async fn enqueue(&self, part: &Part, batch: Batch) -> Result<Queued> {
        batch.within_limits()?;
        let answered = self.enter(part, Task::Commit(batch)).await?;
        Ok(Queued::new(async {
            answer(answered)
                .await
                .map(|done| Receipt::new(done.version))
        }))
    }

    async fn delete_range(&self, part: &Part, range: KeyRange, limit: Limit) -> Result<Deleted> {
        range_within_limit(&range)?;
        let Done {
            version,
            rows,
            more,
        } = answer(self.enter(part, Task::DeleteRange(range, limit)).await?).await?;
        let receipt = (rows > 0).then(|| Receipt::new(version));
        Ok(Deleted {
            rows,
            more,
            receipt,
        })
    }

    async fn parts(&self, kind: u8, after: Option<Part>, limit: usize) -> Result<Vec<Part>> {
        self.read(|rows| rows.parts(kind, after, limit.min(PARTS_MAX)))
            .await
    }

    async fn close(&self) -> Result<()> {
        self.shut();
        // An error means that the committer is gone, which is what we wait for.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
        Ok(())
    }
}

/// What the committer says; nothing if it died.
async fn answer(answered: oneshot::Receiver<Result<Done>>) -> Result<Done> {
    answered.await.map_err(|_| Error::Unknown)?
}

/// What readers and the committer share.
#[derive(Default)]
struct Shared {
    visible: RwLock<Visible>,
}

#[derive(Default)]
struct Visible {
    engine: Engine,
    /// What the rows of the group under way held before: shown until the group is durable.
    before: Layer,
}

#[derive(Default)]
enum Engine {
    Open(sled::Db),
    /// A write failed and sled could not be opened again yet.
    Broken(String),
    #[default]
    Closed,
}

impl Shared {
    fn read<T>(&self, read: impl FnOnce(Layered<'_>) -> Result<T>) -> Result<T> {
        guarded("the store, while reading a row", || {
            self.read_unguarded(read)
        })
    }

    fn read_unguarded<T>(&self, read: impl FnOnce(Layered<'_>) -> Result<T>) -> Result<T> {
        let visible = self.visible.read().unwrap_or_else(PoisonError::into_inner);
        match &visible.engine {
            Engine::Open(db) => read(Layered {
                db,
                layer: &visible.before,
            }),
            Engine::Broken(reason) => Err(ReadOnly::WriteFailed(reason.clone()).into()),
            Engine::Closed => Err(Error::Closed),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Visible) -> T) -> T {
        change(&mut self.visible.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// sled panics on a damaged file where it could return an error.
fn guarded<T>(place: &str, call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Err(Error::damaged(place)))
}

fn sled_error(during: &'static str, error: sled::Error) -> Error {
    match error {
        sled::Error::Io(source) => Error::Io { during, source },
        sled::Error::Corruption { at, .. } => Error::damaged(format!("the store at {at:?}")),
        error @ (sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_)) => Error::Io {
            during,
            source: io::Error::other(error),
        },
    }
}
