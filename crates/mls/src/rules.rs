//! The allow-list by which server and members judge a commit alike.
//!
//! Owns what a commit may do in a group of a given policy, and what a group must look like to be
//! entered. Deterministic in the bytes, the epoch and the server's time. Never sees secrets: what
//! only members can check (tags, path secrets) is mls-rs' to check, on their side.

use crate::account_pins::AccountPins;
use crate::call_proof::CallProof;
use crate::credential::LeafCredential;
use crate::error::{Leaf, Place, RuleError};
use crate::handshake::{allowed_by_value, allowed_in_external_commit};
use crate::join_proof::{JOIN_PROOF_TYPE, JoinProof};
use crate::policy::{GroupKind, GroupPolicy, POLICY_TYPE};
use crate::time::JudgementTime;
use crate::{capability, limit};
use mls_rs::group::proposal::AddProposal;
use mls_rs::group::{GroupContext, Roster, Sender};
use mls_rs::mls_rs_codec::MlsSize;
use mls_rs::mls_rules::{
    CommitDirection, CommitOptions, CommitSource, EncryptionOptions, ProposalBundle, ProposalInfo,
};
use mls_rs::{ExtensionList, MlsRules};
use mls_rs_core::extension::ExtensionType;
use mls_rs_core::group::{Member, ProposalType};
use mls_rs_core::identity::SigningIdentity;
use roost_wire::{AccountId, GroupId, Malformed, Seconds};
use std::collections::BTreeSet;

/// The rules of a Roost group, for mls-rs.
#[derive(Clone, Debug, Default)]
pub struct RoostRules {
    encryption: EncryptionOptions,
    time: JudgementTime,
}

impl RoostRules {
    /// Rules that judge as of `time`. `encryption` comes from the client crate; the server, which
    /// sends nothing, hands in the default. Control messages must stay unencrypted.
    #[must_use]
    pub fn new(encryption: EncryptionOptions, time: JudgementTime) -> Self {
        Self { encryption, time }
    }
}

impl MlsRules for RoostRules {
    type Error = RuleError;

    fn filter_proposals(
        &self,
        direction: CommitDirection,
        source: CommitSource,
        roster: &Roster<'_>,
        context: &GroupContext,
        mut proposals: ProposalBundle,
    ) -> Result<ProposalBundle, RuleError> {
        if direction == CommitDirection::Send {
            drop_foreign_references(&mut proposals)?;
        }
        let group = Group::read(roster, context)?;
        match source {
            CommitSource::ExistingMember(member) => {
                group.judge_commit(&member, &proposals, &self.time)?;
            }
            CommitSource::NewMember(joiner) => {
                group.judge_external_commit(&joiner, &proposals, &self.time)?;
            }
        }
        Ok(proposals)
    }

    /// The tree travels out of band, everybody gets a Welcome of their own, and an external
    /// commit must be possible at any time: it is how devices repair themselves.
    fn commit_options(
        &self,
        _roster: &Roster<'_>,
        _context: &GroupContext,
        _proposals: &ProposalBundle,
    ) -> Result<CommitOptions, RuleError> {
        Ok(CommitOptions::new()
            .with_ratchet_tree_extension(false)
            .with_always_out_of_band_ratchet_tree(true)
            .with_single_welcome_message(false)
            .with_allow_external_commit(true))
    }

    fn encryption_options(
        &self,
        _roster: &Roster<'_>,
        _context: &GroupContext,
    ) -> Result<EncryptionOptions, RuleError> {
        Ok(self.encryption)
    }
}

/// Whether a group may be entered or hosted: what a client checks before it stores a group it
/// joined, and the server before it hosts one.
///
/// # Errors
/// Refuses a group without a valid policy, with a suite below its floor, with external senders or
/// unknown extensions, and one whose leaves break the rules for leaves.
pub fn check_group(context: &GroupContext, roster: &Roster<'_>) -> Result<GroupPolicy, RuleError> {
    let group = Group::read(roster, context)?;
    check_extensions(context.extensions())?;
    if !group.policy.allows_suite(context.cipher_suite()) {
        return Err(RuleError::Suite);
    }
    for leaf in &group.leaves {
        group.check_server(leaf)?;
    }
    group.pins.agree()?;
    group.check_size(group.leaves.len())?;
    group.check_accounts(&group.pins.accounts().collect())?;
    Ok(group.policy)
}

