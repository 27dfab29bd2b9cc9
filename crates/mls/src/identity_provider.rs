//! Who a leaf is, for mls-rs.
//!
//! Owns the identity of a leaf and which leaf may replace which. Never checks validity periods:
//! mls-rs hands over a time for leaves that are long in the group, and an expired leaf must not
//! wedge it. `rules` checks time where a leaf enters.

use crate::account_pins::PinnedAccountKey;
use crate::credential::{CREDENTIAL_TYPE, LeafCredential};
use crate::error::RuleError;
use mls_rs_core::extension::ExtensionList;
use mls_rs_core::identity::{
    CredentialType, IdentityProvider, MemberValidationContext, SigningIdentity,
};
use mls_rs_core::time::MlsTime;

/// The identity provider of server and clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoostIdentity;

impl IdentityProvider for RoostIdentity {
    type Error = RuleError;

    fn validate_member(
        &self,
        identity: &SigningIdentity,
        _time: Option<MlsTime>,
        _context: MemberValidationContext<'_>,
    ) -> Result<(), RuleError> {
        LeafCredential::parse(identity)?;
        Ok(())
    }

    /// There are no external senders.
    fn validate_external_sender(
        &self,
        _identity: &SigningIdentity,
        _time: Option<MlsTime>,
        _extensions: Option<&ExtensionList>,
    ) -> Result<(), RuleError> {
        Err(RuleError::ExternalSenders)
    }

    /// Server, account and device.
    fn identity(
        &self,
        identity: &SigningIdentity,
        _extensions: &ExtensionList,
    ) -> Result<Vec<u8>, RuleError> {
        Ok(LeafCredential::read_admitted(identity)?.identity().to_vec())
    }

    /// The same device of the same account, with the same account key or the one after it.
    fn valid_successor(
        &self,
        predecessor: &SigningIdentity,
        successor: &SigningIdentity,
        _extensions: &ExtensionList,
    ) -> Result<bool, RuleError> {
        let before = LeafCredential::read_admitted(predecessor)?;
        let after = LeafCredential::parse(successor)?;
        let continued = PinnedAccountKey::of(&before).continues_to(&PinnedAccountKey::of(&after));
        Ok(before.identity() == after.identity() && continued)
    }

    fn supported_types(&self) -> Vec<CredentialType> {
        vec![CREDENTIAL_TYPE]
    }
}
