//! How often who may ask: token buckets per device and per address, in memory.

use crate::clock::Moment;
use roost_wire::DeviceId;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

/// Buckets kept of devices, of addresses and of networks; when there are more, those that are full
/// again are dropped.
const DEVICES_MAX: usize = 65_536;
const ADDRESSES_MAX: usize = 65_536;
const NETWORKS_MAX: usize = 16_384;
/// How many seconds' worth a bucket holds: a burst.
const BURST_SECONDS: u64 = 10;
const MILLI: u64 = 1000;

/// Where a request comes from, as far as limits care: an IPv4 address or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerAddr {
    network: IpAddr,
    is_local: bool,
}

impl PeerAddr {
    /// Who is at the other end of a connection.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self {
            network: match address {
                IpAddr::V6(six) => IpAddr::V6(prefix(six, 64)),
                IpAddr::V4(_) => address,
            },
            is_local: address.is_loopback(),
        }
    }

    /// Whom a proxy names, if it could be read. Never the machine itself.
    #[must_use]
    pub fn named(address: Option<IpAddr>) -> Self {
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self {
            is_local: false,
            ..Self::of(address.unwrap_or(unknown))
        }
    }

    /// The machine itself, which is not limited: it is the operator's.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.is_local
    }

    /// The IPv6 /48 or IPv4 /16 around it.
    fn around(&self) -> IpAddr {
        match self.network {
            IpAddr::V6(six) => IpAddr::V6(prefix(six, 48)),
            IpAddr::V4(four) => {
                let [a, b, _, _] = four.octets();
                IpAddr::V4(Ipv4Addr::new(a, b, 0, 0))
            }
        }
    }

    /// Everyone of its kind.
    const fn family(&self) -> IpAddr {
        match self.network {
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        }
    }
}

fn prefix(address: Ipv6Addr, bits: u32) -> Ipv6Addr {
    let rest = u128::MAX.checked_shr(bits).unwrap_or_default();
    Ipv6Addr::from(u128::from(address) & !rest)
}

/// What is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Application messages.
    Message,
    /// Everything else a device asks.
    Request,
    /// Guests at the door.
    Knock,
    /// Offers of media, which the one machine for all calls works off.
    Media,
    /// What devices want to see in calls, which changes with what others do.
    Watch,
    /// Bodies that are let in before they are read.
    Upload,
    /// Droppable signals.
    Ephemeral,
    /// Their length, in KiB.
    EphemeralKib,
}

/// Thousandths of a request, and when they were counted.
#[derive(Clone, Copy)]
struct Bucket {
    millis_left: u64,
    at: Moment,
}

/// Buckets of one kind, at most so many.
struct Table<K> {
    buckets: BTreeMap<K, Bucket>,
    max: usize,
    /// When the full ones were last dropped: a look at all of them, so not for every request.
    swept: Option<Moment>,
}

impl<K: Ord> Table<K> {
    const fn new(max: usize) -> Self {
        Self {
            buckets: BTreeMap::new(),
            max,
            swept: None,
        }
    }

    /// Counts one request; none if there is no bucket for it and no room for one.
    fn take(&mut self, who: K, per_second: u32, now: Moment) -> Option<Result<(), u32>> {
        self.take_many(who, 1, per_second, now)
    }

    /// As `take`, for something that counts so often.
    fn take_many(
        &mut self,
        who: K,
        count: u32,
        per_second: u32,
        now: Moment,
    ) -> Option<Result<(), u32>> {
        if self.buckets.len() >= self.max && !self.buckets.contains_key(&who) {
            self.sweep(now);
            if self.buckets.len() >= self.max {
                return None;
            }
        }
        let full = u64::from(per_second) * BURST_SECONDS * MILLI;
        let bucket = self.buckets.entry(who).or_insert(Bucket {
            millis_left: full,
            at: now,
        });
        let earned = now
            .millis_since(bucket.at)
            .saturating_mul(u64::from(per_second));
        bucket.millis_left = bucket.millis_left.saturating_add(earned).min(full);
        bucket.at = now;
        let cost = u64::from(count).saturating_mul(MILLI);
        let left = bucket.millis_left.checked_sub(cost);
        bucket.millis_left = left.unwrap_or(bucket.millis_left);
        Some(left.map(|_| ()).ok_or(1))
    }

