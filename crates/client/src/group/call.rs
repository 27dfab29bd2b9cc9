//! What a conversation gives its calls, and what a call's own group gives its media.
//!
//! Owns the exporters of both. Never keeps what they gave: the core does, as long as it is needed.

use super::{GroupError, Leaf, Mls, parse};
use mls_rs::group::proposal::Proposal;
use roost_mls::call_proof::CALL_EXPORTER_LABEL;
use roost_mls::join_proof::JOIN_PROOF_TYPE;
use roost_mls::{CallProof, HandshakeKind, LeafCredential, RuleError, limit};
use roost_wire::{Epoch, GroupId};
use zeroize::Zeroizing;

const FRAMES_LABEL: &[u8] = b"Roost 1.0 sframe";
const SIGNALS_LABEL: &[u8] = b"Roost 1.0 room signal";

/// A secret of one epoch. Does not print; wiped when dropped.
#[derive(Clone)]
pub(crate) struct EpochSecret {
    pub epoch: Epoch,
    pub secret: Zeroizing<[u8; 32]>,
}

/// Who wants to enter a call, and by what right.
pub(crate) struct CallEntry {
    pub joiner: LeafCredential,
    pub proof: CallProof,
}

impl Mls {
    /// The base of the calls of a conversation's present epoch.
    pub(crate) fn call_base(&mut self, conversation: &GroupId) -> Result<EpochSecret, GroupError> {
        self.export(conversation, CALL_EXPORTER_LABEL)
    }

    /// The base of all frame keys of a call's present epoch.
    pub(crate) fn frame_base(&mut self, call: &GroupId) -> Result<EpochSecret, GroupError> {
        self.export(call, FRAMES_LABEL)
    }

    /// The key of all signals of a call's present epoch.
    pub(crate) fn room_signal_key(&mut self, call: &GroupId) -> Result<EpochSecret, GroupError> {
        self.export(call, SIGNALS_LABEL)
    }

    fn export(&mut self, group: &GroupId, label: &[u8]) -> Result<EpochSecret, GroupError> {
        let loaded = self.group(group)?;
        let secret = loaded.export_secret(label, group.as_bytes(), 32)?;
        let secret = secret
            .as_bytes()
            .try_into()
            .map_err(|_| GroupError::Unexpected)?;
        Ok(EpochSecret {
            epoch: Epoch::new(loaded.current_epoch()),
            secret: Zeroizing::new(secret),
        })
    }
}

/// The leaf that signed a GroupInfo, among the leaves it was made for.
pub(crate) fn signer_of(group_info: &[u8]) -> Result<u32, GroupError> {
    let message = parse(group_info, limit::GROUP_INFO_BYTES, "GroupInfo")?;
    let info = message.as_group_info().ok_or(GroupError::Unexpected)?;
    Ok(info.sender())
}

/// The leaves of a tree, before anything of it is believed.
pub(crate) fn leaves_in(tree: &[u8]) -> Result<Vec<Leaf>, GroupError> {
    let tree = super::enter::parse_tree(tree)?;
    let roster = tree.roster();
    roster
        .members_iter()
        .map(|member| Leaf::of(&member))
        .collect()
}

/// Who enters by this commit; none if it is a member's own.
///
/// # Errors
/// Refuses what is no handshake, and an external commit without a whole call proof.
pub(crate) fn call_entry(commit: &[u8]) -> Result<Option<CallEntry>, GroupError> {
    let handshake = roost_mls::read_handshake(commit)?;
    if handshake.kind != HandshakeKind::ExternalCommit {
        return Ok(None);
    }
    let message = handshake.message();
    let leaf = message.commit_path_leaf_node();
    let leaf = leaf.ok_or(GroupError::Unexpected)?;
    let joiner = LeafCredential::parse(&leaf.signing_identity).map_err(RuleError::from)?;
    let proposals = message.proposals_by_value();
    let proof = proposals.into_iter().find_map(|proposal| match proposal {
        Proposal::Custom(custom) if custom.proposal_type() == JOIN_PROOF_TYPE => {
            Some(CallProof::parse(custom.data()))
        }
        _ => None,
    });
    let proof = proof.ok_or(RuleError::Uncalled)?.map_err(RuleError::from)?;
    Ok(Some(CallEntry { joiner, proof }))
}
