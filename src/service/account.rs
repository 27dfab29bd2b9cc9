//! Accounts: registering by invite, showing them, and replacing their key.

use crate::delivery::Delivery;
use crate::service::directory::Caller;
use crate::service::error::{DirectoryError, StoreError};
use crate::service::guest;
use crate::service::house::House;
use crate::service::key::{self, of_directory};
use crate::service::outcome::Outcome;
use crate::service::record::{AccessRow, AccountRow, DeviceRow, InviteRow, pack, unpack};
use crate::service::signature::verifies;
use roost_mls::{KeyRotation, LeafCredential, PinnedAccountKey};
use roost_store::{Batch, Direction, Error, KeyRange, Limit, Version};
use roost_wire::api::{
    AccountDetail, DeviceCard, ListPeople, People, Register, Registered, RotateAccount, ShowAccount,
};
use roost_wire::{AccountId, DeviceId, List, Seconds, limit};
use std::sync::Arc;

/// Rotations an account can make in its life; the answer of `ShowAccount` is bounded by it.
const ROTATIONS_MAX: u32 = 64;
/// Races of one request with others on the same rows, before it gives up.
pub(super) const TRIES: usize = 8;

/// Accounts and who they are.
#[derive(Clone)]
pub struct Accounts {
    house: Arc<House>,
}

impl Accounts {
    pub const fn new(house: Arc<House>) -> Self {
        Self { house }
    }

    /// Redeems an invite for a new account with its first device. Doing it again is harmless.
    ///
    /// # Errors
    /// Refuses an invite that is over or not proved, a credential for elsewhere, and taken names.
    pub async fn register(
        &self,
        asked: &Register,
        now: Seconds,
    ) -> Result<Registered, DirectoryError> {
        for _ in 0..TRIES {
            let (invite, version) = self
                .house
                .invite(&asked.invite)
                .await?
                .ok_or(DirectoryError::InviteOver)?;
            let leaf = self.proven(asked, &invite, now)?;
            if self.is_registered(asked, &leaf).await? {
                return self.registered(leaf.account, &invite).await;
            }
            if !invite.is_open(now) {
                return Err(DirectoryError::InviteOver);
            }
            self.check_free(&leaf, &invite).await?;
            let batch = registration(asked, &leaf, &invite, version, now);
            match self.house.store.commit(&key::directory(), batch).await {
                Ok(_) => return self.registered(leaf.account, &invite).await,
                Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Contended.into())
    }

    /// People of the server, by account id.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn people(&self, asked: ListPeople) -> Result<People, DirectoryError> {
        let mut range = KeyRange::prefix(of_directory::ACCOUNTS);
        if let Some(after) = asked.after {
            range = range.rest_after(of_directory::account(&after));
        }
        let rows = Limit::rows(limit::PEOPLE_PAGE);
        let page = self
            .house
            .store
            .scan(&key::directory(), range, rows, Direction::Forward)
            .await?;
        let mut people = Vec::new();
        for row in &page.rows {
            let account: AccountRow = unpack(&row.value)?;
            let id = key::last_id(row.key.as_bytes()).ok_or(StoreError::Row)?;
            let id = AccountId::new(id);
            let seen = self.house.row(&of_directory::last_seen(&id)).await?;
            people.push(account.person(id, seen));
        }
        Ok(People {
            people: List::capped(people),
            more: page.more,
        })
    }

    /// A person with their devices and key rotations, and what is for the asking device alone.
    ///
    /// # Errors
    /// `NotFound` for an unknown account.
    pub async fn show(
        &self,
        from: &Caller,
        asked: ShowAccount,
    ) -> Result<AccountDetail, DirectoryError> {
        let id = asked.account;
        let person = self.house.person(&id).await?;
        let person = person.ok_or(DirectoryError::NotFound)?;
        let mut devices = Vec::new();
        for device in self.house.devices_of(&id).await? {
            if let Some(row) = self.house.device(&device).await? {
                devices.push(DeviceCard {
                    device,
                    signature_key: row.signature_key,
                    credential: row.credential,
                });
            }
        }
        let rotations = KeyRange::prefix(of_directory::rotations_of(&id));
        let page = self
            .house
            .store
            .scan(&key::directory(), rotations, Limit::MAX, Direction::Forward)
            .await?;
        let rotations = page.rows.iter().map(|row| unpack(&row.value));
        let sealed_key = if from.account == id {
            self.house
                .row(&of_directory::sealed_key(&from.device))
                .await?
        } else {
            None
        };
        Ok(AccountDetail {
            person,
            devices: List::capped(devices),
            rotations: List::capped(rotations.collect::<Result<_, _>>()?),
            sealed_key,
        })
    }

