//! Revoking a device of one's own account, and taking over the key that replaces the account's.
//!
//! Owns the order: look who the devices are, make the rotation and store it with everything that
//! comes of it, send it, and only then be under the new key. The next key comes from the recovery
//! secret, which only the device has on which the account was made. The devices that stay get the
//! new key by HPKE (RFC 9180), encrypted for their own signature keys.

use super::Core;
use super::net::{Call, Wanted};
use super::rotation::credential_of;
use super::turn::Turn;
use crate::identity::{KeySeed, Recovery};
use crate::notice::Notice;
use crate::record::{RevokingRecord, Rotating, Stage, Wish};
use crate::view::DeviceView;
use ed25519_dalek::VerifyingKey;
use mls_rs_core::crypto::{CipherSuiteProvider, HpkeCiphertext, HpkePublicKey, HpkeSecretKey};
use roost_mls::{
    HybridProvider, KeyRotation, LeafCredential, PinnedAccountKey, SUITE_CLASSIC, account_key_hash,
};
use roost_wire::api::{AccountDetail, RotateAccount, SealedKey};
use roost_wire::{AccountKey, ApiError, Blob, DeviceId, GroupId, List, api, limit};

const INFO: &[u8] = b"Roost 1.0 AccountKey";
/// Devices take fresh leaves under the new key within this.
const UPDATE_JITTER_SECONDS: u64 = 120;

const NO_SECRET: &str = "Only the device on which the account was made can do this.";
const NOT_YOURS: &str = "This is not another device of your account.";

/// The new key for one device, encrypted.
#[derive(minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
struct SealedSeed {
    #[cbor(n(0), with = "minicbor::bytes")]
    kem_output: Vec<u8>,
    #[cbor(n(1), with = "minicbor::bytes")]
    sealed: Vec<u8>,
}

impl Core {
    /// The devices of the account, as far as the server has told since the core was opened.
    #[must_use]
    pub fn devices(&self) -> Vec<DeviceView> {
        self.net.devices.clone()
    }

    pub(super) fn refresh_devices(&mut self, turn: &mut Turn<'_>) {
        let Some(me) = self.me.as_ref().map(|me| me.account) else {
            turn.refuse("There is no account on this device yet.");
            return;
        };
        self.ask_about(me);
        if self.net.wanted == Wanted::Off {
            self.net.wanted = Wanted::Once;
        }
    }

    pub(super) fn revoke_device(&mut self, device: DeviceId, turn: &mut Turn<'_>) {
        match &self.me {
            Some(me) if me.device == device => turn.refuse(NOT_YOURS),
            Some(me) if me.recovery.is_some() && self.revoking.is_none() => {
                self.set_revoking(Some(RevokingRecord {
                    device,
                    rotating: None,
                }));
                self.refresh_devices(turn);
            }
            Some(_) if self.revoking.is_some() => {
                turn.refuse("Another device is being revoked; wait until that is done.");
            }
            Some(_) | None => turn.refuse(NO_SECRET),
        }
    }

    /// Sends the rotation that was made, or asks for what is needed to make one.
    pub(super) fn pump_revoking(&mut self, turn: &mut Turn<'_>) {
        let Some(revoking) = &self.revoking else {
            return;
        };
        let Some(rotating) = &revoking.rotating else {
            if let Some(me) = self.me.as_ref().map(|me| me.account) {
                self.ask_about(me);
            }
            return;
        };
        let request = RotateAccount {
            rotation: match Blob::new(rotating.rotation.clone()) {
                Ok(rotation) => rotation,
                Err(_) => return self.set_revoking(None),
            },
            sealed_keys: rotating.sealed_keys.clone(),
        };
        self.call(Call::Rotate, &request, turn);
    }

