//! The right to enter a group by invite link: a member's grant and the joiner's binding to it.
//!
//! Owns both formats, their signatures, and the key derived from a link's secret. Use counts are
//! the server's; everything else is judged by every member from these bytes.

use crate::credential::LeafCredential;
use crate::{codec, limit, signature};
use ed25519_dalek::{Signer, SigningKey};
use hkdf::Hkdf;
use minicbor::{Decode, Encode};
use mls_rs::group::proposal::CustomProposal;
use mls_rs_core::group::ProposalType;
use roost_wire::{
    AccountId, DeviceId, GroupId, InviteId, InviteKey, Malformed, Seconds, ServerId,
    SignatureBytes, SignatureKey,
};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Type of the custom proposal.
pub const JOIN_PROOF_TYPE: ProposalType = ProposalType::new(0xF010);
const VERSION: u8 = 1;
const GRANT_LABEL: &str = "Roost 1.0 JoinGrant";
const BINDING_LABEL: &str = "Roost 1.0 JoinBinding";
const SECRET_LABEL: &[u8] = b"Roost 1.0 InviteKey";
const GRANT: &str = "join grant";
const PROOF: &str = "join proof";

/// Why a grant or proof was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JoinProofError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the grant has an unknown version")]
    Version,
    #[error("the inviter's device did not sign this grant")]
    GrantSignature,
    #[error("the grant is for another group")]
    OtherGroup,
    #[error("the grant has expired")]
    Expired,
    #[error("the grant lasts longer than allowed")]
    TooLong,
    #[error("the invite's secret did not sign for this joiner")]
    Binding,
}

/// The secret in an invite link's fragment. The server never learns it. Does not print.
pub struct InviteSecret(Zeroizing<[u8; 16]>);

impl InviteSecret {
    /// Takes 16 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// For writing the link.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The signing key of this secret: HKDF-SHA256 without salt.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        let mut seed = Zeroizing::new([0; 32]);
        let expanded =
            Hkdf::<Sha256>::new(None, self.0.as_ref()).expand(SECRET_LABEL, seed.as_mut());
        expanded.expect("HKDF-SHA256 yields up to 8,160 bytes, and these are 32");
        SigningKey::from_bytes(&seed)
    }

    /// The public half, stored by the server and named in grants.
    #[must_use]
    pub fn key(&self) -> InviteKey {
        InviteKey::new(self.signing_key().verifying_key().to_bytes())
    }
}

/// What a grant says, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct GrantClaims {
    #[n(0)]
    version: u8,
    #[n(1)]
    pub invite: InviteId,
    #[n(2)]
    pub invite_key: InviteKey,
    #[n(3)]
    pub group: GroupId,
    #[n(4)]
    pub expires: Seconds,
    /// MLS signature key of the inviting device, a leaf of the group.
    #[n(5)]
    pub inviter: SignatureKey,
}

impl GrantClaims {
    #[must_use]
    pub fn new(
        invite: InviteId,
        invite_key: InviteKey,
        group: GroupId,
        expires: Seconds,
        inviter: SignatureKey,
    ) -> Self {
        Self {
            version: VERSION,
            invite,
            invite_key,
            group,
            expires,
            inviter,
        }
    }

    /// What the inviting device signs with its MLS signature key.
    #[must_use]
    pub fn to_be_signed(&self) -> Vec<u8> {
        codec::encode(&(GRANT_LABEL, self))
    }
}

/// A member's word that the holder of an invite secret may join a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGrant {
    claims: GrantClaims,
    signature: SignatureBytes,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct SignedGrant {
    #[n(0)]
    claims: GrantClaims,
    #[n(1)]
    signature: SignatureBytes,
}

impl std::ops::Deref for JoinGrant {
    type Target = GrantClaims;

    fn deref(&self) -> &GrantClaims {
        &self.claims
    }
}

impl JoinGrant {
    /// Puts claims and the inviting device's signature over `to_be_signed` together.
    ///
    /// # Errors
    /// Refuses an unknown version and a signature that does not verify.
    pub fn assemble(
        claims: GrantClaims,
        signature: SignatureBytes,
    ) -> Result<Self, JoinProofError> {
        if claims.version != VERSION {
            return Err(JoinProofError::Version);
        }
        if !signature::verifies(
            claims.inviter.as_bytes(),
            &claims.to_be_signed(),
            &signature,
        ) {
            return Err(JoinProofError::GrantSignature);
        }
        Ok(Self { claims, signature })
    }

    /// Reads a grant and verifies its signature. Whether the inviter is a member is judged with
    /// the roster, by `rules`.
    ///
    /// # Errors
    /// As `assemble`; also refuses long and non-canonical bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, JoinProofError> {
        let SignedGrant { claims, signature } =
            codec::decode(bytes, limit::JOIN_GRANT_BYTES, GRANT)?;
        Self::assemble(claims, signature)
    }

    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(&self.signed())
    }

    fn signed(&self) -> SignedGrant {
        SignedGrant {
            claims: self.claims.clone(),
            signature: self.signature,
        }
    }
}

/// A grant and the proof that this joiner holds the invite's secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinProof {
    grant: JoinGrant,
    binding: SignatureBytes,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct ProofBytes {
    #[n(0)]
    grant: SignedGrant,
    #[n(1)]
    binding: SignatureBytes,
}

