//! Commits: judged on a copy, stored with all they change, the first of an epoch wins.

use crate::service::directory::Caller;
use crate::service::error::{GroupError, StoreError};
use crate::service::group::admission::{Right, check_welcomes};
use crate::service::group::change::Change;
use crate::service::group::durable::Durable;
use crate::service::group::state::State;
use crate::service::group::{Entry, Groups};
use crate::service::key::{self, of_group};
use crate::service::outcome::Outcome;
use crate::service::record::{
    GroupRow, KnownRow, LogRow, MemberRow, OutboxRow, TreeWantedRow, UndoRow, pack, unpack,
};
use roost_mls::{HandshakeKind, JudgedCommit, ObservedGroup, RuleError, read_handshake};
use roost_store::{Batch, Error, Version};
use roost_wire::api::{Accepted, GroupInfoBytes, SubmitCommit};
use roost_wire::log::{EntryKind, InboxItem};
use roost_wire::{Blob, DeviceId, EntryHash, Epoch, GroupId, Seconds, Seq};

/// Times a message before this commit may fail to be stored, before the sender tries again.
const TRIES: usize = 3;
/// Epochs whose state is kept, so that a commit can be taken back; fewer when they are large.
const SNAPSHOTS_KEPT: usize = 4;
const LARGE_SNAPSHOTS_KEPT: usize = 2;
/// As many epochs as may be taken back, and those before of which messages are taken.
const STARTS_KEPT: usize = 6;
const LARGE_SNAPSHOT_BYTES: usize = 256 * 1024;

impl Groups {
    /// Appends a member's or a joiner's commit and carries out what it changes.
    ///
    /// # Errors
    /// `Stale` if another commit was first; refusals of the rules; the store's.
    pub async fn commit(
        &self,
        from: &Caller,
        asked: SubmitCommit,
        now: Seconds,
    ) -> Result<Outcome<Accepted>, GroupError> {
        for _ in 0..TRIES {
            match self.try_commit(from, &asked, now).await {
                Err(GroupError::Store(StoreError::Store(Error::Conflict { .. }))) => {}
                result => return result,
            }
        }
        Err(StoreError::Contended.into())
    }

    async fn try_commit(
        &self,
        from: &Caller,
        asked: &SubmitCommit,
        now: Seconds,
    ) -> Result<Outcome<Accepted>, GroupError> {
        let group = asked.group;
        let bytes = asked.commit.as_bytes();
        let hash = EntryHash::of(bytes);
        let (kind, epoch) = shape(bytes, &group)?;
        let cell = self.cell(&group);
        let mut place = cell.state.lock().await;
        let state = self.loaded(&cell, &mut place, &group).await?;
        if state.member(from).is_ok()
            && let Some(known) = self.known(&cell, state, &hash).await?
        {
            return Ok(Outcome::quiet(known.accepted()));
        }
        let right = self.check_author(from, state, kind, now).await?;
        if epoch != state.row.epoch {
            return Err(state.stale());
        }
        let observed = self.observed(state).await?;
        let known = state.next(now, epoch);
        let judged = observed
            .judge_commit(bytes, known.time)
            .map_err(|error| rule(state, error))?;
        self.check_judged(from, state, &judged, right.as_ref())
            .await?;
        check_welcomes(&judged, asked.welcomes.as_slice())?;
        if !judged.closes {
            judged
                .next
                .check_group_info(asked.group_info.as_bytes())
                .map_err(GroupError::Rule)?;
        }
        let known = KnownRow {
            epoch: judged.epoch,
            ..known
        };
        let info = self.info_row(&group).await?;
        let plan = Plan::new(state, from, asked, judged, known, info)?;
        self.check_adding(from.account, &plan.change.joined, now)
            .await?;
        // From here on the state in memory is out of date until the write has an outcome.
        let mut state = place.take().ok_or(GroupError::NotFound)?;
        self.shared.unsent().insert(group);
        let receipt = self
            .house
            .store
            .commit(&key::group(&group), plan.batch)
            .await?;
        self.note_adding(from.account, &plan.change.joined, now);
        let mut deliveries = plan.change.leaving(group, known.seq);
        deliveries.push(plan.entry.delivery(group));
        deliveries.extend(plan.change.out_of_call(state.call));
        state.remember(hash, known);
        state.advance(
            plan.change.after,
            plan.row,
            plan.next,
            known,
            receipt.version(),
        );
        *place = Some(state);
        cell.durable.written(known.seq, &receipt);
        drop(place);
        deliveries.extend(self.send_outbox(&group, now).await);
        let accepted = Durable::written(known, &receipt).accepted();
        Ok(Outcome::new(accepted, deliveries))
    }

