//! The one thread that writes: many waiting commits, one batch, one sync, many answers.
//!
//! Owns the order of commits, their versions, and the decision when nothing can be vouched for any
//! more. Nothing is answered before it is durable; readers are shown nothing before either.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use sled::IVec;
use tokio::sync::{mpsc, oneshot};

use super::folder::Folder;
use super::layered::{Layer, Layered};
use super::layout::{LAST_VERSION, RawKey, head_key, piece_key};
use super::options::Fatal;
use super::row::{parse_version, seal_version, split};
use super::{Engine, Shared, guarded, sled_error};
use crate::batch::Batch;
use crate::error::{Error, ReadOnly, Result};
use crate::key::{Key, KeyRange, Part};
use crate::limit::{GROUP_BYTES_MAX, GROUP_COMMITS_MAX};
use crate::plan::{View, Writes, plan};
use crate::record::Version;
use crate::store::Limit;

/// Something to commit, and whom to tell.
pub(super) struct Request {
    pub(super) part: Part,
    pub(super) task: Task,
    pub(super) answer: oneshot::Sender<Result<Done>>,
}

pub(super) enum Task {
    Commit(Batch),
    DeleteRange(KeyRange, Limit),
}

/// What became of it.
pub(super) struct Done {
    pub(super) version: Version,
    /// Only of a range delete: how many rows went.
    pub(super) rows: usize,
    /// Only of a range delete: whether more are there.
    pub(super) more: bool,
}

pub(super) struct Committer {
    folder: Folder,
    shared: Arc<Shared>,
    db: Option<sled::Db>,
    last: Version,
    health: Health,
}

enum Health {
    Writing,
    /// A write failed. Nothing is known to be lost: sled can be opened again once there is space.
    Stalled,
    /// A sync failed. Never again.
    Dead(String),
}

/// The commits that one sync makes durable.
#[derive(Default)]
struct Group {
    after: Layer,
    answers: Vec<(oneshot::Sender<Result<Done>>, Result<Done>)>,
}

impl Committer {
    pub(super) fn start(folder: Folder, shared: Arc<Shared>) -> Result<Self> {
        let last = Version::ZERO;
        let mut committer = Self {
            folder,
            shared,
            db: None,
            last,
            health: Health::Writing,
        };
        committer.open()?;
        Ok(committer)
    }

