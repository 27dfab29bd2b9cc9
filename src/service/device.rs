//! Further devices of an account, and new keys of a device.

use crate::delivery::Delivery;
use crate::service::account::TRIES;
use crate::service::directory::Caller;
use crate::service::error::{DirectoryError, StoreError};
use crate::service::guest;
use crate::service::house::House;
use crate::service::key::{self, of_account, of_device, of_directory};
use crate::service::outcome::Outcome;
use crate::service::record::{AccountRow, DeviceRow, pack, unpack_some};
use crate::service::signature::verifies;
use roost_mls::LeafCredential;
use roost_store::{Batch, Direction, Error, KeyRange, Limit};
use roost_wire::api::{AddDevice, Done, Memberships};
use roost_wire::{DeviceId, GroupId, List, Seconds, StateCounter, limit};
use std::sync::Arc;

/// Devices and what is noted for each.
#[derive(Clone)]
pub struct Devices {
    house: Arc<House>,
}

impl Devices {
    pub const fn new(house: Arc<House>) -> Self {
        Self { house }
    }

    /// Adds a device, or replaces the keys or credential of one.
    ///
    /// # Errors
    /// Refuses a credential that the account's current key did not sign, a device of somebody
    /// else, and more devices than an account may have.
    pub async fn add(
        &self,
        asked: &AddDevice,
        now: Seconds,
    ) -> Result<Outcome<Done>, DirectoryError> {
        for _ in 0..TRIES {
            let leaf = self.proven(asked, now)?;
            let account_key = of_directory::account(&leaf.account);
            let account = self.house.versioned::<AccountRow>(&account_key).await?;
            let (account, version) = account.ok_or(DirectoryError::Credential)?;
            let signed_by_current =
                account.key == leaf.account_key && account.next_hash == leaf.next_account_key_hash;
            if !signed_by_current {
                return Err(DirectoryError::Credential);
            }
            let row = DeviceRow {
                account: leaf.account,
                signature_key: asked.signature_key,
                credential: asked.credential.clone(),
            };
            let device_key = of_directory::device(&leaf.device);
            let earlier = self.house.versioned::<DeviceRow>(&device_key).await?;
            let seen = earlier.as_ref().map(|(_, version)| *version);
            let earlier = earlier.map(|(row, _)| row);
            if earlier.as_ref() == Some(&row) {
                return Ok(Outcome::quiet(Done {}));
            }
            self.check_place(&leaf, earlier.as_ref()).await?;
            let batch = Batch::new()
                .version(account_key, version)
                .unchanged(device_key.clone(), seen)
                .put(device_key, pack(&row))
                .put(
                    of_directory::device_of(&leaf.account, &leaf.device),
                    pack(&now),
                );
            let batch = self.renamed(batch, &leaf, account).await?;
            match self.house.store.commit(&key::directory(), batch).await {
                Ok(_) => return self.added(&leaf, earlier.as_ref()).await,
                Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Contended.into())
    }

    /// The groups in which the account has a leaf.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn memberships(&self, from: &Caller) -> Result<Memberships, DirectoryError> {
        let part = key::account(&from.account);
        let range = KeyRange::prefix(of_account::MEMBERSHIPS);
        let rows = Limit::rows(limit::GROUPS_PER_DEVICE);
        let page = self
            .house
            .store
            .scan(&part, range, rows, Direction::Forward)
            .await?;
        let ids = page
            .rows
            .iter()
            .filter_map(|row| key::last_id(row.key.as_bytes()));
        Ok(Memberships {
            groups: List::capped(ids.map(GroupId::new).collect()),
        })
    }

