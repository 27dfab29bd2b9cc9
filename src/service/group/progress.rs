//! How far devices have stored a group's log, and with that, how far everyone has it.

use roost_wire::{AccountId, DeviceId, Seq};
use std::collections::BTreeMap;

/// Cursors of a group's devices and what follows from them.
#[derive(Default)]
pub struct Progress {
    cursors: BTreeMap<DeviceId, Seq>,
    /// Devices that left: how far each has stored the log, and how far it may read.
    departed: BTreeMap<DeviceId, (Seq, Seq)>,
    accounts: BTreeMap<AccountId, Seq>,
    delivered: Seq,
}

impl Progress {
    /// Starts over: the devices present, each with its account and where it stands, and those who
    /// left, each with where it stands and the last entry it may read.
    pub fn with_departed(
        places: impl IntoIterator<Item = (DeviceId, AccountId, Seq)>,
        departed: BTreeMap<DeviceId, (Seq, Seq)>,
    ) -> Self {
        let mut progress = Self {
            departed,
            ..Self::default()
        };
        for (device, account, seq) in places {
            progress.cursors.insert(device, seq);
            let best = progress.accounts.entry(account).or_default();
            *best = seq.max(*best);
        }
        progress.delivered = progress.lowest();
        progress
    }

    /// A device has stored everything up to `seq`. The new common place, if that moved.
    pub fn acknowledge(&mut self, device: DeviceId, account: AccountId, seq: Seq) -> Option<Seq> {
        let cursor = self.cursors.entry(device).or_default();
        *cursor = seq.max(*cursor);
        self.raise(account, seq)
    }

    /// The account wrote this entry: whoever had all before it has it too.
    pub fn wrote(&mut self, account: AccountId, seq: Seq) {
        let had = self.accounts.get(&account).copied().unwrap_or_default();
        if had.next() == seq {
            let _ = self.raise(account, seq);
        }
    }

    /// A device that left has stored what it may read up to `seq`.
    pub fn acknowledge_departed(&mut self, device: &DeviceId, seq: Seq) {
        if let Some((stored, left)) = self.departed.get_mut(device) {
            *stored = seq.min(*left).max(*stored);
        }
    }

    /// A device that left need not be waited for any longer.
    pub fn forget(&mut self, device: &DeviceId) {
        self.departed.remove(device);
    }

    pub fn cursor(&self, device: &DeviceId) -> Seq {
        let departed = self.departed.get(device).map(|(stored, _)| stored);
        let present = self.cursors.get(device);
        present.or(departed).copied().unwrap_or_default()
    }

    /// Every account has a device that stored everything up to here.
    pub const fn delivered(&self) -> Seq {
        self.delivered
    }

    /// Every device has stored everything up to here, as far as it may read it.
    pub fn stored_by_all(&self) -> Seq {
        let departed = self.departed.values();
        let waited_for = departed
            .filter(|(stored, left)| stored < left)
            .map(|(stored, _)| stored);
        let present = self.cursors.values();
        present.chain(waited_for).min().copied().unwrap_or_default()
    }

    fn raise(&mut self, account: AccountId, seq: Seq) -> Option<Seq> {
        let best = self.accounts.entry(account).or_default();
        let was_last = *best <= self.delivered;
        *best = seq.max(*best);
        if !was_last {
            return None;
        }
        let lowest = self.lowest();
        let moved = lowest > self.delivered;
        self.delivered = self.delivered.max(lowest);
        moved.then_some(lowest)
    }

    fn lowest(&self) -> Seq {
        self.accounts.values().min().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn device(n: u8) -> DeviceId {
        DeviceId::new([n; 16])
    }

    const fn account(n: u8) -> AccountId {
        AccountId::new([n; 16])
    }

    fn two_accounts() -> Progress {
        let places = [
            (device(1), account(1), Seq::NONE),
            (device(2), account(2), Seq::NONE),
            (device(3), account(2), Seq::NONE),
        ];
        Progress::with_departed(places, BTreeMap::new())
    }

    #[test]
    fn delivered_means_one_device_of_every_account() {
        let mut progress = two_accounts();

        assert_eq!(
            progress.acknowledge(device(2), account(2), Seq::new(4)),
            None
        );
        assert_eq!(
            progress.acknowledge(device(1), account(1), Seq::new(3)),
            Some(Seq::new(3))
        );
        assert_eq!(progress.delivered(), Seq::new(3));
        assert_eq!(
            progress.stored_by_all(),
            Seq::NONE,
            "device 3 has nothing yet"
        );
    }

    #[test]
    fn what_a_departed_device_may_still_read_is_waited_for() {
        let places = [(device(1), account(1), Seq::new(9))];
        let departed = BTreeMap::from([(device(2), (Seq::new(3), Seq::new(5)))]);
        let mut progress = Progress::with_departed(places, departed);

        assert_eq!(progress.stored_by_all(), Seq::new(3));
        assert_eq!(
            progress.delivered(),
            Seq::new(9),
            "it is no longer of the group"
        );
        progress.acknowledge_departed(&device(2), Seq::new(7));
        assert_eq!(progress.stored_by_all(), Seq::new(9));
    }

    #[test]
    fn the_writer_counts_as_having_its_own_entry() {
        let mut progress = two_accounts();

        progress.wrote(account(1), Seq::new(1));

        assert_eq!(
            progress.acknowledge(device(3), account(2), Seq::new(1)),
            Some(Seq::new(1))
        );
    }

    #[test]
    fn writing_does_not_skip_what_the_writer_has_not_stored() {
        let mut progress = two_accounts();
        let _ = progress.acknowledge(device(2), account(2), Seq::new(9));

        progress.wrote(account(1), Seq::new(9));

        assert_eq!(progress.delivered(), Seq::NONE);
    }

    #[test]
    fn a_cursor_never_goes_back() {
        let mut progress = two_accounts();
        let _ = progress.acknowledge(device(1), account(1), Seq::new(5));
        let _ = progress.acknowledge(device(1), account(1), Seq::new(2));

        assert_eq!(progress.cursor(&device(1)), Seq::new(5));
    }
}