    /// What the server shows of one's own account: its devices, and perhaps a new key.
    pub(super) fn on_own_account(&mut self, detail: &AccountDetail, turn: &mut Turn<'_>) {
        self.note_devices(detail);
        turn.notify(Notice::DevicesChanged);
        let is_making = self
            .revoking
            .as_ref()
            .is_some_and(|revoking| revoking.rotating.is_none());
        if is_making {
            self.make_rotation(detail, turn);
        }
        self.take_over_key(detail, turn);
    }

    pub(super) fn on_rotated(&mut self, turn: &mut Turn<'_>) {
        let Some(RevokingRecord {
            rotating: Some(rotating),
            device,
        }) = self.revoking.take()
        else {
            return;
        };
        self.set_revoking(None);
        let next = KeyRotation::parse(&rotating.rotation).ok();
        let Some(next_hash) = next.map(|rotation| rotation.next_hash) else {
            return;
        };
        if let Some(me) = &mut self.me {
            me.recovery = Some(rotating.recovery);
        }
        self.adopt_key(rotating.seed, next_hash, turn);
        if let Some(me) = self.me.as_ref().map(|me| me.account) {
            // Tells who survived, and lets the leaves of the revoked device go.
            self.ask_about(me);
        }
        turn.notify(Notice::DeviceRevoked(device));
    }

    pub(super) fn on_rotation_refused(&mut self, error: &ApiError, turn: &mut Turn<'_>) {
        if error.code.is_passing() {
            return;
        }
        self.set_revoking(None);
        turn.notify(Notice::Failed {
            group: None,
            reason: error.message.clone(),
        });
    }

    fn set_revoking(&mut self, revoking: Option<RevokingRecord>) {
        self.revoking = revoking;
        self.store_revoking();
    }

    fn note_devices(&mut self, detail: &AccountDetail) {
        let me = self.me.as_ref().map(|me| me.device);
        let view = |credential: LeafCredential| DeviceView {
            device: credential.device,
            is_me: Some(credential.device) == me,
            since: credential
                .not_before
                .plus(roost_mls::limit::BACKDATE_SECONDS),
        };
        let cards = detail.devices.as_slice().iter();
        self.net.devices = cards.filter_map(credential_of).map(view).collect();
    }

    fn make_rotation(&mut self, detail: &AccountDetail, turn: &mut Turn<'_>) {
        let Some(revoking) = self.revoking.clone() else {
            return;
        };
        let devices = self.own_credentials(detail);
        let is_there = devices.iter().any(|other| other.device == revoking.device);
        let rotating = is_there.then(|| self.rotation_without(&revoking.device, &devices, turn));
        match rotating.flatten() {
            Some(rotating) => self.set_revoking(Some(RevokingRecord {
                rotating: Some(rotating),
                ..revoking
            })),
            None => {
                self.set_revoking(None);
                turn.notify(Notice::Failed {
                    group: None,
                    reason: NOT_YOURS.to_owned(),
                });
            }
        }
    }

    /// Devices whose credentials this account has signed: nobody else is given the new key.
    fn own_credentials(&self, detail: &AccountDetail) -> Vec<LeafCredential> {
        let Some(me) = &self.me else {
            return Vec::new();
        };
        let cards = detail.devices.as_slice().iter();
        cards
            .filter_map(credential_of)
            .filter(|card| card.account == me.account && card.account_key == me.account_key())
            .collect()
    }

    fn rotation_without(
        &self,
        revoked: &DeviceId,
        devices: &[LeafCredential],
        turn: &mut Turn<'_>,
    ) -> Option<Rotating> {
        let me = self.me.as_ref()?;
        let seed = me.recovery.as_ref()?.next_key(&me.account);
        let recovery = Recovery::generate(turn.dice);
        let after_next = AccountKey::new(recovery.next_key(&me.account).public());
        let surviving: Vec<&LeafCredential> = devices
            .iter()
            .filter(|other| other.device != *revoked)
            .collect();
        let listed = surviving.iter().map(|other| other.device).collect();
        let pinned = PinnedAccountKey {
            server: me.server,
            account: me.account,
            key: me.account_key(),
            next_hash: me.next_key_hash,
        };
        let rotation = KeyRotation::sign(
            &pinned,
            &seed.signing_key(),
            account_key_hash(&after_next),
            List::new(listed).ok()?,
        );
        let others = surviving.iter().filter(|other| other.device != me.device);
        let sealed_keys = others.map(|other| seal(&seed, &rotation, other));
        Some(Rotating {
            rotation: rotation.to_bytes(),
            sealed_keys: List::new(sealed_keys.collect::<Option<Vec<_>>>()?).ok()?,
            seed,
            recovery,
        })
    }

