//! Effects of a group's changes in other partitions. They are rows of the same commit, carried
//! out after it, as often as it takes, and each one once.

use crate::delivery::Delivery;
use crate::service::account::TRIES;
use crate::service::error::StoreError;
use crate::service::group::Groups;
use crate::service::key::{self, of_account, of_device, of_directory, of_group};
use crate::service::record::{AccessRow, OutboxRow, pack, unpack};
use crate::telemetry::log;
use futures_util::future::join_all;
use roost_store::{Batch, Direction, Error, KeyRange, Limit, Part};
use roost_wire::log::InboxItem;
use roost_wire::{AccountId, DeviceId, GroupId, InviteId, Seconds};

/// Inboxes written to at the same time.
const AT_ONCE: usize = 16;
/// Groups looked at in one step after a start.
const GROUPS_A_STEP: usize = 256;

impl Groups {
    /// Carries out what waits in the group's outbox. What fails now is tried again later.
    pub(super) async fn send_outbox(&self, group: &GroupId, now: Seconds) -> Vec<Delivery> {
        self.shared.unsent().remove(group);
        let mut deliveries = Vec::new();
        if let Err(error) = self.try_send(group, now, &mut deliveries).await {
            self.shared.unsent().insert(*group);
            log::store_fault(&error);
        }
        deliveries
    }

    /// Tries again what could not be carried out before.
    pub async fn resend(&self, now: Seconds) -> Vec<Delivery> {
        let groups: Vec<GroupId> = self.shared.unsent().iter().copied().collect();
        let mut deliveries = Vec::new();
        for group in groups {
            deliveries.extend(self.send_outbox(&group, now).await);
        }
        deliveries
    }

    /// After a start: carries out what the last run left, group by group. Returns where to go on.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn recover(
        &self,
        after: Option<Part>,
        now: Seconds,
    ) -> Result<(Option<Part>, Vec<Delivery>), StoreError> {
        let parts = self
            .house
            .store
            .parts(key::GROUPS, after, GROUPS_A_STEP)
            .await?;
        let mut deliveries = Vec::new();
        for part in &parts {
            if let Ok(group) = GroupId::try_from(part.id()) {
                deliveries.extend(self.send_outbox(&group, now).await);
            }
        }
        let more = parts.len() >= GROUPS_A_STEP;
        Ok((parts.last().copied().filter(|_| more), deliveries))
    }

    async fn try_send(
        &self,
        group: &GroupId,
        now: Seconds,
        deliveries: &mut Vec<Delivery>,
    ) -> Result<(), StoreError> {
        let cell = self.cell(group);
        let _turn = cell.pump.lock().await;
        let part = key::group(group);
        loop {
            let range = KeyRange::prefix(of_group::OUTBOX);
            let page = self
                .house
                .store
                .scan(&part, range, Limit::rows(64), Direction::Forward)
                .await?;
            let mut done = Batch::new();
            for row in &page.rows {
                let effect = Effect {
                    group: *group,
                    origin: of_device::origin(group, row.key.as_bytes()),
                    now,
                };
                deliveries.extend(self.carry_out(&effect, unpack(&row.value)?).await?);
                done = done.delete(&row.key);
            }
            if page.rows.is_empty() {
                return Ok(());
            }
            self.house.store.commit(&part, done).await?;
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn carry_out(
        &self,
        effect: &Effect,
        row: OutboxRow,
    ) -> Result<Vec<Delivery>, StoreError> {
        match row {
            OutboxRow::Inbox { devices, item } => self.tell(effect, &devices, &item).await,
            OutboxRow::Membership {
                account,
                present,
                shut,
            } => {
                self.set_membership(effect, &account, present).await?;
                if !present {
                    self.end_access(effect, &account, shut).await?;
                }
                Ok(Vec::new())
            }
            OutboxRow::TellOthers { account, except } => {
                let mut devices = self.house.devices_of(&account).await?;
                devices.retain(|device| !except.contains(device));
                let item = InboxItem::JoinGroup {
                    group: effect.group,
                };
                self.tell(effect, &devices, &item).await
            }
        }
    }

    async fn tell(
        &self,
        effect: &Effect,
        devices: &[DeviceId],
        item: &InboxItem,
    ) -> Result<Vec<Delivery>, StoreError> {
        let mut told = Vec::new();
        for some in devices.chunks(AT_ONCE) {
            let puts = some.iter().map(|device| {
                let origin = effect.origin.clone();
                self.inboxes.put(device, item.clone(), origin, effect.now)
            });
            for (device, put) in some.iter().zip(join_all(puts).await) {
                if put? {
                    told.push(Delivery::Inbox { device: *device });
                }
            }
        }
        Ok(told)
    }

    async fn set_membership(
        &self,
        effect: &Effect,
        account: &AccountId,
        present: bool,
    ) -> Result<(), StoreError> {
        let row = of_account::membership(&effect.group);
        let batch = if present {
            Batch::new().put(row, pack(&effect.now))
        } else {
            Batch::new().delete(row)
        };
        self.house
            .store
            .commit(&key::account(account), batch)
            .await?;
        Ok(())
    }

    /// The account left, or was removed: then the invites made until now are over for it.
    async fn end_access(
        &self,
        effect: &Effect,
        account: &AccountId,
        shut: Option<Seconds>,
    ) -> Result<(), StoreError> {
        let row_key = of_directory::access(&effect.group, account);
        for _ in 0..TRIES {
            let access = self.house.versioned::<AccessRow>(&row_key).await?;
            let version = access.as_ref().map(|(_, version)| *version);
            let batch = Batch::new().unchanged(row_key.clone(), version);
            let batch = match shut {
                None => batch.delete(row_key.clone()),
                Some(time) => {
                    let row = AccessRow {
                        invite: access.map_or(InviteId::new([0; 16]), |(row, _)| row.invite),
                        expires: time,
                        shut: Some(time),
                    };
                    batch.put(row_key.clone(), pack(&row))
                }
            };
            match self.house.store.commit(&key::directory(), batch).await {
                Ok(_) => return Ok(()),
                Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Contended)
    }
}

/// One row of an outbox, being carried out.
struct Effect {
    group: GroupId,
    origin: Vec<u8>,
    now: Seconds,
}