    /// The highest state counter a device has shown.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn known_state(&self, device: &DeviceId) -> Result<StateCounter, DirectoryError> {
        let row = self
            .house
            .store
            .get(&key::device(device), of_device::STATE)
            .await?;
        Ok(unpack_some(row)?.unwrap_or_default())
    }

    /// Notes a device's state counter if it is higher than the known one.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn note_state(
        &self,
        device: &DeviceId,
        state: StateCounter,
    ) -> Result<(), DirectoryError> {
        let part = key::device(device);
        for _ in 0..TRIES {
            let row = self.house.store.get(&part, of_device::STATE).await?;
            let version = row.as_ref().map(|row| row.version);
            let known: StateCounter = unpack_some(row)?.unwrap_or_default();
            if known >= state {
                return Ok(());
            }
            let batch = Batch::new()
                .unchanged(of_device::STATE, version)
                .put(of_device::STATE, pack(&state));
            match self.house.store.commit(&part, batch).await {
                Ok(_) => return Ok(()),
                Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Contended.into())
    }

    /// Forgets what waits for a device that is no more, or whose keys are gone.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn forget_packages(&self, device: &DeviceId) -> Result<(), DirectoryError> {
        let part = key::device(device);
        for prefix in [of_device::PACKAGES, of_device::LAST_RESORTS] {
            let range = KeyRange::prefix(prefix);
            self.house
                .store
                .delete_range(&part, range, Limit::MAX)
                .await?;
        }
        Ok(())
    }

    fn proven(&self, asked: &AddDevice, now: Seconds) -> Result<LeafCredential, DirectoryError> {
        let server = self.house.identity.id;
        let credential = asked.credential.as_bytes();
        let message = AddDevice::to_be_signed(&server, credential);
        if !verifies(asked.signature_key.as_bytes(), &message, &asked.signature) {
            return Err(DirectoryError::Signature);
        }
        self.house.credential(credential, asked.signature_key, now)
    }

    async fn check_place(
        &self,
        leaf: &LeafCredential,
        earlier: Option<&DeviceRow>,
    ) -> Result<(), DirectoryError> {
        match earlier {
            Some(earlier) if earlier.account == leaf.account => Ok(()),
            Some(_) => Err(DirectoryError::IdTaken),
            None => {
                let devices = self.house.devices_of(&leaf.account).await?;
                if devices.len() < limit::DEVICES_PER_ACCOUNT {
                    Ok(())
                } else {
                    Err(DirectoryError::Against(
                        "This account already has as many devices as it may have.",
                    ))
                }
            }
        }
    }

    /// A credential with another name renames the account, if the name is free.
    async fn renamed(
        &self,
        batch: Batch,
        leaf: &LeafCredential,
        account: AccountRow,
    ) -> Result<Batch, DirectoryError> {
        if account.name == leaf.name {
            // Written all the same: a rotation that did not see this device then starts over.
            return Ok(batch.put(of_directory::account(&leaf.account), pack(&account)));
        }
        let (old, new) = (
            of_directory::name(&account.name),
            of_directory::name(&leaf.name),
        );
        let row = AccountRow {
            name: leaf.name.clone(),
            ..account
        };
        let batch = batch.put(of_directory::account(&leaf.account), pack(&row));
        if old == new {
            return Ok(batch);
        }
        let holder = self.house.row::<roost_wire::AccountId>(&new).await?;
        if holder.is_some() || guest::is_reserved(&leaf.name) {
            return Err(DirectoryError::NameTaken);
        }
        Ok(batch
            .absent(new.clone())
            .put(new, pack(&leaf.account))
            .delete(old))
    }

    /// With new keys, what was encrypted to the old ones is of no use, and old sessions end.
    async fn added(
        &self,
        leaf: &LeafCredential,
        earlier: Option<&DeviceRow>,
    ) -> Result<Outcome<Done>, DirectoryError> {
        let rekeyed = earlier.is_some_and(|row| row.signature_key != *leaf.device_key());
        if !rekeyed {
            return Ok(Outcome::quiet(Done {}));
        }
        self.forget_packages(&leaf.device).await?;
        let over = Delivery::Disconnect {
            device: leaf.device,
        };
        Ok(Outcome::new(Done {}, vec![over]))
    }
}
