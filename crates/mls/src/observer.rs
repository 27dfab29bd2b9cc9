//! How the server follows a group without being in it.
//!
//! Owns the observed state of one group and the judgement of what would change it. Judging works
//! on a copy: the caller stores the copy once the entry is durable. Never holds a secret; it
//! cannot check confirmation tags or path secrets, so its word is necessary, not sufficient.

use crate::credential::LeafCredential;
use crate::error::RuleError;
use crate::handshake::{Handshake, HandshakeKind, read_handshake};
use crate::identity_provider::RoostIdentity;
use crate::join_proof::{JOIN_PROOF_TYPE, JoinGrant, JoinProof};
use crate::policy::GroupPolicy;
use crate::rules::{RoostRules, check_group};
use crate::suite::HybridProvider;
use crate::time::JudgementTime;
use crate::{capability, limit};
use mls_rs::external_client::builder::{
    ExternalBaseConfig, WithCryptoProvider, WithIdentityProvider, WithMlsRules,
};
use mls_rs::external_client::{
    ExternalClient, ExternalGroup, ExternalReceivedMessage, ExternalSnapshot,
};
use mls_rs::group::proposal::Proposal;
use mls_rs::group::{CommitEffect, ExportedTree, LeafIndex, NewEpoch, Sender};
use mls_rs::mls_rules::{EncryptionOptions, ProposalInfo};
use mls_rs::{CipherSuiteProvider, CryptoProvider, MlsMessage};
use mls_rs_core::crypto::CipherSuite;
use mls_rs_core::extension::ExtensionType;
use mls_rs_core::group::Member;
use mls_rs_core::time::MlsTime;
use roost_wire::{
    AccountId, AccountKey, DeviceId, DisplayName, Epoch, GroupId, Malformed, Seconds, SignatureKey,
};
use std::sync::{Arc, Mutex, PoisonError};

type Config = WithMlsRules<
    RoostRules,
    WithCryptoProvider<HybridProvider, WithIdentityProvider<RoostIdentity, ExternalBaseConfig>>,
>;

/// Makes observed groups, and judges what belongs to no group.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observer;

/// One group at one epoch, as the server knows it.
#[derive(Clone)]
pub struct ObservedGroup {
    group: ExternalGroup<Config>,
    /// Shared with the rules inside `group` and its copies; held while one of them judges.
    time: Arc<Mutex<JudgementTime>>,
    policy: GroupPolicy,
    id: GroupId,
}

/// A leaf of the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafSummary {
    pub leaf: u32,
    pub account: AccountId,
    pub device: DeviceId,
    pub name: DisplayName,
    pub account_key: AccountKey,
    pub signature_key: SignatureKey,
}

/// Who made a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committer {
    /// A member, as it stands after the commit.
    Member(LeafSummary),
    /// A device that entered by this commit, or replaced its own leaf.
    Joiner(LeafSummary),
}

impl Committer {
    #[must_use]
    pub fn leaf(&self) -> &LeafSummary {
        match self {
            Self::Member(leaf) | Self::Joiner(leaf) => leaf,
        }
    }
}

/// A commit that the rules allow, and the group after it.
pub struct JudgedCommit {
    pub next: ObservedGroup,
    /// The epoch that the commit begins.
    pub epoch: Epoch,
    pub committer: Committer,
    /// Leaves that entered; for an external commit its author's.
    pub added: Vec<LeafSummary>,
    /// Leaves that are gone, as they were before.
    pub removed: Vec<LeafSummary>,
    /// The invitation by which a joiner entered. Its uses are the server's to count.
    pub join_grant: Option<JoinGrant>,
    /// Whether the author's keys were replaced.
    pub has_path: bool,
    /// Whether the commit closes the group: a ReInit.
    pub closes: bool,
}

