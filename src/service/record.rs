//! What rows hold: one version byte, then CBOR. The store guards the bytes by a checksum, so a row
//! that does not read was written by another version.

use crate::service::error::StoreError;
use minicbor::{Decode, Encode};
use roost_store::Versioned;
use roost_wire::api::CredentialBytes;
use roost_wire::log::{EntryKind, InboxItem, LogEntry};
use roost_wire::{
    AccountId, AccountKey, Blob, DeviceId, DisplayName, EntryHash, Epoch, GroupId, InviteId,
    InviteKey, Seconds, Seq, SignatureKey, limit,
};

const VERSION: u8 = 1;

pub fn pack<T: Encode<()>>(row: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    minicbor::encode(row, &mut bytes).expect("writing to memory, and no row refuses to be encoded");
    bytes
}

pub fn unpack<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<T, StoreError> {
    match bytes.split_first() {
        Some((&VERSION, row)) => minicbor::decode(row).map_err(|_| StoreError::Row),
        _ => Err(StoreError::Row),
    }
}

pub fn unpack_some<T: for<'b> Decode<'b, ()>>(
    row: Option<Versioned>,
) -> Result<Option<T>, StoreError> {
    row.map(|row| unpack(&row.value)).transpose()
}

#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub struct AccountRow {
    #[n(0)]
    pub name: DisplayName,
    #[n(1)]
    pub key: AccountKey,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub next_hash: [u8; 32],
    #[n(3)]
    pub is_admin: bool,
    #[n(4)]
    pub created: Seconds,
    #[n(5)]
    pub rotations: u32,
}

/// The account of a guest, who has no name here.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub struct GuestRow {
    #[n(0)]
    pub key: AccountKey,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub next_hash: [u8; 32],
    /// The link that the guest came by.
    #[n(2)]
    pub link: InviteId,
    /// The conversation whose calls it is for.
    #[n(3)]
    pub conversation: GroupId,
    #[n(4)]
    pub created: Seconds,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DeviceRow {
    #[n(0)]
    pub account: AccountId,
    #[n(1)]
    pub signature_key: SignatureKey,
    #[n(2)]
    pub credential: CredentialBytes,
}

#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub struct InviteRow {
    #[n(0)]
    pub key: InviteKey,
    #[n(1)]
    pub created: Seconds,
    #[n(2)]
    pub expires: Seconds,
    #[n(3)]
    pub uses_left: u32,
    #[n(4)]
    pub inviter: Option<AccountId>,
    #[n(5)]
    pub group: Option<GroupId>,
    #[n(6)]
    pub grant: Option<Blob<{ limit::JOIN_GRANT_BYTES }>>,
    #[n(7)]
    pub is_setup: bool,
    /// The conversation for whose calls it makes guests.
    #[n(8)]
    pub guests_of: Option<GroupId>,
}

/// An account's right to enter a group by an invite.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub struct AccessRow {
    #[n(0)]
    pub invite: InviteId,
    #[n(1)]
    pub expires: Seconds,
    /// When somebody else removed the account from the group: links made before are over for it.
    #[n(2)]
    pub shut: Option<Seconds>,
}

#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub struct PackageRow {
    #[n(0)]
    pub not_after: Seconds,
    #[n(1)]
    pub package: Blob<{ limit::KEY_PACKAGE_BYTES }>,
}

#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub struct InboxRecord {
    #[n(0)]
    pub time: Seconds,
    #[n(1)]
    pub item: InboxItem,
    /// The marker that goes with the item.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub origin: Option<Vec<u8>>,
}

/// A group as a whole. Written by everything but application messages.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub struct GroupRow {
    #[n(0)]
    pub epoch: Epoch,
    #[n(1)]
    pub founder: DeviceId,
    /// Of the GroupInfo it was founded with.
    #[n(2)]
    pub founding: EntryHash,
    #[n(3)]
    pub created: Seconds,
    /// Moved elsewhere by a ReInit: it takes no messages any more.
    #[n(4)]
    pub closed: bool,
    #[n(5)]
    pub is_direct: bool,
    /// The states kept, one an epoch, oldest first: the epoch and the entry after which it holds.
    #[n(6)]
    pub snapshots: Vec<(Epoch, Seq)>,
    /// Commits that can still be taken back, oldest first.
    #[n(7)]
    pub undos: Vec<Seq>,
    /// The entries that began the last epochs, oldest first.
    #[cbor(n(8), default)]
    pub starts: Vec<(Epoch, Seq)>,
    /// The conversation whose call this is the group of.
    #[n(9)]
    pub call_of: Option<GroupId>,
}

