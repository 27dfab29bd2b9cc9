//! One relay address and what may pass through it (RFC 8656, sections 5, 9 and 12).
//!
//! Owns permissions, channels and the rate of one allocation. Knows no messages.

use crate::auth::Holder;
use crate::message::TransactionId;
use crate::time::Moment;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// RFC 8656, section 9.
pub const PERMISSION_SECONDS: u32 = 300;
/// RFC 8656, section 12.
pub const CHANNEL_SECONDS: u32 = 600;
/// However often it is refreshed: whoever gets no credentials any more does not relay for ever.
pub const AGE_SECONDS_MAX: u32 = 43_200;
/// A browser makes one a candidate of the other side.
pub const PERMISSIONS_MAX: usize = 64;
pub const CHANNELS_MAX: usize = 64;

/// Names a peer in four bytes (RFC 8656, section 12). That ends at 0x4FFF; clients of RFC 5766 go
/// to 0x7FFF, and nothing else begins like those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelNumber(u16);

impl ChannelNumber {
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number >= 0x4000 && number <= 0x7fff {
            Some(Self(number))
        } else {
            None
        }
    }

    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

#[derive(Clone, Copy, Debug)]
struct Channel {
    number: ChannelNumber,
    peer: SocketAddr,
    until: Moment,
}

/// Why a channel cannot be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindError {
    /// The number or the peer has another partner.
    Taken,
    Full,
}

/// A relay address in use.
#[derive(Debug)]
pub struct Allocation {
    /// Who made it; the part of the name that does not change with its end.
    pub holder: Holder,
    pub relay: SocketAddr,
    /// Of the request that made it, which may come again.
    pub made_by: TransactionId,
    pub until: Moment,
    /// No refresh leads beyond this.
    until_at_most: Moment,
    permissions: BTreeMap<IpAddr, Moment>,
    channels: Vec<Channel>,
    rate: Rate,
}

impl Allocation {
    /// One that is over at once, unless it is refreshed.
    #[must_use]
    pub fn new(
        holder: Holder,
        relay: SocketAddr,
        made_by: TransactionId,
        now: Moment,
        rate: Rate,
    ) -> Self {
        Self {
            holder,
            relay,
            made_by,
            until: now,
            until_at_most: now.plus_seconds(AGE_SECONDS_MAX),
            permissions: BTreeMap::new(),
            channels: Vec::new(),
            rate,
        }
    }

    /// Keeps it for so many seconds from now, or for what is left of [`AGE_SECONDS_MAX`]; says how
    /// many.
    pub fn refresh(&mut self, seconds: u32, now: Moment) -> u32 {
        self.until = now.plus_seconds(seconds).min(self.until_at_most);
        let left = self.until.seconds().saturating_sub(now.seconds());
        u32::try_from(left).unwrap_or(seconds)
    }

    /// Permits these peers, all or none of them; false if there is no room.
    #[must_use]
    pub fn permit(&mut self, peers: &[IpAddr], now: Moment) -> bool {
        self.forget(now);
        let new = peers
            .iter()
            .filter(|peer| !self.permissions.contains_key(peer));
        if self.permissions.len() + new.count() > PERMISSIONS_MAX {
            return false;
        }
        let until = now.plus_seconds(PERMISSION_SECONDS);
        self.permissions
            .extend(peers.iter().map(|&peer| (peer, until)));
        true
    }

    /// Binds a channel, or keeps it bound, and permits its peer.
    ///
    /// # Errors
    /// See [`BindError`]; nothing has changed then.
    pub fn bind(
        &mut self,
        number: ChannelNumber,
        peer: SocketAddr,
        now: Moment,
    ) -> Result<(), BindError> {
        self.forget(now);
        let until = now.plus_seconds(CHANNEL_SECONDS);
        let mut is_new = true;
        for channel in &self.channels {
            match (channel.number == number, channel.peer == peer) {
                (true, true) => is_new = false,
                (false, false) => {}
                (true, false) | (false, true) => return Err(BindError::Taken),
            }
        }
        if is_new && self.channels.len() >= CHANNELS_MAX {
            return Err(BindError::Full);
        }
        if !self.permit(&[peer.ip()], now) {
            return Err(BindError::Full);
        }
        self.channels.retain(|channel| channel.number != number);
        self.channels.push(Channel {
            number,
            peer,
            until,
        });
        Ok(())
    }

    #[must_use]
    pub fn is_permitted(&self, peer: IpAddr, now: Moment) -> bool {
        self.permissions
            .get(&peer)
            .is_some_and(|&until| now < until)
    }

    /// The peer behind a channel.
    #[must_use]
    pub fn peer_of(&self, number: u16, now: Moment) -> Option<SocketAddr> {
        self.channels
            .iter()
            .find(|channel| channel.number.0 == number && now < channel.until)
            .map(|channel| channel.peer)
    }

    /// The channel to a peer.
    #[must_use]
    pub fn channel_to(&self, peer: SocketAddr, now: Moment) -> Option<ChannelNumber> {
        self.channels
            .iter()
            .find(|channel| channel.peer == peer && now < channel.until)
            .map(|channel| channel.number)
    }

