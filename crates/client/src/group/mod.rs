//! The device's MLS groups: every use of mls-rs is behind this module.
//!
//! Owns the MLS client, the groups in memory and their rows. After any error the caller calls
//! [`Mls::forget`], so that a damaged group is read again from its last stored state. Never talks
//! to the server and never decides what should happen to a group.

mod call;
mod enter;
mod roster;
mod seal;
mod store;

pub(crate) use call::{EpochSecret, call_entry, leaves_in, signer_of};
pub(crate) use enter::{Bundle, Entered, Shown, Staged};
pub(crate) use roster::{Leaf, LeafChanges, changes_of};
pub(crate) use seal::{Addition, Changes, Commit, Signal, SignalKey, signal_epoch};
pub(crate) use store::GroupStore;

use crate::identity::Identity;
use mls_rs::client_builder::{
    BaseConfig, PaddingMode, WithCryptoProvider, WithGroupStateStorage, WithIdentityProvider,
    WithKeyPackageRepo, WithMlsRules,
};
use mls_rs::error::MlsError;
use mls_rs::extension::recommended::LastResortKeyPackageExt;

use mls_rs::group::{ExportedTree, ReceivedMessage};
use mls_rs::mls_rules::EncryptionOptions;
use mls_rs::time::MlsTime;
use mls_rs::{Client, ExtensionList, Group, MlsMessage};
use roost_mls::{
    GroupPolicy, HybridProvider, JudgementTime, RoostIdentity, RoostRules, RuleError,
    SUITE_DEFAULT, capability, limit,
};
use roost_wire::{Epoch, GroupId, Malformed, Seconds};
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) type Config = WithGroupStateStorage<
    GroupStore,
    WithKeyPackageRepo<
        GroupStore,
        WithMlsRules<
            RoostRules,
            WithCryptoProvider<HybridProvider, WithIdentityProvider<RoostIdentity, BaseConfig>>,
        >,
    >,
>;
pub(crate) type MlsGroup = Group<Config>;

/// Why MLS did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GroupError {
    #[error("there is no state of this group")]
    Missing,
    #[error("there is no identity yet")]
    NoIdentity,
    #[error("a member asked to leave: that must be committed first")]
    CommitFirst,
    #[error("the message is from this device's own leaf")]
    FromSelf,
    #[error("the message has an unexpected form")]
    Unexpected,
    #[error(transparent)]
    Rule(#[from] RuleError),
}

impl From<MlsError> for GroupError {
    fn from(error: MlsError) -> Self {
        match error {
            MlsError::GroupNotFound => Self::Missing,
            MlsError::CommitRequired => Self::CommitFirst,
            MlsError::CantProcessMessageFromSelf => Self::FromSelf,
            other => Self::Rule(other.into()),
        }
    }
}

impl From<Malformed> for GroupError {
    fn from(error: Malformed) -> Self {
        Self::Rule(error.into())
    }
}

/// All groups of the device.
#[derive(Default)]
pub(crate) struct Mls {
    store: GroupStore,
    time: JudgementTime,
    identity: Option<Identity>,
    groups: BTreeMap<GroupId, MlsGroup>,
}

impl Mls {
    pub(crate) fn new(store: GroupStore) -> Self {
        Self {
            store,
            ..Self::default()
        }
    }

    pub(crate) fn set_identity(&mut self, identity: Identity) {
        self.identity = Some(identity);
    }

    pub(crate) fn store(&self) -> &GroupStore {
        &self.store
    }

    /// A new group at epoch 0 with this device alone in it.
    pub(crate) fn create(
        &mut self,
        group: GroupId,
        policy: &GroupPolicy,
        now: Seconds,
    ) -> Result<(), GroupError> {
        let client = self.client(&self.store, limit::KEY_PACKAGE_SECONDS)?;
        let made = client.create_group_with_id(
            group.as_bytes().to_vec(),
            policy.to_extensions(),
            ExtensionList::default(),
            Some(backdated(now)),
        )?;
        self.groups.insert(group, made);
        self.save_with_tree(&group)
    }

    /// What the server needs to host or pass on a group: GroupInfo and tree.
    pub(crate) fn bundle(&mut self, group: &GroupId) -> Result<Bundle, GroupError> {
        let loaded = self.group(group)?;
        Ok(Bundle {
            group_info: loaded
                .group_info_message_allowing_ext_commit(false)?
                .to_bytes()?,
            tree: loaded.export_tree().to_bytes()?,
        })
    }

    /// Makes a key package and keeps its private keys.
    pub(crate) fn key_package(
        &mut self,
        last_resort: bool,
        now: Seconds,
    ) -> Result<Vec<u8>, GroupError> {
        let seconds = if last_resort {
            limit::LAST_RESORT_SECONDS
        } else {
            limit::KEY_PACKAGE_SECONDS
        };
        let client = self.client(&self.store, seconds)?;
        let mut extensions = ExtensionList::default();
        if last_resort {
            extensions
                .set_from(LastResortKeyPackageExt)
                .map_err(MlsError::from)?;
        }
        let made = client.generate_key_package_message(
            extensions,
            ExtensionList::default(),
            Some(backdated(now)),
        )?;
        Ok(made.to_bytes()?)
    }

