//! A group as the server sees it, in memory: pure decisions, no store.

use crate::service::directory::Caller;
use crate::service::error::GroupError;
use crate::service::group::progress::Progress;
use crate::service::record::{GroupRow, KnownRow, MemberRow};
use roost_mls::ObservedGroup;
use roost_store::Version;
use roost_wire::{AccountId, DeviceId, EntryHash, Epoch, GroupId, Seconds, Seq, limit};
use std::collections::{BTreeMap, BTreeSet};

/// Entries remembered by hash, so that a repeated submission needs no read.
const RECENT_MAX: usize = 512;
const RECENT_KEPT: u64 = 256;

/// One group, as of its last entry.
pub struct State {
    pub id: GroupId,
    pub row: GroupRow,
    pub version: Version,
    /// The last number given out; entries up to the cell's durable number are stored.
    pub head: Seq,
    pub tail: Seq,
    pub time: Seconds,
    /// Leaves present and past, by device.
    pub members: BTreeMap<DeviceId, MemberRow>,
    pub progress: Progress,
    pub recent: BTreeMap<EntryHash, KnownRow>,
    pub observed: Option<ObservedGroup>,
    /// The group of this conversation's call.
    pub call: Option<GroupId>,
}

impl State {
    /// Takes the next number for an application message of `from`.
    pub fn append(&mut self, from: &Caller, hash: EntryHash, known: KnownRow) {
        self.head = known.seq;
        self.time = known.time;
        self.progress.wrote(from.account, known.seq);
        self.remember(hash, known);
    }

    pub fn remember(&mut self, hash: EntryHash, known: KnownRow) {
        if self.recent.len() >= RECENT_MAX {
            let old = known.seq.get().saturating_sub(RECENT_KEPT);
            self.recent.retain(|_, known| known.seq.get() > old);
        }
        self.recent.insert(hash, known);
    }

    /// The next entry's number and time; time never runs backwards within a group.
    pub fn next(&self, now: Seconds, epoch: Epoch) -> KnownRow {
        KnownRow {
            seq: self.head.next(),
            epoch,
            time: now.max(self.time),
        }
    }

