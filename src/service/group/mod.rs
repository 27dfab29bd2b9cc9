//! Groups: one ordered log each, the first valid commit of an epoch wins.
//!
//! Owns the order: every group has one cell, and whoever holds its lock gives out the next number.
//! Never looks inside a sealed message.

mod acknowledge;
mod adding;
mod admission;
mod call;
mod change;
mod commit;
mod durable;
mod found;
mod order;
mod outbox;
mod progress;
mod propose;
mod read;
mod retention;
mod state;
mod submit;
mod verdict;
mod void;

use crate::delivery::Delivery;
use crate::service::directory::Caller;
use crate::service::error::{GroupError, StoreError};
use crate::service::group::adding::Adds;
use crate::service::group::durable::{Durable, Mark};
use crate::service::group::progress::Progress;
use crate::service::group::state::State;
use crate::service::house::House;
use crate::service::inbox::Inboxes;
use crate::service::key::{self, of_group};
use crate::service::record::{GroupRow, KnownRow, LogRow, MemberRow, pack, unpack, unpack_some};
use bytes::Bytes;
use minicbor::Decode;
use roost_mls::ObservedGroup;
use roost_store::{Batch, Direction, KeyRange, Limit, Row};
use roost_wire::frame::ServerFrame;
use roost_wire::{Blob, DeviceId, EntryHash, GroupId, Seq, limit};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Mutex as AsyncMutex;

pub use order::{Order, Turn};
pub use read::{Page, Read};
pub use submit::Submission;

/// Groups kept in memory; beyond, those not in use are dropped.
const CELLS_MAX: usize = 4_096;
/// Rows of members or cursors read at once: there is one for every device that is or was in the
/// group since the log's tail.
const MEMBER_ROWS_A_PAGE: usize = 1_024;

/// All groups.
#[derive(Clone)]
pub struct Groups {
    house: Arc<House>,
    inboxes: Inboxes,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    cells: Mutex<BTreeMap<GroupId, Arc<Cell>>>,
    /// Groups whose outbox may hold rows.
    unsent: Mutex<BTreeSet<GroupId>>,
    /// Groups in which something was acknowledged or appended since the last sweep.
    moved: Mutex<BTreeSet<GroupId>>,
    adds: Mutex<Adds>,
    /// The groups of calls, as far as they were looked at since the start.
    calls: Mutex<BTreeMap<GroupId, call::Watched>>,
    /// Counts calls of `shrink`.
    round: AtomicU64,
}

/// One group's place in memory. The state is absent until loaded, and again after a failed write.
#[derive(Default)]
struct Cell {
    state: AsyncMutex<Option<State>>,
    durable: Mark,
    /// Held while the group's outbox is worked through.
    pump: AsyncMutex<()>,
    /// The round in which it was last asked for.
    used: AtomicU64,
}

impl Groups {
    pub fn new(house: Arc<House>, inboxes: Inboxes) -> Self {
        Self {
            house,
            inboxes,
            shared: Arc::default(),
        }
    }

