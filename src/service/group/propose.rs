//! A member asks to leave: the only proposal that stands alone. Another member commits it.

use crate::service::directory::Caller;
use crate::service::error::{GroupError, StoreError};
use crate::service::group::admission::check_own;
use crate::service::group::commit::rule;
use crate::service::group::durable::Durable;
use crate::service::group::state::State;
use crate::service::group::{Entry, Groups};
use crate::service::key::{self, of_group};
use crate::service::outcome::Outcome;
use crate::service::record::{GroupRow, KnownRow, LogRow, MemberRow, pack};
use roost_mls::{JudgedProposal, read_handshake};
use roost_store::{Batch, Error};
use roost_wire::api::{Accepted, SubmitProposal};
use roost_wire::log::EntryKind;
use roost_wire::{Blob, EntryHash, Seconds};

const TRIES: usize = 3;

impl Groups {
    /// Appends a SelfRemove of the caller. A second one in the same epoch is answered as the first.
    ///
    /// # Errors
    /// `Stale`, refusals of the rules, the store's.
    pub async fn propose(
        &self,
        from: &Caller,
        asked: SubmitProposal,
        now: Seconds,
    ) -> Result<Outcome<Accepted>, GroupError> {
        for _ in 0..TRIES {
            match self.try_propose(from, &asked, now).await {
                Err(GroupError::Store(StoreError::Store(Error::Conflict { .. }))) => {}
                result => return result,
            }
        }
        Err(StoreError::Contended.into())
    }

    async fn try_propose(
        &self,
        from: &Caller,
        asked: &SubmitProposal,
        now: Seconds,
    ) -> Result<Outcome<Accepted>, GroupError> {
        let group = asked.group;
        let bytes = asked.proposal.as_bytes();
        let hash = EntryHash::of(bytes);
        let epoch = read_handshake(bytes).map_err(GroupError::Rule)?.epoch;
        let cell = self.cell(&group);
        let mut place = cell.state.lock().await;
        let state = self.loaded(&cell, &mut place, &group).await?;
        let member = state.member(from)?.clone();
        if let Some(known) = self.known(&cell, state, &hash).await? {
            return Ok(Outcome::quiet(known.accepted()));
        }
        if member.suspended {
            return Err(GroupError::Suspended);
        }
        if epoch != state.row.epoch || state.row.closed {
            return Err(state.stale());
        }
        let known = state.next(now, epoch);
        if let Some((asked_in, seq)) = member.leaving
            && asked_in == epoch
        {
            let first = Durable::marked(KnownRow { seq, ..known }, &cell.durable);
            let first = first.ok_or(GroupError::UnderWay)?;
            return Ok(Outcome::quiet(first.accepted()));
        }
        let judged = self
            .observed(state)
            .await?
            .judge_proposal(bytes, known.time)
            .map_err(|error| rule(state, error))?;
        check_own(from, &judged.proposer)?;
        let leaving = MemberRow {
            leaving: Some((epoch, known.seq)),
            ..member
        };
        let plan = Plan::new(state, asked, &judged, known)?;
        let batch = plan
            .batch
            .put(of_group::member(&from.device), pack(&leaving));
        let mut state = place.take().ok_or(GroupError::NotFound)?;
        let receipt = self.house.store.commit(&key::group(&group), batch).await?;
        state.remember(hash, known);
        let members = vec![(from.device, Some(leaving))];
        state.advance(members, plan.row, judged.next, known, receipt.version());
        *place = Some(state);
        cell.durable.written(known.seq, &receipt);
        let delivery = plan.entry.delivery(group);
        let accepted = Durable::written(known, &receipt).accepted();
        Ok(Outcome::new(accepted, vec![delivery]))
    }
}

/// What a proposal writes, but for its author's row.
struct Plan {
    batch: Batch,
    entry: Entry,
    row: GroupRow,
}

impl Plan {
    fn new(
        state: &State,
        asked: &SubmitProposal,
        judged: &JudgedProposal,
        known: KnownRow,
    ) -> Result<Self, GroupError> {
        let bytes = asked.proposal.as_bytes();
        let log = LogRow {
            kind: EntryKind::Proposal,
            epoch: known.epoch,
            time: known.time,
            hash: EntryHash::of(bytes),
            body: Blob::new(bytes.to_vec())?,
            voids: None,
        };
        let entry = Entry::new(state.id, known.seq, log);
        let mut row = state.row.clone();
        // One state is kept for each epoch: this one takes the place of the epoch's earlier one.
        let earlier = row.snapshots.pop();
        row.snapshots.push((known.epoch, known.seq));
        let mut batch = entry
            .put(Batch::new(), &known)
            .version(of_group::META, state.version);
        if let Some((_, seq)) = earlier {
            batch = batch.delete(of_group::snapshot(seq));
        }
        let snapshot = judged.next.snapshot().map_err(GroupError::Rule)?;
        let batch = batch
            .put(of_group::snapshot(known.seq), snapshot)
            .put(of_group::META, pack(&row));
        Ok(Self { batch, entry, row })
    }
}
