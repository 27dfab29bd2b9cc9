//! What a group no longer needs: entries that every device has stored or that are too old, trees
//! that were fetched, verdicts on what can no longer be taken back.

use crate::service::error::{GroupError, StoreError, Trouble};
use crate::service::group::state::State;
use crate::service::group::{Groups, log_row};
use crate::service::key::{self, of_group};
use crate::service::record::{GroupRow, LogRow, TreeWantedRow, pack, unpack};
use crate::telemetry::log;
use roost_store::{Batch, Direction, KeyRange, Limit, Part};
use roost_wire::{DeviceId, Epoch, GroupId, Seconds, Seq};

/// Entries removed in one batch.
const ENTRIES_A_BATCH: usize = 256;
/// Devices forgotten in one batch: with the entries it stays below the steps of a batch.
const DEPARTED_A_BATCH: usize = 128;
const GROUPS_A_STEP: usize = 64;
const DAY_SECONDS: u64 = 86_400;

impl Groups {
    /// Sweeps the groups in which something was acknowledged since the last call. One that cannot
    /// be swept is noted, and does not keep the others from it.
    pub async fn sweep_moved(&self, now: Seconds) {
        let groups = std::mem::take(&mut *self.shared.moved());
        for group in groups {
            self.sweep_noting(&group, now).await;
        }
    }

