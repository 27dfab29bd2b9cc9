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
