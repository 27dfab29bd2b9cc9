//! How many handshakes are under way: of one worker, and of one network in it.
//!
//! Owns the turns. Who has none waits for one, and no longer than for the handshake itself.

use roost_turn::strangers::network;
use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Of one worker.
const HANDSHAKES_MAX: usize = 256;
/// Of one address (an IPv6 /64), so that one that dawdles does not keep others out. Behind a proxy
/// that passes TLS on all have the same one.
const HANDSHAKES_PER_NETWORK_MAX: usize = 64;

/// Turns to shake hands. Cheap to clone.
#[derive(Clone)]
pub struct Handshakes {
    all: Arc<Semaphore>,
    networks: Arc<Mutex<HashMap<IpAddr, Arc<Semaphore>>>>,
}

/// A network that somebody waits for or shakes hands with; forgotten with the last of them.
struct Guest {
    handshakes: Handshakes,
    network: IpAddr,
    turns: Arc<Semaphore>,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(HANDSHAKES_MAX)),
            networks: Arc::default(),
        }
    }
}

impl Handshakes {
    /// Waits for a turn and takes it. None if both together take longer than `limit`.
    pub async fn within<T>(
        &self,
        limit: Duration,
        address: IpAddr,
        handshake: impl Future<Output = T>,
    ) -> Option<T> {
        let guest = self.guest(address);
        let turn = async {
            // That of the network first: who waits for it takes nothing from other networks.
            let _of_network = guest.turns.acquire().await.ok()?;
            let _of_all = self.all.acquire().await.ok()?;
            Some(handshake.await)
        };
        timeout(limit, turn).await.ok().flatten()
    }

    fn guest(&self, address: IpAddr) -> Guest {
        let network = network(address);
        let turns = self
            .networks()
            .entry(network)
            .or_insert_with(|| Arc::new(Semaphore::new(HANDSHAKES_PER_NETWORK_MAX)))
            .clone();
        Guest {
            handshakes: self.clone(),
            network,
            turns,
        }
    }

    fn networks(&self) -> MutexGuard<'_, HashMap<IpAddr, Arc<Semaphore>>> {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut networks = self.handshakes.networks();
        // The table's and this one's own; a worker is one thread, so nobody else is just leaving.
        if Arc::strong_count(&self.turns) <= 2 {
            networks.remove(&self.network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use tokio::task::JoinSet;

    const SOON: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    /// So many of this address that never end.
    async fn dawdlers(handshakes: &Handshakes, address: IpAddr, count: usize) -> JoinSet<()> {
        let mut all = JoinSet::new();
        for _ in 0..count {
            let handshakes = handshakes.clone();
            all.spawn(async move {
                let _ = handshakes.within(LONG, address, pending::<()>()).await;
            });
        }
        // The runtime runs some tasks at a time.
        for _ in 0..count {
            tokio::task::yield_now().await;
        }
        all
    }

    #[tokio::test]
    async fn one_network_leaves_turns_to_others_and_is_forgotten() {
        let handshakes = Handshakes::default();
        let (slow, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut all = dawdlers(&handshakes, slow, 1_000).await;

        assert_eq!(handshakes.within(SOON, slow, ready(())).await, None);
        assert_eq!(handshakes.within(SOON, other, ready(())).await, Some(()));

        all.shutdown().await;
        assert_eq!(handshakes.within(SOON, slow, ready(())).await, Some(()));
        assert!(handshakes.networks().is_empty());
    }

    #[tokio::test]
    async fn the_wait_for_a_turn_counts() {
        let handshakes = Handshakes::default();
        let mut all = Vec::new();
        for last in 0..4 {
            let address = IpAddr::from([198, 51, 100, last]);
            all.push(dawdlers(&handshakes, address, HANDSHAKES_PER_NETWORK_MAX).await);
        }

        let late = handshakes.within(SOON, IpAddr::from([192, 0, 2, 1]), ready(()));
        assert_eq!(late.await, None);
        drop(all);
    }
}
