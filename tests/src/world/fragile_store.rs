//! A store in a process that can die at any commit.
//!
//! Owns the fuse: when it burns down, the commit at hand never answers (before or after it became
//! durable), and neither does anything asked later, as in a process that was killed. What the
//! inner store holds then is what a restart finds.

use async_trait::async_trait;
use futures_util::FutureExt;
use roost::service::Identity;
use roost_store::{
    Batch, Deleted, Direction, KeyRange, Limit, MemoryStore, Page, Part, Queued, ReadOnly, Result,
    Store, Versioned,
};
use std::future::{pending, ready};
use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};

/// Shared by the server of the day and the world that kills it.
#[derive(Clone, Default)]
pub struct FragileStore {
    disk: Arc<MemoryStore>,
    fuse: Arc<Mutex<Fuse>>,
}

/// Where a death falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    BeforeTheCommit,
    AfterTheCommit,
}

#[derive(Default)]
enum Fuse {
    #[default]
    Cold,
    Lit {
        commits_left: u64,
        death: Death,
    },
    Dead,
    /// The next commit finds a full disk.
    Full,
}

impl FragileStore {
    /// An empty disk and a living process.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The process will die in the commit after so many more.
    pub fn die_after(&self, commits_left: u64, death: Death) {
        *self.lock() = Fuse::Lit {
            commits_left,
            death,
        };
    }

    /// The next commit is refused as on a full disk; those after it are not.
    pub fn refuse_one(&self) {
        *self.lock() = Fuse::Full;
    }

    /// Puts the fuse out. Whether it was still burning: fewer commits came than it waited for.
    pub fn spare(&self) -> bool {
        let mut fuse = self.lock();
        let was_lit = matches!(*fuse, Fuse::Lit { .. });
        if was_lit {
            *fuse = Fuse::Cold;
        }
        was_lit
    }

    #[must_use]
    pub fn is_dead(&self) -> bool {
        matches!(*self.lock(), Fuse::Dead)
    }

    /// The same disk under a new process.
    #[must_use]
    pub fn restarted(&self) -> Self {
        *self.lock() = Fuse::Dead;
        Self {
            disk: Arc::clone(&self.disk),
            fuse: Arc::default(),
        }
    }

    /// What the disk holds now, as `roost export` writes it.
    ///
    /// # Panics
    /// If the process died.
    #[must_use]
    pub fn export(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let exported = roost_store::export(&*self.disk, &mut file).now_or_never();
        exported.expect("memory does not wait").expect("it exports");
        file
    }

    /// A new disk with what `roost import` makes of such a file.
    ///
    /// # Panics
    /// If the file is none.
    #[must_use]
    pub fn imported(file: &[u8]) -> Self {
        let store = Self::new();
        let work = async {
            roost_store::import(&*store.disk, Cursor::new(file)).await?;
            Ok::<_, anyhow::Error>(Identity::renew_incarnation(&*store.disk).await?)
        };
        let imported = work.now_or_never();
        imported.expect("memory does not wait").expect("it imports");
        store
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Fuse> {
        self.fuse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one commit: whether this is the one.
    fn burn(&self) -> Option<Death> {
        let mut fuse = self.lock();
        match &mut *fuse {
            Fuse::Cold | Fuse::Dead | Fuse::Full => None,
            Fuse::Lit {
                commits_left: 0,
                death,
            } => {
                let death = *death;
                *fuse = Fuse::Dead;
                Some(death)
            }
            Fuse::Lit { commits_left, .. } => {
                *commits_left -= 1;
                None
            }
        }
    }

    fn room(&self) -> Result<()> {
        let mut fuse = self.lock();
        if matches!(*fuse, Fuse::Full) {
            *fuse = Fuse::Cold;
            return Err(ReadOnly::WriteFailed("no room".into()).into());
        }
        Ok(())
    }

    async fn alive(&self) {
        if self.is_dead() {
            pending().await
        }
    }
}

#[async_trait]
impl Store for FragileStore {
    async fn get(&self, part: &Part, key: &[u8]) -> Result<Option<Versioned>> {
        self.alive().await;
        self.disk.get(part, key).await
    }

    async fn get_many(&self, part: &Part, keys: &[&[u8]]) -> Result<Vec<Option<Versioned>>> {
        self.alive().await;
        self.disk.get_many(part, keys).await
    }

    async fn scan(
        &self,
        part: &Part,
        range: KeyRange,
        limit: Limit,
        direction: Direction,
    ) -> Result<Page> {
        self.alive().await;
        self.disk.scan(part, range, limit, direction).await
    }

    async fn enqueue(&self, part: &Part, batch: Batch) -> Result<Queued> {
        self.alive().await;
        if let Err(error) = self.room() {
            return Ok(Queued::new(ready(Err(error))));
        }
        match self.burn() {
            None => self.disk.enqueue(part, batch).await,
            Some(Death::BeforeTheCommit) => Ok(Queued::new(pending())),
            Some(Death::AfterTheCommit) => {
                let _ = self.disk.commit(part, batch).await;
                Ok(Queued::new(pending()))
            }
        }
    }

    async fn delete_range(&self, part: &Part, range: KeyRange, limit: Limit) -> Result<Deleted> {
        self.alive().await;
        if self.burn().is_some() {
            pending::<()>().await;
        }
        self.disk.delete_range(part, range, limit).await
    }

    async fn parts(&self, kind: u8, after: Option<Part>, limit: usize) -> Result<Vec<Part>> {
        self.alive().await;
        self.disk.parts(kind, after, limit).await
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_store::Receipt;

    fn put(store: &FragileStore, key: &str) -> Option<Result<Receipt>> {
        let part = Part::new(b't', b"");
        store
            .commit(&part, Batch::new().put(key, "1"))
            .now_or_never()
    }

    #[test]
    fn a_process_that_died_before_its_commit_leaves_nothing_of_it() {
        let store = FragileStore::new();
        store.die_after(1, Death::BeforeTheCommit);

        assert!(put(&store, "a").is_some());
        assert!(put(&store, "b").is_none());
        assert!(put(&store, "c").is_none());
        assert_eq!(store.disk.rows(), 1);
    }

    #[test]
    fn a_process_that_died_after_its_commit_never_says_so() {
        let store = FragileStore::new();
        store.die_after(0, Death::AfterTheCommit);

        assert!(put(&store, "a").is_none());
        assert!(store.is_dead());
        assert!(put(&store.restarted(), "b").is_some());
        assert_eq!(store.disk.rows(), 2);
    }
}