    /// Another device has replaced the account's key: follows it, if this device was to stay.
    fn take_over_key(&mut self, detail: &AccountDetail, turn: &mut Turn<'_>) {
        let Some(me) = &self.me else {
            return;
        };
        let mut pinned = PinnedAccountKey {
            server: me.server,
            account: me.account,
            key: me.account_key(),
            next_hash: me.next_key_hash,
        };
        let mut last = None;
        for bytes in detail.rotations.as_slice() {
            let rotation = KeyRotation::parse(bytes.as_bytes()).ok();
            let followed = rotation
                .as_ref()
                .and_then(|rotation| rotation.follows(&pinned).ok());
            if let (Some(next), Some(rotation)) = (followed, rotation) {
                pinned = next;
                last = Some(rotation);
            }
        }
        let seed = last.and_then(|rotation| {
            let sealed = detail.sealed_key.as_ref()?;
            open(&me.device_seed, &me.device, &rotation, sealed.as_bytes())
        });
        if let Some(seed) = seed {
            self.adopt_key(seed, pinned.next_hash, turn);
        }
    }

    /// From now on under the new key: a new credential, new key packages, and new leaves soon.
    fn adopt_key(&mut self, seed: KeySeed, next_hash: [u8; 32], turn: &mut Turn<'_>) {
        let now = self.net.server_time(turn.now);
        let Some(me) = &mut self.me else {
            return;
        };
        me.account_seed = seed;
        me.next_key_hash = next_hash;
        me.renew(now);
        self.session.credential_due = true;
        self.store_me();
        self.store_session();
        self.replace_key_packages();
        let groups: Vec<GroupId> = self.conversations.keys().copied().collect();
        for group in groups {
            match self.stage(&group) {
                Some(Stage::Live) if !self.has_wish(&group, &Wish::Update) => {
                    let delay = 1 + turn.below(UPDATE_JITTER_SECONDS);
                    self.intend(&group, Wish::Update, delay, turn);
                }
                // What was built to enter bears the old credential.
                Some(Stage::Entering) => {
                    self.set_entry(&group, None);
                    if let Some(conversation) = self.change(&group) {
                        conversation.record.lost = 0;
                    }
                }
                Some(_) | None => {}
            }
        }
        turn.notify(Notice::PeopleChanged);
    }
}

/// Encrypts for the X25519 form of a device's Ed25519 key. One key pair for Ed25519 and an X25519
/// KEM is jointly secure (Thormarker, IACR ePrint 2021/509).
fn seal(seed: &KeySeed, rotation: &KeyRotation, to: &LeafCredential) -> Option<SealedKey> {
    let public = VerifyingKey::from_bytes(to.device_key().as_bytes()).ok()?;
    let public = HpkePublicKey::from(public.to_montgomery().to_bytes().to_vec());
    let bound = bound_to(&to.device, rotation);
    let sealed = suite()?
        .hpke_seal(&public, INFO, Some(&bound), seed.secret())
        .ok()?;
    let sealed = api::encode(&SealedSeed {
        kem_output: sealed.kem_output,
        sealed: sealed.ciphertext,
    });
    Some(SealedKey {
        device: to.device,
        sealed: Blob::new(sealed).ok()?,
    })
}