    /// Refuses unless the device is in the group.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn check_member(&self, from: &Caller, group: &GroupId) -> Result<(), GroupError> {
        let cell = self.cell(group);
        let mut place = cell.state.lock().await;
        let state = self.loaded(&cell, &mut place, group).await?;
        state.member(from).map(|_| ())
    }

    /// A droppable signal for the group's connected devices.
    ///
    /// # Errors
    /// `NotFound` unless the device is in the group, and in the conversation of a call or a guest.
    pub async fn signal(
        &self,
        from: &Caller,
        group: GroupId,
        sealed: Blob<{ limit::EPHEMERAL_BYTES }>,
    ) -> Result<Delivery, GroupError> {
        self.check_hears(from, &group).await?;
        let frame = ServerFrame::Ephemeral { group, sealed };
        Ok(Delivery::Passing {
            group,
            from: Some(from.device),
            frame: frame.to_bytes().into(),
        })
    }

    /// Drops what is in memory of groups that nobody used between the last two calls. It is all in
    /// the store.
    pub fn shrink(&self) {
        let round = self.shared.round.fetch_add(1, Ordering::Relaxed);
        self.shared.cells().retain(|_, cell| {
            Arc::strong_count(cell) > 1 || cell.used.load(Ordering::Relaxed) >= round
        });
    }

    fn cell(&self, group: &GroupId) -> Arc<Cell> {
        let round = self.shared.round.load(Ordering::Relaxed);
        let mut cells = self.shared.cells();
        if cells.len() >= CELLS_MAX && !cells.contains_key(group) {
            cells.retain(|_, cell| Arc::strong_count(cell) > 1);
        }
        let cell = cells.entry(*group).or_default().clone();
        cell.used.store(round, Ordering::Relaxed);
        cell
    }

    /// The group's state, read from the store if it is not in memory.
    async fn loaded<'a>(
        &self,
        cell: &Cell,
        place: &'a mut Option<State>,
        group: &GroupId,
    ) -> Result<&'a mut State, GroupError> {
        if place.is_none() {
            *place = self.load(group).await?;
            match place {
                Some(state) => cell.durable.read(state.head),
                None => {
                    self.shared.cells().remove(group);
                }
            }
        }
        place.as_mut().ok_or(GroupError::NotFound)
    }

    async fn load(&self, group: &GroupId) -> Result<Option<State>, StoreError> {
        let part = key::group(group);
        let Some(meta) = self.house.store.get(&part, of_group::META).await? else {
            return Ok(None);
        };
        let row: GroupRow = unpack(&meta.value)?;
        let call = self.house.store.get(&part, of_group::CALL).await?;
        let call: Option<GroupId> = unpack_some(call)?;
        self.watch_calls(group, &row, call);
        let members: BTreeMap<DeviceId, MemberRow> =
            self.by_device(group, of_group::MEMBERS).await?;
        let cursors: BTreeMap<DeviceId, Seq> = self.by_device(group, of_group::CURSORS).await?;
        let newest = self.log_end(group, Direction::Backward).await?;
        let oldest = self.log_end(group, Direction::Forward).await?;
        let (head, time) = match newest {
            Some((seq, row)) => (seq, row.time),
            None => (Seq::NONE, row.created),
        };
        let mut state = State {
            id: *group,
            row,
            version: meta.version,
            head,
            tail: oldest.map_or(head.next(), |(seq, _)| seq),
            time,
            members,
            progress: Progress::default(),
            recent: BTreeMap::new(),
            observed: None,
            call,
        };
        state.restart_progress(|device| cursors.get(device).copied());
        Ok(Some(state))
    }

    async fn by_device<T: for<'b> Decode<'b, ()>>(
        &self,
        group: &GroupId,
        prefix: &[u8],
    ) -> Result<BTreeMap<DeviceId, T>, StoreError> {
        let part = key::group(group);
        let mut found = BTreeMap::new();
        let mut range = KeyRange::prefix(prefix);
        loop {
            let rows = Limit::rows(MEMBER_ROWS_A_PAGE);
            let page = self
                .house
                .store
                .scan(&part, range.clone(), rows, Direction::Forward)
                .await?;
            for row in &page.rows {
                let device = key::last_id(row.key.as_bytes()).ok_or(StoreError::Row)?;
                found.insert(DeviceId::new(device), unpack(&row.value)?);
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.rest_after(&last.key),
                _ => return Ok(found),
            }
        }
    }

    async fn log_end(
        &self,
        group: &GroupId,
        direction: Direction,
    ) -> Result<Option<(Seq, LogRow)>, StoreError> {
        let range = KeyRange::prefix(of_group::LOG);
        let page = self
            .house
            .store
            .scan(&key::group(group), range, Limit::rows(1), direction)
            .await?;
        page.rows.first().map(log_row).transpose()
    }

    /// What was answered when these bytes were accepted, if they were.
    async fn known(
        &self,
        cell: &Cell,
        state: &State,
        hash: &EntryHash,
    ) -> Result<Option<Durable>, GroupError> {
        if let Some(known) = state.recent.get(hash) {
            let known = Durable::marked(*known, &cell.durable);
            return known.map(Some).ok_or(GroupError::UnderWay);
        }
        let row = self
            .house
            .store
            .get(&key::group(&state.id), &of_group::known(hash))
            .await?;
        Ok(row.as_ref().map(Durable::read).transpose()?)
    }

    /// The state of MLS as of now, read from its snapshot if it is not in memory.
    async fn observed(&self, state: &mut State) -> Result<ObservedGroup, GroupError> {
        if state.observed.is_none() {
            let newest = state.row.snapshots.last().ok_or(StoreError::Row)?;
            let row = self
                .house
                .store
                .get(&key::group(&state.id), &of_group::snapshot(newest.1))
                .await?;
            let row = row.ok_or(StoreError::Row)?;
            let observed = ObservedGroup::from_snapshot(&row.value).map_err(GroupError::Rule)?;
            state.observed = Some(observed);
        }
        state.observed.clone().ok_or(GroupError::NotFound)
    }
}

