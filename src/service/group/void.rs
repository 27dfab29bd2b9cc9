//! Taking commits back: each by an entry of its own, newest first, so that the epoch before the
//! first of them holds again.

use crate::delivery::Delivery;
use crate::service::directory::Caller;
use crate::service::error::{GroupError, StoreError};
use crate::service::group::change::Change;
use crate::service::group::commit::put_members;
use crate::service::group::state::State;
use crate::service::group::{Cell, Entry, Groups};
use crate::service::key::{self, of_group};
use crate::service::record::{GroupRow, KnownRow, LogRow, MemberRow, OutboxRow, UndoRow, pack};
use roost_mls::ObservedGroup;
use roost_store::Batch;
use roost_wire::log::{EntryKind, InboxItem};
use roost_wire::{Blob, DeviceId, EntryHash, Seconds, Seq, SignatureKey};
use std::collections::BTreeMap;

impl Groups {
    /// Takes back commits of one device, the newest first.
    pub(super) async fn take_back(
        &self,
        cell: &Cell,
        place: &mut Option<State>,
        chain: Vec<(Seq, UndoRow)>,
        now: Seconds,
    ) -> Result<Vec<Delivery>, GroupError> {
        let state = place.as_ref().ok_or(GroupError::NotFound)?;
        let group = state.id;
        let row = row_before(state, &chain)?;
        let next = self.kept_state(state, &row).await?;
        let plan = Plan::new(state, &chain, row, now)?;
        // From here on the state in memory is out of date until the write has an outcome.
        let mut state = place.take().ok_or(GroupError::NotFound)?;
        self.shared.unsent().insert(group);
        let receipt = self
            .house
            .store
            .commit(&key::group(&group), plan.batch)
            .await?;
        let last = plan.last;
        let mut deliveries = plan.change.leaving(group, last.seq);
        deliveries.extend(plan.entries.iter().map(|entry| entry.delivery(group)));
        deliveries.extend(plan.change.out_of_call(state.call));
        let members = plan.change.after;
        state.advance(members, plan.row, next, last, receipt.version());
        *place = Some(state);
        cell.durable.written(last.seq, &receipt);
        Ok(deliveries)
    }

    /// The state of MLS in the epoch that holds again.
    async fn kept_state(&self, state: &State, row: &GroupRow) -> Result<ObservedGroup, GroupError> {
        let (_, seq) = row.snapshots.last().ok_or(StoreError::Row)?;
        let snapshot = self
            .house
            .store
            .get(&key::group(&state.id), &of_group::snapshot(*seq))
            .await?;
        let snapshot = snapshot.ok_or(StoreError::Row)?.value;
        ObservedGroup::from_snapshot(&snapshot).map_err(GroupError::Rule)
    }
}

/// Everything that taking commits back writes.
struct Plan {
    batch: Batch,
    entries: Vec<Entry>,
    change: Change,
    row: GroupRow,
    last: KnownRow,
}

impl Plan {
    fn new(
        state: &State,
        chain: &[(Seq, UndoRow)],
        row: GroupRow,
        now: Seconds,
    ) -> Result<Self, GroupError> {
        let (_, oldest) = chain.last().ok_or(StoreError::Row)?;
        let change = Change::between(state, rows_before(state, chain, oldest), oldest.account);
        let batch = Batch::new().version(of_group::META, state.version);
        let first = state.next(now, oldest.epoch);
        let (mut batch, entries, last) = put_voids(state, batch, chain, first);
        let dropped = state.row.snapshots.iter();
        for (_, seq) in dropped.filter(|(epoch, _)| *epoch > oldest.epoch) {
            batch = batch.delete(of_group::snapshot(*seq));
        }
        batch = put_members(batch, &change.after);
        for (index, effect) in (0u16..).zip(effects(state, &change, oldest, last)) {
            batch = batch.put(of_group::outbox(last.seq, index), pack(&effect));
        }
        let batch = batch
            .put(of_group::INFO, pack(&oldest.group_info))
            .put(of_group::META, pack(&row));
        Ok(Self {
            batch,
            entries,
            change,
            row,
            last,
        })
    }
}

