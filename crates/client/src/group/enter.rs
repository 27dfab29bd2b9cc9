//! Entering a group: by Welcome, or by an external commit built against an empty staging store.
//!
//! Owns what is checked before a group is believed: its id, policy, suite, server and external
//! senders. What was staged replaces the old state only when the server has accepted it.

use super::roster::leaves_of;
use super::{GroupError, GroupStore, Leaf, Mls, parse};
use crate::port::{Row, Table};
use minicbor::{Decode, Encode};
use mls_rs::group::ExportedTree;
use mls_rs::group::proposal::CustomProposal;
use roost_mls::{GroupPolicy, RuleError, check_group, limit};
use roost_wire::{Epoch, GroupId, Malformed, Seconds};

/// A GroupInfo and the tree that goes with it.
pub(crate) struct Bundle {
    pub group_info: Vec<u8>,
    pub tree: Vec<u8>,
}

/// A group that was built but is not in use until the server has accepted the commit.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Staged {
    #[n(0)]
    rows: Vec<StagedRow>,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub commit: Vec<u8>,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub group_info: Vec<u8>,
    #[n(3)]
    pub epoch: Epoch,
}

#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct StagedRow {
    #[n(0)]
    table: u8,
    #[cbor(n(1), with = "minicbor::bytes")]
    key: Vec<u8>,
    #[cbor(n(2), with = "minicbor::bytes")]
    value: Vec<u8>,
}

/// A group as it was shown, before anything of it is believed.
pub(crate) struct Shown {
    pub policy: GroupPolicy,
    pub leaves: Vec<Leaf>,
}

/// What was learnt by entering.
pub(crate) struct Entered {
    pub policy: GroupPolicy,
    pub leaves: Vec<Leaf>,
    /// The leaf that let us in.
    pub adder: Option<Leaf>,
    pub epoch: Epoch,
    /// By a key package that others may have used too: fresh keys are due at once.
    pub by_last_resort: bool,
}

impl Entered {
    pub(crate) fn shown(&self) -> Shown {
        Shown {
            policy: self.policy.clone(),
            leaves: self.leaves.clone(),
        }
    }
}

impl Mls {
    /// Joins by Welcome. The caller has made sure that no group with this id exists here.
    pub(crate) fn join(
        &mut self,
        group: &GroupId,
        welcome: &[u8],
        tree: &[u8],
    ) -> Result<Entered, GroupError> {
        let message = parse(welcome, limit::WELCOME_BYTES, "Welcome")?;
        let tree = parse_tree(tree)?;
        let client = self.client(&self.store, limit::KEY_PACKAGE_SECONDS)?;
        let info = client.examine_welcome_message(&message)?;
        if info.group_context().group_id() != group.as_bytes() {
            return Err(RuleError::OtherGroup.into());
        }
        let references = message.welcome_key_package_references();
        let references: Vec<&[u8]> = references.into_iter().map(|found| &**found).collect();
        let by_last_resort = self.store.has_last_resort(&references);
        let (joined, news) = client.join_group(Some(tree), &message, None)?;
        let policy = self.check(&joined)?;
        let epoch = Epoch::new(joined.current_epoch());
        self.groups.insert(*group, joined);
        self.save_with_tree(group)?;
        Ok(Entered {
            policy,
            leaves: self.leaves(group)?,
            adder: self.leaf_at(group, news.sender).ok(),
            epoch,
            by_last_resort,
        })
    }

    /// Builds an external commit as of `now`, replacing this device's own leaf if it has one.
    pub(crate) fn stage_entry(
        &mut self,
        group: &GroupId,
        bundle: &Bundle,
        proof: Option<CustomProposal>,
        now: Seconds,
    ) -> Result<(Staged, Shown), GroupError> {
        let info = parse(&bundle.group_info, limit::GROUP_INFO_BYTES, "GroupInfo")?;
        if info.group_id() != Some(group.as_bytes()) {
            return Err(RuleError::OtherGroup.into());
        }
        let tree = parse_tree(&bundle.tree)?;
        let old = self.own_leaf(&tree)?;
        let staging = GroupStore::default();
        self.judge_as_of(now);
        let client = self.client(&staging, limit::KEY_PACKAGE_SECONDS)?;
        let mut builder = client.external_commit_builder()?.with_tree_data(tree);
        if let Some(index) = old {
            builder = builder.with_removal(index);
        }
        if let Some(proof) = proof {
            builder = builder.with_custom_proposal(proof);
        }
        let (mut entered, commit) = builder.build(info)?;
        let shown = Shown {
            policy: self.check(&entered)?,
            leaves: leaves_of(&entered)?,
        };
        staging.put_tree(group, entered.export_tree().to_bytes()?);
        entered.write_to_storage_without_ratchet_tree()?;
        let group_info = entered.group_info_message_allowing_ext_commit(false)?;
        let rows = staging.export(group).into_iter().map(StagedRow::from);
        let staged = Staged {
            rows: rows.collect(),
            commit: commit.to_bytes()?,
            group_info: group_info.to_bytes()?,
            epoch: Epoch::new(entered.current_epoch()),
        };
        Ok((staged, shown))
    }

    /// Puts a staged group in place of the old state.
    pub(crate) fn adopt(&mut self, group: &GroupId, staged: Staged) -> Result<Entered, GroupError> {
        self.forget(group);
        let rows = staged.rows.into_iter().filter_map(StagedRow::into_row);
        self.store.replace(group, rows.collect());
        let loaded = self.group(group)?;
        let policy =
            GroupPolicy::from_extensions(loaded.context().extensions()).map_err(RuleError::from)?;
        let epoch = Epoch::new(loaded.current_epoch());
        Ok(Entered {
            policy,
            leaves: self.leaves(group)?,
            adder: None,
            epoch,
            by_last_resort: false,
        })
    }

    /// A group is believed only if it is well formed and belongs to our server.
    fn check(&self, group: &super::MlsGroup) -> Result<GroupPolicy, GroupError> {
        let policy = check_group(group.context(), &group.roster())?;
        if policy.server_key == self.identity()?.server_key {
            Ok(policy)
        } else {
            Err(RuleError::OtherGroup.into())
        }
    }

    fn own_leaf(&self, tree: &ExportedTree<'_>) -> Result<Option<u32>, GroupError> {
        let identity = self.identity()?;
        for member in tree.roster().members_iter() {
            let leaf = Leaf::of(&member)?;
            if leaf.account() == identity.account && leaf.device() == identity.device {
                return Ok(Some(leaf.index));
            }
        }
        Ok(None)
    }
}

pub(super) fn parse_tree(bytes: &[u8]) -> Result<ExportedTree<'static>, GroupError> {
    if bytes.len() > limit::TREE_BYTES {
        let max = limit::TREE_BYTES;
        return Err(Malformed::Long { what: "tree", max }.into());
    }
    Ok(ExportedTree::from_bytes(bytes)?)
}

impl From<Row> for StagedRow {
    fn from(row: Row) -> Self {
        Self {
            table: row.table.tag(),
            key: row.key,
            value: row.value,
        }
    }
}

impl StagedRow {
    fn into_row(self) -> Option<Row> {
        Some(Row {
            table: Table::from_tag(self.table)?,
            key: self.key,
            value: self.value,
        })
    }
}