    /// Whether so many bytes may pass now; if not they are dropped.
    #[must_use]
    pub fn lets_pass(&mut self, bytes: usize, now: Moment) -> bool {
        self.rate.takes(bytes, now)
    }

    fn forget(&mut self, now: Moment) {
        self.permissions.retain(|_, &mut until| now < until);
        self.channels.retain(|channel| now < channel.until);
    }
}

/// Bytes a second, with a second's worth in reserve.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    bytes_per_second: u64,
    left: u64,
    since: Moment,
}

impl Rate {
    #[must_use]
    pub const fn new(bytes_per_second: u64, now: Moment) -> Self {
        Self {
            bytes_per_second,
            left: bytes_per_second,
            since: now,
        }
    }

    fn takes(&mut self, bytes: usize, now: Moment) -> bool {
        let millis = now.millis().saturating_sub(self.since.millis());
        let more = self.bytes_per_second.saturating_mul(millis) / 1_000;
        // Time too short to earn a byte is not thrown away.
        if more > 0 || now < self.since {
            self.left = self.bytes_per_second.min(self.left.saturating_add(more));
            self.since = now;
        }
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u32) -> Moment {
        Moment::default().plus_seconds(seconds)
    }

    fn peer(last: u8) -> SocketAddr {
        SocketAddr::from(([198, 51, 100, last], 4_000))
    }

    fn channel(number: u16) -> ChannelNumber {
        ChannelNumber::new(number).unwrap()
    }

    fn allocation() -> Allocation {
        let relay = SocketAddr::from(([192, 0, 2, 1], 49_160));
        let rate = Rate::new(1_000, at(0));
        Allocation::new(
            crate::Secret::new([1; 32]).holder(b"ada"),
            relay,
            TransactionId([0; 12]),
            at(0),
            rate,
        )
    }

    #[test]
    fn no_refresh_leads_beyond_the_greatest_age() {
        let mut allocation = allocation();

        assert_eq!(allocation.refresh(600, at(0)), 600);
        assert_eq!(allocation.refresh(3_600, at(AGE_SECONDS_MAX - 60)), 60);
        assert_eq!(allocation.until, at(AGE_SECONDS_MAX));
        assert_eq!(allocation.refresh(600, at(AGE_SECONDS_MAX + 1)), 0);
    }

    #[test]
    fn a_permission_is_for_an_address_and_ends() {
        let mut allocation = allocation();
        assert!(allocation.permit(&[peer(1).ip()], at(0)));

        assert!(allocation.is_permitted(peer(1).ip(), at(299)));
        assert!(!allocation.is_permitted(peer(1).ip(), at(300)));
        assert!(!allocation.is_permitted(peer(2).ip(), at(0)));
    }

    #[test]
    fn a_channel_and_its_peer_belong_together() {
        let mut allocation = allocation();
        assert_eq!(allocation.bind(channel(0x4000), peer(1), at(0)), Ok(()));

        assert_eq!(
            allocation.bind(channel(0x4000), peer(2), at(1)),
            Err(BindError::Taken)
        );
        assert_eq!(
            allocation.bind(channel(0x4001), peer(1), at(1)),
            Err(BindError::Taken)
        );
        assert_eq!(allocation.bind(channel(0x4000), peer(1), at(500)), Ok(()));
        assert_eq!(allocation.peer_of(0x4000, at(1_099)), Some(peer(1)));
        assert_eq!(allocation.peer_of(0x4000, at(1_100)), None);
        assert_eq!(allocation.bind(channel(0x4000), peer(2), at(1_100)), Ok(()));
    }

    #[test]
    fn a_channel_permits_its_peer() {
        let mut allocation = allocation();
        allocation.bind(channel(0x4000), peer(1), at(0)).unwrap();

        assert!(allocation.is_permitted(peer(1).ip(), at(299)));
        assert!(!allocation.is_permitted(peer(1).ip(), at(300)));
    }

    #[test]
    fn what_is_full_takes_no_more_until_something_ends() {
        let mut allocation = allocation();
        let all: Vec<IpAddr> = (0..64).map(|last| peer(last).ip()).collect();
        assert!(allocation.permit(&all, at(0)));

        assert!(allocation.permit(&all, at(1)));
        assert!(!allocation.permit(&[peer(100).ip()], at(2)));
        assert_eq!(
            allocation.bind(channel(0x4000), peer(100), at(2)),
            Err(BindError::Full)
        );
        assert!(allocation.permit(&[peer(100).ip()], at(301)));
    }

    #[test]
    fn what_comes_too_fast_is_dropped() {
        let mut allocation = allocation();
        let now = |millis| Moment::from_millis(millis);

        assert!(allocation.lets_pass(1_000, now(0)));
        assert!(!allocation.lets_pass(1, now(0)));
        assert!(allocation.lets_pass(100, now(100)));
        assert!(!allocation.lets_pass(100, now(100)));
        assert!(allocation.lets_pass(1_000, now(60_000)));
    }
}
