//! Key packages: kept for devices that are away, each handed out once but for the last resort.

use crate::delivery::Delivery;
use crate::service::directory::Caller;
use crate::service::error::{DirectoryError, StoreError};
use crate::service::house::House;
use crate::service::inbox::{self, Letter};
use crate::service::key::{self, of_device};
use crate::service::outcome::Outcome;
use crate::service::record::{PackageRow, pack, unpack, unpack_some};
use roost_mls::{KeyPackageSummary, Observer};
use roost_store::{Batch, Direction, Error, KeyRange, Limit};
use roost_wire::api::{
    ClaimKeyPackages, ClaimedKeyPackage, ClaimedKeyPackages, KeyPackageBytes, KeyPackageCount,
    PutKeyPackages,
};
use roost_wire::log::InboxItem;
use roost_wire::{AccountId, DeviceId, List, Seconds, limit};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Races for one device's packages, before the last resort is given.
const TRIES: usize = 8;
/// Pairs of claimer and target counted a day; beyond, claims get last resorts only.
const COUNTED_MAX: usize = 65_536;

/// Key packages and who may still have some today.
#[derive(Clone)]
pub struct KeyPackages {
    house: Arc<House>,
    claims: Arc<Mutex<Claims>>,
}

/// Claims of one day. In memory: a restart forgives, which the last resort makes harmless.
#[derive(Default)]
struct Claims {
    day: u64,
    by_pair: BTreeMap<(AccountId, AccountId), u32>,
    by_target: BTreeMap<AccountId, u32>,
}

impl Claims {
    /// Whether a claim may still take one-time packages; it is then counted.
    fn take(&mut self, claimer: AccountId, target: AccountId, day: u64) -> bool {
        if self.day != day {
            *self = Self {
                day,
                ..Self::default()
            };
        }
        if self.by_pair.len() >= COUNTED_MAX {
            return false;
        }
        let pair = self.by_pair.entry((claimer, target)).or_default();
        let all = self.by_target.entry(target).or_default();
        let allowed =
            *pair < limit::CLAIMS_PER_CLAIMER_A_DAY && *all < limit::CLAIMS_PER_TARGET_A_DAY;
        if allowed || claimer == target {
            *pair = pair.saturating_add(1);
            *all = all.saturating_add(1);
        }
        allowed || claimer == target
    }
}

impl KeyPackages {
    pub fn new(house: Arc<House>) -> Self {
        Self {
            house,
            claims: Arc::default(),
        }
    }

    /// Keeps new packages of the calling device.
    ///
    /// # Errors
    /// Refuses packages that do not validate or are another device's, and more than are kept.
    pub async fn put(
        &self,
        from: &Caller,
        asked: &PutKeyPackages,
        now: Seconds,
    ) -> Result<KeyPackageCount, DirectoryError> {
        let mut batch = Batch::new().delete(of_device::REFILL_ASKED);
        let part = key::device(&from.device);
        let (kept, over): (Vec<_>, Vec<_>) = self
            .kept(&from.device)
            .await?
            .into_iter()
            .partition(|(_, row)| !asked.replace && now < row.not_after);
        for (row_key, _) in over {
            batch = batch.delete(row_key);
        }
        let mut count = kept.len();
        for package in asked.one_time.as_slice() {
            let summary = validate(from, package, now)?;
            let row_key = of_device::package(summary.suite.raw_value(), &summary.reference);
            let is_new = !kept.iter().any(|(kept, _)| *kept == row_key);
            count = count.saturating_add(usize::from(is_new));
            batch = batch.put(row_key, pack(&row(&summary, package)));
        }
        if count > limit::KEY_PACKAGES_MAX {
            return Err(DirectoryError::Against(
                "The server keeps at most 64 key packages for a device.",
            ));
        }
        if let Some(package) = &asked.last_resort {
            let summary = validate(from, package, now)?;
            let row_key = of_device::last_resort(summary.suite.raw_value());
            batch = batch.put(row_key, pack(&row(&summary, package)));
        }
        self.house.store.commit(&part, batch).await?;
        Ok(KeyPackageCount {
            one_time: u32::try_from(count).unwrap_or(u32::MAX),
        })
    }

