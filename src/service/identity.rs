//! The server's identity in the store: made at the first start, kept by every export.

use crate::entropy::Dice;
use crate::service::error::StoreError;
use crate::service::house::Identity;
use crate::service::key::{self, of_server};
use crate::service::record::{pack, unpack};
use roost_store::{Batch, Error, Store};
use roost_wire::Incarnation;
use zeroize::Zeroizing;

const TRIES: usize = 4;

impl Identity {
    /// Reads the identity, or makes one in an empty store.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn load(store: &dyn Store, dice: &dyn Dice) -> Result<Self, StoreError> {
        let part = key::server();
        for _ in 0..TRIES {
            let secret = store.get(&part, of_server::SECRET).await?;
            let incarnation = store.get(&part, of_server::INCARNATION).await?;
            if let (Some(secret), Some(incarnation)) = (&secret, &incarnation) {
                let secret = Zeroizing::new(unpack::<[u8; 32]>(&secret.value)?);
                return Ok(Self::new(&secret, unpack(&incarnation.value)?));
            }
            let mut batch = Batch::new();
            if secret.is_none() {
                let fresh = Zeroizing::new(dice.bytes::<32>());
                batch = batch
                    .absent(of_server::SECRET)
                    .put(of_server::SECRET, pack(&*fresh));
            }
            if incarnation.is_none() {
                let fresh = u64::from_be_bytes(dice.bytes()) >> 1;
                batch = batch.put(of_server::INCARNATION, pack(&Incarnation::new(fresh)));
            }
            match store.commit(&part, batch).await {
                Ok(_) | Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Contended)
    }

    /// Makes the next start a new incarnation: what this store says is older than what clients
    /// may have seen.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn renew_incarnation(store: &dyn Store) -> Result<(), StoreError> {
        let batch = Batch::new().delete(of_server::INCARNATION);
        store.commit(&key::server(), batch).await?;
        Ok(())
    }
}