/// A SelfRemove that the rules allow, and the group that remembers it.
pub struct JudgedProposal {
    pub next: ObservedGroup,
    pub proposer: LeafSummary,
    /// The ProposalRef (RFC 9420, section 5.2).
    pub reference: Vec<u8>,
}

/// What the server notes about a key package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPackageSummary {
    /// The KeyPackageRef (RFC 9420, section 5.2): what a Welcome addresses.
    pub reference: Vec<u8>,
    pub account: AccountId,
    pub device: DeviceId,
    pub account_key: AccountKey,
    pub signature_key: SignatureKey,
    pub suite: CipherSuite,
    pub last_resort: bool,
    pub not_after: Seconds,
}

impl Observer {
    #[must_use]
    pub fn new() -> Self {
        Self
    }

    /// Takes a new group into service: its founder's GroupInfo and tree, at epoch 0 or 1, with one
    /// leaf.
    ///
    /// # Errors
    /// Refuses malformed or long input, a GroupInfo or tree that does not verify, a group that is
    /// not new, and one that `check_group` refuses.
    pub fn found(&self, group_info: &[u8], tree: &[u8]) -> Result<ObservedGroup, RuleError> {
        let info = parse(group_info, limit::GROUP_INFO_BYTES, "GroupInfo")?;
        if tree.len() > limit::TREE_BYTES {
            return Err(Malformed::Long {
                what: "tree",
                max: limit::TREE_BYTES,
            }
            .into());
        }
        let tree =
            ExportedTree::from_bytes(tree).map_err(|_| Malformed::Invalid { what: "tree" })?;
        check_joinable(&info)?;
        let time = JudgementTime::new();
        let group = client(&time).observe_group(info, Some(tree), None)?;
        if group.group_context().epoch() > 1 || group.roster().members_iter().count() != 1 {
            return Err(RuleError::NotNew);
        }
        check_group(group.group_context(), &group.roster())?;
        let founded = ObservedGroup::new(group, time)?;
        founded.check_keys(0)?;
        Ok(founded)
    }

    /// Reads a stored snapshot.
    ///
    /// # Errors
    /// `RuleError::Snapshot` for bytes that `ObservedGroup::snapshot` did not write.
    pub fn from_snapshot(&self, bytes: &[u8]) -> Result<ObservedGroup, RuleError> {
        let snapshot = ExternalSnapshot::from_bytes(bytes).map_err(|_| RuleError::Snapshot)?;
        let time = JudgementTime::new();
        let group = client(&time).load_group(snapshot)?;
        ObservedGroup::new(group, time)
    }

    /// Checks a key package that a device uploads.
    ///
    /// # Errors
    /// Refuses malformed or long input, signatures that do not verify, a suite not offered,
    /// missing capabilities, a weaker suite than the device supports, and a package or credential
    /// that is not valid at `now` or lives too long.
    pub fn validate_key_package(
        &self,
        bytes: &[u8],
        now: Seconds,
    ) -> Result<KeyPackageSummary, RuleError> {
        let message = parse(bytes, limit::KEY_PACKAGE_BYTES, "key package")?;
        let time = MlsTime::from(now.get());
        let package = client(&JudgementTime::new()).validate_key_package(message, Some(time))?;
        let leaf = LeafCredential::parse(package.signing_identity())?;
        if !leaf.valid_at(now) {
            return Err(crate::error::Leaf::Expired.into());
        }
        let add = mls_rs::group::proposal::AddProposal::from(package.clone());
        capability::check(&add.capabilities(), package.cipher_suite())?;
        let not_after = Seconds::new(package.expiration()?.seconds_since_epoch());
        let last_resort = package
            .extensions
            .has_extension(ExtensionType::LAST_RESORT_KEY_PACKAGE);
        if not_after > limit::key_package_ends_before(now, last_resort) {
            return Err(RuleError::KeyPackageLifetime);
        }
        let suite = HybridProvider::new()
            .cipher_suite_provider(package.cipher_suite())
            .ok_or(RuleError::Suite)?;
        Ok(KeyPackageSummary {
            reference: package.to_reference(&suite)?.to_vec(),
            account: leaf.account,
            device: leaf.device,
            account_key: leaf.account_key,
            signature_key: *leaf.device_key(),
            suite: package.cipher_suite(),
            last_resort,
            not_after,
        })
    }

