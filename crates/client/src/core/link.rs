//! Linking a second device: it shows a request, a device of the account answers with a grant that
//! only the new device can open, and the new device registers itself.
//!
//! Both texts are carried by the person (QR code, copy and paste). The request holds public keys
//! only. The grant holds the account's keys, encrypted by HPKE (RFC 9180) for the request's key.
//! The new device has leaves of its own: it enters the account's groups by external commits.

use super::Core;
use super::net::{Call, Wanted};
use super::turn::Turn;
use crate::identity::{AccountKeys, Home, Identity, KeySeed};
use crate::notice::Notice;
use minicbor::{Decode, Encode};
use mls_rs_core::crypto::{CipherSuiteProvider, HpkeCiphertext, HpkePublicKey, HpkeSecretKey};
use roost_mls::{HybridProvider, SUITE_CLASSIC};
use roost_wire::api::{AboutServer, ServerInfo};
use roost_wire::{ApiError, DeviceId, ServerId, ServerKey, SignatureKey, api, text};
use zeroize::{Zeroize, Zeroizing};

const INFO: &[u8] = b"Roost 1.0 LinkGrant";
const TEXT_BYTES: usize = 4 * 1024;

/// A new device that waits for its grant.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct LinkingRecord {
    #[n(0)]
    pub origin: String,
    #[n(1)]
    device: DeviceId,
    #[n(2)]
    device_seed: KeySeed,
    #[n(3)]
    hpke_secret: GrantSecret,
    #[cbor(n(4), with = "minicbor::bytes")]
    hpke_public: Vec<u8>,
    /// From the grant; the device registers with it.
    #[n(5)]
    identity: Option<Identity>,
}

/// Opens the grant. Does not print; wiped when dropped.
#[derive(Encode, Decode)]
#[cbor(transparent)]
struct GrantSecret(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>);

