//! What all services share: the store, the dice, the server's identity and its settings.

use crate::entropy::Dice;
use ed25519_dalek::SigningKey;
use hmac::{Hmac, KeyInit, Mac};
use roost_mls::policy::server_id;
use roost_store::Store;
use roost_wire::{Incarnation, ServerId, ServerKey, limit};
use sha2::Sha256;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Settings that services look at.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `https://host[:port]`, as people see it in links.
    pub origin: String,
    /// Days an entry or inbox item is kept for a device that never fetches it.
    pub retention_days: u64,
    /// Most devices in one group, at most [`limit::GROUP_DEVICES_MAX`].
    pub group_devices_max: usize,
    /// Application messages one device may send a second, sustained; 0 for no limit.
    pub messages_per_second: u32,
    /// Other requests one device may make a second, sustained; 0 for no limit.
    pub requests_per_second: u32,
    /// Requests without a session from one address a second, sustained; 0 for no limit.
    pub strangers_per_second: u32,
    /// `stun:` and `turn:` addresses of the relay for calls, as clients reach it; none without one.
    pub relay_urls: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            origin: "https://localhost:8443".to_owned(),
            retention_days: limit::RETENTION_DAYS_DEFAULT,
            group_devices_max: limit::GROUP_DEVICES_DEFAULT,
            messages_per_second: 100,
            requests_per_second: 50,
            strangers_per_second: 20,
            relay_urls: Vec::new(),
        }
    }
}

impl Settings {
    /// The origin without its scheme.
    #[must_use]
    pub fn host(&self) -> &str {
        self.origin
            .split_once("://")
            .map_or(self.origin.as_str(), |(_, host)| host)
    }
}

/// Who this server is.
pub struct Identity {
    pub id: ServerId,
    pub key: ServerKey,
    /// Changes when the store may have lost what it had acknowledged.
    pub incarnation: Incarnation,
    /// Makes and checks passes of the relay.
    pub relay_secret: Zeroizing<[u8; 32]>,
}

impl Identity {
    #[must_use]
    pub fn new(secret: &[u8; 32], incarnation: Incarnation) -> Self {
        let key = ServerKey::new(SigningKey::from_bytes(secret).verifying_key().to_bytes());
        Self {
            id: server_id(&key),
            key,
            incarnation,
            relay_secret: relay_secret(secret),
        }
    }
}

fn relay_secret(secret: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(b"roost relay v1");
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// The shared ground of all services.
pub struct House {
    pub store: Arc<dyn Store>,
    pub dice: Box<dyn Dice>,
    pub identity: Identity,
    pub settings: Settings,
}
