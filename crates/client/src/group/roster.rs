//! Who is in a group, and what a commit changed.

use super::{GroupError, Mls, MlsGroup};
use mls_rs::group::proposal::Proposal;
use mls_rs::group::{CommitEffect, CommitMessageDescription, Sender};
use mls_rs_core::group::Member;
use roost_mls::credential::Claims;
use roost_mls::join_proof::JOIN_PROOF_TYPE;
use roost_mls::{JoinGrant, JoinProof, LeafCredential, RuleError};
use roost_wire::{AccountId, DeviceId, GroupId, SignatureKey};
use std::collections::BTreeSet;

/// Clear text of a commit that removes leaves for their silence.
pub(super) const SILENCE_MARK: &[u8] = b"roost silence";

/// A leaf and what its credential claims.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub index: u32,
    pub claims: Claims,
    pub device_key: SignatureKey,
}

impl Leaf {
    pub(crate) fn account(&self) -> AccountId {
        self.claims.account
    }

    pub(crate) fn device(&self) -> DeviceId {
        self.claims.device
    }

    pub(crate) fn of(member: &Member) -> Result<Self, GroupError> {
        let credential =
            LeafCredential::read_admitted(&member.signing_identity).map_err(RuleError::from)?;
        Ok(Self {
            index: member.index,
            claims: (*credential).clone(),
            device_key: *credential.device_key(),
        })
    }
}

/// What a commit did to the roster.
#[derive(Debug, Default)]
pub(crate) struct LeafChanges {
    pub committer: Option<AccountId>,
    /// Accounts that had no leaf before.
    pub new_accounts: BTreeSet<AccountId>,
    /// Accounts that had a leaf and got one for a further device.
    pub further_devices: BTreeSet<AccountId>,
    /// Accounts that have no leaf left.
    pub gone_accounts: BTreeSet<AccountId>,
    /// Of those, who asked for it.
    pub left: BTreeSet<AccountId>,
    /// The grant by which an external committer entered.
    pub grant: Option<JoinGrant>,
    pub is_external: bool,
    /// The commit says that those it removes were silent for long.
    pub for_silence: bool,
    /// The device that made it.
    pub committing_device: Option<DeviceId>,
    /// This device is no longer a member.
    pub removed_us: bool,
}

impl Mls {
    pub(crate) fn leaves(&mut self, group: &GroupId) -> Result<Vec<Leaf>, GroupError> {
        leaves_of(self.group(group)?)
    }

    pub(crate) fn leaf_at(&mut self, group: &GroupId, index: u32) -> Result<Leaf, GroupError> {
        let member = self.group(group)?.member_at_index(index);
        Leaf::of(&member.ok_or(GroupError::Unexpected)?)
    }

    /// The leaf of this device.
    pub(crate) fn own_index(&mut self, group: &GroupId) -> Result<u32, GroupError> {
        Ok(self.group(group)?.current_member_index())
    }
}

pub(super) fn leaves_of(group: &MlsGroup) -> Result<Vec<Leaf>, GroupError> {
    let roster = group.roster();
    roster
        .members_iter()
        .map(|member| Leaf::of(&member))
        .collect()
}

/// Compares the rosters before and after a commit.
pub(crate) fn changes_of(
    before: &[Leaf],
    after: &[Leaf],
    commit: &CommitMessageDescription,
) -> LeafChanges {
    let (had, has) = (accounts_of(before), accounts_of(after));
    let authors = if commit.is_external { after } else { before };
    let is_further = |leaf: &&Leaf| {
        had.contains(&leaf.account()) && !before.iter().any(|known| known.device() == leaf.device())
    };
    let author = authors.iter().find(|leaf| leaf.index == commit.committer);
    let (left, grant) = stated_in(before, commit);
    LeafChanges {
        committer: author.map(Leaf::account),
        new_accounts: has.difference(&had).copied().collect(),
        further_devices: after.iter().filter(is_further).map(Leaf::account).collect(),
        gone_accounts: had.difference(&has).copied().collect(),
        left,
        grant,
        is_external: commit.is_external,
        for_silence: commit.authenticated_data == SILENCE_MARK,
        committing_device: author.map(Leaf::device),
        removed_us: matches!(commit.effect, CommitEffect::Removed { .. }),
    }
}

/// Who asked to leave, and by which grant an author entered: what only the proposals say.
fn stated_in(
    before: &[Leaf],
    commit: &CommitMessageDescription,
) -> (BTreeSet<AccountId>, Option<JoinGrant>) {
    let (CommitEffect::NewEpoch(epoch)
    | CommitEffect::Removed {
        new_epoch: epoch, ..
    }) = &commit.effect
    else {
        return Default::default();
    };
    let mut left = BTreeSet::new();
    let mut grant = None;
    for info in epoch.applied_proposals() {
        match (&info.proposal, info.sender) {
            (Proposal::SelfRemove(_), Sender::Member(index)) => {
                let leaver = before.iter().find(|leaf| leaf.index == index);
                left.extend(leaver.map(Leaf::account));
            }
            (Proposal::Custom(custom), _) if custom.proposal_type() == JOIN_PROOF_TYPE => {
                let proof = JoinProof::parse(custom.data()).ok();
                grant = proof.map(|proof| proof.grant().clone());
            }
            _ => {}
        }
    }
    (left, grant)
}

fn accounts_of(leaves: &[Leaf]) -> BTreeSet<AccountId> {
    leaves.iter().map(Leaf::account).collect()
}
