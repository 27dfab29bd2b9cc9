//! What devices made of a commit that the server accepted: it cannot see all of one.
//!
//! When devices of two accounts refuse and none but the committer merged, the commit is taken back
//! by a new entry, the old epoch holds again, and the committer is suspended until it rejoins.
//! With one other account in the group, its word is enough. Otherwise those who refused rejoin.

use crate::service::directory::Caller;
use crate::service::error::{GroupError, StoreError};
use crate::service::group::Groups;
use crate::service::group::state::State;
use crate::service::key::{self, of_group};
use crate::service::outcome::Outcome;
use crate::service::record::{LogRow, OutboxRow, UndoRow, VerdictRow, pack, unpack, unpack_some};
use roost_store::{Batch, Direction, KeyRange, Limit};
use roost_wire::api::{Remedy, ReportVerdict, Verdict, VerdictTaken};
use roost_wire::log::InboxItem;
use roost_wire::{AccountId, DeviceId, Seconds, Seq};
use std::collections::{BTreeMap, BTreeSet};

/// Accounts that must refuse a commit before it is taken back, if there are so many others.
const REFUSING_ACCOUNTS: usize = 2;

/// What follows from the verdicts on one commit.
#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    /// Somebody else merged it: it stands.
    Stands,
    /// Nobody can follow it.
    Void,
    Open,
}

fn judge(undo: &UndoRow, verdicts: &BTreeMap<DeviceId, VerdictRow>) -> Judgement {
    // The committer's own devices have no say, so that they cannot keep a broken commit alive.
    let others = || {
        verdicts
            .values()
            .filter(|verdict| verdict.account != undo.account)
    };
    if others().any(|verdict| verdict.merged) {
        return Judgement::Stands;
    }
    let refusing: BTreeSet<AccountId> = others().map(|verdict| verdict.account).collect();
    let others = usize::try_from(undo.others).unwrap_or(usize::MAX);
    if !refusing.is_empty() && refusing.len() >= REFUSING_ACCOUNTS.min(others) {
        Judgement::Void
    } else if others == 0 {
        Judgement::Stands
    } else {
        Judgement::Open
    }
}

impl Groups {
    /// Takes a device's verdict on a commit and acts on it.
    ///
    /// # Errors
    /// `NotFound` for a device that has no say: not in the group before and after the commit.
    pub async fn verdict(
        &self,
        from: &Caller,
        asked: &ReportVerdict,
        now: Seconds,
    ) -> Result<Outcome<VerdictTaken>, GroupError> {
        let group = asked.group;
        let cell = self.cell(&group);
        let mut place = cell.state.lock().await;
        let state = self.loaded(&cell, &mut place, &group).await?;
        let joined = state.member(from)?.joined;
        let settled = match asked.verdict {
            Verdict::Refused => taken(Remedy::Rejoin),
            Verdict::Merged => taken(Remedy::GoOn),
        };
        // Guests have no say in who is in a call.
        let has_say = from.guest_of.is_none() && joined < asked.seq;
        if !has_say || !state.row.undos.contains(&asked.seq) {
            return Ok(Outcome::quiet(settled));
        }
        self.check_entry(state, asked).await?;
        let undo = self.undo_row(state, asked.seq).await?;
        match self.note_verdict(from, state, asked, &undo).await? {
            Judgement::Open => Ok(Outcome::quiet(taken(Remedy::GoOn))),
            Judgement::Stands => {
                drop(place);
                let deliveries = self.send_outbox(&group, now).await;
                Ok(Outcome::new(settled, deliveries))
            }
            Judgement::Void => {
                let Some(chain) = self.chain(state, asked.seq, &undo).await? else {
                    return Ok(Outcome::quiet(settled));
                };
                let mut deliveries = self.take_back(&cell, &mut place, chain, now).await?;
                drop(place);
                deliveries.extend(self.send_outbox(&group, now).await);
                Ok(Outcome::new(taken(Remedy::GoOn), deliveries))
            }
        }
    }

    /// Stores a verdict. Once somebody has merged what others refused, those are called back.
    async fn note_verdict(
        &self,
        from: &Caller,
        state: &State,
        asked: &ReportVerdict,
        undo: &UndoRow,
    ) -> Result<Judgement, GroupError> {
        let mut verdicts = self.verdicts(state, asked.seq).await?;
        let stood = judge(undo, &verdicts) == Judgement::Stands;
        let mine = VerdictRow {
            account: from.account,
            merged: asked.verdict == Verdict::Merged,
        };
        verdicts.insert(from.device, mine);
        let judgement = judge(undo, &verdicts);
        let mut batch = Batch::new().put(of_group::verdict(asked.seq, &from.device), pack(&mine));
        // Devices in a call ask again by themselves.
        let is_call = state.row.call_of.is_some();
        if judgement == Judgement::Stands && !stood && !is_call {
            batch = batch.put(
                of_group::outbox(asked.seq, u16::MAX),
                pack(&call_back(state, &verdicts)),
            );
            self.shared.unsent().insert(state.id);
        }
        let part = key::group(&state.id);
        self.house.store.commit(&part, batch).await?;
        Ok(judgement)
    }