    /// Serves until nobody can ask any more, then closes the store.
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            let group = gather(first, &mut requests);
            if catch_unwind(AssertUnwindSafe(|| self.serve(group))).is_err() {
                // Those who wait learn `Unknown`, since their answers were dropped.
                self.die("the committer panicked".to_owned());
            }
        }
        self.close();
    }

    fn serve(&mut self, requests: Vec<Request>) {
        if let Err(reason) = self.ready() {
            return refuse(requests, &reason);
        }
        let Some(db) = self.db.clone() else {
            return refuse(
                requests,
                &ReadOnly::WriteFailed("the store is not open".to_owned()),
            );
        };
        let group = self.judge(&db, requests);
        let before = match before_images(&db, &group.after) {
            Ok(before) => before,
            Err(error) => return group.refuse(&ReadOnly::WriteFailed(error.to_string())),
        };
        match self.make_durable(&db, &group.after, before) {
            Ok(()) => group.answer(),
            Err(failure) => {
                group.answer_unknown();
                self.fail(failure);
            }
        }
    }

    /// Whether anything can be written now; opens sled again if that is what it takes.
    fn ready(&mut self) -> Result<(), ReadOnly> {
        if let Health::Dead(reason) = &self.health {
            return Err(ReadOnly::SyncFailed(reason.clone()));
        }
        self.folder.require_space().map_err(|error| match error {
            Error::ReadOnly(reason) => reason,
            other => ReadOnly::WriteFailed(other.to_string()),
        })?;
        if let Health::Stalled = self.health {
            self.reopen()
                .map_err(|error| ReadOnly::WriteFailed(error.to_string()))?;
            self.health = Health::Writing;
        }
        Ok(())
    }

    /// Judges each in order; later ones see what earlier ones will have written.
    fn judge(&mut self, db: &sled::Db, requests: Vec<Request>) -> Group {
        let mut group = Group::default();
        for Request { part, task, answer } in requests {
            let version = self.last.next();
            let rows = Layered {
                db,
                layer: &group.after,
            };
            let judged = judge_one(rows, &part, task, version);
            let result = judged.map(|(writes, done)| {
                self.last = version;
                group.after.extend(writes);
                group
                    .after
                    .insert(LAST_VERSION.to_vec(), Some(sealed_version(version)));
                done
            });
            group.answers.push((answer, result));
        }
        group
    }

    /// Until the sync, readers see the rows as they were before.
    fn make_durable(&self, db: &sled::Db, after: &Layer, before: Layer) -> Result<(), Failure> {
        if after.is_empty() {
            return Ok(());
        }
        self.shared.change(|visible| visible.before = before);
        Self::write(db, after).map_err(|error| self.judge_failure(&error))?;
        self.folder
            .sync()
            .map_err(|error| Failure::Sync(error.to_string()))?;
        self.shared.change(|visible| visible.before.clear());
        Ok(())
    }

    fn write(db: &sled::Db, after: &Layer) -> sled::Result<()> {
        let mut batch = sled::Batch::default();
        for (key, value) in after {
            match value {
                Some(value) => batch.insert(key.as_slice(), value),
                None => batch.remove(key.as_slice()),
            }
        }
        db.apply_batch(batch)?;
        db.flush().map(drop)
    }

    /// A full disk refuses a write before anything is lost. Whether it was that and only that,
    /// our own descriptor tells: it reports every write-back that failed.
    fn judge_failure(&self, error: &sled::Error) -> Failure {
        let reason = error.to_string();
        let full = matches!(error, sled::Error::Io(source) if is_full(source.kind()));
        match self.folder.sync() {
            Ok(()) if full => Failure::Write,
            Ok(()) => Failure::Sync(reason),
            Err(error) => Failure::Sync(error.to_string()),
        }
    }

    fn fail(&mut self, failure: Failure) {
        match failure {
            Failure::Write => self.health = Health::Stalled,
            Failure::Sync(reason) => self.die(reason),
        }
    }

    fn die(&mut self, reason: String) {
        self.health = Health::Dead(reason.clone());
        let folder = self.folder.path().to_owned();
        (self.folder.options().on_fatal)(&Fatal { folder, reason });
    }

    fn open(&mut self) -> Result<()> {
        let db = self.folder.open()?;
        if let Some(last) = last_version(&db)? {
            self.last = self.last.max(last);
        }
        self.db = Some(db.clone());
        self.shared.change(|visible| {
            visible.engine = Engine::Open(db);
            visible.before.clear();
        });
        Ok(())
    }

    /// sled never forgets an error, so it has to go and come again.
    fn reopen(&mut self) -> Result<()> {
        self.folder.try_writing()?;
        self.db = None;
        self.shared
            .change(|visible| visible.engine = Engine::Broken("reopening".to_owned()));
        let result = self.open();
        if let Err(error) = &result {
            let reason = error.to_string();
            self.shared
                .change(|visible| visible.engine = Engine::Broken(reason));
        }
        result
    }

    fn close(&mut self) {
        self.db = None;
        self.shared.change(|visible| {
            visible.engine = Engine::Closed;
            visible.before.clear();
        });
    }
}

/// Why a group did not become durable.
enum Failure {
    /// The disk is full.
    Write,
    /// What is on the disk is not known.
    Sync(String),
}

impl Group {
    fn answer(self) {
        for (answer, result) in self.answers {
            // Whoever does not wait any more does not want to know.
            let _ = answer.send(result);
        }
    }

    fn answer_unknown(self) {
        for (answer, result) in self.answers {
            let _ = answer.send(result.and(Err(Error::Unknown)));
        }
    }

    fn refuse(self, reason: &ReadOnly) {
        for (answer, result) in self.answers {
            let _ = answer.send(result.and(Err(reason.clone().into())));
        }
    }
}

