//! Who may enter a group, as far as the server can tell.

use crate::service::directory::Caller;
use crate::service::error::{GroupError, StoreError};
use crate::service::group::Groups;
use crate::service::group::state::State;
use crate::service::key::{self, of_group};
use crate::service::record::{InviteRow, OutboxRow, unpack};
use roost_mls::observer::Committer;
use roost_mls::{JoinGrant, JudgedCommit, LeafSummary};
use roost_store::{Direction, KeyRange, Limit};
use roost_wire::api::WelcomeFor;
use roost_wire::{DeviceId, InviteId, Seconds};
use std::collections::BTreeSet;

/// By what right somebody may see how to enter.
pub enum Right {
    /// The account is in the group already; or for a call, the device in its conversation.
    Account,
    /// By this invite.
    Invite(InviteId),
}

impl Groups {
    /// The right by which the caller may fetch the GroupInfo and enter.
    pub(super) async fn right(
        &self,
        from: &Caller,
        state: &State,
        now: Seconds,
    ) -> Result<Right, GroupError> {
        if let Some(conversation) = &state.row.call_of {
            if state.row.closed {
                return Err(GroupError::NotFound);
            }
            self.check_member(from, conversation).await?;
            return Ok(Right::Account);
        }
        if state.has_account(&from.account) {
            return Ok(Right::Account);
        }
        let access = self.house.access(&state.id, &from.account).await?;
        let access = access
            .filter(|access| access.shut.is_none() && now <= access.expires)
            .ok_or(GroupError::NotFound)?;
        // One that was withdrawn is gone, and one of somebody who is no longer inside is worthless.
        let (invite, _) = self
            .house
            .invite(&access.invite)
            .await?
            .ok_or(GroupError::NotFound)?;
        if !is_inviter_inside(state, &invite) || self.is_being_shut(from, state, &invite).await? {
            return Err(GroupError::NotFound);
        }
        Ok(Right::Invite(access.invite))
    }

    /// The commit's author is the caller, and whoever it brings in is known here.
    pub(super) async fn check_judged(
        &self,
        from: &Caller,
        state: &State,
        judged: &JudgedCommit,
        right: Option<&Right>,
    ) -> Result<(), GroupError> {
        check_own(from, judged.committer.leaf())?;
        self.check_name(state, judged).await?;
        if let (Committer::Joiner(_), Some(Right::Invite(invite))) = (&judged.committer, right) {
            let granted = judged.join_grant.as_ref().map(|grant| grant.invite);
            if granted != Some(*invite) {
                return Err(GroupError::Against(
                    "The invite that was redeemed is not the one used to enter.",
                ));
            }
        }
        for leaf in &judged.added {
            self.check_known(leaf).await?;
            self.check_guest(state, leaf).await?;
        }
        let devices = state.present().count() + judged.added.len();
        if devices.saturating_sub(judged.removed.len()) > self.house.settings.group_devices_max {
            return Err(GroupError::Against(
                "The group has as many devices as this server allows.",
            ));
        }
        Ok(())
    }

    /// In a call, those of its conversation let in and remove; guests change nothing.
    pub(super) async fn check_host(&self, from: &Caller, state: &State) -> Result<(), GroupError> {
        let Some(conversation) = &state.row.call_of else {
            return Ok(());
        };
        match self.check_member(from, conversation).await {
            Err(GroupError::NotFound) => Err(GroupError::Against(
                "Only those of the conversation change who is in its call.",
            )),
            result => result,
        }
    }

    /// A guest is let into the calls of its conversation, and into nothing else.
    async fn check_guest(&self, state: &State, leaf: &LeafSummary) -> Result<(), GroupError> {
        let guest = self.house.guest(&leaf.account).await?;
        let is_elsewhere = guest.is_some_and(|guest| state.row.call_of != Some(guest.conversation));
        if is_elsewhere {
            return Err(GroupError::Against(
                "A guest can be let into calls of the conversation whose link it has.",
            ));
        }
        Ok(())
    }

