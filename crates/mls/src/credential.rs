//! The credential of a device's leaf: who it speaks for, signed by the account.
//!
//! Owns the format, its signature and its parser. Never decides whether a leaf may be in a group:
//! that is `rules`. In MLS it is a custom credential, since the identity provider sees the signing
//! identity and not the leaf's extensions.

use crate::{codec, limit, signature};
use ed25519_dalek::{Signer, SigningKey};
use minicbor::{Decode, Encode};
use mls_rs_core::identity::{Credential, CredentialType, CustomCredential, SigningIdentity};
use roost_wire::{
    AccountId, AccountKey, DeviceId, DisplayName, Malformed, Seconds, ServerId, SignatureBytes,
    SignatureKey,
};
use sha2::{Digest, Sha256};
use std::ops::Deref;

/// Type of the custom credential (private use range of RFC 9420, section 17.5).
pub const CREDENTIAL_TYPE: CredentialType = CredentialType::new(0xF001);
const VERSION: u8 = 1;
const LABEL: &str = "Roost 1.0 LeafCredential";
const WHAT: &str = "leaf credential";

/// Why a credential was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    #[error("the credential is not of Roost's type")]
    Type,
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the credential has an unknown version")]
    Version,
    #[error("the credential is valid for no time, or for too long")]
    Validity,
    #[error("the device's signature key is not an Ed25519 key")]
    DeviceKey,
    #[error("the account key did not sign this credential for this device key")]
    Signature,
}

/// What a credential says about a device, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Claims {
    #[n(0)]
    version: u8,
    #[n(1)]
    pub server: ServerId,
    #[n(2)]
    pub account: AccountId,
    /// A claim, shown with its look-alikes flagged; never relied on.
    #[n(3)]
    pub name: DisplayName,
    #[n(4)]
    pub device: DeviceId,
    #[n(5)]
    pub account_key: AccountKey,
    /// SHA-256 of the only key that may follow `account_key`.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub next_account_key_hash: [u8; 32],
    #[n(7)]
    pub not_before: Seconds,
    #[n(8)]
    pub not_after: Seconds,
}

/// The account whose credentials are being made, and what vouches for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub server: ServerId,
    pub account: AccountId,
    pub name: DisplayName,
    pub key: AccountKey,
    /// SHA-256 of the next account key.
    pub next_key_hash: [u8; 32],
}

impl Claims {
    /// Claims for `device` of `account`, valid from `now` (dated back a day) for a year.
    #[must_use]
    pub fn new(account: Account, device: DeviceId, now: Seconds) -> Self {
        Self {
            version: VERSION,
            server: account.server,
            account: account.account,
            name: account.name,
            device,
            account_key: account.key,
            next_account_key_hash: account.next_key_hash,
            not_before: now.minus(limit::BACKDATE_SECONDS),
            not_after: now.plus(limit::CREDENTIAL_SECONDS),
        }
    }

    /// What the account key signs: a label, the claims and the device's MLS signature key.
    #[must_use]
    pub fn to_be_signed(&self, device_key: &SignatureKey) -> Vec<u8> {
        codec::encode(&(LABEL, self, device_key))
    }

    /// Whether `now` lies within the validity.
    #[must_use]
    pub fn valid_at(&self, now: Seconds) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Server, account and device: what must be unique among the leaves of a group.
    #[must_use]
    pub fn identity(&self) -> [u8; 48] {
        let mut identity = [0; 48];
        let parts = self
            .server
            .as_bytes()
            .iter()
            .chain(self.account.as_bytes())
            .chain(self.device.as_bytes());
        identity
            .iter_mut()
            .zip(parts)
            .for_each(|(to, from)| *to = *from);
        identity
    }

    fn check(&self) -> Result<(), CredentialError> {
        if self.version != VERSION {
            return Err(CredentialError::Version);
        }
        let seconds = self.not_after.get().checked_sub(self.not_before.get());
        match seconds {
            Some(seconds) if seconds <= limit::CREDENTIAL_SECONDS_MAX => Ok(()),
            Some(_) | None => Err(CredentialError::Validity),
        }
    }
}

/// A credential whose signature has been checked, or which sits in a group's checked tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafCredential {
    claims: Claims,
    signature: SignatureBytes,
    device_key: SignatureKey,
}

impl Deref for LeafCredential {
    type Target = Claims;

    fn deref(&self) -> &Claims {
        &self.claims
    }
}

impl LeafCredential {
    /// Signs claims for the device with this MLS signature key.
    ///
    /// # Errors
    /// Refuses a validity beyond its bound and an account key that is not the claims' own.
    pub fn sign(
        claims: Claims,
        device_key: SignatureKey,
        account_key: &SigningKey,
    ) -> Result<Self, CredentialError> {
        let signature = account_key.sign(&claims.to_be_signed(&device_key));
        Self::assemble(
            claims,
            device_key,
            SignatureBytes::new(signature.to_bytes()),
        )
    }

