//! How often who may ask: token buckets per device and per address, in memory.

use crate::clock::Moment;
use roost_wire::DeviceId;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

/// Buckets kept; when there are more, those that are full again are dropped.
const BUCKETS_MAX: usize = 65_536;
/// How many seconds' worth a bucket holds: a burst.
const BURST_SECONDS: u64 = 10;
const MILLI: u64 = 1000;

/// Where a request comes from, as far as limits care: an IPv4 address or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerAddr(IpAddr);

impl PeerAddr {
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(six) => {
                let network = u128::from(six) & !u128::from(u64::MAX);
                let network = if six.is_loopback() {
                    six
                } else {
                    Ipv6Addr::from(network)
                };
                Self(IpAddr::V6(network))
            }
            four @ IpAddr::V4(_) => Self(four),
        }
    }

    /// The machine itself, which is not limited: it is the operator's.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.0.is_loopback()
    }
}

/// What is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Without a session: signing in, registering, looking at invites.
    Stranger,
    /// Application messages.
    Message,
    /// Everything else a device asks.
    Request,
    /// Typing and the like.
    Ephemeral,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Device(DeviceId),
    Address(PeerAddr),
}

/// Thousandths of a request, and when they were counted.
#[derive(Clone, Copy)]
struct Bucket {
    millis_left: u64,
    at: Moment,
}

/// All buckets.
#[derive(Default)]
pub struct Rates {
    buckets: Mutex<BTreeMap<(Kind, Who), Bucket>>,
}

impl Rates {
    /// Counts one request of a device; the seconds to wait if it is one too many.
    ///
    /// # Errors
    /// Seconds to wait.
    pub fn device(
        &self,
        kind: Kind,
        device: DeviceId,
        per_second: u32,
        now: Moment,
    ) -> Result<(), u32> {
        self.take((kind, Who::Device(device)), per_second, now)
    }

    /// Counts one request from an address.
    ///
    /// # Errors
    /// Seconds to wait.
    pub fn address(&self, peer: PeerAddr, per_second: u32, now: Moment) -> Result<(), u32> {
        if peer.is_local() {
            return Ok(());
        }
        self.take((Kind::Stranger, Who::Address(peer)), per_second, now)
    }

    fn take(&self, who: (Kind, Who), per_second: u32, now: Moment) -> Result<(), u32> {
        if per_second == 0 {
            return Ok(());
        }
        let full = u64::from(per_second) * BURST_SECONDS * MILLI;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&who) {
            let idle = BURST_SECONDS * MILLI;
            buckets.retain(|_, bucket| now.millis_since(bucket.at) < idle);
            if buckets.len() >= BUCKETS_MAX {
                return Err(1);
            }
        }
        let bucket = buckets.entry(who).or_insert(Bucket {
            millis_left: full,
            at: now,
        });
        let earned = now
            .millis_since(bucket.at)
            .saturating_mul(u64::from(per_second));
        bucket.millis_left = bucket.millis_left.saturating_add(earned).min(full);
        bucket.at = now;
        match bucket.millis_left.checked_sub(MILLI) {
            Some(left) => {
                bucket.millis_left = left;
                Ok(())
            }
            None => Err(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> PeerAddr {
        PeerAddr::of(text.parse().unwrap())
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_sustained_rate() {
        let rates = Rates::default();
        let (from, start) = (peer("192.0.2.1"), Moment::from_millis(1_000_000));

        for _ in 0..20 {
            assert!(rates.address(from, 2, start).is_ok());
        }

        assert!(rates.address(from, 2, start).is_err());
        assert!(rates.address(from, 2, start.plus_millis(500)).is_ok());
        assert!(rates.address(from, 2, start.plus_millis(500)).is_err());
    }

    #[test]
    fn one_network_of_ipv6_is_one_peer_and_a_mapped_address_is_ipv4() {
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:1"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
    }

    #[test]
    fn the_machine_itself_is_not_limited() {
        let rates = Rates::default();

        for _ in 0..1000 {
            assert!(rates.address(peer("::1"), 1, Moment::default()).is_ok());
        }
    }
}