    async fn check_author(
        &self,
        from: &Caller,
        state: &State,
        kind: HandshakeKind,
        now: Seconds,
    ) -> Result<Option<Right>, GroupError> {
        let right = match kind {
            HandshakeKind::Commit { .. } => {
                if state.member(from)?.suspended {
                    return Err(GroupError::Suspended);
                }
                self.check_host(from, state).await?;
                None
            }
            HandshakeKind::ExternalCommit => Some(self.right(from, state, now).await?),
            HandshakeKind::SelfRemove { .. } => {
                return Err(GroupError::Against("A proposal is not a commit."));
            }
        };
        if state.row.closed {
            return Err(GroupError::Against("This group has moved elsewhere."));
        }
        Ok(right)
    }

    pub(super) async fn info_row(&self, group: &GroupId) -> Result<GroupInfoBytes, GroupError> {
        let row = self
            .house
            .store
            .get(&key::group(group), of_group::INFO)
            .await?;
        Ok(unpack(&row.ok_or(StoreError::Row)?.value)?)
    }
}

/// Everything one commit writes.
struct Plan {
    batch: Batch,
    entry: Entry,
    change: Change,
    row: GroupRow,
    next: ObservedGroup,
}

impl Plan {
    fn new(
        state: &State,
        from: &Caller,
        asked: &SubmitCommit,
        judged: JudgedCommit,
        known: KnownRow,
        info: GroupInfoBytes,
    ) -> Result<Self, GroupError> {
        let change = Change::of(state, &judged, known.seq);
        let log = LogRow {
            kind: EntryKind::Commit,
            epoch: state.row.epoch,
            time: known.time,
            hash: EntryHash::of(asked.commit.as_bytes()),
            body: Blob::new(asked.commit.as_bytes().to_vec())?,
            voids: None,
        };
        let entry = Entry::new(state.id, known.seq, log);
        let undo = UndoRow {
            committer: from.device,
            account: from.account,
            epoch: state.row.epoch,
            members: change.before.clone(),
            group_info: info,
            others: change.others,
        };
        let snapshot = judged.next.snapshot().map_err(GroupError::Rule)?;
        let mut row = GroupRow {
            epoch: judged.epoch,
            closed: judged.closes,
            ..state.row.clone()
        };
        row.snapshots.push((judged.epoch, known.seq));
        row.undos.push(known.seq);
        row.begin(judged.epoch, known.seq);
        let mut batch = entry
            .put(Batch::new(), &known)
            .version(of_group::META, state.version)
            .put(of_group::undo(known.seq), pack(&undo));
        batch = row.forget_old(batch, snapshot.len());
        batch = put_members(batch, &change.after);
        batch = put_trees(batch, &judged, asked, known)?;
        let mut outbox = change.outbox(state, from, known.time);
        outbox.extend(welcomes(&state.id, &judged, asked, known));
        for (index, effect) in (0u16..).zip(&outbox) {
            batch = batch.put(of_group::outbox(known.seq, index), pack(effect));
        }
        if !judged.closes {
            batch = batch.put(of_group::INFO, pack(&asked.group_info));
        }
        let batch = batch
            .put(of_group::snapshot(known.seq), snapshot)
            .put(of_group::META, pack(&row));
        Ok(Self {
            batch,
            entry,
            change,
            row,
            next: judged.next,
        })
    }
}