    /// Puts claims and a signature made elsewhere together.
    ///
    /// # Errors
    /// As `parse`.
    pub fn assemble(
        claims: Claims,
        device_key: SignatureKey,
        signature: SignatureBytes,
    ) -> Result<Self, CredentialError> {
        claims.check()?;
        let message = claims.to_be_signed(&device_key);
        if !signature::verifies(claims.account_key.as_bytes(), &message, &signature) {
            return Err(CredentialError::Signature);
        }
        Ok(Self {
            claims,
            signature,
            device_key,
        })
    }

    /// Reads a leaf's credential and verifies it against the leaf's signature key.
    ///
    /// # Errors
    /// Refuses another type, bytes that are too long or encoded in another way, an unknown
    /// version, an unbounded validity, and a signature that does not verify.
    pub fn parse(identity: &SigningIdentity) -> Result<Self, CredentialError> {
        let (Signed { claims, signature }, device_key) = Signed::read(identity)?;
        Self::assemble(claims, device_key, signature)
    }

    /// Reads a credential that comes apart from a leaf, as when a device registers.
    ///
    /// # Errors
    /// As `parse`.
    pub fn from_bytes(bytes: &[u8], device_key: SignatureKey) -> Result<Self, CredentialError> {
        let Signed { claims, signature } = codec::decode(bytes, limit::CREDENTIAL_BYTES, WHAT)?;
        Self::assemble(claims, device_key, signature)
    }

    /// Reads the credential of a leaf that is already in a validated tree, without verifying its
    /// signature again: at 1,000 members that would cost more than the rest of a commit.
    ///
    /// # Errors
    /// As `parse`, except for the signature.
    pub fn read_admitted(identity: &SigningIdentity) -> Result<Self, CredentialError> {
        let (Signed { claims, signature }, device_key) = Signed::read(identity)?;
        claims.check()?;
        Ok(Self {
            claims,
            signature,
            device_key,
        })
    }

    /// The device's MLS signature key.
    #[must_use]
    pub fn device_key(&self) -> &SignatureKey {
        &self.device_key
    }

    /// The credential and key as mls-rs carries them.
    #[must_use]
    pub fn signing_identity(&self) -> SigningIdentity {
        let credential = CustomCredential::new(CREDENTIAL_TYPE, self.to_bytes());
        SigningIdentity::new(
            Credential::Custom(credential),
            self.device_key.as_bytes().to_vec().into(),
        )
    }

    /// The credential's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(&Signed {
            claims: self.claims.clone(),
            signature: self.signature,
        })
    }
}

/// The bytes of a credential.
#[derive(Encode, Decode)]
#[cbor(array)]
struct Signed {
    #[n(0)]
    claims: Claims,
    #[n(1)]
    signature: SignatureBytes,
}

impl Signed {
    fn read(identity: &SigningIdentity) -> Result<(Self, SignatureKey), CredentialError> {
        let custom = match &identity.credential {
            Credential::Custom(custom) if custom.credential_type == CREDENTIAL_TYPE => custom,
            _ => return Err(CredentialError::Type),
        };
        let signed = codec::decode(&custom.data, limit::CREDENTIAL_BYTES, WHAT)?;
        let device_key = SignatureKey::try_from(identity.signature_key.as_ref())
            .map_err(|_| CredentialError::DeviceKey)?;
        Ok((signed, device_key))
    }
}