/// A group as the rules see it before a commit.
struct Group<'a> {
    context: &'a GroupContext,
    id: GroupId,
    policy: GroupPolicy,
    leaves: Vec<LeafAt>,
    pins: AccountPins,
}

struct LeafAt {
    index: u32,
    credential: LeafCredential,
}

impl std::ops::Deref for LeafAt {
    type Target = LeafCredential;

    fn deref(&self) -> &LeafCredential {
        &self.credential
    }
}

impl<'a> Group<'a> {
    fn read(roster: &Roster<'_>, context: &'a GroupContext) -> Result<Self, RuleError> {
        let mut leaves = Vec::new();
        let mut pins = AccountPins::default();
        for member in roster.members_iter() {
            let credential = LeafCredential::read_admitted(&member.signing_identity)?;
            pins.note(&credential);
            leaves.push(LeafAt {
                index: member.index,
                credential,
            });
        }
        Ok(Self {
            context,
            id: GroupId::try_from(context.group_id()).map_err(|_| RuleError::GroupId)?,
            policy: GroupPolicy::from_extensions(context.extensions())?,
            leaves,
            pins,
        })
    }

    fn judge_commit(
        mut self,
        committer: &Member,
        proposals: &ProposalBundle,
        time: &JudgementTime,
    ) -> Result<(), RuleError> {
        check_types(proposals, Place::ByValue, allowed_by_value)?;
        let committer = LeafCredential::read_admitted(&committer.signing_identity)?;
        let next_policy = self.check_authority(&committer, proposals)?;
        let judged_anew = next_policy.is_some() || !proposals.add_proposals().is_empty();
        self.policy = next_policy.unwrap_or(self.policy);

        let adds = proposals.add_proposals();
        if adds.len() > limit::ADDS_PER_COMMIT {
            return Err(RuleError::TooManyProposals);
        }
        for add in adds {
            self.admit_added(&add.proposal, time)?;
        }
        let gone = proposals.remove_proposals().len() + proposals.self_remove_proposals().len();
        if judged_anew {
            self.check_size(
                self.leaves
                    .len()
                    .saturating_sub(gone)
                    .saturating_add(adds.len()),
            )?;
            self.check_accounts(&self.pins.accounts().collect())?;
        }
        Ok(())
    }

    fn judge_external_commit(
        mut self,
        joiner: &SigningIdentity,
        proposals: &ProposalBundle,
        time: &JudgementTime,
    ) -> Result<(), RuleError> {
        check_types(
            proposals,
            Place::InExternalCommit,
            allowed_in_external_commit,
        )?;
        let now = time.now().ok_or(RuleError::NoTime)?;
        let joiner = LeafCredential::parse(joiner)?;
        check_validity(&joiner, now)?;
        self.check_server(&joiner)?;

        let removed = self.check_own_removals(&joiner, proposals)?;
        match self.policy.conversation() {
            Some(conversation) => self.check_called(&joiner, proposals, &conversation)?,
            None => self.check_invited(&joiner, proposals, now)?,
        }
        self.pins.admit(&joiner)?;
        self.check_size(self.leaves.len().saturating_sub(removed).saturating_add(1))?;
        self.check_accounts(&self.pins.accounts().collect())
    }