    /// Replaces the account's key as its credentials announced; devices not named are removed.
    ///
    /// # Errors
    /// Refuses a rotation that does not continue from the current key.
    pub async fn rotate(
        &self,
        from: &Caller,
        asked: &RotateAccount,
    ) -> Result<Outcome<Vec<DeviceId>>, DirectoryError> {
        for _ in 0..TRIES {
            match self.try_rotate(from, asked).await {
                Err(DirectoryError::Store(StoreError::Store(Error::Conflict { .. }))) => {}
                result => return result,
            }
        }
        Err(StoreError::Contended.into())
    }

    async fn try_rotate(
        &self,
        from: &Caller,
        asked: &RotateAccount,
    ) -> Result<Outcome<Vec<DeviceId>>, DirectoryError> {
        let row_key = of_directory::account(&from.account);
        let account = self.house.versioned::<AccountRow>(&row_key).await?;
        let (account, version) = account.ok_or(DirectoryError::NotFound)?;
        let rotation =
            KeyRotation::parse(asked.rotation.as_bytes()).map_err(|_| DirectoryError::Signature)?;
        if rotation.account == from.account && rotation.new_key == account.key {
            return Ok(Outcome::quiet(Vec::new()));
        }
        let number = account.rotations;
        let account = self.rotated(from, account, &rotation)?;
        let surviving = rotation.surviving.as_slice();
        let mut gone = self.house.devices_of(&from.account).await?;
        gone.retain(|device| !surviving.contains(device));
        let mut batch = Batch::new()
            .version(row_key.clone(), version)
            .put(row_key, pack(&account))
            .put(
                of_directory::rotation(&from.account, number),
                pack(&asked.rotation),
            );
        for device in &gone {
            batch = batch
                .delete(of_directory::device(device))
                .delete(of_directory::device_of(&from.account, device))
                .delete(of_directory::sealed_key(device));
        }
        for key in asked.sealed_keys.as_slice() {
            if surviving.contains(&key.device) && !gone.contains(&key.device) {
                batch = batch.put(of_directory::sealed_key(&key.device), pack(&key.sealed));
            }
        }
        self.house.store.commit(&key::directory(), batch).await?;
        let deliveries = gone
            .iter()
            .map(|device| Delivery::Disconnect { device: *device });
        Ok(Outcome::new(gone.clone(), deliveries.collect()))
    }

    /// Notes that the account was here today; nothing finer is kept.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn seen(&self, account: &AccountId, now: Seconds) -> Result<(), DirectoryError> {
        let row_key = of_directory::last_seen(account);
        let day = now.day();
        if self.house.row::<u64>(&row_key).await? != Some(day) {
            let batch = Batch::new().put(row_key, pack(&day));
            self.house.store.commit(&key::directory(), batch).await?;
        }
        Ok(())
    }

    /// The account under the key that its credentials announced.
    fn rotated(
        &self,
        from: &Caller,
        account: AccountRow,
        rotation: &KeyRotation,
    ) -> Result<AccountRow, DirectoryError> {
        let pinned = PinnedAccountKey {
            server: self.house.identity.id,
            account: from.account,
            key: account.key,
            next_hash: account.next_hash,
        };
        let next = rotation
            .follows(&pinned)
            .map_err(|_| DirectoryError::Credential)?;
        if account.rotations >= ROTATIONS_MAX {
            return Err(DirectoryError::Against(
                "This account's key was replaced too often.",
            ));
        }
        Ok(AccountRow {
            key: next.key,
            next_hash: next.next_hash,
            rotations: account.rotations.saturating_add(1),
            ..account
        })
    }

    /// The newcomer holds the link's secret and a credential of an account for this server.
    fn proven(
        &self,
        asked: &Register,
        invite: &InviteRow,
        now: Seconds,
    ) -> Result<LeafCredential, DirectoryError> {
        let server = self.house.identity.id;
        let credential = asked.credential.as_bytes();
        let message =
            Register::to_be_signed(&server, &asked.invite, &asked.signature_key, credential);
        if !verifies(invite.key.as_bytes(), &message, &asked.invite_signature) {
            return Err(DirectoryError::Signature);
        }
        self.house.credential(credential, asked.signature_key, now)
    }

    async fn is_registered(
        &self,
        asked: &Register,
        leaf: &LeafCredential,
    ) -> Result<bool, DirectoryError> {
        let redemption = of_directory::redemption(&asked.invite, &leaf.account);
        let redeemed = self.house.row::<Seconds>(&redemption).await?.is_some();
        let device = self.house.device(&leaf.device).await?;
        Ok(redeemed && device.is_some_and(|device| device == device_row(asked, leaf.account)))
    }

    async fn check_free(
        &self,
        leaf: &LeafCredential,
        invite: &InviteRow,
    ) -> Result<(), DirectoryError> {
        let name = of_directory::name(&leaf.name);
        if invite.guests_of.is_some() {
            guest::check_nameless(leaf)?;
        } else if guest::is_reserved(&leaf.name)
            || self.house.row::<AccountId>(&name).await?.is_some()
        {
            return Err(DirectoryError::NameTaken);
        }
        let account = self.house.account(&leaf.account).await?.is_some();
        if account || self.house.device(&leaf.device).await?.is_some() {
            return Err(DirectoryError::IdTaken);
        }
        Ok(())
    }

    async fn registered(
        &self,
        account: AccountId,
        invite: &InviteRow,
    ) -> Result<Registered, DirectoryError> {
        let me = self.house.person(&account).await?;
        let inviter = match &invite.inviter {
            Some(inviter) => self.house.person(inviter).await?,
            None => None,
        };
        Ok(Registered {
            me: me.ok_or(DirectoryError::NotFound)?,
            inviter,
            group: invite.group,
            grant: invite.grant.clone(),
        })
    }
}