    async fn check_entry(&self, state: &State, asked: &ReportVerdict) -> Result<(), GroupError> {
        let row = self
            .house
            .store
            .get(&key::group(&state.id), &of_group::log(asked.seq))
            .await?;
        let row: Option<LogRow> = unpack_some(row)?;
        if row.is_some_and(|row| row.hash == asked.hash) {
            Ok(())
        } else {
            Err(GroupError::Against("The verdict is about another entry."))
        }
    }

    async fn undo_row(&self, state: &State, seq: Seq) -> Result<UndoRow, GroupError> {
        let row = self
            .house
            .store
            .get(&key::group(&state.id), &of_group::undo(seq))
            .await?;
        Ok(unpack(&row.ok_or(StoreError::Row)?.value)?)
    }

    async fn verdicts(
        &self,
        state: &State,
        seq: Seq,
    ) -> Result<BTreeMap<DeviceId, VerdictRow>, GroupError> {
        let range = KeyRange::prefix(of_group::verdicts(seq));
        let page = self
            .house
            .store
            .scan(
                &key::group(&state.id),
                range,
                Limit::MAX,
                Direction::Forward,
            )
            .await?;
        let read = |row: &roost_store::Row| {
            let device = key::last_id(row.key.as_bytes()).ok_or(StoreError::Row)?;
            Ok((DeviceId::new(device), unpack(&row.value)?))
        };
        page.rows.iter().map(read).collect()
    }

    /// The commits to be taken back: this one and those after it, newest first, if all are the
    /// same device's. Somebody else's commit after it means that somebody could follow it.
    async fn chain(
        &self,
        state: &State,
        first: Seq,
        bad: &UndoRow,
    ) -> Result<Option<Vec<(Seq, UndoRow)>>, GroupError> {
        let mut chain = Vec::new();
        for seq in state
            .row
            .undos
            .iter()
            .rev()
            .take_while(|seq| **seq >= first)
        {
            let undo = self.undo_row(state, *seq).await?;
            if undo.committer != bad.committer {
                return Ok(None);
            }
            chain.push((*seq, undo));
        }
        Ok(Some(chain))
    }
}

const fn taken(remedy: Remedy) -> VerdictTaken {
    VerdictTaken { remedy }
}

/// Those who had refused what now stands are called to rejoin.
fn call_back(state: &State, verdicts: &BTreeMap<DeviceId, VerdictRow>) -> OutboxRow {
    let refusing = verdicts.iter().filter(|(_, verdict)| !verdict.merged);
    OutboxRow::Inbox {
        devices: refusing.map(|(device, _)| *device).collect(),
        item: InboxItem::JoinGroup { group: state.id },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_wire::{Blob, Epoch};

    fn undo(others: u32) -> UndoRow {
        UndoRow {
            committer: DeviceId::new([1; 16]),
            account: AccountId::new([1; 16]),
            epoch: Epoch::new(3),
            members: Vec::new(),
            group_info: Blob::default(),
            others,
        }
    }

    fn verdicts(given: &[(u8, u8, bool)]) -> BTreeMap<DeviceId, VerdictRow> {
        let row = |(device, account, merged): &(u8, u8, bool)| {
            let verdict = VerdictRow {
                account: AccountId::new([*account; 16]),
                merged: *merged,
            };
            (DeviceId::new([*device; 16]), verdict)
        };
        given.iter().map(row).collect()
    }

    #[test]
    fn two_refusing_accounts_take_a_commit_back() {
        let one = verdicts(&[(1, 1, true), (2, 2, false), (3, 2, false)]);
        let two = verdicts(&[(1, 1, true), (2, 2, false), (4, 3, false)]);

        assert_eq!(judge(&undo(3), &one), Judgement::Open);
        assert_eq!(judge(&undo(3), &two), Judgement::Void);
    }

    #[test]
    fn one_other_that_merged_makes_it_stand() {
        let given = verdicts(&[(2, 2, false), (4, 3, false), (5, 4, true)]);

        assert_eq!(judge(&undo(3), &given), Judgement::Stands);
    }

    #[test]
    fn between_two_accounts_the_other_one_decides() {
        assert_eq!(
            judge(&undo(1), &verdicts(&[(2, 2, false)])),
            Judgement::Void
        );
    }

    #[test]
    fn the_committers_own_devices_have_no_say_in_taking_it_back() {
        let own = verdicts(&[(6, 1, false)]);

        assert_eq!(judge(&undo(2), &own), Judgement::Open);
        assert_eq!(judge(&undo(0), &own), Judgement::Stands);
    }

    #[test]
    fn another_device_of_the_committer_cannot_make_its_commit_stand() {
        let given = verdicts(&[(2, 2, false), (4, 3, false), (6, 1, true)]);

        assert_eq!(judge(&undo(2), &given), Judgement::Void);
    }
}
