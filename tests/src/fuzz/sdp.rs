//! Offers of whoever may connect to a call.

use roost_sfu::{Asked, Certificate, Sfu};
use roost_wire::api::{MidName, Sdp, Sent, TrackKind, Want};
use roost_wire::{DeviceId, GroupId};
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Instant;

static CERTIFICATE: LazyLock<Certificate> =
    LazyLock::new(|| Certificate::generate().unwrap_or_else(|error| panic!("{error}")));

/// An offer, made twice: the second time as the next one on the same connection. No answer has other
/// m-lines than its offer.
pub fn sdp(bytes: &[u8]) {
    let Ok(offer) = Sdp::new(String::from_utf8_lossy(bytes).into_owned()) else {
        return;
    };
    let (group, device) = (GroupId::new([1; 16]), DeviceId::new([2; 16]));
    let mut asked = Asked {
        group,
        device,
        sent: sent(),
        connection: None,
        offer,
    };
    let (now, address) = (now(), SocketAddr::from(([10, 0, 0, 1], 3_478)));
    let mut sfu = Sfu::new(CERTIFICATE.clone(), vec![address], now);
    for _ in 0..2 {
        let Ok(connected) = sfu.connect(&asked, &[7; 32], now) else {
            return;
        };
        let (asks, says) = (m_lines(&asked.offer), m_lines(&connected.answer));
        assert_eq!(asks, says, "m-lines");
        sfu.watch(&group, &device, &wants(connected.tracks.as_slice()), now);
        sfu.advance(now);
        assert_eq!(sfu.members(&group), 1, "not in the call");
        asked.connection = Some(connected.connection);
    }
}

fn m_lines(sdp: &Sdp) -> usize {
    let lines = sdp.as_str().lines();
    lines.filter(|line| line.starts_with("m=")).count()
}

fn mids() -> impl Iterator<Item = MidName> {
    (0..4).filter_map(|number| MidName::new(number.to_string()).ok())
}

fn sent() -> Vec<Sent> {
    let kinds = [TrackKind::Audio, TrackKind::Video, TrackKind::Screen];
    let kinds = mids().zip(kinds);
    kinds.map(|(mid, kind)| Sent { mid, kind }).collect()
}

fn wants(tracks: &[roost_wire::api::Track]) -> Vec<Want> {
    let all = tracks.iter().zip(mids());
    all.map(|(track, mid)| Want {
        mid,
        track: track.track,
        height: 180,
    })
    .collect()
}

#[expect(clippy::disallowed_methods, reason = "any instant will do")]
fn now() -> Instant {
    Instant::now()
}
