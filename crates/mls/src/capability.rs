//! What every leaf must support, from the first day: later use of these needs no migration.

use crate::credential::CREDENTIAL_TYPE;
use crate::error::{Leaf, RuleError};
use crate::join_proof::JOIN_PROOF_TYPE;
use crate::policy::POLICY_TYPE;
use crate::suite;
use mls_rs::extension::MlsExtension;
use mls_rs::extension::built_in::RequiredCapabilitiesExt;
use mls_rs_core::crypto::CipherSuite;
use mls_rs_core::extension::{Extension, ExtensionList, ExtensionType};
use mls_rs_core::group::{Capabilities, ProposalType};
use mls_rs_core::protocol_version::ProtocolVersion;

/// Extensions that a client registers with mls-rs.
pub const EXTENSION_TYPES: [ExtensionType; 2] =
    [POLICY_TYPE, ExtensionType::LAST_RESORT_KEY_PACKAGE];
/// Proposals beyond RFC 9420 that a client registers with mls-rs.
pub const PROPOSAL_TYPES: [ProposalType; 2] = [JOIN_PROOF_TYPE, ProposalType::SELF_REMOVE];

/// The capabilities of a Roost leaf that offers these suites.
#[must_use]
pub fn capabilities(suites: &[CipherSuite]) -> Capabilities {
    Capabilities {
        protocol_versions: vec![ProtocolVersion::MLS_10],
        cipher_suites: suites.to_vec(),
        extensions: EXTENSION_TYPES.to_vec(),
        proposals: PROPOSAL_TYPES.to_vec(),
        credentials: vec![CREDENTIAL_TYPE],
    }
}

/// The RequiredCapabilities extension of every group: mls-rs refuses leaves without these,
/// whichever way they enter (RFC 9420, section 11.1).
pub(crate) fn required_capabilities() -> Extension {
    let required = RequiredCapabilitiesExt::new(
        vec![POLICY_TYPE],
        PROPOSAL_TYPES.to_vec(),
        vec![CREDENTIAL_TYPE],
    );
    required.into_extension().expect("three short lists encode")
}

/// Whether a group demands of its leaves exactly what Roost needs.
pub(crate) fn check_required(extensions: &ExtensionList) -> Result<(), RuleError> {
    let found = extensions.get(ExtensionType::REQUIRED_CAPABILITIES);
    if found == Some(required_capabilities()) {
        Ok(())
    } else {
        Err(RuleError::RequiredCapabilities)
    }
}

/// Whether a leaf supports what every leaf must, and comes in no weaker suite than it could.
///
/// # Errors
/// Names what is missing.
pub fn check(capabilities: &Capabilities, group_suite: CipherSuite) -> Result<(), RuleError> {
    let complete = capabilities.extensions.contains(&POLICY_TYPE)
        && capabilities.credentials.contains(&CREDENTIAL_TYPE)
        && PROPOSAL_TYPES
            .iter()
            .all(|needed| capabilities.proposals.contains(needed))
        && capabilities.cipher_suites.contains(&group_suite);
    if !complete {
        return Err(RuleError::Leaf(Leaf::Capabilities));
    }
    let stronger = |offered: &CipherSuite| suite::rank(*offered) > suite::rank(group_suite);
    if capabilities.cipher_suites.iter().any(stronger) {
        return Err(RuleError::Leaf(Leaf::Downgraded));
    }
    Ok(())
}
