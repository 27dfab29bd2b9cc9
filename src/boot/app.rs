//! Puts the server together, without sockets.

use crate::clock::Moment;
use crate::entropy::Dice;
use crate::fanout::Hub;
use crate::http::{App, Parts, Rates};
use crate::job;
use crate::service::agenda::Agenda;
use crate::service::error::StoreError;
use crate::service::{
    Accounts, Devices, Groups, Guests, House, Identity, Inboxes, Invites, KeyPackages, Media,
    RelayPasses, Sessions, Settings,
};
use roost_store::Store;
use std::sync::Arc;

impl App {
    /// Opens the server on a store; makes its identity in an empty one. Runs nothing by itself:
    /// call [`App::tick`] about once a second.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn open(
        store: Arc<dyn Store>,
        settings: Settings,
        dice: Box<dyn Dice>,
    ) -> Result<Self, StoreError> {
        let identity = Identity::load(&*store, &*dice).await?;
        let house = Arc::new(House {
            store,
            dice,
            identity,
            settings,
        });
        let inboxes = Inboxes::new(house.clone());
        let groups = Groups::new(house.clone(), inboxes.clone());
        Ok(Self::new(Parts {
            accounts: Accounts::new(house.clone()),
            devices: Devices::new(house.clone()),
            invites: Invites::new(house.clone()),
            sessions: Sessions::new(house.clone()),
            key_packages: KeyPackages::new(house.clone()),
            guests: Guests::new(house.clone(), groups.clone()),
            groups,
            relay_passes: RelayPasses::new(house.clone()),
            media: Media::default(),
            inboxes,
            hub: Hub::default(),
            rates: Rates::default(),
            agenda: Agenda::default(),
            house,
        }))
    }

    /// Does what is due now and then. Call it about once a second.
    pub async fn tick(&self, now: Moment) {
        let place = job::Workplace {
            agenda: &self.agenda,
            groups: &self.groups,
            guests: &self.guests,
            inboxes: &self.inboxes,
            invites: &self.invites,
            sessions: &self.sessions,
            hub: &self.hub,
            media: &self.media,
        };
        job::tick(&place, now).await;
    }
}
