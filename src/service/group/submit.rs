//! Application messages: numbered in order, stored together, acknowledged when durable.
//!
//! The lock is held only until the message has its place in the committer's queue, so that many
//! messages of one group share one sync. Every batch names the entry before it: if that is not
//! stored, neither is this one, and the state is read anew.

use crate::service::directory::Caller;
use crate::service::error::{GroupError, StoreError};
use crate::service::group::durable::Durable;
use crate::service::group::state::State;
use crate::service::group::{Cell, Entry, Groups, Turn};
use crate::service::key;
use crate::service::outcome::Outcome;
use crate::service::record::LogRow;
use roost_store::{Batch, Error};
use roost_wire::api::Accepted;
use roost_wire::envelope::Envelope;
use roost_wire::log::EntryKind;
use roost_wire::{Blob, Seconds, Seq};

/// Times an entry before this one may fail, before the sender is asked to try again.
const TRIES: usize = 3;

/// A message as its sender offers it.
pub struct Submission {
    pub envelope: Envelope,
    /// The entry that began its epoch, as the sender knows it.
    pub began: Option<Seq>,
}

impl Groups {
    /// Appends an application message in its turn.
    ///
    /// # Errors
    /// As `State::admit_message`; `UnderWay` for a copy of a message being stored; `Behind` for one
    /// behind a refused one; the store's.
    pub async fn submit(
        &self,
        from: &Caller,
        submission: Submission,
        turn: &Turn,
        now: Seconds,
    ) -> Result<Outcome<Accepted>, GroupError> {
        for _ in 0..TRIES {
            match self.try_submit(from, &submission, turn, now).await {
                Err(GroupError::Store(StoreError::Store(Error::Conflict { .. }))) => {}
                result => return result,
            }
        }
        turn.refuse(submission.envelope.group());
        Err(StoreError::Contended.into())
    }

    async fn try_submit(
        &self,
        from: &Caller,
        submission: &Submission,
        turn: &Turn,
        now: Seconds,
    ) -> Result<Outcome<Accepted>, GroupError> {
        let envelope = &submission.envelope;
        let group = envelope.group();
        let cell = self.cell(&group);
        let part = key::group(&group);
        let mut place = cell.state.lock().await;
        let state = self.loaded(&cell, &mut place, &group).await?;
        let admitted = self.admit(&cell, state, from, submission, turn).await;
        // Noted while no other can be looked at.
        let admitted = admitted.inspect_err(|_| turn.refuse(group));
        if let Some(known) = admitted? {
            return Ok(Outcome::quiet(known.accepted()));
        }
        let known = state.next(now, state.row.epoch);
        let row = LogRow {
            kind: EntryKind::Message,
            epoch: envelope.epoch(),
            time: known.time,
            hash: envelope.hash(),
            body: Blob::new(envelope.as_bytes().to_vec())?,
            voids: None,
        };
        let entry = Entry::new(group, known.seq, row);
        let batch = entry.put(Batch::new(), &known);
        let queued = self.house.store.enqueue(&part, batch).await;
        let queued = queued.inspect_err(|_| turn.refuse(group))?;
        state.append(from, entry.hash, known);
        drop(place);
        let receipt = match queued.durable().await {
            Ok(receipt) => receipt,
            Err(error) => {
                // Before anybody can see that its place is free. After a conflict it tries again.
                if !matches!(error, Error::Conflict { .. }) {
                    turn.refuse(group);
                }
                let mut place = cell.state.lock().await;
                // Perhaps it was read anew since, and others have their places after it.
                place.take_if(|state| state.recent.get(&entry.hash) == Some(&known));
                return Err(error.into());
            }
        };
        cell.durable.written(known.seq, &receipt);
        let accepted = Durable::written(known, &receipt).accepted();
        Ok(Outcome::new(accepted, vec![entry.delivery(group)]))
    }

    /// Whether the message may be appended now; or what was answered when it was.
    async fn admit(
        &self,
        cell: &Cell,
        state: &State,
        from: &Caller,
        submission: &Submission,
        turn: &Turn,
    ) -> Result<Option<Durable>, GroupError> {
        let Submission { envelope, began } = submission;
        state.member(from)?;
        if let Some(known) = self.known(cell, state, &envelope.hash()).await? {
            return Ok(Some(known));
        }
        if turn.is_behind_a_refused(&envelope.group()) {
            return Err(GroupError::Behind);
        }
        state.admit_message(from, envelope.epoch(), *began)?;
        Ok(None)
    }
}