fn put_voids(
    state: &State,
    mut batch: Batch,
    chain: &[(Seq, UndoRow)],
    first: KnownRow,
) -> (Batch, Vec<Entry>, KnownRow) {
    let mut entries: Vec<Entry> = Vec::new();
    // All name the epoch that holds in the end: whoever sees the first knows what is gone.
    let mut known = first;
    for (undone, _) in chain {
        let is_first = entries.is_empty();
        if !is_first {
            known.seq = known.seq.next();
        }
        let entry = Entry::new(state.id, known.seq, void(*undone, known));
        batch = if is_first {
            entry.put(batch, &known)
        } else {
            // The entry before it is in the same batch.
            entry.put_behind(batch, &known)
        };
        batch = batch.delete(of_group::undo(*undone));
        entries.push(entry);
    }
    (batch, entries, known)
}

fn row_before(state: &State, chain: &[(Seq, UndoRow)]) -> Result<GroupRow, GroupError> {
    let (_, oldest) = chain.last().ok_or(StoreError::Row)?;
    let mut row = GroupRow {
        epoch: oldest.epoch,
        closed: false,
        ..state.row.clone()
    };
    row.snapshots.retain(|(epoch, _)| *epoch <= oldest.epoch);
    row.starts.retain(|(epoch, _)| *epoch <= oldest.epoch);
    row.undos
        .retain(|seq| chain.iter().all(|(undone, _)| undone != seq));
    Ok(row)
}

/// The members as they were, the committer suspended.
fn rows_before(
    state: &State,
    chain: &[(Seq, UndoRow)],
    oldest: &UndoRow,
) -> BTreeMap<DeviceId, Option<MemberRow>> {
    let mut rows: BTreeMap<DeviceId, Option<MemberRow>> = BTreeMap::new();
    for (_, undo) in chain {
        rows.extend(undo.members.iter().cloned());
    }
    let committer = rows
        .remove(&oldest.committer)
        .unwrap_or_else(|| state.members.get(&oldest.committer).cloned());
    let committer = committer.map(|row| MemberRow {
        suspended: true,
        ..row
    });
    rows.insert(oldest.committer, committer);
    rows
}

/// What follows outside the group; devices that are in again are called to rejoin.
fn effects(state: &State, change: &Change, oldest: &UndoRow, last: KnownRow) -> Vec<OutboxRow> {
    if state.row.call_of.is_some() {
        return Vec::new();
    }
    let author = Caller {
        account: oldest.account,
        device: oldest.committer,
        signature_key: SignatureKey::new([0; 32]),
        guest_of: None,
    };
    let mut effects = change.outbox(state, &author, last.time);
    let was_present = |device: &DeviceId| state.present().any(|(present, _)| present == device);
    let again = change.after.iter().filter(|(device, row)| {
        row.as_ref().is_some_and(|row| row.left.is_none()) && !was_present(device)
    });
    let again: Vec<DeviceId> = again.map(|(device, _)| *device).collect();
    if !again.is_empty() {
        effects.push(OutboxRow::Inbox {
            devices: again,
            item: InboxItem::JoinGroup { group: state.id },
        });
    }
    effects
}

fn void(undone: Seq, known: KnownRow) -> LogRow {
    // Void entries have no body; this names them, so that each has a hash of its own.
    let name = [
        b"roost void v1".as_slice(),
        &undone.get().to_be_bytes(),
        &known.seq.get().to_be_bytes(),
    ];
    LogRow {
        kind: EntryKind::Void,
        epoch: known.epoch,
        time: known.time,
        hash: EntryHash::of(&name.concat()),
        body: Blob::default(),
        voids: Some(undone),
    }
}
