//! What waits for one device: Welcomes, requests for key packages, groups it may enter.

use crate::service::directory::Caller;
use crate::service::error::{DirectoryError, StoreError};
use crate::service::house::House;
use crate::service::key::{self, of_device};
use crate::service::record::{InboxRecord, pack, unpack, unpack_some};
use crate::telemetry::log;
use roost_store::{Batch, Direction, Error, KeyRange, Limit, Part};
use roost_wire::api::{InboxPage, InboxRow};
use roost_wire::log::InboxItem;
use roost_wire::{DeviceId, InboxSeq, List, Seconds, limit};
use std::sync::Arc;

/// Items that may wait for one device; beyond, new ones are dropped and the device finds its
/// groups by its memberships.
const ITEMS_MAX: u64 = 1_024;
/// Bytes of one page.
const PAGE_BYTES: usize = 2 * 1024 * 1024;
const TRIES: usize = 16;
const DEVICES_A_STEP: usize = 64;
const DAY_SECONDS: u64 = 86_400;

/// One item to be put into one inbox.
pub(super) struct Letter<'a> {
    pub device: &'a DeviceId,
    pub item: InboxItem,
    /// A row that marks it as delivered, so that a second delivery does nothing.
    pub origin: Option<Vec<u8>>,
    pub now: Seconds,
}

/// Adds an item to a batch on the device's partition; false if the inbox is full.
pub(super) async fn add(
    house: &House,
    batch: Batch,
    letter: Letter<'_>,
) -> Result<(Batch, bool), StoreError> {
    let part = key::device(letter.device);
    let head = house.store.get(&part, of_device::INBOX_HEAD).await?;
    let version = head.as_ref().map(|head| head.version);
    let last: InboxSeq = unpack_some(head)?.unwrap_or_default();
    let first = house
        .store
        .scan(
            &part,
            KeyRange::prefix(of_device::INBOX),
            Limit::rows(1),
            Direction::Forward,
        )
        .await?;
    let oldest = first
        .rows
        .first()
        .and_then(|row| key::last_number(row.key.as_bytes()));
    let waiting = oldest.map_or(0, |oldest| last.get().saturating_sub(oldest));
    if waiting >= ITEMS_MAX {
        return Ok((batch, false));
    }
    let mut batch = batch;
    if let Some(origin) = &letter.origin {
        batch = batch
            .absent(origin.clone())
            .put(origin.clone(), pack(&letter.now));
    }
    let record = InboxRecord {
        time: letter.now,
        item: letter.item,
        origin: letter.origin,
    };
    let batch = batch
        .unchanged(of_device::INBOX_HEAD, version)
        .put(of_device::INBOX_HEAD, pack(&last.next()))
        .put(of_device::inbox(last.next()), pack(&record));
    Ok((batch, true))
}

/// Inboxes.
#[derive(Clone)]
pub struct Inboxes {
    house: Arc<House>,
}

impl Inboxes {
    pub const fn new(house: Arc<House>) -> Self {
        Self { house }
    }

    /// Items after a place, oldest first.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn fetch(
        &self,
        from: &Caller,
        after: InboxSeq,
        rows: usize,
    ) -> Result<InboxPage, DirectoryError> {
        let range = KeyRange::prefix(of_device::INBOX).rest_after(of_device::inbox(after));
        let limit = Limit {
            rows: rows.min(limit::INBOX_PAGE_ITEMS),
            bytes: PAGE_BYTES,
        };
        let page = self
            .house
            .store
            .scan(&key::device(&from.device), range, limit, Direction::Forward)
            .await?;
        let mut items = Vec::new();
        for row in &page.rows {
            let seq = key::last_number(row.key.as_bytes()).ok_or(StoreError::Row)?;
            let record: InboxRecord = unpack(&row.value)?;
            items.push(InboxRow {
                seq: InboxSeq::new(seq),
                item: record.item,
            });
        }
        Ok(InboxPage {
            items: List::capped(items),
            more: page.more,
        })
    }

    /// Forgets items up to a place: the device has stored them. A place that was never given is
    /// from before the server was restored: it says nothing of what waits now.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn acknowledge(
        &self,
        device: &DeviceId,
        upto: InboxSeq,
    ) -> Result<(), DirectoryError> {
        let part = key::device(device);
        let head = self.house.store.get(&part, of_device::INBOX_HEAD).await?;
        if upto > unpack_some::<InboxSeq>(head)?.unwrap_or_default() {
            return Ok(());
        }
        let end = of_device::inbox(upto.next());
        let range = KeyRange::between(of_device::INBOX, end);
        self.forget(device, range, |_| true).await
    }

    /// Forgets items that are too old, of some devices, those after a place. Returns where to go
    /// on.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn sweep_some(
        &self,
        after: Option<Part>,
        now: Seconds,
    ) -> Result<Option<Part>, DirectoryError> {
        let before = now.minus(self.house.settings.retention_days * DAY_SECONDS);
        let parts = self
            .house
            .store
            .parts(key::DEVICES, after, DEVICES_A_STEP)
            .await?;
        for part in &parts {
            if let Ok(device) = DeviceId::try_from(part.id()) {
                let range = KeyRange::prefix(of_device::INBOX);
                let swept = self.forget(&device, range, |record| record.time < before);
                if let Err(error) = swept.await {
                    log::note("an inbox could not be swept", &error);
                }
            }
        }
        let more = parts.len() >= DEVICES_A_STEP;
        Ok(parts.last().copied().filter(|_| more))
    }

    /// Puts an item into an inbox once; false if it was there already or the inbox is full.
    ///
    /// # Errors
    /// Only the store's.
    pub(super) async fn put(
        &self,
        device: &DeviceId,
        item: InboxItem,
        origin: Vec<u8>,
        now: Seconds,
    ) -> Result<bool, StoreError> {
        let part = key::device(device);
        for _ in 0..TRIES {
            if self.house.store.get(&part, &origin).await?.is_some() {
                return Ok(false);
            }
            let letter = Letter {
                device,
                item: item.clone(),
                origin: Some(origin.clone()),
                now,
            };
            let (batch, fits) = add(&self.house, Batch::new(), letter).await?;
            if !fits {
                return Ok(false);
            }
            match self.house.store.commit(&part, batch).await {
                Ok(_) => return Ok(true),
                Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Contended)
    }

    async fn forget(
        &self,
        device: &DeviceId,
        range: KeyRange,
        over: impl Fn(&InboxRecord) -> bool,
    ) -> Result<(), DirectoryError> {
        let part = key::device(device);
        let mut range = range;
        loop {
            let page = self
                .house
                .store
                .scan(&part, range.clone(), Limit::rows(256), Direction::Forward)
                .await?;
            let mut batch = Batch::new();
            for row in &page.rows {
                let record: InboxRecord = unpack(&row.value)?;
                if over(&record) {
                    batch = batch.delete(&row.key);
                    batch = match record.item {
                        InboxItem::RefillKeyPackages { .. } => {
                            batch.delete(of_device::REFILL_ASKED)
                        }
                        InboxItem::Welcome { .. } | InboxItem::JoinGroup { .. } => batch,
                    };
                    if let Some(origin) = record.origin {
                        batch = batch.delete(origin);
                    }
                }
            }
            if !batch.ops().is_empty() {
                self.house.store.commit(&part, batch).await?;
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.rest_after(&last.key),
                _ => return Ok(()),
            }
        }
    }
}
