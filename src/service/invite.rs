//! Invitations to the server and to its groups. The secret of a link never comes here: the row
//! holds the public key that goes with it.

use crate::service::account::{TRIES, admit, redeem};
use crate::service::directory::Caller;
use crate::service::error::{DirectoryError, StoreError};
use crate::service::house::House;
use crate::service::key::{self, of_directory};
use crate::service::record::{AccessRow, InviteRow, pack, unpack};
use crate::service::signature::verifies;
use roost_mls::JoinGrant;
use roost_store::{Batch, Direction, Error, KeyRange, Limit};
use roost_wire::api::{CreateInvite, Done, InviteDetail, RedeemInvite};
use roost_wire::{AccountId, GroupId, InviteId, Seconds, limit};
use std::sync::Arc;

pub(super) const DAY_SECONDS: u64 = 86_400;
/// Uses of an invite forgotten in one batch.
const USES_A_BATCH: usize = 128;

/// Invites and their use.
#[derive(Clone)]
pub struct Invites {
    pub(super) house: Arc<House>,
}

impl Invites {
    pub const fn new(house: Arc<House>) -> Self {
        Self { house }
    }

    /// Keeps a person's invite. The caller has checked that they are in the group it leads to.
    ///
    /// # Errors
    /// Refuses lifetimes and uses out of bounds, a grant for something else, and too many invites.
    pub async fn create(
        &self,
        from: &Caller,
        asked: &CreateInvite,
        now: Seconds,
    ) -> Result<Done, DirectoryError> {
        let row = self.proposed(from, asked, now)?;
        if let Some((kept, _)) = self.house.invite(&asked.invite).await? {
            let same = kept.key == asked.key && kept.inviter == Some(from.account);
            return if same {
                Ok(Done {})
            } else {
                Err(DirectoryError::IdTaken)
            };
        }
        self.make_room(from, now).await?;
        let row_key = of_directory::invite(&asked.invite);
        let batch = Batch::new()
            .absent(row_key.clone())
            .put(row_key, pack(&row))
            .put(
                of_directory::invite_of(&from.account, &asked.invite),
                pack(&row.expires),
            );
        match self.house.store.commit(&key::directory(), batch).await {
            Ok(_) => Ok(Done {}),
            Err(Error::Conflict { .. }) => Err(DirectoryError::IdTaken),
            Err(error) => Err(error.into()),
        }
    }

    /// What anyone with the link may know.
    ///
    /// # Errors
    /// `InviteOver` if it is used up or expired, `NotFound` if it never was or was withdrawn.
    pub async fn show(&self, id: &InviteId, now: Seconds) -> Result<InviteDetail, DirectoryError> {
        let (invite, _) = self
            .house
            .invite(id)
            .await?
            .ok_or(DirectoryError::NotFound)?;
        // Guests who have come by a link come back by it, also when it lets nobody else in.
        let is_known = invite.guests_of.is_some() && now <= invite.expires;
        if !is_known && !invite.is_open(now) {
            return Err(DirectoryError::InviteOver);
        }
        self.detail(&invite).await
    }

