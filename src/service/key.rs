//! Where everything is stored: partitions and row keys, built here only. Numbers are big-endian,
//! so that order is order.
//!
//! Partitions: `s` the server, `D` the directory of accounts, devices and invites (one, so that
//! registering is one transaction), `g` a group, `d` a device, `a` an account's memberships.

use roost_store::Part;
use roost_wire::{
    AccountId, DeviceId, DisplayName, EntryHash, Epoch, GroupId, InboxSeq, InviteId, Seq,
};
use sha2::{Digest, Sha256};

pub const GROUPS: u8 = b'g';
pub const DEVICES: u8 = b'd';

pub fn server() -> Part {
    Part::new(b's', b"")
}

pub fn directory() -> Part {
    Part::new(b'D', b"")
}

pub fn group(id: &GroupId) -> Part {
    Part::new(GROUPS, id.as_bytes())
}

pub fn device(id: &DeviceId) -> Part {
    Part::new(DEVICES, id.as_bytes())
}

pub fn account(id: &AccountId) -> Part {
    Part::new(b'a', id.as_bytes())
}

fn join(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(48);
    key.push(tag);
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// Rows of the server's own partition.
pub mod of_server {
    pub const SECRET: &[u8] = b"secret";
    pub const INCARNATION: &[u8] = b"incarnation";
}

/// Rows of the directory.
pub mod of_directory {
    use super::*;

    pub const ACCOUNTS: &[u8] = b"a";
    /// The first link's secret, until it is used.
    pub const SETUP: &[u8] = b"S";

    pub fn account(id: &AccountId) -> Vec<u8> {
        join(b'a', &[id.as_bytes()])
    }

    /// By a hash of the folded form, since that may be longer than a key.
    pub fn name(name: &DisplayName) -> Vec<u8> {
        join(b'n', &[&Sha256::digest(name.folded())])
    }

    pub fn device(id: &DeviceId) -> Vec<u8> {
        join(b'v', &[id.as_bytes()])
    }

    pub const GUESTS: &[u8] = b"y";

    pub fn guest(id: &AccountId) -> Vec<u8> {
        join(b'y', &[id.as_bytes()])
    }

    pub fn devices_of(account: &AccountId) -> Vec<u8> {
        join(b'w', &[account.as_bytes()])
    }

    pub fn device_of(account: &AccountId, device: &DeviceId) -> Vec<u8> {
        join(b'w', &[account.as_bytes(), device.as_bytes()])
    }

    pub fn last_seen(account: &AccountId) -> Vec<u8> {
        join(b'l', &[account.as_bytes()])
    }

    pub fn rotations_of(account: &AccountId) -> Vec<u8> {
        join(b'k', &[account.as_bytes()])
    }

    pub fn rotation(account: &AccountId, number: u32) -> Vec<u8> {
        join(b'k', &[account.as_bytes(), &number.to_be_bytes()])
    }

    /// The account's new key, encrypted for the device.
    pub fn sealed_key(device: &DeviceId) -> Vec<u8> {
        join(b'e', &[device.as_bytes()])
    }

    pub fn invite(id: &InviteId) -> Vec<u8> {
        join(b'i', &[id.as_bytes()])
    }

    pub fn invites() -> Vec<u8> {
        join(b'i', &[])
    }

    pub fn invites_of(account: &AccountId) -> Vec<u8> {
        join(b'j', &[account.as_bytes()])
    }

    pub fn invite_of(account: &AccountId, invite: &InviteId) -> Vec<u8> {
        join(b'j', &[account.as_bytes(), invite.as_bytes()])
    }

    pub fn redemptions_of(invite: &InviteId) -> Vec<u8> {
        join(b'r', &[invite.as_bytes()])
    }

    pub fn redemption(invite: &InviteId, account: &AccountId) -> Vec<u8> {
        join(b'r', &[invite.as_bytes(), account.as_bytes()])
    }

    pub fn access(group: &GroupId, account: &AccountId) -> Vec<u8> {
        join(b'x', &[group.as_bytes(), account.as_bytes()])
    }
}

/// Rows of a device's partition.
pub mod of_device {
    use super::*;

    pub const INBOX: &[u8] = b"i";
    pub const INBOX_HEAD: &[u8] = b"h";
    pub const STATE: &[u8] = b"n";
    /// Present while a request for more key packages waits in the inbox.
    pub const REFILL_ASKED: &[u8] = b"f";
    pub const PACKAGES: &[u8] = b"k";
    pub const LAST_RESORTS: &[u8] = b"l";

    pub fn inbox(seq: InboxSeq) -> Vec<u8> {
        join(b'i', &[&seq.get().to_be_bytes()])
    }

    /// Marks a group's outbox row as handed over, so that it is handed over once.
    pub fn origin(group: &GroupId, row: &[u8]) -> Vec<u8> {
        join(b'o', &[group.as_bytes(), row])
    }

    pub fn package(suite: u16, reference: &[u8]) -> Vec<u8> {
        join(b'k', &[&suite.to_be_bytes(), reference])
    }

    pub fn packages_of(suite: u16) -> Vec<u8> {
        join(b'k', &[&suite.to_be_bytes()])
    }

    pub fn last_resort(suite: u16) -> Vec<u8> {
        join(b'l', &[&suite.to_be_bytes()])
    }
}

/// Rows of an account's partition.
pub mod of_account {
    use super::*;

    pub const MEMBERSHIPS: &[u8] = b"g";

    pub fn membership(group: &GroupId) -> Vec<u8> {
        join(b'g', &[group.as_bytes()])
    }
}

/// Rows of a group's partition.
pub mod of_group {
    use super::*;

    pub const META: &[u8] = b"h";
    pub const INFO: &[u8] = b"i";
    /// The group of the conversation's call.
    pub const CALL: &[u8] = b"C";
    pub const LOG: &[u8] = b"l";
    pub const MEMBERS: &[u8] = b"m";
    pub const CURSORS: &[u8] = b"c";
    pub const OUTBOX: &[u8] = b"o";
    pub const VERDICTS: &[u8] = b"v";
    pub const TREES_WANTED: &[u8] = b"w";

    pub fn log(seq: Seq) -> Vec<u8> {
        join(b'l', &[&seq.get().to_be_bytes()])
    }

    pub fn known(hash: &EntryHash) -> Vec<u8> {
        join(b'd', &[hash.as_bytes()])
    }

    pub fn member(device: &DeviceId) -> Vec<u8> {
        join(b'm', &[device.as_bytes()])
    }

    pub fn cursor(device: &DeviceId) -> Vec<u8> {
        join(b'c', &[device.as_bytes()])
    }

    /// The state after entry `seq`.
    pub fn snapshot(seq: Seq) -> Vec<u8> {
        join(b's', &[&seq.get().to_be_bytes()])
    }

    pub fn outbox(seq: Seq, index: u16) -> Vec<u8> {
        join(b'o', &[&seq.get().to_be_bytes(), &index.to_be_bytes()])
    }

    pub fn undo(seq: Seq) -> Vec<u8> {
        join(b'u', &[&seq.get().to_be_bytes()])
    }

    pub fn verdicts(seq: Seq) -> Vec<u8> {
        join(b'v', &[&seq.get().to_be_bytes()])
    }

    pub fn verdict(seq: Seq, device: &DeviceId) -> Vec<u8> {
        join(b'v', &[&seq.get().to_be_bytes(), device.as_bytes()])
    }

    /// The tree's bytes, which go with the Welcomes of an epoch.
    pub fn tree(epoch: Epoch) -> Vec<u8> {
        join(b't', &[&epoch.get().to_be_bytes()])
    }

    /// Devices that have still to fetch the tree of an epoch.
    pub fn tree_wanted(epoch: Epoch) -> Vec<u8> {
        join(b'w', &[&epoch.get().to_be_bytes()])
    }
}

/// The number at the end of a key that ends in one.
pub fn last_number(key: &[u8]) -> Option<u64> {
    let (_, number) = key.split_last_chunk::<8>()?;
    Some(u64::from_be_bytes(*number))
}

/// The identifier at the end of a key that ends in one.
pub fn last_id(key: &[u8]) -> Option<[u8; 16]> {
    key.split_last_chunk::<16>().map(|(_, id)| *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_keys_are_in_the_order_of_their_numbers() {
        let keys = [1, 255, 256, u64::MAX].map(|n| of_group::log(Seq::new(n)));

        assert!(keys.is_sorted());
        assert_eq!(last_number(&keys[2]), Some(256));
    }

    #[test]
    fn names_that_fold_alike_have_one_key() {
        let key = |name| of_directory::name(&DisplayName::new(name).unwrap());

        assert_eq!(key("Mira  Hill"), key("mira hill"));
        assert_ne!(key("Mira"), key("Mirah"));
    }
}