/// SHA-256 of an account key: what the credential before it pins.
#[must_use]
pub fn account_key_hash(key: &AccountKey) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mls_rs_core::identity::BasicCredential;
    use proptest::prelude::*;

    const NOW: Seconds = Seconds::new(1_900_000_000);

    #[test]
    fn a_credential_survives_the_way_through_mls() {
        let credential = credential();

        assert_eq!(
            LeafCredential::parse(&credential.signing_identity()).unwrap(),
            credential
        );
    }

    #[test]
    fn the_format_is_pinned() {
        let hex = roost_wire::text::hex(&credential().to_bytes());

        assert_eq!(
            hex,
            include_str!("../tests/vectors/leaf_credential.hex").trim()
        );
    }

    #[test]
    fn a_credential_is_for_one_device_key() {
        let mut identity = credential().signing_identity();
        identity.signature_key = vec![8; 32].into();

        assert_eq!(
            LeafCredential::parse(&identity),
            Err(CredentialError::Signature)
        );
    }

    #[test]
    fn every_field_is_signed() {
        let bytes = credential().to_bytes();

        for at in 0..bytes.len() {
            let mut touched = bytes.clone();
            touched[at] ^= 1;
            assert!(
                LeafCredential::parse(&identity_of(touched)).is_err(),
                "byte {at}"
            );
        }
    }

    #[test]
    fn a_second_encoding_is_refused() {
        let bytes = credential().to_bytes();
        let mut longer = vec![0x98, bytes[0] & 0x1f]; // the same array, its length in two bytes
        longer.extend(&bytes[1..]);
        let mut followed = bytes;
        followed.push(0);

        for other in [longer, followed] {
            let refusal = LeafCredential::parse(&identity_of(other));
            assert!(matches!(refusal, Err(CredentialError::Malformed(_))));
        }
    }

    #[test]
    fn another_type_of_credential_is_refused() {
        let basic = Credential::Basic(BasicCredential::new(vec![1]));
        let identity = SigningIdentity::new(basic, vec![7; 32].into());

        assert_eq!(LeafCredential::parse(&identity), Err(CredentialError::Type));
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        let mut identity = credential().signing_identity();
        identity.signature_key = vec![7; 33].into();

        assert_eq!(
            LeafCredential::parse(&identity),
            Err(CredentialError::DeviceKey)
        );
    }

    #[test]
    fn an_unknown_version_is_refused() {
        let claims = Claims {
            version: 2,
            ..claims()
        };

        let refusal = LeafCredential::sign(claims, device_key(), &account_key());

        assert_eq!(refusal, Err(CredentialError::Version));
    }

    #[test]
    fn a_validity_without_bound_or_backwards_is_refused() {
        let endless = Claims {
            not_after: Seconds::new(u64::MAX),
            ..claims()
        };
        let backwards = Claims {
            not_after: Seconds::new(0),
            ..claims()
        };

        for claims in [endless, backwards] {
            let refusal = LeafCredential::sign(claims, device_key(), &account_key());
            assert_eq!(refusal, Err(CredentialError::Validity));
        }
    }

    #[test]
    fn another_account_key_cannot_sign() {
        let refusal =
            LeafCredential::sign(claims(), device_key(), &SigningKey::from_bytes(&[3; 32]));

        assert_eq!(refusal, Err(CredentialError::Signature));
    }

    #[test]
    fn a_credential_is_valid_from_its_first_to_its_last_second() {
        let claims = claims();

        assert!(claims.valid_at(claims.not_before) && claims.valid_at(claims.not_after));
        assert!(!claims.valid_at(claims.not_before.minus(1)));
        assert!(!claims.valid_at(claims.not_after.plus(1)));
    }

    #[test]
    fn the_largest_credential_fits_its_bound() {
        let claims = Claims {
            name: DisplayName::new(&"\u{1f33c}".repeat(40)).unwrap(),
            ..claims()
        };

        let credential = LeafCredential::sign(claims, device_key(), &account_key()).unwrap();

        assert!(credential.to_bytes().len() <= limit::CREDENTIAL_BYTES);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..1_200)) {
            let _ = LeafCredential::parse(&identity_of(bytes.clone()));
            let _ = LeafCredential::read_admitted(&identity_of(bytes));
        }

        #[test]
        fn claims_round_trip(name in "[a-z]{1,40}", device: [u8; 16], key: [u8; 32], now in 0..u64::MAX / 2) {
            let claims = Claims::new(account(&name), DeviceId::new(device), Seconds::new(now));
            let credential = LeafCredential::sign(claims, SignatureKey::new(key), &account_key());
            let credential = credential.unwrap();
            prop_assert_eq!(LeafCredential::parse(&credential.signing_identity()).unwrap(), credential);
        }
    }

    fn account_key() -> SigningKey {
        SigningKey::from_bytes(&[1; 32])
    }

    fn device_key() -> SignatureKey {
        SignatureKey::new([7; 32])
    }

    fn account(name: &str) -> Account {
        Account {
            server: ServerId::new([2; 16]),
            account: AccountId::new([3; 16]),
            name: DisplayName::new(name).unwrap(),
            key: AccountKey::new(account_key().verifying_key().to_bytes()),
            next_key_hash: [4; 32],
        }
    }

    fn claims() -> Claims {
        Claims::new(account("Ada"), DeviceId::new([5; 16]), NOW)
    }

    fn credential() -> LeafCredential {
        LeafCredential::sign(claims(), device_key(), &account_key()).unwrap()
    }

    fn identity_of(bytes: Vec<u8>) -> SigningIdentity {
        let custom = CustomCredential::new(CREDENTIAL_TYPE, bytes);
        SigningIdentity::new(
            Credential::Custom(custom),
            device_key().as_bytes().to_vec().into(),
        )
    }
}
