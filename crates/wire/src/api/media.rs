//! Media of group calls: how a device connects to the server that forwards it.

use crate::call::{Call, Method};
use crate::{DeviceId, GroupId, List, Malformed, limit};
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

/// An SDP offer or answer (RFC 8866), at most [`limit::SDP_BYTES`].
#[derive(Clone, PartialEq, Eq)]
pub struct Sdp(String);

impl Sdp {
    /// # Errors
    /// Refuses more than [`limit::SDP_BYTES`].
    pub fn new(text: String) -> Result<Self, Malformed> {
        if text.len() > limit::SDP_BYTES {
            return Err(Malformed::Long {
                what: "SDP",
                max: limit::SDP_BYTES,
            });
        }
        Ok(Self(text))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Addresses and fingerprints do not print.
impl std::fmt::Debug for Sdp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sdp({} bytes)", self.0.len())
    }
}

/// Names an m-line of the device's connection: the `a=mid` of its SDP, 1 to [`limit::MID_BYTES`]
/// letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MidName(String);

impl MidName {
    /// # Errors
    /// Refuses anything but 1 to [`limit::MID_BYTES`] ASCII letters and digits.
    pub fn new(text: String) -> Result<Self, Malformed> {
        let fits = (1..=limit::MID_BYTES).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            Ok(Self(text))
        } else {
            Err(Malformed::Invalid { what: "mid" })
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text {
    ($($name:ident),*) => {$(
        impl<C> Encode<C> for $name {
            fn encode<W: encode::Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), encode::Error<W::Error>> {
                e.str(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
                Self::new(d.str()?.to_owned())
                    .map_err(|_| decode::Error::message(stringify!($name)))
            }
        }
    )*};
}

text!(Sdp, MidName);

/// Names a connection of a device to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct MediaConnection(#[n(0)] u64);

/// Names something a device sends into a call, for as long as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct TrackId(#[n(0)] u64);

macro_rules! number {
    ($($name:ident),*) => {$(
        impl $name {
            #[must_use]
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
        }
    )*};
}

number!(MediaConnection, TrackId);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum TrackKind {
    #[n(0)]
    Audio,
    #[n(1)]
    Video,
    /// Video of a screen.
    #[n(2)]
    Screen,
}

/// What one of the device's own m-lines sends.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Sent {
    #[n(0)]
    pub mid: MidName,
    #[n(1)]
    pub kind: TrackKind,
}

/// Something that is sent into a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Track {
    #[n(0)]
    pub track: TrackId,
    #[n(1)]
    pub device: DeviceId,
    #[n(2)]
    pub kind: TrackKind,
}

/// All that is sent into a call.
pub type Tracks = List<Track, { limit::CALL_TRACKS }>;

/// What an m-line on which the device receives is to carry.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Want {
    #[n(0)]
    pub mid: MidName,
    #[n(1)]
    pub track: TrackId,
    /// Lines of the picture wanted at most; 0 pauses. Of sound only whether it is 0 counts.
    #[n(2)]
    pub height: u32,
}

/// `POST /v1/calls/{group}/media`: connects the device to the media of a call, or negotiates anew.
/// `NotFound` unless the group is a call's and the device is in it, and where the server forwards no
/// calls.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ConnectMedia {
    #[n(0)]
    pub group: GroupId,
    #[n(1)]
    pub offer: Sdp,
    /// Kinds of the m-lines on which the device sends; those that are not named are not forwarded.
    #[n(2)]
    pub sent: List<Sent, { limit::DEVICE_TRACKS }>,
    /// A connection to negotiate anew; without it a new one takes the place of the device's last.
    /// `Gone` if there is no such connection (any more): connect without it.
    #[n(3)]
    pub connection: Option<MediaConnection>,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct MediaConnected {
    #[n(0)]
    pub connection: MediaConnection,
    #[n(1)]
    pub answer: Sdp,
    /// As in the frame `Tracks`.
    #[n(2)]
    pub tracks: Tracks,
}

impl Call for ConnectMedia {
    type Reply = MediaConnected;
    const METHOD: Method = Method::Post;
    const REPLY_BYTES: usize = limit::MEDIA_BODY_BYTES;

    fn path(&self) -> String {
        format!("/v1/calls/{}/media", self.group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api;

    #[test]
    fn an_offer_beyond_its_bound_is_refused() {
        let long = "a".repeat(limit::SDP_BYTES + 1);

        assert!(Sdp::new(long.clone()).is_err());
        let bytes = minicbor::to_vec(long).unwrap();
        assert!(api::decode::<Sdp>(&bytes, "offer", usize::MAX).is_err());
    }

    #[test]
    fn a_mid_that_could_be_something_else_in_sdp_is_refused() {
        for mid in ["", "a b", "1\r\na=x", "0123456789abcdefg"] {
            assert!(MidName::new(mid.into()).is_err(), "{mid:?}");
        }
        assert!(MidName::new("0".into()).is_ok());
    }

    #[test]
    fn requests_round_trip() {
        let asked = ConnectMedia {
            group: GroupId::new([7; 16]),
            offer: Sdp::new("v=0\r\n".into()).unwrap(),
            sent: List::capped(vec![Sent {
                mid: MidName::new("0".into()).unwrap(),
                kind: TrackKind::Screen,
            }]),
            connection: Some(MediaConnection::new(3)),
        };

        let bytes = asked.body();

        assert_eq!(api::decode(&bytes, "request", usize::MAX), Ok(asked));
    }
}
