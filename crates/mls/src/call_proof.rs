//! The right to enter a call's own group: a key that only members of the conversation can derive.
//!
//! Owns the format, its signature, and the key derived from the conversation's exporter. Everybody
//! judges from these bytes that the joiner holds the key it names; that the key is the
//! conversation's, members of the conversation judge by deriving it themselves. Never says who is
//! in the conversation now: that is the roster's.

use crate::credential::LeafCredential;
use crate::{codec, limit, signature};
use ed25519_dalek::{Signer, SigningKey};
use hkdf::Hkdf;
use minicbor::{Decode, Encode};
use mls_rs::group::proposal::CustomProposal;
use roost_wire::{
    AccountId, DeviceId, Epoch, GroupId, InviteKey, Malformed, ServerId, SignatureBytes,
    SignatureKey,
};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::join_proof::JOIN_PROOF_TYPE;

/// Label of the conversation's exporter (RFC 9420, section 8.5); its context is the conversation's
/// id, its length [`CallSecret::BYTES`]. What it gives is the base of the epoch's calls.
pub const CALL_EXPORTER_LABEL: &[u8] = b"Roost 1.0 call";
const VERSION: u8 = 1;
const PROOF_LABEL: &str = "Roost 1.0 CallProof";
const KEY_LABEL: &[u8] = b"Roost 1.0 CallKey";
const WHAT: &str = "call proof";

/// Why a proof was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallProofError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the call proof has an unknown version")]
    Version,
    #[error("the call proof is for a call of another conversation")]
    OtherConversation,
    #[error("the key of the call proof did not sign for this joiner and this call")]
    Signature,
}

/// What one epoch of a conversation gives for one call. Does not print.
pub struct CallSecret(Zeroizing<[u8; Self::BYTES]>);

impl CallSecret {
    pub const BYTES: usize = 32;

    /// From what the conversation's exporter gave: HKDF-SHA256 without salt, its info the label
    /// and the id of the call's group.
    #[must_use]
    pub fn new(base: &[u8; Self::BYTES], call: &GroupId) -> Self {
        let mut seed = Zeroizing::new([0; Self::BYTES]);
        let info = [KEY_LABEL, call.as_bytes()].concat();
        let expanded = Hkdf::<Sha256>::new(None, base).expand(&info, seed.as_mut());
        expanded.expect("HKDF-SHA256 yields up to 8,160 bytes, and these are 32");
        Self(seed)
    }

    /// The public half of this secret's key, which a proof names.
    #[must_use]
    pub fn key(&self) -> InviteKey {
        InviteKey::new(self.signing_key().verifying_key().to_bytes())
    }

    fn signing_key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.0)
    }
}

/// Proof that a joiner was in the conversation at an epoch: it holds the key of that epoch for this
/// call.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CallProof {
    #[n(0)]
    version: u8,
    #[n(1)]
    pub conversation: GroupId,
    /// Of the conversation: whose exporter the key comes from.
    #[n(2)]
    pub epoch: Epoch,
    #[n(3)]
    pub key: InviteKey,
    #[n(4)]
    signature: SignatureBytes,
}

#[derive(Encode)]
#[cbor(array)]
struct ToBeSigned<'a> {
    #[n(0)]
    label: &'a str,
    #[n(1)]
    conversation: GroupId,
    #[n(2)]
    epoch: Epoch,
    #[n(3)]
    key: InviteKey,
    #[n(4)]
    call: GroupId,
    #[n(5)]
    server: ServerId,
    #[n(6)]
    account: AccountId,
    #[n(7)]
    device: DeviceId,
    #[n(8)]
    device_key: SignatureKey,
}

impl CallProof {
    /// Binds a joiner to a call with what the conversation exports at `epoch`.
    #[must_use]
    pub fn new(
        conversation: GroupId,
        epoch: Epoch,
        call: &GroupId,
        joiner: &LeafCredential,
        secret: &CallSecret,
    ) -> Self {
        let mut proof = Self {
            version: VERSION,
            conversation,
            epoch,
            key: secret.key(),
            signature: SignatureBytes::new([0; SignatureBytes::BYTES]),
        };
        let signature = secret.signing_key().sign(&proof.to_be_signed(call, joiner));
        proof.signature = SignatureBytes::new(signature.to_bytes());
        proof
    }

    /// Reads a proof; whether it lets somebody in is `verify`'s, and the conversation's.
    ///
    /// # Errors
    /// Refuses long and non-canonical bytes, and an unknown version.
    pub fn parse(bytes: &[u8]) -> Result<Self, CallProofError> {
        let proof: Self = codec::decode(bytes, limit::CALL_PROOF_BYTES, WHAT)?;
        if proof.version == VERSION {
            Ok(proof)
        } else {
            Err(CallProofError::Version)
        }
    }

    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The proposal to put into an external commit. It has the type of a JoinProof, which every
    /// leaf supports; in a call's group it holds this instead.
    #[must_use]
    pub fn to_proposal(&self) -> CustomProposal {
        CustomProposal::new(JOIN_PROOF_TYPE, self.to_bytes())
    }

    /// Whether the holder of the named key lets `joiner` into `call`, a call of `conversation`.
    ///
    /// # Errors
    /// Refuses another conversation and a signature for somebody else or another call.
    pub fn verify(
        &self,
        call: &GroupId,
        conversation: &GroupId,
        joiner: &LeafCredential,
    ) -> Result<(), CallProofError> {
        if self.conversation != *conversation {
            return Err(CallProofError::OtherConversation);
        }
        let message = self.to_be_signed(call, joiner);
        if signature::verifies(self.key.as_bytes(), &message, &self.signature) {
            Ok(())
        } else {
            Err(CallProofError::Signature)
        }
    }

    fn to_be_signed(&self, call: &GroupId, joiner: &LeafCredential) -> Vec<u8> {
        codec::encode(&ToBeSigned {
            label: PROOF_LABEL,
            conversation: self.conversation,
            epoch: self.epoch,
            key: self.key,
            call: *call,
            server: joiner.server,
            account: joiner.account,
            device: joiner.device,
            device_key: *joiner.device_key(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_key_of_a_secret_is_pinned() {
        let key = roost_wire::text::hex(secret().key().as_bytes());

        assert_eq!(key, include_str!("../tests/vectors/call_key.hex").trim());
    }

    #[test]
    fn a_proof_round_trips_and_its_format_is_pinned() {
        let proof = proof();

        assert_eq!(CallProof::parse(&proof.to_bytes()), Ok(proof.clone()));
        let hex = roost_wire::text::hex(&proof.to_bytes());
        assert_eq!(hex, include_str!("../tests/vectors/call_proof.hex").trim());
    }

    #[test]
    fn the_largest_proof_fits_its_bound() {
        let proof = CallProof {
            epoch: Epoch::new(u64::MAX),
            ..proof()
        };

        assert!(CallProof::parse(&proof.to_bytes()).is_ok());
    }

    #[test]
    fn an_unknown_version_is_refused() {
        let proof = CallProof {
            version: 2,
            ..proof()
        };

        let refused = CallProof::parse(&proof.to_bytes());

        assert_eq!(refused, Err(CallProofError::Version));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = CallProof::parse(&bytes);
        }
    }

    fn secret() -> CallSecret {
        CallSecret::new(&[7; 32], &GroupId::new([2; 16]))
    }

    fn proof() -> CallProof {
        CallProof {
            version: VERSION,
            conversation: GroupId::new([1; 16]),
            epoch: Epoch::new(1_000),
            key: secret().key(),
            signature: SignatureBytes::new([3; 64]),
        }
    }
}
