//! Why a message, a group or a leaf was refused: one list for server and clients.

use crate::call_proof::CallProofError;
use crate::credential::CredentialError;
use crate::join_proof::JoinProofError;
use crate::policy::PolicyError;
use mls_rs::error::{IntoAnyError, MlsError};
use mls_rs_core::group::ProposalType;
use roost_wire::{Epoch, Malformed};
use std::sync::Arc;

/// A refusal. Deterministic: whoever judges the same bytes against the same epoch and server time
/// gets the same answer, except where the server cannot see as far as members do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RuleError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("not a handshake message")]
    NotAHandshake,
    #[error("not an application message")]
    NotAnApplicationMessage,
    #[error("the message is of epoch {got}, the group is at {current}")]
    Epoch { got: Epoch, current: Epoch },
    #[error("the message is for another group")]
    OtherGroup,
    #[error("only members propose and commit, and joiners commit")]
    Sender,
    #[error("proposal type {0:#06x} is not allowed {1}")]
    Proposal(u16, Place),
    #[error("the commit has more than the allowed number of proposals")]
    TooManyProposals,
    #[error("only administrators change the group's policy or move the group")]
    NotAdmin,
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error("the group's suite is unknown or below its floor")]
    Suite,
    #[error("the group's id is not 16 bytes long")]
    GroupId,
    #[error("the group lists external senders")]
    ExternalSenders,
    #[error("the group has an extension that is not allowed")]
    Extension,
    #[error("the group does not require what every leaf must support")]
    RequiredCapabilities,
    #[error("a leaf was refused: {0}")]
    Leaf(#[from] Leaf),
    #[error("the account is known here by another key")]
    OtherAccountKey,
    #[error("the account's leaves disagree on its key")]
    AccountKeysDisagree,
    #[error("a direct conversation has two accounts")]
    DirectIsForTwo,
    #[error("the group has no room for more devices")]
    Full,
    #[error("the call has no room for more people")]
    CallFull,
    #[error("a call is entered with a call proof, and none came with it")]
    Uncalled,
    #[error("the joiner's account is not in the group, and no join proof came with it")]
    Uninvited,
    #[error("the inviter is not a member")]
    InviterNotAMember,
    #[error("a joiner may remove only leaves of its own account")]
    RemovesAnother,
    #[error(transparent)]
    JoinProof(#[from] JoinProofError),
    #[error(transparent)]
    CallProof(#[from] CallProofError),
    #[error("the time of judgement was not set")]
    NoTime,
    #[error("a new group starts with its founder's one device")]
    NotNew,
    #[error("the group information does not belong to this epoch or forbids joining")]
    GroupInfo,
    #[error("the key package lives too long or is not valid now")]
    KeyPackageLifetime,
    #[error("an encryption key in the tree is none")]
    EncryptionKey,
    #[error("the stored snapshot cannot be read")]
    Snapshot,
    #[error("refused by MLS: {0}")]
    Mls(Arc<MlsError>),
}

/// Why one leaf was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Leaf {
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error("its credential is not valid at this time")]
    Expired,
    #[error("it belongs to another server")]
    OtherServer,
    #[error("it lacks a required capability")]
    Capabilities,
    #[error("it supports a stronger suite than the group's")]
    Downgraded,
}

/// Where a proposal was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    ByReference,
    ByValue,
    InExternalCommit,
    Alone,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ByReference => "by reference",
            Self::ByValue => "by value",
            Self::InExternalCommit => "in an external commit",
            Self::Alone => "as a message of its own",
        })
    }
}

impl RuleError {
    pub(crate) fn proposal(kind: ProposalType, place: Place) -> Self {
        Self::Proposal(kind.raw_value(), place)
    }
}

impl From<CredentialError> for RuleError {
    fn from(error: CredentialError) -> Self {
        Self::Leaf(Leaf::Credential(error))
    }
}

impl From<MlsError> for RuleError {
    /// Takes our own refusal back out of the wrapping that mls-rs gave it.
    fn from(error: MlsError) -> Self {
        let inner = match &error {
            MlsError::MlsRulesError(any) | MlsError::IdentityProviderError(any) => {
                any.inner_dyn_error()
            }
            _ => return Self::Mls(Arc::new(error)),
        };
        match inner.downcast_ref::<Self>() {
            Some(own) => own.clone(),
            None => Self::Mls(Arc::new(error)),
        }
    }
}

impl IntoAnyError for RuleError {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(Box::new(self))
    }
}
