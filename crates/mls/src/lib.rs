//! What the server and every client must judge alike.
//!
//! Owns the cipher suites, the device credential, the group policy, the proofs of joiners, the
//! allow-list of proposals, and the observer through which the server follows a group. Never holds a message
//! key or opens anything: the server links this crate, so it is built without `private_message`.

pub mod account_pins;
pub mod account_rotation;
pub mod call_proof;
pub mod capability;
mod codec;
pub mod credential;
pub mod error;
pub mod handshake;
pub mod identity_provider;
pub mod join_proof;
pub mod limit;
pub mod observer;
pub mod policy;
pub mod rules;
mod signature;
pub mod suite;
pub mod time;

pub use account_pins::PinnedAccountKey;
pub use account_rotation::KeyRotation;
pub use call_proof::{CallProof, CallSecret};
pub use capability::capabilities;
pub use credential::{Claims, CredentialError, LeafCredential, account_key_hash};
pub use error::{Leaf, RuleError};
pub use handshake::{HandshakeKind, admit_application, admit_handshake, read_handshake};
pub use identity_provider::RoostIdentity;
pub use join_proof::{InviteSecret, JoinGrant, JoinProof};
pub use observer::{
    JudgedCommit, JudgedProposal, KeyPackageSummary, LeafSummary, ObservedGroup, Observer,
};
pub use policy::{GroupKind, GroupPolicy};
pub use rules::{RoostRules, check_group};
pub use signature::verifies;
pub use suite::{HybridProvider, SUITE_CLASSIC, SUITE_DEFAULT, Suite};
pub use time::JudgementTime;