impl GroupRow {
    /// Notes where an epoch begins, and forgets epochs of which no message is taken any more, not
    /// even after the last commits were taken back.
    fn begin(&mut self, epoch: Epoch, seq: Seq) {
        self.starts.push((epoch, seq));
        let over = self.starts.len().saturating_sub(STARTS_KEPT);
        self.starts.drain(..over);
    }

    /// Drops the oldest states, and the commits that could be taken back only with them.
    pub(super) fn forget_old(&mut self, mut batch: Batch, newest_bytes: usize) -> Batch {
        let kept = if newest_bytes > LARGE_SNAPSHOT_BYTES {
            LARGE_SNAPSHOTS_KEPT
        } else {
            SNAPSHOTS_KEPT
        };
        while self.snapshots.len() > kept {
            let (_, seq) = self.snapshots.remove(0);
            batch = batch.delete(of_group::snapshot(seq));
        }
        while self.undos.len() >= self.snapshots.len() && !self.undos.is_empty() {
            batch = batch.delete(of_group::undo(self.undos.remove(0)));
        }
        batch
    }
}

impl State {
    /// Takes over what was stored.
    pub(super) fn advance(
        &mut self,
        members: Vec<(DeviceId, Option<MemberRow>)>,
        row: GroupRow,
        next: ObservedGroup,
        known: KnownRow,
        version: Version,
    ) {
        for (device, member) in members {
            match member {
                Some(member) => self.members.insert(device, member),
                None => self.members.remove(&device),
            };
        }
        self.row = row;
        self.version = version;
        self.head = known.seq;
        self.time = known.time;
        self.observed = Some(next);
        let earlier = std::mem::take(&mut self.progress);
        self.restart_progress(|device| Some(earlier.cursor(device)));
    }
}

pub(super) fn put_members(batch: Batch, rows: &[(DeviceId, Option<MemberRow>)]) -> Batch {
    rows.iter().fold(batch, |batch, (device, row)| match row {
        Some(row) => batch.put(of_group::member(device), pack(row)),
        None => batch.delete(of_group::member(device)),
    })
}

/// Those who get a Welcome fetch the tree of the epoch apart.
fn put_trees(
    batch: Batch,
    judged: &JudgedCommit,
    asked: &SubmitCommit,
    known: KnownRow,
) -> Result<Batch, GroupError> {
    let devices: Vec<DeviceId> = asked
        .welcomes
        .as_slice()
        .iter()
        .flat_map(|welcome| welcome.devices.as_slice().iter().copied())
        .collect();
    if devices.is_empty() {
        return Ok(batch);
    }
    let wanted = TreeWantedRow {
        time: known.time,
        seq: known.seq,
        devices,
    };
    let tree = judged.next.export_tree().map_err(GroupError::Rule)?;
    Ok(batch
        .put(of_group::tree(judged.epoch), tree)
        .put(of_group::tree_wanted(judged.epoch), pack(&wanted)))
}

fn welcomes(
    group: &GroupId,
    judged: &JudgedCommit,
    asked: &SubmitCommit,
    known: KnownRow,
) -> Vec<OutboxRow> {
    let item = |welcome: &Blob<{ roost_wire::limit::WELCOME_BYTES }>| InboxItem::Welcome {
        group: *group,
        epoch: judged.epoch,
        seq: known.seq,
        welcome: welcome.clone(),
    };
    let rows = asked
        .welcomes
        .as_slice()
        .iter()
        .map(|one| OutboxRow::Inbox {
            devices: one.devices.as_slice().to_vec(),
            item: item(&one.welcome),
        });
    rows.collect()
}

fn shape(bytes: &[u8], group: &GroupId) -> Result<(HandshakeKind, Epoch), GroupError> {
    let handshake = read_handshake(bytes).map_err(GroupError::Rule)?;
    if handshake.group == *group {
        Ok((handshake.kind, handshake.epoch))
    } else {
        Err(GroupError::Against("The commit is for another group."))
    }
}

/// A refusal by the rules; one about the epoch is a lost race.
pub(super) fn rule(state: &State, error: RuleError) -> GroupError {
    match error {
        RuleError::Epoch { .. } => state.stale(),
        RuleError::Malformed(error) => error.into(),
        error => GroupError::Rule(error),
    }
}