    /// Somebody who has an account uses a group's link. Doing it again is harmless.
    ///
    /// # Errors
    /// Refuses an invite that is over or not proved, and one made before the account was removed
    /// from the group.
    pub async fn redeem(
        &self,
        from: &Caller,
        asked: &RedeemInvite,
        now: Seconds,
    ) -> Result<InviteDetail, DirectoryError> {
        for _ in 0..TRIES {
            let (invite, version) = self
                .house
                .invite(&asked.invite)
                .await?
                .ok_or(DirectoryError::NotFound)?;
            let server = self.house.identity.id;
            let message = RedeemInvite::to_be_signed(&server, &asked.invite, &from.account);
            if !verifies(invite.key.as_bytes(), &message, &asked.signature) {
                return Err(DirectoryError::Signature);
            }
            if invite.guests_of.is_some() {
                return Err(DirectoryError::Against(
                    "This link is for guests of a call, not for members. Ask for an invite link instead.",
                ));
            }
            if self.is_shut(from, &invite).await? {
                return Err(DirectoryError::InviteOver);
            }
            let (id, account) = (asked.invite, from.account);
            let redemption = of_directory::redemption(&id, &account);
            let redeemed = self.house.row::<Seconds>(&redemption).await?.is_some();
            if redeemed && !self.has_left(from, &invite).await? {
                return self.detail(&invite).await;
            }
            if !redeemed && !invite.is_open(now) || invite.expires <= now {
                return Err(DirectoryError::InviteOver);
            }
            let batch = if redeemed {
                admit(Batch::new(), id, &invite, version, account)
            } else {
                redeem(Batch::new(), id, &invite, version, account, now)
            };
            match self.house.store.commit(&key::directory(), batch).await {
                Ok(_) => return self.detail(&invite).await,
                Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Contended.into())
    }

    /// Withdraws one's own invite; an administrator also the operator's. Who redeemed it and has
    /// not entered yet does not enter any more.
    ///
    /// # Errors
    /// `NotFound` for somebody else's.
    pub async fn withdraw(&self, from: &Caller, id: &InviteId) -> Result<Done, DirectoryError> {
        let (invite, _) = self
            .house
            .invite(id)
            .await?
            .ok_or(DirectoryError::NotFound)?;
        let operators = invite.inviter.is_none() && !invite.is_setup;
        let account = self.house.account(&from.account).await?;
        let is_admin = account.is_some_and(|account| account.is_admin);
        if invite.inviter != Some(from.account) && !(operators && is_admin) {
            return Err(DirectoryError::NotFound);
        }
        self.remove(id).await?;
        Ok(Done {})
    }

    /// Removes invites that ended more than a day ago, and what was noted of their use.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn sweep(&self, now: Seconds) -> Result<(), DirectoryError> {
        let directory = key::directory();
        let mut range = KeyRange::prefix(of_directory::invites());
        loop {
            let page = self
                .house
                .store
                .scan(
                    &directory,
                    range.clone(),
                    Limit::rows(256),
                    Direction::Forward,
                )
                .await?;
            for row in &page.rows {
                let invite: InviteRow = unpack(&row.value)?;
                let Some(id) = key::last_id(row.key.as_bytes()).map(InviteId::new) else {
                    continue;
                };
                if invite.expires.plus(DAY_SECONDS) < now {
                    self.remove(&id).await?;
                }
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.rest_after(&last.key),
                _ => return Ok(()),
            }
        }
    }