    /// One package for each device of an account.
    ///
    /// # Errors
    /// `NotFound` for an unknown account.
    pub async fn claim(
        &self,
        from: &Caller,
        asked: &ClaimKeyPackages,
        now: Seconds,
    ) -> Result<Outcome<ClaimedKeyPackages>, DirectoryError> {
        let devices = self.house.devices_of(&asked.account).await?;
        if devices.is_empty() {
            return Err(DirectoryError::NotFound);
        }
        let one_time = {
            let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
            claims.take(from.account, asked.account, now.day())
        };
        let mut packages = Vec::new();
        let mut deliveries = Vec::new();
        for device in devices {
            let unwanted = asked.except.as_slice().contains(&device) || device == from.device;
            if unwanted {
                continue;
            }
            let mut package = None;
            if one_time {
                package = self
                    .take(&device, asked.suite, now, &mut deliveries)
                    .await?;
            }
            if package.is_none() {
                package = self.last_resort(&device, asked.suite, now).await?;
            }
            if let Some(package) = package {
                packages.push(ClaimedKeyPackage { device, package });
            }
        }
        let reply = ClaimedKeyPackages {
            packages: List::capped(packages),
        };
        Ok(Outcome::new(reply, deliveries))
    }

    /// Hands out one one-time package, and asks the device for more when few or none are left.
    async fn take(
        &self,
        device: &DeviceId,
        suite: u16,
        now: Seconds,
        deliveries: &mut Vec<Delivery>,
    ) -> Result<Option<KeyPackageBytes>, DirectoryError> {
        let part = key::device(device);
        for _ in 0..TRIES {
            let kept = self.kept(device).await?;
            let of_suite = of_device::packages_of(suite);
            let (over, good): (Vec<_>, Vec<_>) =
                kept.iter().partition(|(_, row)| row.not_after <= now);
            let chosen = good
                .iter()
                .find(|(row_key, _)| row_key.starts_with(&of_suite));
            let mut batch = Batch::new();
            for (row_key, _) in over {
                batch = batch.delete(row_key.clone());
            }
            if let Some((row_key, _)) = chosen {
                batch = batch.present(row_key.clone()).delete(row_key.clone());
            }
            let left = good.len().saturating_sub(usize::from(chosen.is_some()));
            let (batch, asked) = self.refill(device, batch, left, now).await?;
            if batch.ops().is_empty() {
                return Ok(None);
            }
            match self.house.store.commit(&part, batch).await {
                Ok(_) => {
                    if asked {
                        deliveries.push(Delivery::Inbox { device: *device });
                    }
                    return Ok(chosen.map(|(_, row)| row.package.clone()));
                }
                Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    async fn refill(
        &self,
        device: &DeviceId,
        batch: Batch,
        left: usize,
        now: Seconds,
    ) -> Result<(Batch, bool), StoreError> {
        if left >= limit::KEY_PACKAGES_REFILL_BELOW {
            return Ok((batch, false));
        }
        let part = key::device(device);
        let asked = self.house.store.get(&part, of_device::REFILL_ASKED).await?;
        if asked.is_some() {
            return Ok((batch, false));
        }
        let item = InboxItem::RefillKeyPackages {
            left: u32::try_from(left).unwrap_or(u32::MAX),
        };
        let batch = batch.put(of_device::REFILL_ASKED, pack(&now));
        let letter = Letter {
            device,
            item,
            origin: None,
            now,
        };
        inbox::add(&self.house, batch, letter).await
    }

    async fn last_resort(
        &self,
        device: &DeviceId,
        suite: u16,
        now: Seconds,
    ) -> Result<Option<KeyPackageBytes>, DirectoryError> {
        let part = key::device(device);
        let row_key = of_device::last_resort(suite);
        let row = self.house.store.get(&part, &row_key).await?;
        let row = unpack_some::<PackageRow>(row)?;
        Ok(row.filter(|row| now < row.not_after).map(|row| row.package))
    }

    async fn kept(&self, device: &DeviceId) -> Result<Vec<(Vec<u8>, PackageRow)>, StoreError> {
        let range = KeyRange::prefix(of_device::PACKAGES);
        let page = self
            .house
            .store
            .scan(&key::device(device), range, Limit::MAX, Direction::Forward)
            .await?;
        page.rows
            .into_iter()
            .map(|row| Ok((row.key.into_bytes(), unpack(&row.value)?)))
            .collect()
    }
}

fn validate(
    from: &Caller,
    package: &KeyPackageBytes,
    now: Seconds,
) -> Result<KeyPackageSummary, DirectoryError> {
    let summary = Observer::new()
        .validate_key_package(package.as_bytes(), now)
        .map_err(DirectoryError::Package)?;
    let own = summary.account == from.account
        && summary.device == from.device
        && summary.signature_key == from.signature_key;
    if own {
        Ok(summary)
    } else {
        Err(DirectoryError::Against(
            "A key package belongs to another device.",
        ))
    }
}

fn row(summary: &KeyPackageSummary, package: &KeyPackageBytes) -> PackageRow {
    PackageRow {
        not_after: summary.not_after,
        package: package.clone(),
    }
}