    /// The key packages that a Welcome addresses, by reference.
    ///
    /// # Errors
    /// Refuses malformed or long input and other messages.
    pub fn welcome_references(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, RuleError> {
        let message = parse(bytes, limit::WELCOME_BYTES, "Welcome")?;
        let references = message.welcome_key_package_references();
        if references.is_empty() || references.len() > limit::ADDS_PER_COMMIT {
            return Err(Malformed::Invalid { what: "Welcome" }.into());
        }
        Ok(references
            .into_iter()
            .map(|reference| reference.to_vec())
            .collect())
    }
}

impl ObservedGroup {
    /// Reads a stored snapshot; as `Observer::from_snapshot`.
    ///
    /// # Errors
    /// `RuleError::Snapshot` for bytes that `snapshot` did not write.
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, RuleError> {
        Observer::new().from_snapshot(bytes)
    }

    /// Judges a commit as of `server_time`, on a copy. Beyond the rules it checks that new
    /// encryption keys are keys.
    ///
    /// # Errors
    /// Every refusal of `read_handshake` and of the rules, another group or epoch, and whatever
    /// MLS itself refuses.
    pub fn judge_commit(
        &self,
        bytes: &[u8],
        server_time: Seconds,
    ) -> Result<JudgedCommit, RuleError> {
        let handshake = self.read(bytes)?;
        let has_path = handshake.has_path;
        if let HandshakeKind::SelfRemove { .. } = handshake.kind {
            return Err(RuleError::NotAHandshake);
        }
        let (next, received) = self.apply(handshake, server_time)?;
        let ExternalReceivedMessage::Commit(commit) = received else {
            return Err(RuleError::NotAHandshake);
        };
        let (epoch, closes) = match &commit.effect {
            CommitEffect::NewEpoch(epoch) => (Some(epoch.as_ref()), false),
            CommitEffect::Removed { new_epoch, .. } => (Some(new_epoch.as_ref()), false),
            CommitEffect::ReInit(_) => (None, true),
        };
        let author = next.leaf(commit.committer)?;
        next.check_keys(commit.committer)?;
        let changes = self.changes(&next, epoch)?;
        for added in &changes.added {
            next.check_keys(added.leaf)?;
        }
        let (committer, added) = if commit.is_external {
            (Committer::Joiner(author.clone()), vec![author])
        } else {
            (Committer::Member(author), changes.added)
        };
        let epoch = next.epoch();
        Ok(JudgedCommit {
            epoch,
            committer,
            added,
            removed: changes.removed,
            join_grant: changes.join_grant,
            has_path,
            closes,
            next,
        })
    }

    /// Judges a member's SelfRemove, on a copy that will resolve a later reference to it.
    ///
    /// # Errors
    /// As `judge_commit`.
    pub fn judge_proposal(
        &self,
        bytes: &[u8],
        server_time: Seconds,
    ) -> Result<JudgedProposal, RuleError> {
        let handshake = self.read(bytes)?;
        let HandshakeKind::SelfRemove { leaf } = handshake.kind else {
            return Err(RuleError::NotAHandshake);
        };
        let proposer = self.leaf(leaf)?;
        let (next, received) = self.apply(handshake, server_time)?;
        let ExternalReceivedMessage::Proposal(proposal) = received else {
            return Err(RuleError::NotAHandshake);
        };
        Ok(JudgedProposal {
            next,
            proposer,
            reference: proposal.proposal_ref(),
        })
    }

