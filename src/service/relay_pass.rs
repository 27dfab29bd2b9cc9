//! What a device needs to relay its calls: where to, and a name and password for an hour.
//!
//! Owns whose a pass is: an account's, whose devices share their limits. Only this server can tell;
//! the network sees another name each time.

use crate::clock;
use crate::service::directory::Caller;
use crate::service::house::House;
use roost_turn::{Moment, Secret};
use roost_wire::api::RelayPass;
use roost_wire::{List, Seconds, limit};
use std::sync::Arc;

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
        let secret = Secret::new(*self.house.identity.relay_secret);
        let expires = now.plus(limit::RELAY_PASS_SECONDS);
        let seconds = u32::try_from(limit::RELAY_PASS_SECONDS).unwrap_or(u32::MAX);
        let until = Moment::from_millis(clock::even().millis()).plus_seconds(seconds);
        let (holder, dice) = (
            secret.holder(from.account.as_bytes()),
            self.house.dice.bytes(),
        );
        let credential = secret.credential(holder, dice, until);
        Some(RelayPass {
            urls: List::new(urls).ok()?,
            username: credential.username,
            password: credential.password.as_str().to_owned(),
            expires,
        })
    }
}