    /// Sweeps some groups, those after a place, as `sweep_moved`. Returns where to go on.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn sweep_some(
        &self,
        after: Option<Part>,
        now: Seconds,
    ) -> Result<Option<Part>, GroupError> {
        let parts = self
            .house
            .store
            .parts(key::GROUPS, after, GROUPS_A_STEP)
            .await?;
        for part in &parts {
            if let Ok(group) = GroupId::try_from(part.id()) {
                self.sweep_noting(&group, now).await;
            }
        }
        let more = parts.len() >= GROUPS_A_STEP;
        Ok(parts.last().copied().filter(|_| more))
    }

    async fn sweep_noting(&self, group: &GroupId, now: Seconds) {
        match self.sweep(group, now).await {
            Ok(()) => {}
            // Not this group's trouble: nothing can be swept now, and a later sweep finds it again.
            Err(GroupError::Store(error)) if error.trouble() == Trouble::ReadOnly => {}
            Err(error) => log::note("a group could not be swept", &error),
        }
    }

    async fn sweep(&self, group: &GroupId, now: Seconds) -> Result<(), GroupError> {
        let before = now.minus(self.house.settings.retention_days * DAY_SECONDS);
        while self.sweep_entries(group, before).await? {}
        self.sweep_trees(group, before).await?;
        self.sweep_verdicts(group).await
    }

    /// Removes the oldest entries that may go; whether there may be more.
    async fn sweep_entries(&self, group: &GroupId, before: Seconds) -> Result<bool, GroupError> {
        let cell = self.cell(group);
        let part = key::group(group);
        let mut place = cell.state.lock().await;
        let state = match self.loaded(&cell, &mut place, group).await {
            Ok(state) => state,
            Err(GroupError::NotFound) => return Ok(false),
            Err(error) => return Err(error),
        };
        let stored_by_all = state.progress.stored_by_all();
        let newest = cell.durable.get();
        let page = self
            .house
            .store
            .scan(
                &part,
                KeyRange::prefix(of_group::LOG),
                Limit::rows(ENTRIES_A_BATCH),
                Direction::Forward,
            )
            .await?;
        let rows = page.rows.iter().map(log_row);
        let rows: Vec<(Seq, LogRow)> = rows.collect::<Result<_, StoreError>>()?;
        // The newest entry stays: the next one names it. So does the one at which the last device
        // stands: after a restore it tells that the log is the one it read.
        let may_go = |(seq, row): &&(Seq, LogRow)| {
            *seq < newest && (*seq < stored_by_all || row.time < before)
        };
        let over: Vec<_> = rows.iter().take_while(may_go).collect();
        let Some((last, _)) = over.last() else {
            return Ok(false);
        };
        let removal = Removal::new(state, &over, last.next());
        let mut state = place.take().ok_or(GroupError::NotFound)?;
        let receipt = self.house.store.commit(&part, removal.batch).await?;
        state.tail = removal.tail;
        if let Some(row) = removal.row {
            state.version = receipt.version();
            state.row = row;
        }
        for device in &removal.departed {
            state.members.remove(device);
            state.progress.forget(device);
        }
        for (_, row) in over {
            state.recent.remove(&row.hash);
        }
        *place = Some(state);
        Ok(page.more)
    }

    /// A tree goes when everyone it waits for has stored the commit that goes with it.
    async fn sweep_trees(&self, group: &GroupId, before: Seconds) -> Result<(), GroupError> {
        let part = key::group(group);
        let range = KeyRange::prefix(of_group::TREES_WANTED);
        let page = self
            .house
            .store
            .scan(&part, range, Limit::MAX, Direction::Forward)
            .await?;
        for row in &page.rows {
            let wanted: TreeWantedRow = unpack(&row.value)?;
            let epoch = key::last_number(row.key.as_bytes()).ok_or(StoreError::Row)?;
            if wanted.time < before || self.all_fetched(group, &wanted).await? {
                let batch = Batch::new()
                    .delete(&row.key)
                    .delete(of_group::tree(Epoch::new(epoch)));
                self.house.store.commit(&part, batch).await?;
            }
        }
        Ok(())
    }

    async fn all_fetched(
        &self,
        group: &GroupId,
        wanted: &TreeWantedRow,
    ) -> Result<bool, GroupError> {
        let part = key::group(group);
        for device in &wanted.devices {
            let member = self
                .house
                .store
                .get(&part, &of_group::member(device))
                .await?;
            let cursor = self
                .house
                .store
                .get(&part, &of_group::cursor(device))
                .await?;
            let stored = match cursor {
                Some(row) => unpack::<Seq>(&row.value)? >= wanted.seq,
                None => false,
            };
            if member.is_some() && !stored {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn sweep_verdicts(&self, group: &GroupId) -> Result<(), GroupError> {
        let cell = self.cell(group);
        let oldest = {
            let mut place = cell.state.lock().await;
            match self.loaded(&cell, &mut place, group).await {
                Ok(state) => state.row.undos.first().copied(),
                Err(GroupError::NotFound) => return Ok(()),
                Err(error) => return Err(error),
            }
        };
        let range = match oldest {
            Some(oldest) => KeyRange::between(of_group::VERDICTS, of_group::verdicts(oldest)),
            None => KeyRange::prefix(of_group::VERDICTS),
        };
        let part = key::group(group);
        let first = self
            .house
            .store
            .scan(&part, range.clone(), Limit::rows(1), Direction::Forward)
            .await?;
        if !first.rows.is_empty() {
            self.house
                .store
                .delete_range(&part, range, Limit::MAX)
                .await?;
        }
        Ok(())
    }
}

/// The oldest entries going, and what goes with them.
struct Removal {
    batch: Batch,
    tail: Seq,
    /// The group's row, if it changes.
    row: Option<GroupRow>,
    departed: Vec<DeviceId>,
}

impl Removal {
    fn new(state: &State, over: &[&(Seq, LogRow)], tail: Seq) -> Self {
        let mut batch = over.iter().fold(Batch::new(), |batch, (seq, row)| {
            batch
                .delete(of_group::log(*seq))
                .delete(of_group::known(&row.hash))
        });
        let departed = departed_before(state, tail);
        for device in &departed {
            batch = batch
                .delete(of_group::member(device))
                .delete(of_group::cursor(device));
        }
        let mut row = state.row.clone();
        while row.undos.first().is_some_and(|seq| *seq < tail) {
            batch = batch.delete(of_group::undo(row.undos.remove(0)));
        }
        let row = (row.undos != state.row.undos).then_some(row);
        if let Some(row) = &row {
            batch = batch
                .version(of_group::META, state.version)
                .put(of_group::META, pack(row));
        }
        Self {
            batch,
            tail,
            row,
            departed,
        }
    }
}

/// Devices that left before the tail: there is nothing left that they may read.
fn departed_before(state: &State, tail: Seq) -> Vec<DeviceId> {
    let rows = state.members.iter();
    rows.filter(|(_, row)| row.left.is_some_and(|left| left < tail))
        .map(|(device, _)| *device)
        .take(DEPARTED_A_BATCH)
        .collect()
}
