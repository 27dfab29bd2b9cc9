//! Guests of calls: accounts for a day, that may be let into the calls of one conversation and into
//! nothing else.
//!
//! Owns their rows, their asking to be let in, and their end. Never learns their names: what a
//! guest says of itself is sealed for those who may let it in.

use crate::delivery::Delivery;
use crate::service::directory::Caller;
use crate::service::error::{DirectoryError, GroupError, StoreError};
use crate::service::group::Groups;
use crate::service::house::House;
use crate::service::key::{self, of_directory};
use crate::service::outcome::Outcome;
use crate::service::record::{GuestRow, InviteRow, pack, unpack};
use roost_mls::LeafCredential;
use roost_store::{Batch, Direction, KeyRange, Limit, Part};
use roost_wire::api::{Knock, Knocked};
use roost_wire::frame::ServerFrame;
use roost_wire::{AccountId, DisplayName, GroupId, InviteId, Seconds, limit};
use std::sync::Arc;

const OVER: GroupError = GroupError::Against("This link is over. Ask for a new one.");
/// Guests looked at in one page.
const ROWS_A_PAGE: usize = 256;

/// Guests and what they ask.
#[derive(Clone)]
pub struct Guests {
    house: Arc<House>,
    groups: Groups,
}

impl Guests {
    pub const fn new(house: Arc<House>, groups: Groups) -> Self {
        Self { house, groups }
    }

    /// Tells those in the conversation that a guest is at the door. Nothing of it is stored.
    ///
    /// # Errors
    /// `NotFound` for anybody but a guest; refuses when the link is over, was withdrawn, or whoever
    /// made it is no longer in the conversation.
    pub async fn knock(
        &self,
        from: &Caller,
        asked: Knock,
        now: Seconds,
    ) -> Result<Outcome<Knocked>, GroupError> {
        let guest = self.house.guest(&from.account).await?;
        let guest = guest.ok_or(GroupError::NotFound)?;
        let group = guest.conversation;
        let link = self.house.invite(&guest.link).await?;
        let inviter = link.and_then(|(link, _)| link.leads_on(now));
        let call = self
            .groups
            .call_for_guests(&group, &inviter.ok_or(OVER)?)
            .await?
            .ok_or(OVER)?;
        let frame = ServerFrame::Knock {
            group,
            link: guest.link,
            account: from.account,
            device: from.device,
            sealed: asked.sealed,
        };
        let told = Delivery::Passing {
            group,
            from: None,
            frame: frame.to_bytes().into(),
        };
        Ok(Outcome::new(Knocked { call: call.on }, vec![told]))
    }

    /// Ends the accounts of guests whose day is over, with all that is kept of them. Doing it again
    /// goes on where it was.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn sweep(&self, now: Seconds) -> Result<Vec<Delivery>, DirectoryError> {
        let mut gone = Vec::new();
        let mut range = KeyRange::prefix(of_directory::GUESTS);
        loop {
            let rows = Limit::rows(ROWS_A_PAGE);
            let directory = key::directory();
            let page = self
                .house
                .store
                .scan(&directory, range.clone(), rows, Direction::Forward)
                .await?;
            for row in &page.rows {
                let guest: GuestRow = unpack(&row.value)?;
                let id = key::last_id(row.key.as_bytes()).ok_or(StoreError::Row)?;
                if guest.is_over(now) {
                    gone.extend(self.end(&AccountId::new(id), &guest.link).await?);
                }
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.rest_after(&last.key),
                _ => return Ok(gone),
            }
        }
    }

    /// The guest's own row goes last: as long as it is there, the rest can be found again.
    async fn end(
        &self,
        account: &AccountId,
        link: &InviteId,
    ) -> Result<Vec<Delivery>, DirectoryError> {
        let mut batch = Batch::new()
            .delete(of_directory::guest(account))
            .delete(of_directory::redemption(link, account))
            .delete(of_directory::last_seen(account));
        let mut gone = Vec::new();
        for device in self.house.devices_of(account).await? {
            self.delete_all(&key::device(&device)).await?;
            batch = batch
                .delete(of_directory::device(&device))
                .delete(of_directory::device_of(account, &device));
            gone.push(Delivery::Disconnect { device });
        }
        self.delete_all(&key::account(account)).await?;
        self.house.store.commit(&key::directory(), batch).await?;
        Ok(gone)
    }

    async fn delete_all(&self, part: &Part) -> Result<(), StoreError> {
        let store = &self.house.store;
        while store
            .delete_range(part, KeyRange::all(), Limit::MAX)
            .await?
            .more
        {}
        Ok(())
    }
}

impl GuestRow {
    pub(super) fn is_over(&self, now: Seconds) -> bool {
        self.created.plus(limit::GUEST_SECONDS) <= now
    }
}

impl InviteRow {
    /// Who made it, while it lasts.
    fn leads_on(&self, now: Seconds) -> Option<AccountId> {
        self.inviter.filter(|_| now <= self.expires)
    }
}

/// The server shall not learn a guest's name, not even by accident.
pub(super) fn check_nameless(leaf: &LeafCredential) -> Result<(), DirectoryError> {
    if leaf.name == DisplayName::of_guests() {
        Ok(())
    } else {
        Err(DirectoryError::Against(
            "The credential of a guest bears no name.",
        ))
    }
}

/// Whether a name is what guests are called: nobody else may be taken for one.
pub(super) fn is_reserved(name: &DisplayName) -> bool {
    name.folded() == DisplayName::of_guests().folded()
}

/// A new guest's row.
pub(super) fn enrol(
    leaf: &LeafCredential,
    link: InviteId,
    conversation: GroupId,
    now: Seconds,
) -> Batch {
    let guest = GuestRow {
        key: leaf.account_key,
        next_hash: leaf.next_account_key_hash,
        link,
        conversation,
        created: now,
    };
    Batch::new().put(of_directory::guest(&leaf.account), pack(&guest))
}