    /// Policy and moves are for administrators, within the bounds of `GroupPolicy::may_become`.
    /// Yields the policy that the commit sets.
    fn check_authority(
        &self,
        committer: &LeafCredential,
        proposals: &ProposalBundle,
    ) -> Result<Option<GroupPolicy>, RuleError> {
        let changes = proposals.group_context_ext_proposals();
        let moves = proposals.reinit_proposals();
        if changes.is_empty() && moves.is_empty() {
            return Ok(None);
        }
        if !self.policy.is_admin(&committer.account) {
            return Err(RuleError::NotAdmin);
        }
        let next = changes
            .iter()
            .map(|change| self.check_next(&change.proposal));
        let next = next.collect::<Result<Vec<_>, _>>()?.pop();
        for to in moves.iter().map(|info| &info.proposal) {
            GroupId::try_from(to.group_id()).map_err(|_| RuleError::GroupId)?;
            let moved = self.check_next(to.new_group_context_extensions())?;
            if !moved.allows_suite(to.new_cipher_suite()) {
                return Err(RuleError::Suite);
            }
        }
        Ok(next)
    }

    fn check_next(&self, extensions: &ExtensionList) -> Result<GroupPolicy, RuleError> {
        let next = check_extensions(extensions)?;
        self.policy.may_become(&next)?;
        Ok(next)
    }

    fn admit_added(&mut self, add: &AddProposal, time: &JudgementTime) -> Result<(), RuleError> {
        let now = time.now().ok_or(RuleError::NoTime)?;
        if add.key_package().mls_encoded_len() > limit::KEY_PACKAGE_BYTES {
            let max = limit::KEY_PACKAGE_BYTES;
            return Err(Malformed::Long {
                what: "key package",
                max,
            }
            .into());
        }
        let added = LeafCredential::parse(add.signing_identity())?;
        check_validity(&added, now)?;
        let expires = add.key_package().expiration()?;
        if expires.seconds_since_epoch() < now.get() {
            return Err(RuleError::KeyPackageLifetime);
        }
        self.check_server(&added)?;
        capability::check(&add.capabilities(), self.context.cipher_suite())?;
        self.pins.admit(&added)
    }

    fn check_server(&self, leaf: &LeafCredential) -> Result<(), RuleError> {
        if leaf.server == self.policy.server_id() {
            Ok(())
        } else {
            Err(Leaf::OtherServer.into())
        }
    }

    /// How many leaves a joiner removes: only leaves of its own account.
    fn check_own_removals(
        &self,
        joiner: &LeafCredential,
        proposals: &ProposalBundle,
    ) -> Result<usize, RuleError> {
        let removals = proposals.remove_proposals();
        for removal in removals {
            let index = removal.proposal.to_remove();
            let removed = self.leaves.iter().find(|leaf| leaf.index == index);
            let own = removed
                .is_some_and(|leaf| leaf.account == joiner.account && leaf.server == joiner.server);
            if !own {
                return Err(RuleError::RemovesAnother);
            }
        }
        Ok(removals.len())
    }

    /// A joiner needs an account that is in the group, or an invitation. One that is in the group
    /// may still bring a proof, which must then be valid.
    fn check_invited(
        &self,
        joiner: &LeafCredential,
        proposals: &ProposalBundle,
        now: Seconds,
    ) -> Result<(), RuleError> {
        let mut proofs = proposals.custom_proposals().iter();
        let proof = match (proofs.next(), proofs.next()) {
            (None, _) if self.pins.contains(joiner) => return Ok(()),
            (None, _) => return Err(RuleError::Uninvited),
            (Some(proof), None) => JoinProof::parse(proof.proposal.data())?,
            (Some(_), Some(_)) => return Err(RuleError::TooManyProposals),
        };
        proof.verify(&self.id, joiner, now)?;
        if self
            .leaves
            .iter()
            .any(|leaf| *leaf.device_key() == proof.grant().inviter)
        {
            Ok(())
        } else {
            Err(RuleError::InviterNotAMember)
        }
    }

    /// Whoever enters a call proves its part in the conversation, whoever it is: also another
    /// device of an account that is in the call.
    fn check_called(
        &self,
        joiner: &LeafCredential,
        proposals: &ProposalBundle,
        conversation: &GroupId,
    ) -> Result<(), RuleError> {
        let mut proofs = proposals.custom_proposals().iter();
        match (proofs.next(), proofs.next()) {
            (None, _) => Err(RuleError::Uncalled),
            (Some(proof), None) => {
                let proof = CallProof::parse(proof.proposal.data())?;
                Ok(proof.verify(&self.id, conversation, joiner)?)
            }
            (Some(_), Some(_)) => Err(RuleError::TooManyProposals),
        }
    }

