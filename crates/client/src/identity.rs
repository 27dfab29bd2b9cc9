//! Who this device is: its keys, its account, the credential that joins them.
//!
//! Owns the private keys and how they are made and signed with. Never sends or stores anything
//! itself. Signatures are Ed25519 (RFC 8032).

use crate::port::Dice;
use ed25519_dalek::{Signer, SigningKey};
use hkdf::Hkdf;
use minicbor::{Decode, Encode};
use mls_rs_core::crypto::SignatureSecretKey;
use roost_mls::credential::{Account, CredentialError};
use roost_mls::{Claims, LeafCredential, account_key_hash};
use roost_wire::{
    AccountId, AccountKey, DeviceId, DisplayName, Seconds, ServerId, ServerKey, SignatureBytes,
    SignatureKey,
};
use sha2::Sha256;
use zeroize::Zeroizing;

const NEXT_KEY_LABEL: &[u8] = b"Roost 1.0 NextAccountKey";

/// An Ed25519 private key as stored. Does not print; wiped when dropped.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub(crate) struct KeySeed(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]);

impl KeySeed {
    pub(crate) fn generate(dice: &mut dyn Dice) -> Self {
        let mut seed = [0; 32];
        dice.fill(&mut seed);
        Self(seed)
    }

    pub(crate) const fn from_bytes(seed: [u8; 32]) -> Self {
        Self(seed)
    }

    pub(crate) fn signing_key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.0)
    }

    pub(crate) const fn secret(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        self.signing_key().verifying_key().to_bytes()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> SignatureBytes {
        SignatureBytes::new(self.signing_key().sign(message).to_bytes())
    }
}

impl Drop for KeySeed {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

/// The account and device of this profile.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Identity {
    #[n(0)]
    pub origin: String,
    #[n(1)]
    pub server: ServerId,
    #[n(2)]
    pub server_key: ServerKey,
    #[n(3)]
    pub account: AccountId,
    #[n(4)]
    pub device: DeviceId,
    #[n(5)]
    pub name: DisplayName,
    #[n(6)]
    pub account_seed: KeySeed,
    #[n(7)]
    pub device_seed: KeySeed,
    #[cbor(n(8), with = "minicbor::bytes")]
    pub next_key_hash: [u8; 32],
    /// By the account key over the credential's claims.
    #[n(9)]
    pub credential_signature: SignatureBytes,
    #[n(10)]
    pub credential_made: Seconds,
    /// Yields the next account key. It stays on the device that made the account until recovery codes
    /// exist; SECURITY.md says what follows from that.
    #[n(11)]
    pub recovery: Option<Recovery>,
}

/// 128 bits: as many as 12 words can hold.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub(crate) struct Recovery(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]);

impl Recovery {
    pub(crate) fn generate(dice: &mut dyn Dice) -> Self {
        let mut secret = [0; 16];
        dice.fill(&mut secret);
        Self(secret)
    }

    /// The account key after the current one: HKDF-SHA256 with the account id as salt.
    pub(crate) fn next_key(&self, account: &AccountId) -> KeySeed {
        let mut seed = Zeroizing::new([0; 32]);
        let hkdf = Hkdf::<Sha256>::new(Some(account.as_bytes()), &self.0);
        hkdf.expand(NEXT_KEY_LABEL, seed.as_mut())
            .expect("HKDF-SHA256 yields up to 8,160 bytes, and these are 32");
        KeySeed::from_bytes(*seed)
    }
}

impl Drop for Recovery {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

/// The server an identity is for, as checked against its id.
pub(crate) struct Home {
    pub origin: String,
    pub server: ServerId,
    pub server_key: ServerKey,
}

impl Identity {
    /// A new account with its first device.
    pub(crate) fn found(
        home: Home,
        name: DisplayName,
        now: Seconds,
        dice: &mut dyn Dice,
    ) -> Result<Self, CredentialError> {
        let account = AccountId::new(sixteen(dice));
        let recovery = Recovery::generate(dice);
        let next = AccountKey::new(recovery.next_key(&account).public());
        let keys = AccountKeys {
            account,
            name,
            seed: KeySeed::generate(dice),
            next_key_hash: account_key_hash(&next),
        };
        let device = DeviceId::new(sixteen(dice));
        let identity = Self::of_device(home, keys, device, KeySeed::generate(dice), now)?;
        Ok(Self {
            recovery: Some(recovery),
            ..identity
        })
    }

    /// A device of an account whose key is at hand.
    pub(crate) fn of_device(
        home: Home,
        keys: AccountKeys,
        device: DeviceId,
        device_seed: KeySeed,
        now: Seconds,
    ) -> Result<Self, CredentialError> {
        let mut identity = Self {
            origin: home.origin,
            server: home.server,
            server_key: home.server_key,
            account: keys.account,
            device,
            name: keys.name,
            account_seed: keys.seed,
            device_seed,
            next_key_hash: keys.next_key_hash,
            credential_signature: SignatureBytes::new([0; 64]),
            credential_made: now,
            recovery: None,
        };
        identity.renew(now);
        identity.credential()?;
        Ok(identity)
    }

    /// Signs a credential that is valid from now on.
    pub(crate) fn renew(&mut self, now: Seconds) {
        self.credential_made = now;
        let message = self.claims().to_be_signed(&self.device_key());
        self.credential_signature = self.account_seed.sign(&message);
    }

    /// # Errors
    /// None in practice: the claims are our own.
    pub(crate) fn credential(&self) -> Result<LeafCredential, CredentialError> {
        LeafCredential::assemble(self.claims(), self.device_key(), self.credential_signature)
    }

    pub(crate) fn device_key(&self) -> SignatureKey {
        SignatureKey::new(self.device_seed.public())
    }

    pub(crate) fn account_key(&self) -> AccountKey {
        AccountKey::new(self.account_seed.public())
    }

    /// The device's key as mls-rs takes it: seed and public key.
    pub(crate) fn mls_signer(&self) -> SignatureSecretKey {
        let pair = Zeroizing::new(self.device_seed.signing_key().to_keypair_bytes());
        SignatureSecretKey::new(pair.to_vec())
    }

    pub(crate) fn keys(&self) -> AccountKeys {
        AccountKeys {
            account: self.account,
            name: self.name.clone(),
            seed: self.account_seed.clone(),
            next_key_hash: self.next_key_hash,
        }
    }

    fn claims(&self) -> Claims {
        let account = Account {
            server: self.server,
            account: self.account,
            name: self.name.clone(),
            key: self.account_key(),
            next_key_hash: self.next_key_hash,
        };
        Claims::new(account, self.device, self.credential_made)
    }
}

/// What every device of an account shares.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(crate) struct AccountKeys {
    #[n(0)]
    pub account: AccountId,
    #[n(1)]
    pub name: DisplayName,
    #[n(2)]
    pub seed: KeySeed,
    #[cbor(n(3), with = "minicbor::bytes")]
    pub next_key_hash: [u8; 32],
}

/// 16 random bytes.
pub(crate) fn sixteen(dice: &mut dyn Dice) -> [u8; 16] {
    let mut bytes = [0; 16];
    dice.fill(&mut bytes);
    bytes
}
