//! What a commit changes in the server's view of a group. Pure.

use crate::delivery::Delivery;
use crate::service::directory::Caller;
use crate::service::group::state::State;
use crate::service::record::{MemberRow, OutboxRow};
use roost_mls::{JudgedCommit, LeafSummary};
use roost_wire::{AccountId, DeviceId, DisplayName, Epoch, GroupId, Seconds, Seq};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of members before and after.
pub struct Change {
    pub before: Vec<(DeviceId, Option<MemberRow>)>,
    pub after: Vec<(DeviceId, Option<MemberRow>)>,
    /// Devices that read no further than this entry.
    pub gone: Vec<DeviceId>,
    pub joined: BTreeSet<AccountId>,
    pub left: BTreeSet<AccountId>,
    /// Accounts that stay, other than the committer's and guests'.
    pub others: u32,
}

impl Change {
    /// What an accepted commit, stored as entry `seq`, changes.
    pub fn of(state: &State, judged: &JudgedCommit, seq: Seq) -> Self {
        let mut rows: BTreeMap<DeviceId, Option<MemberRow>> = BTreeMap::new();
        for leaf in &judged.removed {
            let row = state.members.get(&leaf.device).cloned();
            let row = row.map(|row| MemberRow {
                left: Some(seq),
                ..row
            });
            rows.insert(leaf.device, row);
        }
        for leaf in &judged.added {
            rows.insert(leaf.device, Some(entered(leaf, judged.epoch, seq)));
        }
        let author = judged.committer.leaf();
        if !rows.contains_key(&author.device)
            && let Some(row) = state.members.get(&author.device)
            && (row.leaf != author.leaf || row.signature_key != author.signature_key)
        {
            let row = MemberRow {
                leaf: author.leaf,
                signature_key: author.signature_key,
                ..row.clone()
            };
            rows.insert(author.device, Some(row));
        }
        Self::between(state, rows, author.account)
    }

    /// What it changes to put these rows in place of the present ones.
    pub fn between(
        state: &State,
        rows: BTreeMap<DeviceId, Option<MemberRow>>,
        committer: AccountId,
    ) -> Self {
        let is_present = |row: &Option<MemberRow>| row.as_ref().is_some_and(|r| r.left.is_none());
        let before = state.accounts();
        let untouched = state
            .present()
            .filter(|(device, _)| !rows.contains_key(device))
            .map(|(_, row)| row.account);
        let put = rows
            .values()
            .filter(|row| is_present(row))
            .filter_map(|row| row.as_ref().map(|row| row.account));
        let after: BTreeSet<AccountId> = untouched.chain(put).collect();
        let gone = rows
            .iter()
            .filter(|(device, row)| {
                let was = state.members.get(device).cloned();
                is_present(&was) && !is_present(row)
            })
            .map(|(device, _)| *device)
            .collect();
        let guests = state.present().filter(|(_, row)| row.is_guest);
        let guests: BTreeSet<AccountId> = guests.map(|(_, row)| row.account).collect();
        let has_say = |one: &&AccountId| **one != committer && !guests.contains(*one);
        let others = before.intersection(&after).filter(has_say);
        Self {
            before: rows
                .keys()
                .map(|device| (*device, state.members.get(device).cloned()))
                .collect(),
            gone,
            joined: after.difference(&before).copied().collect(),
            left: before.difference(&after).copied().collect(),
            others: u32::try_from(others.count()).unwrap_or(u32::MAX),
            after: rows.into_iter().collect(),
        }
    }

    /// Tells who reads no further than entry `last`.
    pub fn leaving(&self, group: GroupId, last: Seq) -> Vec<Delivery> {
        let leave = |device: &DeviceId| Delivery::Leave {
            group,
            device: *device,
            last,
        };
        self.gone.iter().map(leave).collect()
    }

    /// Tells who is out of the conversation's call with it. Comes after the entry, which tells them why.
    pub fn out_of_call(&self, call: Option<GroupId>) -> impl Iterator<Item = Delivery> {
        call.into_iter().flat_map(|call| {
            let out = move |device: &DeviceId| Delivery::OutOfCall {
                call,
                device: *device,
            };
            self.gone.iter().map(out)
        })
    }

    /// The effects outside the group: memberships, and telling an account's other devices. A call
    /// has none: who is in the conversation may enter it, by any of its devices.
    pub fn outbox(&self, state: &State, from: &Caller, now: Seconds) -> Vec<OutboxRow> {
        let mut rows = Vec::new();
        if state.row.call_of.is_some() {
            return rows;
        }
        for account in &self.left {
            let asked = self.asked_to_leave(state, account);
            let shut = (!asked && *account != from.account).then_some(now);
            rows.push(OutboxRow::Membership {
                account: *account,
                present: false,
                shut,
            });
        }
        for account in &self.joined {
            rows.push(OutboxRow::Membership {
                account: *account,
                present: true,
                shut: None,
            });
            let inside = self.after.iter().filter_map(|(device, row)| {
                let row = row.as_ref()?;
                (row.account == *account && row.left.is_none()).then_some(*device)
            });
            rows.push(OutboxRow::TellOthers {
                account: *account,
                except: inside.collect(),
            });
        }
        rows
    }

    /// Whether a device of the account had asked to be removed in the epoch that ended.
    fn asked_to_leave(&self, state: &State, account: &AccountId) -> bool {
        self.gone
            .iter()
            .filter_map(|device| state.members.get(device))
            .filter(|row| row.account == *account)
            .any(|row| {
                row.leaving
                    .is_some_and(|(epoch, _)| epoch == state.row.epoch)
            })
    }
}

fn entered(leaf: &LeafSummary, epoch: Epoch, seq: Seq) -> MemberRow {
    MemberRow {
        account: leaf.account,
        leaf: leaf.leaf,
        signature_key: leaf.signature_key,
        joined_epoch: epoch,
        joined: seq,
        left: None,
        suspended: false,
        leaving: None,
        is_guest: leaf.name == DisplayName::of_guests(),
    }
}