    /// The leaf of a device that is in the group now, under its present key.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn member(&self, from: &Caller) -> Result<&MemberRow, GroupError> {
        self.members
            .get(&from.device)
            .filter(|row| row.left.is_none() && row.signature_key == from.signature_key)
            .ok_or(GroupError::NotFound)
    }

    pub fn has_account(&self, account: &AccountId) -> bool {
        self.present().any(|(_, row)| row.account == *account)
    }

    pub fn present(&self) -> impl Iterator<Item = (&DeviceId, &MemberRow)> {
        self.members.iter().filter(|(_, row)| row.left.is_none())
    }

    pub fn accounts(&self) -> BTreeSet<AccountId> {
        self.present().map(|(_, row)| row.account).collect()
    }

    pub fn stale(&self) -> GroupError {
        GroupError::Stale {
            epoch: self.row.epoch,
            head: self.head,
        }
    }

    /// Whether the device may send a message encrypted in this epoch: it is in the group, has been
    /// since then, and the epoch is the current one or one of the two before, and not one of the
    /// same number that was taken back.
    ///
    /// # Errors
    /// `NotFound`, `Suspended`, `Stale`, or that the group has moved.
    pub fn admit_message(
        &self,
        from: &Caller,
        epoch: Epoch,
        began: Option<Seq>,
    ) -> Result<(), GroupError> {
        let member = self.member(from)?;
        if self.row.call_of.is_some() {
            return Err(GroupError::Against("Nothing is written into a call."));
        }
        if self.row.closed {
            return Err(GroupError::Against("This group has moved elsewhere."));
        }
        if member.suspended {
            return Err(GroupError::Suspended);
        }
        let current = self.row.epoch;
        let oldest = current.get().saturating_sub(limit::EPOCHS_BEHIND);
        let open = epoch <= current && epoch.get() >= oldest && epoch >= member.joined_epoch;
        if open && self.is_meant(epoch, began) {
            Ok(())
        } else {
            Err(self.stale())
        }
    }

    /// Whether the epoch of this number began where the sender says, as far as is known.
    fn is_meant(&self, epoch: Epoch, began: Option<Seq>) -> bool {
        let start = self.row.starts.iter().find(|(known, _)| *known == epoch);
        match (start, began) {
            (Some((_, start)), Some(began)) => *start == began,
            (None, _) | (_, None) => true,
        }
    }

    /// The numbers a device may read after a cursor: first and last, both included.
    ///
    /// # Errors
    /// `NotFound` for a device that never was in the group.
    pub fn readable(
        &self,
        device: &DeviceId,
        after: Seq,
        durable: Seq,
    ) -> Result<(Seq, Seq), GroupError> {
        let member = self.members.get(device).ok_or(GroupError::NotFound)?;
        let first = after.next().max(member.joined);
        let last = member.left.map_or(durable, |left| left.min(durable));
        Ok((first, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_wire::SignatureKey;

    fn caller(n: u8) -> Caller {
        Caller {
            account: AccountId::new([n; 16]),
            device: DeviceId::new([n; 16]),
            signature_key: SignatureKey::new([n; 32]),
            guest_of: None,
        }
    }

    fn member(n: u8, epoch: u64, joined: u64) -> (DeviceId, MemberRow) {
        let row = MemberRow {
            account: caller(n).account,
            leaf: 0,
            signature_key: caller(n).signature_key,
            joined_epoch: Epoch::new(epoch),
            joined: Seq::new(joined),
            left: None,
            suspended: false,
            leaving: None,
            is_guest: false,
        };
        (caller(n).device, row)
    }

    fn state(epoch: u64) -> State {
        State {
            id: GroupId::new([9; 16]),
            row: GroupRow {
                epoch: Epoch::new(epoch),
                founder: caller(1).device,
                founding: EntryHash::of(b""),
                created: Seconds::new(0),
                closed: false,
                is_direct: false,
                snapshots: Vec::new(),
                starts: (3..=5)
                    .map(|epoch| (Epoch::new(epoch), Seq::new(epoch)))
                    .collect(),
                call_of: None,
                undos: Vec::new(),
            },
            version: Version::ZERO,
            head: Seq::new(7),
            tail: Seq::new(1),
            time: Seconds::new(100),
            members: [member(1, 0, 0), member(2, 4, 5)].into(),
            progress: Progress::default(),
            recent: BTreeMap::new(),
            observed: None,
            call: None,
        }
    }

    fn admits(state: &State, from: u8, epoch: u64) -> bool {
        state
            .admit_message(&caller(from), Epoch::new(epoch), None)
            .is_ok()
    }

    #[test]
    fn messages_are_taken_for_the_current_epoch_and_the_two_before() {
        let state = state(5);

        let taken: Vec<_> = (0..8).filter(|epoch| admits(&state, 1, *epoch)).collect();

        assert_eq!(taken, [3, 4, 5]);
    }

    #[test]
    fn the_window_of_a_young_group_does_not_underflow() {
        assert!(admits(&state(0), 1, 0));
        assert!(!admits(&state(0), 1, u64::MAX));
    }

    #[test]
    fn nobody_sends_into_an_epoch_before_they_joined() {
        let state = state(5);

        assert!(!admits(&state, 2, 3));
        assert!(admits(&state, 2, 4));
    }

    #[test]
    fn a_message_of_an_epoch_that_was_taken_back_is_not_taken_for_one_of_the_next() {
        let state = state(5);
        let admits = |began| {
            let from = caller(1);
            state
                .admit_message(&from, Epoch::new(5), Some(Seq::new(began)))
                .is_ok()
        };

        assert!(admits(5));
        assert!(!admits(4));
    }

    #[test]
    fn strangers_and_devices_under_another_key_are_told_nothing() {
        let state = state(5);
        let rekeyed = Caller {
            signature_key: SignatureKey::new([8; 32]),
            ..caller(1)
        };

        for from in [caller(3), rekeyed] {
            let refused = state.admit_message(&from, Epoch::new(5), None);
            assert!(matches!(refused, Err(GroupError::NotFound)));
        }
    }

    #[test]
    fn a_suspended_device_is_told_to_rejoin() {
        let mut state = state(5);
        state.members.get_mut(&caller(1).device).unwrap().suspended = true;

        let refused = state.admit_message(&caller(1), Epoch::new(5), None);

        assert!(matches!(refused, Err(GroupError::Suspended)));
    }

    #[test]
    fn a_device_reads_from_its_joining_entry_to_the_one_that_removed_it() {
        let mut state = state(5);
        let read = |state: &State, n, after| {
            let (first, last) = state
                .readable(&caller(n).device, Seq::new(after), Seq::new(7))
                .unwrap();
            (first.get(), last.get())
        };

        assert_eq!(read(&state, 2, 0), (5, 7));
        assert_eq!(read(&state, 2, 6), (7, 7));

        state.members.get_mut(&caller(2).device).unwrap().left = Some(Seq::new(6));

        assert_eq!(read(&state, 2, 0), (5, 6));
        assert!(
            state
                .readable(&caller(3).device, Seq::NONE, Seq::new(7))
                .is_err()
        );
    }

    #[test]
    fn time_never_runs_backwards_in_a_group() {
        assert_eq!(
            state(5).next(Seconds::new(50), Epoch::new(5)).time.get(),
            100
        );
        assert_eq!(
            state(5).next(Seconds::new(150), Epoch::new(5)).time.get(),
            150
        );
    }
}