/// A device's leaf, present or past.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct MemberRow {
    #[n(0)]
    pub account: AccountId,
    #[n(1)]
    pub leaf: u32,
    #[n(2)]
    pub signature_key: SignatureKey,
    /// The epoch the leaf entered with, and the entry that began it.
    #[n(3)]
    pub joined_epoch: Epoch,
    #[n(4)]
    pub joined: Seq,
    /// The last entry it may read: the one that removed it.
    #[n(5)]
    pub left: Option<Seq>,
    /// It sent a commit that had to be taken back, and has not rejoined since.
    #[n(6)]
    pub suspended: bool,
    /// Epoch of its last request to leave, and the entry.
    #[n(7)]
    pub leaving: Option<(Epoch, Seq)>,
    /// A guest in a call, who has no say in who else is in it.
    #[cbor(n(8), default)]
    pub is_guest: bool,
}

/// An entry of the log. Has no sender.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub struct LogRow {
    #[n(0)]
    pub kind: EntryKind,
    #[n(1)]
    pub epoch: Epoch,
    #[n(2)]
    pub time: Seconds,
    #[n(3)]
    pub hash: EntryHash,
    #[n(4)]
    pub body: Blob<{ limit::COMMIT_BYTES }>,
    #[n(5)]
    pub voids: Option<Seq>,
}

impl LogRow {
    /// As clients see it; `inline_max` bytes of body at most, else none.
    pub fn entry(self, seq: Seq, inline_max: usize) -> LogEntry {
        let size = self.body.as_bytes().len();
        let shown = self.kind != EntryKind::Void && size <= inline_max;
        LogEntry {
            seq,
            kind: self.kind,
            epoch: self.epoch,
            time: self.time,
            hash: self.hash,
            size_bytes: u32::try_from(size).unwrap_or(u32::MAX),
            body: shown.then_some(self.body),
            voids: self.voids,
        }
    }
}

/// What was answered when an entry was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct KnownRow {
    #[n(0)]
    pub seq: Seq,
    /// The group's epoch after it.
    #[n(1)]
    pub epoch: Epoch,
    #[n(2)]
    pub time: Seconds,
}

/// What it takes to undo a commit.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub struct UndoRow {
    #[n(0)]
    pub committer: DeviceId,
    #[n(1)]
    pub account: AccountId,
    /// The epoch it ended.
    #[n(2)]
    pub epoch: Epoch,
    /// The rows of the members it touched, as they were.
    #[n(3)]
    pub members: Vec<(DeviceId, Option<MemberRow>)>,
    #[n(4)]
    pub group_info: Blob<{ limit::GROUP_INFO_BYTES }>,
    /// Other accounts than the committer's and guests' that were in the group before and after it.
    #[n(5)]
    pub others: u32,
}

#[derive(Clone, Copy, Debug, Encode, Decode)]
#[cbor(array)]
pub struct VerdictRow {
    #[n(0)]
    pub account: AccountId,
    #[n(1)]
    pub merged: bool,
}

/// An effect of a group's change in another partition.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(flat)]
pub enum OutboxRow {
    #[n(0)]
    Inbox {
        #[n(0)]
        devices: Vec<DeviceId>,
        #[n(1)]
        item: InboxItem,
    },
    #[n(1)]
    Membership {
        #[n(0)]
        account: AccountId,
        #[n(1)]
        present: bool,
        /// Removed by somebody else: earlier invites to the group are over for the account.
        #[n(2)]
        shut: Option<Seconds>,
    },
    /// The account's devices outside the group learn that they may enter.
    #[n(2)]
    TellOthers {
        #[n(0)]
        account: AccountId,
        #[n(1)]
        except: Vec<DeviceId>,
    },
}

#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub struct TreeWantedRow {
    #[n(0)]
    pub time: Seconds,
    #[n(1)]
    pub seq: Seq,
    #[n(2)]
    pub devices: Vec<DeviceId>,
}
