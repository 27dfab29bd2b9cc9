//! What two peer connections say to each other: descriptions and candidates, each bounded.

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use roost_wire::Malformed;

/// A session description (RFC 8866), in bytes.
pub const SDP_BYTES: usize = 16 * 1024;
/// An ICE candidate as a line (RFC 8839), in bytes.
pub const CANDIDATE_BYTES: usize = 1024;
/// The identification tag of a media section (RFC 5888), in bytes.
pub const MID_BYTES: usize = 64;

/// At most `MAX` bytes of text.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct BoundedText<const MAX: usize>(String);

impl<const MAX: usize> BoundedText<MAX> {
    /// # Errors
    /// Refuses more than `MAX` bytes.
    pub fn new(text: String) -> Result<Self, Malformed> {
        if text.len() > MAX {
            Err(Malformed::Long {
                what: "text",
                max: MAX,
            })
        } else {
            Ok(Self(text))
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

/// Descriptions and candidates name addresses of people: they do not print.
impl<const MAX: usize> std::fmt::Debug for BoundedText<MAX> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BoundedText({} bytes)", self.0.len())
    }
}

impl<C, const MAX: usize> Encode<C> for BoundedText<MAX> {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C, const MAX: usize> Decode<'b, C> for BoundedText<MAX> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let text = d.str()?;
        Self::new(text.to_owned()).map_err(|_| decode::Error::message("text beyond its bound"))
    }
}

/// One thing that a peer connection says to the other.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum MediaSignal {
    #[n(0)]
    Offer {
        #[n(0)]
        sdp: BoundedText<SDP_BYTES>,
    },
    #[n(1)]
    Answer {
        #[n(0)]
        sdp: BoundedText<SDP_BYTES>,
    },
    /// An empty candidate says that there are no more.
    #[n(2)]
    Candidate {
        #[n(0)]
        candidate: BoundedText<CANDIDATE_BYTES>,
        #[n(1)]
        mid: Option<BoundedText<MID_BYTES>>,
        /// Index of the media section.
        #[n(2)]
        line: Option<u16>,
    },
    /// Asks the caller for a new offer, with new ICE credentials.
    #[n(3)]
    Restart,
}

impl MediaSignal {
    /// About how many bytes it takes in a letter.
    pub(super) fn size_bytes(&self) -> usize {
        const AROUND: usize = 16;
        let text = match self {
            Self::Offer { sdp } | Self::Answer { sdp } => sdp.as_str().len(),
            Self::Candidate { candidate, mid, .. } => {
                let mid = mid.as_ref().map_or(0, |mid| mid.as_str().len());
                candidate.as_str().len().saturating_add(mid)
            }
            Self::Restart => 0,
        };
        text.saturating_add(AROUND)
    }
}