    /// Judges and applies a commit or proposal as of `time`, the server's. Not yet saved.
    pub(crate) fn apply_handshake(
        &mut self,
        group: &GroupId,
        bytes: &[u8],
        time: Seconds,
    ) -> Result<ReceivedMessage, GroupError> {
        let handshake = roost_mls::read_handshake(bytes)?;
        if handshake.group != *group {
            return Err(RuleError::OtherGroup.into());
        }
        self.time.set(time);
        let loaded = self.group(group)?;
        let current = Epoch::new(loaded.current_epoch());
        if handshake.epoch != current {
            let got = handshake.epoch;
            return Err(RuleError::Epoch { got, current }.into());
        }
        Ok(loaded.process_incoming_message(handshake.into_message())?)
    }

    /// The group, read from its stored state if it is not in memory.
    pub(crate) fn group(&mut self, group: &GroupId) -> Result<&mut MlsGroup, GroupError> {
        if !self.groups.contains_key(group) {
            let tree = self.store.tree(group).ok_or(GroupError::Missing)?;
            let client = self.client(&self.store, limit::KEY_PACKAGE_SECONDS)?;
            let tree = ExportedTree::from_bytes(&tree)?;
            let loaded = client.load_group_with_ratchet_tree(group.as_bytes(), tree)?;
            self.groups.insert(*group, loaded);
        }
        self.groups.get_mut(group).ok_or(GroupError::Missing)
    }

    /// Notes the group's state for the step's transaction; the tree stays as it was.
    pub(crate) fn save(&mut self, group: &GroupId) -> Result<(), GroupError> {
        let loaded = self.groups.get_mut(group).ok_or(GroupError::Missing)?;
        Ok(loaded.write_to_storage_without_ratchet_tree()?)
    }

    /// As `save`, after the tree has changed.
    pub(crate) fn save_with_tree(&mut self, group: &GroupId) -> Result<(), GroupError> {
        let loaded = self.groups.get_mut(group).ok_or(GroupError::Missing)?;
        self.store.put_tree(group, loaded.export_tree().to_bytes()?);
        self.save(group)
    }

    /// Drops what is in memory: the next use reads the last stored state.
    pub(crate) fn forget(&mut self, group: &GroupId) {
        self.groups.remove(group);
    }

    /// Drops a group for good.
    pub(crate) fn delete(&mut self, group: &GroupId) {
        self.forget(group);
        self.store.delete(group);
    }

    pub(crate) fn has(&self, group: &GroupId) -> bool {
        self.store.has(group)
    }

    pub(crate) fn epoch(&mut self, group: &GroupId) -> Result<Epoch, GroupError> {
        Ok(Epoch::new(self.group(group)?.current_epoch()))
    }

    /// The server's time by which the next commit is built.
    pub(crate) fn judge_as_of(&self, time: Seconds) {
        self.time.set(time);
    }

    fn identity(&self) -> Result<&Identity, GroupError> {
        self.identity.as_ref().ok_or(GroupError::NoIdentity)
    }

    fn client(&self, store: &GroupStore, seconds: u64) -> Result<Client<Config>, GroupError> {
        let identity = self.identity()?;
        let credential = identity.credential().map_err(RuleError::from)?;
        let encryption = EncryptionOptions::new(false, PaddingMode::None);
        let lifetime = seconds.saturating_add(limit::BACKDATE_SECONDS);
        Ok(Client::builder()
            .identity_provider(RoostIdentity)
            .crypto_provider(HybridProvider::new())
            .mls_rules(RoostRules::new(encryption, self.time.clone()))
            .key_package_repo(store.clone())
            .group_state_storage(store.clone())
            .custom_proposal_types(capability::PROPOSAL_TYPES)
            .extension_types(capability::EXTENSION_TYPES)
            .key_package_lifetime(Duration::from_secs(lifetime))
            .signing_identity(
                credential.signing_identity(),
                identity.mls_signer(),
                SUITE_DEFAULT,
            )
            .build())
    }
}

/// A clock elsewhere may be behind: what is made now is valid since a day.
fn backdated(now: Seconds) -> MlsTime {
    MlsTime::from(now.minus(limit::BACKDATE_SECONDS).get())
}

/// Reads an MLSMessage of at most `max` bytes.
pub(crate) fn parse(bytes: &[u8], max: usize, what: &'static str) -> Result<MlsMessage, Malformed> {
    if bytes.len() > max {
        return Err(Malformed::Long { what, max });
    }
    MlsMessage::from_bytes(bytes).map_err(|_| Malformed::Invalid { what })
}