#[derive(Encode)]
#[cbor(array)]
struct Binding<'a> {
    #[n(0)]
    label: &'a str,
    #[n(1)]
    group: GroupId,
    #[n(2)]
    invite: InviteId,
    #[n(3)]
    server: ServerId,
    #[n(4)]
    account: AccountId,
    #[n(5)]
    device: DeviceId,
    #[n(6)]
    device_key: SignatureKey,
}

impl JoinProof {
    /// Binds a grant to a joiner with the secret from the link.
    ///
    /// # Errors
    /// Refuses a secret that is not this grant's.
    pub fn new(
        grant: JoinGrant,
        joiner: &LeafCredential,
        secret: &InviteSecret,
    ) -> Result<Self, JoinProofError> {
        let signature = secret.signing_key().sign(&binding(&grant, joiner));
        let proof = Self {
            grant,
            binding: SignatureBytes::new(signature.to_bytes()),
        };
        if proof.binds(joiner) {
            Ok(proof)
        } else {
            Err(JoinProofError::Binding)
        }
    }

    /// Reads a proof and verifies the grant's signature; the rest is `verify`.
    ///
    /// # Errors
    /// As `JoinGrant::parse`.
    pub fn parse(bytes: &[u8]) -> Result<Self, JoinProofError> {
        let ProofBytes { grant, binding } = codec::decode(bytes, limit::JOIN_PROOF_BYTES, PROOF)?;
        Ok(Self {
            grant: JoinGrant::assemble(grant.claims, grant.signature)?,
            binding,
        })
    }

    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(&ProofBytes {
            grant: self.grant.signed(),
            binding: self.binding,
        })
    }

    /// The proposal to put into an external commit.
    #[must_use]
    pub fn to_proposal(&self) -> CustomProposal {
        CustomProposal::new(JOIN_PROOF_TYPE, self.to_bytes())
    }

    #[must_use]
    pub fn grant(&self) -> &JoinGrant {
        &self.grant
    }

    /// Whether this proof lets `joiner` into `group` at `now`, provided the inviter is a member.
    ///
    /// # Errors
    /// Refuses another group, a grant that expired or lasts too long, and a binding to somebody
    /// else.
    pub fn verify(
        &self,
        group: &GroupId,
        joiner: &LeafCredential,
        now: Seconds,
    ) -> Result<(), JoinProofError> {
        if self.grant.group != *group {
            return Err(JoinProofError::OtherGroup);
        }
        if self.grant.expires < now {
            return Err(JoinProofError::Expired);
        }
        if self.grant.expires > now.plus(limit::JOIN_GRANT_SECONDS_MAX) {
            return Err(JoinProofError::TooLong);
        }
        if self.binds(joiner) {
            Ok(())
        } else {
            Err(JoinProofError::Binding)
        }
    }

    fn binds(&self, joiner: &LeafCredential) -> bool {
        let message = binding(&self.grant, joiner);
        signature::verifies(self.grant.invite_key.as_bytes(), &message, &self.binding)
    }
}

fn binding(grant: &JoinGrant, joiner: &LeafCredential) -> Vec<u8> {
    codec::encode(&Binding {
        label: BINDING_LABEL,
        group: grant.group,
        invite: grant.invite,
        server: joiner.server,
        account: joiner.account,
        device: joiner.device,
        device_key: *joiner.device_key(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_key_of_a_secret_is_pinned() {
        let key = roost_wire::text::hex(InviteSecret::new([7; 16]).key().as_bytes());

        assert_eq!(key, include_str!("../tests/vectors/invite_key.hex").trim());
    }

    #[test]
    fn a_grant_round_trips_and_its_format_is_pinned() {
        let grant = grant();

        assert_eq!(JoinGrant::parse(&grant.to_bytes()).unwrap(), grant);
        let hex = roost_wire::text::hex(&grant.to_bytes());
        assert_eq!(hex, include_str!("../tests/vectors/join_grant.hex").trim());
    }

    #[test]
    fn every_field_of_a_grant_is_signed() {
        let bytes = grant().to_bytes();

        for at in 0..bytes.len() {
            let mut touched = bytes.clone();
            touched[at] ^= 1;
            assert!(JoinGrant::parse(&touched).is_err(), "byte {at}");
        }
    }

    #[test]
    fn an_unknown_version_is_refused() {
        let claims = GrantClaims {
            version: 2,
            ..grant().claims
        };
        let signature = sign(&claims);

        assert_eq!(
            JoinGrant::assemble(claims, signature),
            Err(JoinProofError::Version)
        );
    }

    #[test]
    fn the_largest_grant_fits_its_bound() {
        let claims = GrantClaims {
            expires: Seconds::new(u64::MAX),
            ..grant().claims
        };
        let signature = sign(&claims);

        let grant = JoinGrant::assemble(claims, signature).unwrap();

        assert!(grant.to_bytes().len() <= limit::JOIN_GRANT_BYTES);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
            let _ = JoinGrant::parse(&bytes);
            let _ = JoinProof::parse(&bytes);
        }
    }

    fn inviter() -> SigningKey {
        SigningKey::from_bytes(&[4; 32])
    }

    fn sign(claims: &GrantClaims) -> SignatureBytes {
        SignatureBytes::new(inviter().sign(&claims.to_be_signed()).to_bytes())
    }

    fn grant() -> JoinGrant {
        let claims = GrantClaims::new(
            InviteId::new([1; 16]),
            InviteSecret::new([7; 16]).key(),
            GroupId::new([2; 16]),
            Seconds::new(1_900_000_000),
            SignatureKey::new(inviter().verifying_key().to_bytes()),
        );
        let signature = sign(&claims);
        JoinGrant::assemble(claims, signature).unwrap()
    }
}
