//! Settings of the relay for calls.

use super::ConfigError;
use roost_turn::Network;
use serde::Deserialize;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;

/// IANA's for STUN and TURN.
pub const UDP_PORT: u16 = 3_478;
/// Among IANA's dynamic ports.
const RELAY_PORTS: RangeInclusive<u16> = 49_160..=49_259;
/// Both ends of one call may try three ways at once.
const RELAY_PORTS_MIN: usize = 8;
const RELAY_PORT_FIRST: u16 = 1_024;

/// What `[calls]` of `roost.toml` may hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallsFile {
    udp: Option<u16>,
    listen: Option<String>,
    /// `FIRST-LAST`.
    relay: Option<String>,
    external: Option<String>,
    /// Ranges of the own network, as `192.168.1.0/24`.
    allow: Option<Vec<String>>,
}

/// The relay for calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calls {
    /// Port for STUN and TURN, by UDP and by TCP.
    pub udp: u16,
    /// Whether somebody asked for that port, or for the address: then it must be had.
    pub is_chosen: bool,
    /// What the relay listens to, if not to what the app does.
    pub listen: Option<IpAddr>,
    /// UDP ports of the relays.
    pub ports: RangeInclusive<u16>,
    /// Where the world reaches this machine, if that is not an address of its own.
    pub external: Option<IpAddr>,
    /// Ranges of the own network that calls may reach.
    pub allowed: Vec<Network>,
}

impl Calls {
    /// None for port 0. Who is `hidden` behind a proxy serves the app to nobody else; calls do not come
    /// through a proxy, and are listened for everywhere.
    pub(super) fn load(
        flag: Option<u16>,
        file: CallsFile,
        hidden: bool,
    ) -> Result<Option<Self>, ConfigError> {
        let chosen = flag.or(file.udp);
        let listen = file.listen.as_deref().map(listen).transpose()?;
        let everywhere = hidden.then_some(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let calls = Self {
            udp: chosen.unwrap_or(UDP_PORT),
            is_chosen: chosen.is_some() || listen.is_some(),
            listen: listen.or(everywhere),
            ports: file.relay.as_deref().map_or(Ok(RELAY_PORTS), range)?,
            external: file.external.as_deref().map(external).transpose()?,
            allowed: networks(&file.allow.unwrap_or_default())?,
        };
        if calls.ports.contains(&calls.udp) {
            return Err(ConfigError::Value(
                "calls.udp must not lie in the range of calls.relay",
            ));
        }
        Ok((calls.udp != 0).then_some(calls))
    }
}

fn range(text: &str) -> Result<RangeInclusive<u16>, ConfigError> {
    let ends = text.split_once('-').and_then(|(first, last)| {
        let first: u16 = first.trim().parse().ok()?;
        Some(first..=last.trim().parse().ok()?)
    });
    ends.filter(|range| *range.start() >= RELAY_PORT_FIRST && range.len() >= RELAY_PORTS_MIN)
        .ok_or(ConfigError::Value(
            "calls.relay is a range of UDP ports from 1024 on, as in 49160-49259, and has at least \
             8: one call may take 6 of them",
        ))
}

fn listen(text: &str) -> Result<IpAddr, ConfigError> {
    text.trim().parse().map_err(|_| {
        ConfigError::Value(
            "calls.listen is an address of this machine, or :: for all of them, without a port",
        )
    })
}

/// Only what cannot be right for anybody; whether it is right for this network, "Check calls" in the
/// app's menu tells.
fn external(text: &str) -> Result<IpAddr, ConfigError> {
    let address: Option<IpAddr> = text.trim().parse().ok();
    address
        .map(|address| address.to_canonical())
        .filter(|ip| !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast())
        .ok_or(ConfigError::Value(
            "calls.external is the one address at which the internet reaches this machine, as in \
             203.0.113.7: no name, no port, and not 0.0.0.0, a loopback or a multicast address",
        ))
}

fn networks(texts: &[String]) -> Result<Vec<Network>, ConfigError> {
    let networks = texts.iter().map(|range| range.parse());
    networks.collect::<Result<_, _>>().map_err(|_| {
        ConfigError::Value("calls.allow lists ranges of addresses, as in 192.168.1.0/24")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(flag: Option<u16>, text: &str) -> Result<Option<Calls>, String> {
        let file = toml::from_str(text).map_err(|error| error.to_string())?;
        Calls::load(flag, file, false).map_err(|error| error.to_string())
    }

    #[test]
    fn behind_a_proxy_calls_are_listened_for_everywhere_unless_somebody_says_where() {
        let listen = |text: &str, hidden| {
            let file = toml::from_str(text).unwrap();
            let calls = Calls::load(None, file, hidden).unwrap().unwrap();
            calls.listen.map(|ip| ip.to_string())
        };

        assert_eq!(listen("", false), None, "where the app is served");
        assert_eq!(listen("", true).as_deref(), Some("::"));
        let named = "listen = '192.168.1.7'";
        assert_eq!(listen(named, true).as_deref(), Some("192.168.1.7"));
        assert_eq!(listen(named, false).as_deref(), Some("192.168.1.7"));
        assert!(load(None, named).unwrap().unwrap().is_chosen);
        let refused = load(None, "listen = '[::]:3478'").unwrap_err();
        assert!(refused.contains("without a port"), "{refused}");
    }

    #[test]
    fn calls_are_relayed_unless_somebody_says_no() {
        let default = load(None, "").unwrap().unwrap();
        assert_eq!((default.udp, default.is_chosen), (3_478, false));
        assert_eq!(default.ports, 49_160..=49_259);

        let chosen = load(None, "udp = 3478").unwrap().unwrap();
        assert!(chosen.is_chosen);
        assert_eq!(load(Some(0), "udp = 3478"), Ok(None));
        assert_eq!(load(None, "udp = 0"), Ok(None));
    }

    #[test]
    fn a_relay_range_that_cannot_work_is_refused_with_the_reason() {
        for range in [
            "49160-49166",
            "49259-49160",
            "80-200",
            "49160",
            "a-b",
            "1-70000",
        ] {
            let refused = load(None, &format!("relay = '{range}'")).unwrap_err();
            assert!(refused.contains("calls.relay is a range"), "{refused}");
        }
        let inside = load(Some(49_200), "").unwrap_err();
        assert!(inside.contains("must not lie in the range"), "{inside}");
        assert!(load(None, "relay = '49160-49167'").is_ok());
    }

    #[test]
    fn an_external_address_that_cannot_work_is_refused_with_the_reason() {
        for address in [
            "roost.example",
            "203.0.113.7:3478",
            "0.0.0.0",
            "::",
            "127.0.0.1",
            "::ffff:127.0.0.1",
            "224.0.0.1",
            "ff02::1",
        ] {
            let refused = load(None, &format!("external = '{address}'")).unwrap_err();
            assert!(refused.contains("calls.external is the one"), "{refused}");
        }
        let calls = load(None, "external = '203.0.113.7'").unwrap().unwrap();
        assert_eq!(calls.external, Some([203, 0, 113, 7].into()));
    }

    #[test]
    fn what_calls_may_reach_is_a_list_of_ranges() {
        assert!(load(None, "allow = ['192.168.1.0/24', 'fd00::/8']").is_ok());
        assert!(load(None, "allow = ['192.168.1.0']").is_err());
        assert!(load(None, "alow = []").is_err());
    }
}
