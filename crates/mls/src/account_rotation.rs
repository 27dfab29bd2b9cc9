//! Replacing an account's key: how a revoked device is kept from signing itself back in.
//!
//! Owns the signed statement and the pin it moves. The next key is named by hash in every
//! credential. The device that made the account holds its secret until recovery codes exist;
//! SECURITY.md says what follows from that.

use crate::credential::account_key_hash;
use crate::{codec, limit, signature};
use ed25519_dalek::{Signer, SigningKey};
use minicbor::{Decode, Encode};
use roost_wire::{AccountId, AccountKey, DeviceId, List, Malformed, ServerId, SignatureBytes};

pub use crate::account_pins::PinnedAccountKey;

const VERSION: u8 = 1;
const LABEL: &str = "Roost 1.0 KeyRotation";
const WHAT: &str = "key rotation";

/// Why a rotation was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RotationError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the rotation has an unknown version")]
    Version,
    #[error("the new key did not sign this rotation")]
    Signature,
    #[error("the rotation speaks of another account")]
    OtherAccount,
    #[error("the rotation replaces another key than the pinned one")]
    OtherKey,
    #[error("the new key is not the one the pinned credential named")]
    NotTheNextKey,
}

/// What a rotation says, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct RotationClaims {
    #[n(0)]
    version: u8,
    #[n(1)]
    pub server: ServerId,
    #[n(2)]
    pub account: AccountId,
    #[n(3)]
    pub old_key: AccountKey,
    #[n(4)]
    pub new_key: AccountKey,
    /// SHA-256 of the key after `new_key`.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub next_hash: [u8; 32],
    /// The devices that stay; every other device of the account is revoked.
    #[n(6)]
    pub surviving: List<DeviceId, { limit::DEVICES_PER_ACCOUNT }>,
}

/// A rotation signed by the new key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRotation {
    claims: RotationClaims,
    signature: SignatureBytes,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Signed {
    #[n(0)]
    claims: RotationClaims,
    #[n(1)]
    signature: SignatureBytes,
}

impl std::ops::Deref for KeyRotation {
    type Target = RotationClaims;

    fn deref(&self) -> &RotationClaims {
        &self.claims
    }
}

impl KeyRotation {
    /// Replaces the pinned key by `new_key`; `next_hash` is the SHA-256 of the key after it.
    #[must_use]
    pub fn sign(
        pinned: &PinnedAccountKey,
        new_key: &SigningKey,
        next_hash: [u8; 32],
        surviving: List<DeviceId, { limit::DEVICES_PER_ACCOUNT }>,
    ) -> Self {
        let claims = RotationClaims {
            version: VERSION,
            server: pinned.server,
            account: pinned.account,
            old_key: pinned.key,
            new_key: AccountKey::new(new_key.verifying_key().to_bytes()),
            next_hash,
            surviving,
        };
        let signature = new_key.sign(&to_be_signed(&claims));
        Self {
            claims,
            signature: SignatureBytes::new(signature.to_bytes()),
        }
    }

    /// Reads a rotation and verifies that the new key signed it.
    ///
    /// # Errors
    /// Refuses long or non-canonical bytes, an unknown version and a wrong signature.
    pub fn parse(bytes: &[u8]) -> Result<Self, RotationError> {
        let Signed { claims, signature } = codec::decode(bytes, limit::ROTATION_BYTES, WHAT)?;
        if claims.version != VERSION {
            return Err(RotationError::Version);
        }
        if !signature::verifies(
            claims.new_key.as_bytes(),
            &to_be_signed(&claims),
            &signature,
        ) {
            return Err(RotationError::Signature);
        }
        Ok(Self { claims, signature })
    }

    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(&Signed {
            claims: self.claims.clone(),
            signature: self.signature,
        })
    }

    /// The pin after this rotation, if it continues from `pinned`.
    ///
    /// # Errors
    /// Refuses a rotation of another account, of another key, or to a key whose hash was not
    /// pinned: the caller shows a warning.
    pub fn follows(&self, pinned: &PinnedAccountKey) -> Result<PinnedAccountKey, RotationError> {
        if self.server != pinned.server || self.account != pinned.account {
            return Err(RotationError::OtherAccount);
        }
        if self.old_key != pinned.key {
            return Err(RotationError::OtherKey);
        }
        if account_key_hash(&self.new_key) != pinned.next_hash {
            return Err(RotationError::NotTheNextKey);
        }
        Ok(PinnedAccountKey {
            key: self.new_key,
            next_hash: self.next_hash,
            ..*pinned
        })
    }
}

fn to_be_signed(claims: &RotationClaims) -> Vec<u8> {
    codec::encode(&(LABEL, claims))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rotation_moves_the_pin_to_the_named_key() {
        let rotation = rotation();

        let next = rotation.follows(&pinned()).unwrap();

        assert_eq!(next.key, public(2));
        assert_eq!(next.next_hash, account_key_hash(&public(3)));
        assert_eq!(KeyRotation::parse(&rotation.to_bytes()).unwrap(), rotation);
    }

    #[test]
    fn rotations_follow_one_another() {
        let first = rotation().follows(&pinned()).unwrap();
        let second = KeyRotation::sign(&first, &key(3), account_key_hash(&public(4)), devices());

        assert_eq!(second.follows(&first).unwrap().key, public(3));
        assert_eq!(second.follows(&pinned()), Err(RotationError::OtherKey));
    }

    #[test]
    fn a_key_that_was_not_named_is_refused() {
        let stolen = KeyRotation::sign(&pinned(), &key(9), [0; 32], devices());

        assert_eq!(stolen.follows(&pinned()), Err(RotationError::NotTheNextKey));
    }

    #[test]
    fn the_rotation_of_another_account_is_refused() {
        let other = PinnedAccountKey {
            account: AccountId::new([8; 16]),
            ..pinned()
        };

        assert_eq!(rotation().follows(&other), Err(RotationError::OtherAccount));
    }

    #[test]
    fn a_replayed_rotation_is_refused() {
        let next = rotation().follows(&pinned()).unwrap();

        assert_eq!(rotation().follows(&next), Err(RotationError::OtherKey));
    }

    #[test]
    fn every_field_is_signed_by_the_new_key() {
        let bytes = rotation().to_bytes();

        for at in 0..bytes.len() {
            let mut touched = bytes.clone();
            touched[at] ^= 1;
            assert!(KeyRotation::parse(&touched).is_err(), "byte {at}");
        }
    }

    #[test]
    fn the_largest_rotation_fits_its_bound() {
        assert!(rotation().to_bytes().len() <= limit::ROTATION_BYTES);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = KeyRotation::parse(&bytes);
        }
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn public(seed: u8) -> AccountKey {
        AccountKey::new(key(seed).verifying_key().to_bytes())
    }

    fn pinned() -> PinnedAccountKey {
        PinnedAccountKey {
            server: ServerId::new([1; 16]),
            account: AccountId::new([2; 16]),
            key: public(1),
            next_hash: account_key_hash(&public(2)),
        }
    }

    fn devices() -> List<DeviceId, { limit::DEVICES_PER_ACCOUNT }> {
        List::new(vec![DeviceId::new([7; 16]); limit::DEVICES_PER_ACCOUNT]).unwrap()
    }

    fn rotation() -> KeyRotation {
        KeyRotation::sign(&pinned(), &key(2), account_key_hash(&public(3)), devices())
    }
}