    /// The leaf is a device of an account of this server, under their present keys.
    pub(super) async fn check_known(&self, leaf: &LeafSummary) -> Result<(), GroupError> {
        let device = self.house.device(&leaf.device).await?;
        let account = self.house.account(&leaf.account).await?;
        let known = device.is_some_and(|device| {
            device.account == leaf.account && device.signature_key == leaf.signature_key
        }) && account
            .is_some_and(|account| account.key == leaf.account_key && account.name == leaf.name);
        if known {
            Ok(())
        } else {
            Err(GroupError::Against(
                "A device to be added is not known here, or its keys or name have changed.",
            ))
        }
    }

    /// The author's leaf bears its account's name, or the one it had before: a device keeps its
    /// leaf when the account is renamed by another.
    async fn check_name(&self, state: &State, judged: &JudgedCommit) -> Result<(), GroupError> {
        let author = judged.committer.leaf();
        let account = self.house.account(&author.account).await?;
        if account.is_some_and(|account| account.name == author.name) {
            return Ok(());
        }
        let before = match &state.observed {
            Some(observed) => observed.roster().map_err(GroupError::Rule)?,
            None => Vec::new(),
        };
        let is_old = before
            .iter()
            .any(|leaf| leaf.device == author.device && leaf.name == author.name);
        if is_old {
            Ok(())
        } else {
            Err(GroupError::Against(
                "The name in a device's leaf is not its account's.",
            ))
        }
    }

    /// Whether the account's removal after the invite was made is stored, and not yet carried out.
    async fn is_being_shut(
        &self,
        from: &Caller,
        state: &State,
        invite: &InviteRow,
    ) -> Result<bool, StoreError> {
        let range = KeyRange::prefix(of_group::OUTBOX);
        let part = key::group(&state.id);
        let page = self
            .house
            .store
            .scan(&part, range, Limit::MAX, Direction::Forward)
            .await?;
        for row in &page.rows {
            if let OutboxRow::Membership { account, shut, .. } = unpack(&row.value)?
                && account == from.account
                && shut.is_some_and(|shut| invite.created <= shut)
            {
                return Ok(true);
            }
        }
        // With more than a page waiting, the answer may be in what was not read.
        Ok(page.more)
    }
}

/// The device that signed the invite's grant is in the group, under the same key.
fn is_inviter_inside(state: &State, invite: &InviteRow) -> bool {
    let grant = invite.grant.as_ref();
    let grant = grant.and_then(|grant| JoinGrant::parse(grant.as_bytes()).ok());
    grant.is_some_and(|grant| {
        grant.group == state.id
            && state
                .present()
                .any(|(_, row)| row.signature_key == grant.inviter)
    })
}

/// The leaf is the caller's own.
pub fn check_own(from: &Caller, leaf: &LeafSummary) -> Result<(), GroupError> {
    let own = leaf.device == from.device
        && leaf.account == from.account
        && leaf.signature_key == from.signature_key;
    if own {
        Ok(())
    } else {
        Err(GroupError::Against("This was made by another device."))
    }
}

/// Every device that was added gets a Welcome, and nobody else.
pub fn check_welcomes(judged: &JudgedCommit, welcomes: &[WelcomeFor]) -> Result<(), GroupError> {
    let mut wanted: BTreeSet<DeviceId> = match judged.committer {
        Committer::Joiner(_) => BTreeSet::new(),
        Committer::Member(_) => judged.added.iter().map(|leaf| leaf.device).collect(),
    };
    for device in welcomes
        .iter()
        .flat_map(|welcome| welcome.devices.as_slice())
    {
        if !wanted.remove(device) {
            return Err(GroupError::Against(
                "A Welcome is for a device that was not added.",
            ));
        }
    }
    if wanted.is_empty() {
        Ok(())
    } else {
        Err(GroupError::Against(
            "A device that was added has no Welcome.",
        ))
    }
}
