//! Invites by the operator: the set-up link, and those made in the terminal. Their secrets are made
//! here; only that of the set-up link is kept, until it is used.

use crate::service::error::DirectoryError;
use crate::service::invite::{DAY_SECONDS, Invites, check_bounds};
use crate::service::key::{self, of_directory};
use crate::service::record::{InviteRow, pack};
use roost_mls::InviteSecret;
use roost_store::{Batch, Direction, KeyRange, Limit};
use roost_wire::link::InviteLink;
use roost_wire::{InviteId, Seconds, limit};

impl Invites {
    /// The operator's own invite, as a link. Its secret is known only to who sees the link.
    ///
    /// # Errors
    /// Refuses lifetimes and uses out of bounds.
    pub async fn by_operator(
        &self,
        uses: u32,
        seconds: u64,
        now: Seconds,
    ) -> Result<InviteLink, DirectoryError> {
        let secret = self.house.dice.bytes();
        let id = InviteId::new(self.house.dice.bytes());
        let row = operators_row(&secret, uses, now.plus(seconds), now)?;
        let batch = Batch::new().put(of_directory::invite(&id), pack(&row));
        self.house.store.commit(&key::directory(), batch).await?;
        Ok(self.link(id, secret))
    }

    /// The link for the first account, until that exists.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn setup(&self, now: Seconds) -> Result<Option<InviteLink>, DirectoryError> {
        let accounts = KeyRange::prefix(of_directory::ACCOUNTS);
        let directory = key::directory();
        let page = self
            .house
            .store
            .scan(&directory, accounts, Limit::rows(1), Direction::Forward)
            .await?;
        if !page.rows.is_empty() {
            return Ok(None);
        }
        let kept = self
            .house
            .row::<(InviteId, [u8; 16])>(of_directory::SETUP)
            .await?;
        if let Some((id, secret)) = kept
            && let Some((invite, _)) = self.house.invite(&id).await?
            && invite.is_open(now)
        {
            return Ok(Some(self.link(id, secret)));
        }
        let secret: [u8; 16] = self.house.dice.bytes();
        let id = InviteId::new(self.house.dice.bytes());
        let expires = now.plus(limit::INVITE_DAYS_MAX * DAY_SECONDS);
        let row = InviteRow {
            is_setup: true,
            guests_of: None,
            ..operators_row(&secret, 1, expires, now)?
        };
        let batch = Batch::new()
            .put(of_directory::invite(&id), pack(&row))
            .put(of_directory::SETUP, pack(&(id, secret)));
        self.house.store.commit(&directory, batch).await?;
        Ok(Some(self.link(id, secret)))
    }

    fn link(&self, invite: InviteId, secret: [u8; 16]) -> InviteLink {
        InviteLink {
            origin: self.house.settings.origin.clone(),
            invite,
            secret,
            inviter: None,
            group_name: None,
        }
    }
}

fn operators_row(
    secret: &[u8; 16],
    uses: u32,
    expires: Seconds,
    now: Seconds,
) -> Result<InviteRow, DirectoryError> {
    check_bounds(uses, expires, now)?;
    Ok(InviteRow {
        key: InviteSecret::new(*secret).key(),
        created: now,
        expires,
        uses_left: uses,
        inviter: None,
        group: None,
        grant: None,
        is_setup: false,
        guests_of: None,
    })
}
