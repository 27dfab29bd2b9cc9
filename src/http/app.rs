//! Everything a request may need, in one handle.

use crate::delivery::Delivery;
use crate::fanout::Hub;
use crate::http::guard::rate::Rates;
use crate::service::agenda::Agenda;
use crate::service::{
    Accounts, Devices, Groups, Guests, House, Inboxes, Invites, KeyPackages, Media, RelayPasses,
    Sessions,
};
use std::sync::Arc;

/// The server without its sockets. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What an [`App`] gives access to.
pub struct Parts {
    pub house: Arc<House>,
    pub accounts: Accounts,
    pub devices: Devices,
    pub invites: Invites,
    pub sessions: Sessions,
    pub key_packages: KeyPackages,
    pub inboxes: Inboxes,
    pub groups: Groups,
    pub guests: Guests,
    pub relay_passes: RelayPasses,
    pub media: Media,
    pub hub: Hub,

    pub rates: Rates,
    pub agenda: Agenda,
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Hands over what a service wants told.
    pub fn deliver(&self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            if let Delivery::Disconnect { device } = &delivery {
                self.sessions.end(device);
            }
            self.media.heed(&delivery);
            self.hub.deliver(delivery);
        }
    }
}