    /// Checks that a GroupInfo is of this epoch, signed by a member, carries no tree, and lets
    /// devices enter.
    ///
    /// # Errors
    /// `RuleError::GroupInfo` or what MLS refuses.
    pub fn check_group_info(&self, bytes: &[u8]) -> Result<(), RuleError> {
        let info = parse(bytes, limit::GROUP_INFO_BYTES, "GroupInfo")?;
        check_joinable(&info)?;
        match self.group.clone().process_incoming_message(info)? {
            ExternalReceivedMessage::GroupInfo(_) => Ok(()),
            _ => Err(RuleError::GroupInfo),
        }
    }

    /// The state for the store; about as large as the tree.
    ///
    /// # Errors
    /// None in practice: encoding into memory.
    pub fn snapshot(&self) -> Result<Vec<u8>, RuleError> {
        Ok(self.group.snapshot().to_bytes()?)
    }

    /// The leaves, by index.
    ///
    /// # Errors
    /// None in practice: every leaf was read when it entered.
    pub fn roster(&self) -> Result<Vec<LeafSummary>, RuleError> {
        self.group
            .roster()
            .members_iter()
            .map(|member| summary(&member))
            .collect()
    }

    /// The ratchet tree, as clients take it.
    ///
    /// # Errors
    /// None in practice: encoding into memory.
    pub fn export_tree(&self) -> Result<Vec<u8>, RuleError> {
        Ok(self.group.export_tree()?)
    }

    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch::new(self.group.group_context().epoch())
    }

    /// Hash of the ratchet tree (RFC 9420, section 7.8), for comparing views.
    #[must_use]
    pub fn tree_hash(&self) -> &[u8] {
        self.group.tree_hash()
    }

    #[must_use]
    pub fn group_id(&self) -> GroupId {
        self.id
    }

    #[must_use]
    pub fn suite(&self) -> CipherSuite {
        self.group.group_context().cipher_suite()
    }

    #[must_use]
    pub fn policy(&self) -> &GroupPolicy {
        &self.policy
    }

    fn new(group: ExternalGroup<Config>, time: JudgementTime) -> Result<Self, RuleError> {
        let policy = GroupPolicy::from_extensions(group.group_context().extensions())?;
        let id =
            GroupId::try_from(group.group_context().group_id()).map_err(|_| RuleError::GroupId)?;
        Ok(Self {
            group,
            time: Arc::new(Mutex::new(time)),
            policy,
            id,
        })
    }

    fn read(&self, bytes: &[u8]) -> Result<Handshake, RuleError> {
        let handshake = read_handshake(bytes)?;
        if handshake.group != self.id {
            return Err(RuleError::OtherGroup);
        }
        if handshake.epoch != self.epoch() {
            return Err(RuleError::Epoch {
                got: handshake.epoch,
                current: self.epoch(),
            });
        }
        Ok(handshake)
    }

    fn apply(
        &self,
        handshake: Handshake,
        server_time: Seconds,
    ) -> Result<(Self, ExternalReceivedMessage), RuleError> {
        let mut next = self.clone();
        let received = {
            let time = self.time.lock().unwrap_or_else(PoisonError::into_inner);
            time.set(server_time);
            next.group
                .process_incoming_message(handshake.into_message())?
        };
        next.policy = GroupPolicy::from_extensions(next.group.group_context().extensions())?;
        Ok((next, received))
    }

    fn leaf(&self, index: u32) -> Result<LeafSummary, RuleError> {
        summary(&self.group.roster().member_with_index(index)?)
    }

