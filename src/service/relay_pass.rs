//! What a device needs to relay its calls: where to, and a name and password for an hour.
//!
//! Owns whom a pass names: nobody. The relay sees the name in clear, and so does the network.

use crate::service::directory::Caller;
use crate::service::house::House;
use hmac::{Hmac, KeyInit, Mac};
use roost_turn::{Moment, Secret};
use roost_wire::api::RelayPass;
use roost_wire::{List, Seconds, limit};
use sha2::Sha256;
use std::sync::Arc;

/// Of a device's name: enough that no two share their limits.
const NAME_BYTES: usize = 12;

/// Passes to the relay.
#[derive(Clone)]
pub struct RelayPasses {
    house: Arc<House>,
}

impl RelayPasses {
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }

    /// A pass for an hour; none where there is no relay.
    #[must_use]
    pub fn pass(&self, from: &Caller, now: Seconds) -> Option<RelayPass> {
        let urls = self.house.settings.relay_urls.clone();
        if urls.is_empty() {
            return None;
        }
        let secret = &self.house.identity.relay_secret;
        let expires = now.plus(limit::RELAY_PASS_SECONDS);
        let until = Moment::from_millis(expires.get().saturating_mul(1_000));
        let credential = Secret::new(**secret).credential(&name_of(from, secret), until);
        Some(RelayPass {
            urls: List::new(urls).ok()?,
            username: credential.username,
            password: credential.password.as_str().to_owned(),
            expires,
        })
    }
}

/// The same for one device of one account, and the server's own secret to read.
fn name_of(from: &Caller, secret: &[u8; 32]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(b"whose pass");
    mac.update(from.account.as_bytes());
    mac.update(from.device.as_bytes());
    let tag = mac.finalize().into_bytes();
    tag.iter()
        .take(NAME_BYTES)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
