//! Typed reads of the directory, and what several services ask of it.

use crate::service::error::{DirectoryError, StoreError};
use crate::service::house::House;
use crate::service::key::{self, of_directory};
use crate::service::record::{
    AccessRow, AccountRow, DeviceRow, GuestRow, InviteRow, unpack, unpack_some,
};
use minicbor::Decode;
use roost_mls::LeafCredential;
use roost_store::{Direction, KeyRange, Limit, Version};
use roost_wire::api::Person;
use roost_wire::{
    AccountId, DeviceId, DisplayName, GroupId, InviteId, Seconds, SignatureKey, limit,
};

/// A device that proved its key: who a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub account: AccountId,
    pub device: DeviceId,
    pub signature_key: SignatureKey,
    /// Of a guest: the conversation into whose calls it may be let, and into nothing else.
    pub guest_of: Option<GroupId>,
}

impl House {
    /// A credential of an account for this server, by which this key may act now.
    pub(super) fn credential(
        &self,
        credential: &[u8],
        signature_key: SignatureKey,
        now: Seconds,
    ) -> Result<LeafCredential, DirectoryError> {
        let leaf = LeafCredential::from_bytes(credential, signature_key)
            .map_err(|_| DirectoryError::Credential)?;
        if leaf.server == self.identity.id && leaf.valid_at(now) {
            Ok(leaf)
        } else {
            Err(DirectoryError::Credential)
        }
    }

    /// An account; a guest's looks like any other.
    pub(super) async fn account(&self, id: &AccountId) -> Result<Option<AccountRow>, StoreError> {
        match self.row(&of_directory::account(id)).await? {
            Some(account) => Ok(Some(account)),
            None => Ok(self.guest(id).await?.map(AccountRow::of_guest)),
        }
    }

    pub(super) async fn guest(&self, id: &AccountId) -> Result<Option<GuestRow>, StoreError> {
        self.row(&of_directory::guest(id)).await
    }

    pub(super) async fn device(&self, id: &DeviceId) -> Result<Option<DeviceRow>, StoreError> {
        self.row(&of_directory::device(id)).await
    }

    pub(super) async fn invite(
        &self,
        id: &InviteId,
    ) -> Result<Option<(InviteRow, Version)>, StoreError> {
        self.versioned(&of_directory::invite(id)).await
    }

    pub(super) async fn access(
        &self,
        group: &GroupId,
        account: &AccountId,
    ) -> Result<Option<AccessRow>, StoreError> {
        self.row(&of_directory::access(group, account)).await
    }

    /// The devices of an account, by id.
    pub(super) async fn devices_of(&self, id: &AccountId) -> Result<Vec<DeviceId>, StoreError> {
        let range = KeyRange::prefix(of_directory::devices_of(id));
        let rows = Limit::rows(limit::DEVICES_PER_ACCOUNT);
        let page = self
            .store
            .scan(&key::directory(), range, rows, Direction::Forward)
            .await?;
        let ids = page
            .rows
            .iter()
            .filter_map(|row| key::last_id(row.key.as_bytes()));
        Ok(ids.map(DeviceId::new).collect())
    }

    /// What people are told of an account.
    pub(super) async fn person(&self, id: &AccountId) -> Result<Option<Person>, StoreError> {
        let Some(account) = self.account(id).await? else {
            return Ok(None);
        };
        let seen = self.row::<u64>(&of_directory::last_seen(id)).await?;
        Ok(Some(account.person(*id, seen)))
    }

    pub(super) async fn row<T: for<'b> Decode<'b, ()>>(
        &self,
        row_key: &[u8],
    ) -> Result<Option<T>, StoreError> {
        unpack_some(self.store.get(&key::directory(), row_key).await?)
    }

    pub(super) async fn versioned<T: for<'b> Decode<'b, ()>>(
        &self,
        row_key: &[u8],
    ) -> Result<Option<(T, Version)>, StoreError> {
        let row = self.store.get(&key::directory(), row_key).await?;
        row.map(|row| Ok((unpack(&row.value)?, row.version)))
            .transpose()
    }
}

impl AccountRow {
    fn of_guest(guest: GuestRow) -> Self {
        Self {
            name: DisplayName::of_guests(),
            key: guest.key,
            next_hash: guest.next_hash,
            is_admin: false,
            created: guest.created,
            rotations: 0,
        }
    }

    pub(super) fn person(&self, account: AccountId, last_seen_day: Option<u64>) -> Person {
        Person {
            account,
            name: self.name.clone(),
            key: self.key,
            is_admin: self.is_admin,
            last_seen_day,
            next_key_hash: Some(self.next_hash),
        }
    }
}