impl Drop for GrantSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl LinkingRecord {
    /// Whether it is the server's turn, and not the person's.
    pub(super) const fn has_grant(&self) -> bool {
        self.identity.is_some()
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct LinkRequest {
    #[n(0)]
    device: DeviceId,
    #[n(1)]
    signature_key: SignatureKey,
    #[cbor(n(2), with = "minicbor::bytes")]
    hpke_public: Vec<u8>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct LinkGrant {
    #[n(0)]
    device: DeviceId,
    #[cbor(n(1), with = "minicbor::bytes")]
    kem_output: Vec<u8>,
    #[cbor(n(2), with = "minicbor::bytes")]
    sealed: Vec<u8>,
}

/// What the grant seals.
#[derive(Encode, Decode)]
#[cbor(array)]
struct Granted {
    #[n(0)]
    server: ServerId,
    #[n(1)]
    server_key: ServerKey,
    #[n(2)]
    keys: AccountKeys,
}

impl Core {
    pub(super) fn request_link(&mut self, origin: &str, turn: &mut Turn<'_>) {
        if self.me.is_some() || self.joining.is_some() {
            turn.refuse("This device has an account already.");
            return;
        }
        if !origin.starts_with("https://") && !origin.starts_with("http://") {
            turn.refuse("Write the server's address whole, as in https://roost.example.");
            return;
        }
        let pair = suite().and_then(|suite| suite.kem_generate().ok());
        let Some((secret, public)) = pair else {
            turn.refuse("No keys could be made on this device.");
            return;
        };
        let linking = LinkingRecord {
            origin: origin.trim_end_matches('/').to_owned(),
            device: DeviceId::new(turn.sixteen()),
            device_seed: KeySeed::generate(turn.dice),
            hpke_secret: GrantSecret(secret.as_ref().to_vec()),
            hpke_public: public.as_ref().to_vec(),
            identity: None,
        };
        let request = LinkRequest {
            device: linking.device,
            signature_key: SignatureKey::new(linking.device_seed.public()),
            hpke_public: linking.hpke_public.clone(),
        };
        self.linking = Some(linking);
        self.store_linking();
        let text = text::base64url(&api::encode(&request));
        turn.notify(Notice::LinkRequest { text });
    }

    pub(super) fn grant_link(&mut self, request: &str, turn: &mut Turn<'_>) {
        let grant = self.make_grant(request);
        match grant {
            Some(text) => turn.notify(Notice::LinkGrant { text }),
            None => turn.refuse("This is not a request of a new device."),
        }
    }

    pub(super) fn accept_link(&mut self, grant: &str, turn: &mut Turn<'_>) {
        let now = self.net.server_time(turn.now);
        let identity = self
            .linking
            .as_ref()
            .and_then(|linking| open_grant(linking, grant, now));
        let (Some(identity), Some(linking)) = (identity, &mut self.linking) else {
            turn.refuse("This answer is not for this device.");
            return;
        };
        linking.identity = Some(identity);
        self.store_linking();
        self.net.answered();
    }

    /// Registers the device, once there is a grant and the server has shown its key.
    pub(super) fn pump_linking(&mut self, turn: &mut Turn<'_>) {
        let identity = self
            .linking
            .as_ref()
            .and_then(|linking| linking.identity.clone());
        let Some(identity) = identity else {
            return;
        };
        if !self.net.linking_checked {
            self.call(Call::About, &AboutServer {}, turn);
            return;
        }
        if let Some(request) = super::session::device_request(&identity) {
            self.call(Call::LinkDevice, &request, turn);
        }
    }

    pub(super) fn on_about_linking(&mut self, info: &ServerInfo, turn: &mut Turn<'_>) {
        let identity = self
            .linking
            .as_ref()
            .and_then(|linking| linking.identity.as_ref());
        self.net.linking_checked = identity
            .is_some_and(|identity| identity.server == info.id && identity.server_key == info.key);
        if !self.net.linking_checked {
            self.give_up_linking("This is not the server of that account.", turn);
        }
    }

    pub(super) fn on_linked(&mut self, turn: &mut Turn<'_>) {
        let identity = self.linking.take().and_then(|linking| linking.identity);
        self.store_linking();
        let Some(identity) = identity else {
            return;
        };
        let credential = identity.credential().ok();
        self.me = Some(identity);
        self.store_me();
        self.store_session();
        if let Some(credential) = credential {
            self.meet(&credential, None, turn);
        }
        self.net.people_due = true;
        self.net.memberships_due = true;
        if self.net.wanted == Wanted::Off {
            self.net.wanted = Wanted::Once;
        }
        turn.notify(Notice::Joined);
    }

    pub(super) fn on_link_refused(&mut self, error: &ApiError, turn: &mut Turn<'_>) {
        if error.code.is_passing() {
            return;
        }
        self.give_up_linking(&error.message, turn);
    }

    fn give_up_linking(&mut self, reason: &str, turn: &mut Turn<'_>) {
        self.linking = None;
        self.store_linking();
        turn.notify(Notice::Failed {
            group: None,
            reason: reason.to_owned(),
        });
    }

    fn make_grant(&self, request: &str) -> Option<String> {
        let me = self.me.as_ref()?;
        let bytes = text::unbase64url(request.trim(), TEXT_BYTES).ok()?;
        let request: LinkRequest = api::decode(&bytes, "link request", TEXT_BYTES).ok()?;
        let granted = Granted {
            server: me.server,
            server_key: me.server_key,
            keys: me.keys(),
        };
        let public = HpkePublicKey::from(request.hpke_public);
        let device = request.device;
        let bound = bound_to(&device, &request.signature_key);
        let plain = zeroize::Zeroizing::new(api::encode(&granted));
        let sealed = suite()?
            .hpke_seal(&public, INFO, Some(&bound), &plain)
            .ok()?;
        let grant = LinkGrant {
            device,
            kem_output: sealed.kem_output,
            sealed: sealed.ciphertext,
        };
        Some(text::base64url(&api::encode(&grant)))
    }
}

fn open_grant(linking: &LinkingRecord, grant: &str, now: roost_wire::Seconds) -> Option<Identity> {
    let bytes = text::unbase64url(grant.trim(), TEXT_BYTES).ok()?;
    let grant: LinkGrant = api::decode(&bytes, "link grant", TEXT_BYTES).ok()?;
    if grant.device != linking.device {
        return None;
    }
    let ciphertext = HpkeCiphertext {
        kem_output: grant.kem_output,
        ciphertext: grant.sealed,
    };
    let secret = HpkeSecretKey::from(linking.hpke_secret.0.clone());
    let public = HpkePublicKey::from(linking.hpke_public.clone());
    let signature_key = SignatureKey::new(linking.device_seed.public());
    let bound = bound_to(&linking.device, &signature_key);
    let opened = suite()?.hpke_open(&ciphertext, &secret, &public, INFO, Some(&bound));
    // It holds the account's key.
    let plain = Zeroizing::new(opened.ok()?);
    let granted: Granted = api::decode(&plain, "link grant", TEXT_BYTES).ok()?;
    let home = Home {
        origin: linking.origin.clone(),
        server: granted.server,
        server_key: granted.server_key,
    };
    let seed = linking.device_seed.clone();
    Identity::of_device(home, granted.keys, linking.device, seed, now).ok()
}

fn bound_to(device: &DeviceId, key: &SignatureKey) -> Vec<u8> {
    api::to_be_signed("roost link v1", &[device.as_bytes(), key.as_bytes()])
}

fn suite() -> Option<roost_mls::Suite> {
    HybridProvider::suite(SUITE_CLASSIC)
}