    fn sweep(&mut self, now: Moment) {
        if self.swept.is_some_and(|at| now.millis_since(at) < MILLI) {
            return;
        }
        self.swept = Some(now);
        let idle = BURST_SECONDS * MILLI;
        self.buckets
            .retain(|_, bucket| now.millis_since(bucket.at) < idle);
    }
}

/// Where requests without a session come from. Whoever finds no bucket of their own shares one
/// with their network, and at last with everyone of their kind.
struct Strangers {
    addresses: Table<IpAddr>,
    networks: Table<IpAddr>,
    families: Table<IpAddr>,
}

impl Strangers {
    fn take(&mut self, peer: PeerAddr, per_second: u32, now: Moment) -> Result<(), u32> {
        self.addresses
            .take(peer.network, per_second, now)
            .or_else(|| self.networks.take(peer.around(), per_second, now))
            .or_else(|| self.families.take(peer.family(), per_second, now))
            .unwrap_or(Err(1))
    }
}

/// All buckets. Strangers have their own, so that they cannot crowd out devices.
pub struct Rates {
    devices: Mutex<Table<(Kind, DeviceId)>>,
    strangers: Mutex<Strangers>,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            devices: Mutex::new(Table::new(DEVICES_MAX)),
            strangers: Mutex::new(Strangers {
                addresses: Table::new(ADDRESSES_MAX),
                networks: Table::new(NETWORKS_MAX),
                families: Table::new(2),
            }),
        }
    }
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
        self.device_many(kind, device, 1, per_second, now)
    }

    /// Counts something of a device so often; the seconds to wait if it is too much.
    ///
    /// # Errors
    /// Seconds to wait; nothing is counted then.
    pub fn device_many(
        &self,
        kind: Kind,
        device: DeviceId,
        count: u32,
        per_second: u32,
        now: Moment,
    ) -> Result<(), u32> {
        if per_second == 0 {
            return Ok(());
        }
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = devices.take_many((kind, device), count, per_second, now);
        taken.unwrap_or(Err(1))
    }

    /// Counts one request from an address.
    ///
    /// # Errors
    /// Seconds to wait.
    pub fn address(&self, peer: PeerAddr, per_second: u32, now: Moment) -> Result<(), u32> {
        if peer.is_local() || per_second == 0 {
            return Ok(());
        }
        let strangers = self.strangers.lock();
        let mut strangers = strangers.unwrap_or_else(PoisonError::into_inner);
        strangers.take(peer, per_second, now)
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
    fn what_counts_often_uses_up_a_burst_sooner() {
        let rates = Rates::default();
        let (device, start) = (DeviceId::new([1; 16]), Moment::from_millis(1_000_000));
        let take = |count, now| rates.device_many(Kind::EphemeralKib, device, count, 32, now);

        let taken = (0..100).filter(|_| take(24, start).is_ok()).count();

        assert_eq!(taken, 13);
        assert!(take(8, start).is_ok());
        assert!(take(1, start).is_err());
        assert!(take(32, start.plus_millis(1_000)).is_ok());
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

    #[test]
    fn whoever_fills_the_table_slows_down_their_own_network_only() {
        let rates = Rates::default();
        let start = Moment::from_millis(1_000_000);
        for n in 0..u32::try_from(ADDRESSES_MAX + 1000).unwrap() {
            let address = Ipv6Addr::from((0x2001_0db8_u128 << 96) | (u128::from(n) << 64));
            let _ = rates.address(PeerAddr::of(address.into()), 1, start);
        }

        assert!(rates.address(peer("2001:db8:1::1"), 1, start).is_err());
        assert!(rates.address(peer("2001:db8:2::1"), 1, start).is_ok());
        assert!(rates.address(peer("192.0.2.1"), 1, start).is_ok());
        let device = DeviceId::new([1; 16]);
        assert!(rates.device(Kind::Request, device, 1, start).is_ok());
    }
}