fn gather(first: Request, requests: &mut mpsc::Receiver<Request>) -> Vec<Request> {
    let mut bytes = first.task.bytes();
    let mut group = vec![first];
    while group.len() < GROUP_COMMITS_MAX && bytes < GROUP_BYTES_MAX {
        let Ok(next) = requests.try_recv() else { break };
        bytes = bytes.saturating_add(next.task.bytes());
        group.push(next);
    }
    group
}

impl Task {
    fn bytes(&self) -> usize {
        match self {
            Self::Commit(batch) => batch.bytes(),
            Self::DeleteRange(_, limit) => limit.clamped().bytes,
        }
    }
}

fn refuse(requests: Vec<Request>, reason: &ReadOnly) {
    for request in requests {
        let _ = request.answer.send(Err(reason.clone().into()));
    }
}

fn judge_one(
    rows: Layered<'_>,
    part: &Part,
    task: Task,
    version: Version,
) -> Result<(Layer, Done)> {
    match task {
        Task::Commit(batch) => {
            let writes = plan(batch, &PartView { rows, part })?;
            let layer = raw_writes(rows, part, writes, version)?;
            Ok((
                layer,
                Done {
                    version,
                    rows: 0,
                    more: false,
                },
            ))
        }
        Task::DeleteRange(range, limit) => {
            let (keys, more) = rows.keys(part, &range, limit)?;
            let count = keys.len();
            let writes = keys.into_iter().map(|key| (key, None)).collect();
            let layer = raw_writes(rows, part, writes, version)?;
            Ok((
                layer,
                Done {
                    version,
                    rows: count,
                    more,
                },
            ))
        }
    }
}

/// Rows as sled will hold them; the pieces of the values they replace go away.
fn raw_writes(rows: Layered<'_>, part: &Part, writes: Writes, version: Version) -> Result<Layer> {
    let mut layer = Layer::new();
    for (key, value) in writes {
        let key = key.as_bytes();
        let old_pieces = rows.head(part, key)?.map_or(0, |(_, pieces)| pieces);
        for number in 0..old_pieces {
            layer.insert(piece_key(part, key, number), None);
        }
        let head_key = head_key(part, key);
        let Some(value) = value else {
            layer.insert(head_key, None);
            continue;
        };
        let (head, pieces) = split(&value);
        let sealed = head.seal(&head_key, version);
        layer.insert(head_key, Some(IVec::from(sealed)));
        for (number, piece) in (0..).zip(pieces) {
            let raw_key = piece_key(part, key, number);
            let sealed = piece.seal(&raw_key, version);
            layer.insert(raw_key, Some(IVec::from(sealed)));
        }
    }
    Ok(layer)
}

/// What readers go on seeing while the group is written.
fn before_images(db: &sled::Db, after: &Layer) -> Result<Layer> {
    let image = |key: &RawKey| Ok((key.clone(), db.get(key)?));
    let images: sled::Result<Layer> = after.keys().map(image).collect();
    images.map_err(|error| sled_error("reading a row", error))
}

fn last_version(db: &sled::Db) -> Result<Option<Version>> {
    guarded("the store, while reading its last version", || {
        let raw = db
            .get(LAST_VERSION)
            .map_err(|error| sled_error("reading a row", error))?;
        raw.map(|raw| parse_version(LAST_VERSION, &raw)).transpose()
    })
}

fn sealed_version(version: Version) -> IVec {
    IVec::from(seal_version(LAST_VERSION, version))
}

fn is_full(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

struct PartView<'a> {
    rows: Layered<'a>,
    part: &'a Part,
}

impl View for PartView<'_> {
    fn version(&self, key: &Key) -> Result<Option<Version>> {
        Ok(self
            .rows
            .head(self.part, key.as_bytes())?
            .map(|(version, _)| version))
    }

    fn value(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        Ok(self
            .rows
            .row(self.part, key.as_bytes())?
            .map(|row| row.value))
    }
}
