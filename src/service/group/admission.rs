//! Who may enter a group, as far as the server can tell.

use crate::service::directory::Caller;
use crate::service::error::GroupError;
use crate::service::group::Groups;
use crate::service::group::state::State;
use crate::service::record::InviteRow;
use roost_mls::observer::Committer;
use roost_mls::{JoinGrant, JudgedCommit, LeafSummary};
use roost_wire::api::WelcomeFor;
use roost_wire::{DeviceId, InviteId, Seconds};
use std::collections::BTreeSet;

/// By what right somebody may see how to enter.
pub enum Right {
    /// The account is in the group already.
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
        if is_inviter_inside(state, &invite) {
            Ok(Right::Invite(access.invite))
        } else {
            Err(GroupError::NotFound)
        }
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
        }
        let devices = state.present().count() + judged.added.len();
        if devices.saturating_sub(judged.removed.len()) > self.house.settings.group_devices_max {
            return Err(GroupError::Against(
                "The group has as many devices as this server allows.",
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
        }) && account.is_some_and(|account| account.key == leaf.account_key);
        if known {
            Ok(())
        } else {
            Err(GroupError::Against(
                "A device to be added is not known here, or its keys have changed.",
            ))
        }
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