    fn check_size(&self, devices: usize) -> Result<(), RuleError> {
        if devices <= usize::from(self.policy.max_devices) {
            Ok(())
        } else {
            Err(RuleError::Full)
        }
    }

    fn check_accounts(&self, accounts: &BTreeSet<AccountId>) -> Result<(), RuleError> {
        match self.policy.kind {
            GroupKind::Group => Ok(()),
            GroupKind::Direct => self.check_pair(accounts),
            GroupKind::Call if accounts.len() <= limit::CALL_PEOPLE_MAX => Ok(()),
            GroupKind::Call => Err(RuleError::CallFull),
        }
    }

    /// A direct group never has a third account, not even in the place of one that left in the
    /// same commit; if its policy names the two, it has no others.
    fn check_pair(&self, accounts: &BTreeSet<AccountId>) -> Result<(), RuleError> {
        let pair = self.policy.admins();
        let stranger = pair.len() >= 2 && accounts.iter().any(|account| !pair.contains(account));
        if accounts.len() > 2 || stranger {
            Err(RuleError::DirectIsForTwo)
        } else {
            Ok(())
        }
    }
}

/// Leaves out cached proposals that the rules would refuse, so that a commit can still be made.
/// None should be there: `admit_handshake` refuses them at the door. A SelfRemove by reference
/// stays: `ProposalBundle::retain` does not visit it.
fn drop_foreign_references(proposals: &mut ProposalBundle) -> Result<(), RuleError> {
    proposals.retain(|info| Ok::<_, RuleError>(info.is_by_value()))?;
    proposals.retain_custom(|info| Ok(info.is_by_value()))
}

/// Every proposal is of an allowed type; by reference there is only a member's own SelfRemove.
fn check_types(
    proposals: &ProposalBundle,
    place: Place,
    allowed: fn(ProposalType) -> bool,
) -> Result<(), RuleError> {
    if proposals.length() > limit::PROPOSALS_PER_COMMIT {
        return Err(RuleError::TooManyProposals);
    }
    for info in proposals.iter_proposals() {
        let kind = info.proposal.proposal_type();
        if info.is_by_reference() {
            let own = kind == ProposalType::SELF_REMOVE && matches!(info.sender, Sender::Member(_));
            if !own || place == Place::InExternalCommit {
                return Err(RuleError::proposal(kind, Place::ByReference));
            }
        } else if !allowed(kind) {
            return Err(RuleError::proposal(kind, place));
        }
    }
    check_custom(proposals.custom_proposals())
}

/// The one custom proposal is the JoinProof.
fn check_custom(
    customs: &[ProposalInfo<mls_rs::group::proposal::CustomProposal>],
) -> Result<(), RuleError> {
    let foreign = customs
        .iter()
        .map(|info| info.proposal.proposal_type())
        .find(|kind| *kind != JOIN_PROOF_TYPE);
    foreign.map_or(Ok(()), |kind| {
        Err(RuleError::proposal(kind, Place::ByValue))
    })
}

/// A group's extensions: its policy and the required capabilities, nothing else.
fn check_extensions(extensions: &ExtensionList) -> Result<GroupPolicy, RuleError> {
    if extensions.has_extension(ExtensionType::EXTERNAL_SENDERS) {
        return Err(RuleError::ExternalSenders);
    }
    let known = [POLICY_TYPE, ExtensionType::REQUIRED_CAPABILITIES];
    if extensions
        .iter()
        .any(|extension| !known.contains(&extension.extension_type))
    {
        return Err(RuleError::Extension);
    }
    capability::check_required(extensions)?;
    Ok(GroupPolicy::from_extensions(extensions)?)
}

/// Time counts only where a leaf enters.
fn check_validity(leaf: &LeafCredential, now: Seconds) -> Result<(), RuleError> {
    if leaf.valid_at(now) {
        Ok(())
    } else {
        Err(Leaf::Expired.into())
    }
}