/// The account's new key, if it is the one that the rotation names.
fn open(
    own: &KeySeed,
    device: &DeviceId,
    rotation: &KeyRotation,
    sealed: &[u8],
) -> Option<KeySeed> {
    let sealed: SealedSeed = api::decode(sealed, "sealed key", limit::SEALED_KEY_BYTES).ok()?;
    let ciphertext = HpkeCiphertext {
        kem_output: sealed.kem_output,
        ciphertext: sealed.sealed,
    };
    let signing = own.signing_key();
    let secret = HpkeSecretKey::from(signing.to_scalar_bytes().to_vec());
    let public = signing.verifying_key().to_montgomery().to_bytes().to_vec();
    let bound = bound_to(device, rotation);
    let plain = suite()?
        .hpke_open(&ciphertext, &secret, &public.into(), INFO, Some(&bound))
        .ok()?;
    let plain = zeroize::Zeroizing::new(plain);
    let seed = KeySeed::from_bytes(plain.as_slice().try_into().ok()?);
    (seed.public() == *rotation.new_key.as_bytes()).then_some(seed)
}

fn bound_to(device: &DeviceId, rotation: &KeyRotation) -> Vec<u8> {
    let (account, key) = (rotation.account, rotation.new_key);
    api::to_be_signed(
        "roost account key v1",
        &[account.as_bytes(), device.as_bytes(), key.as_bytes()],
    )
}

fn suite() -> Option<roost_mls::Suite> {
    HybridProvider::suite(SUITE_CLASSIC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_mls::Claims;
    use roost_mls::credential::Account;
    use roost_wire::{AccountId, DisplayName, Seconds, ServerId, SignatureKey};

    #[test]
    fn the_new_key_opens_on_the_device_it_is_for_and_nowhere_else() {
        let (seed, device_seed) = (KeySeed::from_bytes([2; 32]), KeySeed::from_bytes([5; 32]));
        let device = DeviceId::new([5; 16]);
        let rotation = rotation(&seed);
        let sealed = seal(&seed, &rotation, &credential(device, &device_seed)).unwrap();
        let bytes = sealed.sealed.as_bytes();

        let opened = open(&device_seed, &device, &rotation, bytes);

        assert!(opened == Some(seed));
        let thief = KeySeed::from_bytes([6; 32]);
        assert!(open(&thief, &device, &rotation, bytes).is_none());
        let other = DeviceId::new([6; 16]);
        assert!(open(&device_seed, &other, &rotation, bytes).is_none());
    }

    #[test]
    fn another_key_than_the_rotation_names_is_not_taken() {
        let (named, other) = (KeySeed::from_bytes([2; 32]), KeySeed::from_bytes([3; 32]));
        let device_seed = KeySeed::from_bytes([5; 32]);
        let device = DeviceId::new([5; 16]);
        let rotation = rotation(&named);
        let sealed = seal(&other, &rotation, &credential(device, &device_seed)).unwrap();

        assert!(open(&device_seed, &device, &rotation, sealed.sealed.as_bytes()).is_none());
    }

    fn account() -> Account {
        let key = AccountKey::new(KeySeed::from_bytes([1; 32]).public());
        let next = AccountKey::new(KeySeed::from_bytes([2; 32]).public());
        Account {
            server: ServerId::new([1; 16]),
            account: AccountId::new([2; 16]),
            name: DisplayName::new("Ada").unwrap(),
            key,
            next_key_hash: account_key_hash(&next),
        }
    }

    fn credential(device: DeviceId, seed: &KeySeed) -> LeafCredential {
        let claims = Claims::new(account(), device, Seconds::new(1_800_000_000));
        let key = KeySeed::from_bytes([1; 32]).signing_key();
        LeafCredential::sign(claims, SignatureKey::new(seed.public()), &key).unwrap()
    }

    fn rotation(seed: &KeySeed) -> KeyRotation {
        let account = account();
        let pinned = PinnedAccountKey {
            server: account.server,
            account: account.account,
            key: account.key,
            next_hash: account.next_key_hash,
        };
        KeyRotation::sign(&pinned, &seed.signing_key(), [9; 32], List::default())
    }
}