    /// Whether the encryption keys of a leaf and of the nodes above it are keys. MLS does not look,
    /// and one bad key would keep every other member from committing.
    fn check_keys(&self, leaf: u32) -> Result<(), RuleError> {
        let tree = self.group.exported_tree();
        let index = LeafIndex::try_from(leaf)?;
        let suite = HybridProvider::suite(self.suite()).ok_or(RuleError::Suite)?;
        let own = tree.get_leaf(index)?.map(|leaf| &leaf.public_key);
        let above = tree.filtered_direct_path(index)?;
        let above = above.into_iter().flatten().map(|parent| &parent.public_key);
        let sound = own
            .into_iter()
            .chain(above)
            .all(|key| suite.kem_public_key_validate(key).is_ok());
        if sound {
            Ok(())
        } else {
            Err(RuleError::EncryptionKey)
        }
    }

    /// What a commit did, by its proposals: a leaf index may be left and taken in one commit.
    fn changes(&self, next: &Self, epoch: Option<&NewEpoch>) -> Result<Changes, RuleError> {
        let mut changes = Changes::default();
        let proposals = epoch.map_or(&[][..], NewEpoch::applied_proposals);
        let after = if proposals.is_empty() {
            Vec::new()
        } else {
            next.roster()?
        };
        for ProposalInfo {
            proposal, sender, ..
        } in proposals
        {
            match proposal {
                Proposal::Add(add) => {
                    let added = LeafCredential::read_admitted(add.signing_identity())?;
                    let entered = |leaf: &&LeafSummary| leaf.signature_key == *added.device_key();
                    changes.added.extend(after.iter().find(entered).cloned());
                }
                Proposal::Remove(remove) => changes.removed.push(self.leaf(remove.to_remove())?),
                Proposal::SelfRemove(_) => {
                    if let Sender::Member(leaf) = sender {
                        changes.removed.push(self.leaf(*leaf)?);
                    }
                }
                // Of a call's proof there is nothing to count.
                Proposal::Custom(custom)
                    if custom.proposal_type() == JOIN_PROOF_TYPE
                        && self.policy.conversation().is_none() =>
                {
                    changes.join_grant = Some(JoinProof::parse(custom.data())?.grant().clone());
                }
                _ => {}
            }
        }
        Ok(changes)
    }
}

#[derive(Default)]
struct Changes {
    added: Vec<LeafSummary>,
    removed: Vec<LeafSummary>,
    join_grant: Option<JoinGrant>,
}

fn client(time: &JudgementTime) -> ExternalClient<Config> {
    ExternalClient::builder()
        .identity_provider(RoostIdentity)
        .crypto_provider(HybridProvider::new())
        .mls_rules(RoostRules::new(EncryptionOptions::default(), time.clone()))
        .custom_proposal_types(capability::PROPOSAL_TYPES)
        .extension_types(capability::EXTENSION_TYPES)
        .build()
}

fn parse(bytes: &[u8], max: usize, what: &'static str) -> Result<MlsMessage, Malformed> {
    if bytes.len() > max {
        return Err(Malformed::Long { what, max });
    }
    let message = MlsMessage::from_bytes(bytes).map_err(|_| Malformed::Invalid { what })?;
    let same = message.to_bytes().ok().as_deref() == Some(bytes);
    if same {
        Ok(message)
    } else {
        Err(Malformed::Invalid { what })
    }
}

/// A GroupInfo as it is stored: external commits possible, tree out of band.
fn check_joinable(info: &MlsMessage) -> Result<(), RuleError> {
    let info = info.as_group_info().ok_or(RuleError::GroupInfo)?;
    let extensions = info.extensions();
    let joinable = extensions.has_extension(ExtensionType::EXTERNAL_PUB)
        && !extensions.has_extension(ExtensionType::RATCHET_TREE);
    if joinable {
        Ok(())
    } else {
        Err(RuleError::GroupInfo)
    }
}

fn summary(member: &Member) -> Result<LeafSummary, RuleError> {
    let leaf = LeafCredential::read_admitted(&member.signing_identity)?;
    Ok(LeafSummary {
        leaf: member.index,
        account: leaf.account,
        device: leaf.device,
        name: leaf.name.clone(),
        account_key: leaf.account_key,
        signature_key: *leaf.device_key(),
    })
}