fn device_row(asked: &Register, account: AccountId) -> DeviceRow {
    DeviceRow {
        account,
        signature_key: asked.signature_key,
        credential: asked.credential.clone(),
    }
}

fn registration(
    asked: &Register,
    leaf: &LeafCredential,
    invite: &InviteRow,
    version: Version,
    now: Seconds,
) -> Batch {
    let device_key = of_directory::device(&leaf.device);
    let batch = match invite.guests_of {
        Some(conversation) => guest::enrol(leaf, asked.invite, conversation, now),
        None => enrol(leaf, invite.is_setup, now),
    };
    let batch = batch
        .absent(of_directory::account(&leaf.account))
        .absent(of_directory::guest(&leaf.account))
        .absent(device_key.clone())
        .put(device_key, pack(&device_row(asked, leaf.account)))
        .put(
            of_directory::device_of(&leaf.account, &leaf.device),
            pack(&now),
        );
    let batch = redeem(batch, asked.invite, invite, version, leaf.account, now);
    if invite.is_setup {
        batch.delete(of_directory::SETUP)
    } else {
        batch
    }
}

/// A new account under its own name.
fn enrol(leaf: &LeafCredential, is_admin: bool, now: Seconds) -> Batch {
    let account = AccountRow {
        name: leaf.name.clone(),
        key: leaf.account_key,
        next_hash: leaf.next_account_key_hash,
        is_admin,
        created: now,
        rotations: 0,
    };
    let name_key = of_directory::name(&leaf.name);
    Batch::new()
        .absent(name_key.clone())
        .put(of_directory::account(&leaf.account), pack(&account))
        .put(name_key, pack(&leaf.account))
}

/// Adds to a batch that `account` uses the invite once.
pub(super) fn redeem(
    batch: Batch,
    id: roost_wire::InviteId,
    invite: &InviteRow,
    version: Version,
    account: AccountId,
    now: Seconds,
) -> Batch {
    let used = InviteRow {
        uses_left: invite.uses_left.saturating_sub(1),
        ..invite.clone()
    };
    let batch = batch.put(of_directory::redemption(&id, &account), pack(&now));
    admit(batch, id, &used, version, account)
}

/// Writes the invite as it is from now on, and the access that it gives.
pub(super) fn admit(
    batch: Batch,
    id: roost_wire::InviteId,
    invite: &InviteRow,
    version: Version,
    account: AccountId,
) -> Batch {
    let invite_key = of_directory::invite(&id);
    let batch = batch
        .version(invite_key.clone(), version)
        .put(invite_key, pack(invite));
    match invite.group {
        None => batch,
        Some(group) => {
            let access = AccessRow {
                invite: id,
                expires: invite.expires,
                shut: None,
            };
            batch.put(of_directory::access(&group, &account), pack(&access))
        }
    }
}

impl InviteRow {
    pub(super) fn is_open(&self, now: Seconds) -> bool {
        self.uses_left > 0 && now <= self.expires
    }
}