impl Shared {
    fn cells(&self) -> MutexGuard<'_, BTreeMap<GroupId, Arc<Cell>>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unsent(&self) -> MutexGuard<'_, BTreeSet<GroupId>> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moved(&self) -> MutexGuard<'_, BTreeSet<GroupId>> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls(&self) -> MutexGuard<'_, BTreeMap<GroupId, call::Watched>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn adds(&self) -> MutexGuard<'_, Adds> {
        self.adds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts anew who has what, after members came or went.
    fn restart_progress(&mut self, cursor: impl Fn(&DeviceId) -> Option<Seq>) {
        let places: Vec<_> = self
            .present()
            .map(|(device, row)| {
                let stored = cursor(device).unwrap_or_default();
                (*device, row.account, stored.max(row.joined))
            })
            .collect();
        let departed = self.members.iter().filter_map(|(device, row)| {
            let stored = cursor(device).unwrap_or_default().max(row.joined);
            Some((*device, (stored, row.left?)))
        });
        self.progress = Progress::with_departed(places, departed.collect());
    }
}

/// An entry and the frame that shows it to followers.
struct Entry {
    seq: Seq,
    hash: EntryHash,
    packed: Vec<u8>,
    frame: Bytes,
}

impl Entry {
    fn new(group: GroupId, seq: Seq, row: LogRow) -> Self {
        let (hash, packed) = (row.hash, pack(&row));
        let entry = row.entry(seq, limit::ENTRY_INLINE_BYTES);
        let frame = ServerFrame::Event { group, entry }.to_bytes().into();
        Self {
            seq,
            hash,
            packed,
            frame,
        }
    }

    /// Adds the entry to a batch: only right after the entry before it, and only once.
    fn put(&self, batch: Batch, known: &KnownRow) -> Batch {
        let before = match self.seq.get().checked_sub(1) {
            None | Some(0) => of_group::META.to_vec(),
            Some(before) => of_group::log(Seq::new(before)),
        };
        self.put_behind(batch.present(before), known)
    }

    /// Adds the entry to a batch that holds the entry before it.
    fn put_behind(&self, batch: Batch, known: &KnownRow) -> Batch {
        let (log, hash) = (of_group::log(self.seq), of_group::known(&self.hash));
        batch
            .absent(hash.clone())
            .absent(log.clone())
            .put(log, self.packed.clone())
            .put(hash, pack(known))
    }

    fn delivery(&self, group: GroupId) -> Delivery {
        Delivery::Entry {
            group,
            seq: self.seq,
            frame: self.frame.clone(),
        }
    }
}

fn log_row(row: &Row) -> Result<(Seq, LogRow), StoreError> {
    let seq = key::last_number(row.key.as_bytes()).ok_or(StoreError::Row)?;
    Ok((Seq::new(seq), unpack(&row.value)?))
}