    /// Takes the invite away, with what was noted of its use and the access that it gave.
    async fn remove(&self, id: &InviteId) -> Result<(), DirectoryError> {
        let row_key = of_directory::invite(id);
        for _ in 0..TRIES {
            let Some((invite, version)) = self.house.invite(id).await? else {
                return Ok(());
            };
            self.forget_uses(id, invite.group.as_ref()).await?;
            // Whoever redeemed it meanwhile has written the row.
            let mut batch = Batch::new()
                .version(row_key.clone(), version)
                .delete(row_key.clone());
            if let Some(inviter) = &invite.inviter {
                batch = batch.delete(of_directory::invite_of(inviter, id));
            }
            match self.house.store.commit(&key::directory(), batch).await {
                Ok(_) => return Ok(()),
                Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Contended.into())
    }

    async fn forget_uses(
        &self,
        id: &InviteId,
        group: Option<&GroupId>,
    ) -> Result<(), DirectoryError> {
        let directory = key::directory();
        let mut range = KeyRange::prefix(of_directory::redemptions_of(id));
        loop {
            let rows = Limit::rows(USES_A_BATCH);
            let page = self
                .house
                .store
                .scan(&directory, range.clone(), rows, Direction::Forward)
                .await?;
            let mut batch = Batch::new();
            for row in &page.rows {
                batch = batch.delete(&row.key);
                let account = key::last_id(row.key.as_bytes()).map(AccountId::new);
                if let (Some(group), Some(account)) = (group, account) {
                    batch = self.without_access(batch, id, group, &account).await?;
                }
            }
            let Some(last) = page.rows.last() else {
                return Ok(());
            };
            self.house.store.commit(&directory, batch).await?;
            range = range.rest_after(&last.key);
        }
    }

    /// Adds that the access an invite gave is forgotten. What shuts a group for somebody stays.
    async fn without_access(
        &self,
        batch: Batch,
        id: &InviteId,
        group: &GroupId,
        account: &AccountId,
    ) -> Result<Batch, StoreError> {
        let row_key = of_directory::access(group, account);
        let access = self.house.versioned::<AccessRow>(&row_key).await?;
        Ok(match access {
            Some((access, version)) if access.invite == *id && access.shut.is_none() => {
                batch.version(row_key.clone(), version).delete(row_key)
            }
            _ => batch,
        })
    }

    fn proposed(
        &self,
        from: &Caller,
        asked: &CreateInvite,
        now: Seconds,
    ) -> Result<InviteRow, DirectoryError> {
        check_bounds(asked.uses, asked.expires, now)?;
        if asked.group.is_some() && asked.guests_of.is_some() {
            return Err(DirectoryError::Against(
                "A link leads into a group or to its calls, not to both.",
            ));
        }
        match (&asked.group, &asked.grant) {
            (None, None) => {}
            (Some(group), Some(grant)) => {
                let grant =
                    JoinGrant::parse(grant.as_bytes()).map_err(|_| DirectoryError::Signature)?;
                let fits = grant.group == *group
                    && grant.invite == asked.invite
                    && grant.invite_key == asked.key
                    && grant.inviter == from.signature_key;
                if !fits {
                    return Err(DirectoryError::Against(
                        "The grant does not belong to this invite.",
                    ));
                }
            }
            _ => {
                return Err(DirectoryError::Against(
                    "An invite to a group carries a grant, and no other does.",
                ));
            }
        }
        Ok(InviteRow {
            key: asked.key,
            created: now,
            expires: asked.expires,
            uses_left: asked.uses,
            inviter: Some(from.account),
            group: asked.group,
            grant: asked.grant.clone(),
            is_setup: false,
            guests_of: asked.guests_of,
        })
    }

    /// Forgets the person's invites that are over; refuses when too many are open.
    async fn make_room(&self, from: &Caller, now: Seconds) -> Result<(), DirectoryError> {
        let directory = key::directory();
        let range = KeyRange::prefix(of_directory::invites_of(&from.account));
        let rows = Limit::rows(limit::INVITES_PER_ACCOUNT);
        let page = self
            .house
            .store
            .scan(&directory, range, rows, Direction::Forward)
            .await?;
        if page.rows.len() < limit::INVITES_PER_ACCOUNT {
            return Ok(());
        }
        let mut over = Batch::new();
        for row in page.rows {
            if unpack::<Seconds>(&row.value)? < now {
                over = over.delete(row.key);
            }
        }
        if over.ops().is_empty() {
            return Err(DirectoryError::Against(
                "You have too many open invites; withdraw one first.",
            ));
        }
        self.house.store.commit(&directory, over).await?;
        Ok(())
    }

    /// Whether somebody removed the account from the group after the invite was made.
    async fn is_shut(&self, from: &Caller, invite: &InviteRow) -> Result<bool, DirectoryError> {
        let Some(group) = &invite.group else {
            return Ok(false);
        };
        let access = self.house.access(group, &from.account).await?;
        let shut = access.and_then(|access| access.shut);
        Ok(shut.is_some_and(|shut| invite.created <= shut))
    }

    /// Whether the account entered by an invite and left by its own wish: the link lets it in
    /// again, and that is no further use.
    async fn has_left(&self, from: &Caller, invite: &InviteRow) -> Result<bool, DirectoryError> {
        let Some(group) = &invite.group else {
            return Ok(false);
        };
        let access = self.house.access(group, &from.account).await?;
        Ok(access.is_none())
    }

    async fn detail(&self, invite: &InviteRow) -> Result<InviteDetail, DirectoryError> {
        let inviter = match &invite.inviter {
            Some(inviter) => self.house.person(inviter).await?,
            None => None,
        };
        Ok(InviteDetail {
            inviter,
            server: self.house.identity.id,
            host: self.house.settings.host().to_owned(),
            expires: invite.expires,
            uses_left: invite.uses_left,
            group: invite.group,
            grant: invite.grant.clone(),
            is_setup: invite.is_setup,
            guests_of: invite.guests_of,
        })
    }
}

pub(super) fn check_bounds(
    uses: u32,
    expires: Seconds,
    now: Seconds,
) -> Result<(), DirectoryError> {
    if uses == 0 || uses > limit::INVITE_USES_MAX {
        return Err(DirectoryError::Against(
            "An invite can be used between 1 and 1,000 times.",
        ));
    }
    if expires <= now || expires > now.plus(limit::INVITE_DAYS_MAX * DAY_SECONDS) {
        return Err(DirectoryError::Against("An invite lasts at most 90 days."));
    }
    Ok(())
}
