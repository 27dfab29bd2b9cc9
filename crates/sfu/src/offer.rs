//! What of an offer is looked at before the media library sees it.

use crate::limit::OFFER_M_LINES;
use roost_wire::api::{MidName, Sdp};

/// An offer within bounds, of sound and pictures only.
pub struct Offer {
    pub text: String,
    /// The names of its m-lines.
    pub mids: Vec<MidName>,
}

impl Offer {
    /// None for what is beyond its bounds, or offers anything else. Candidates are left out: a lite
    /// agent (RFC 8445, section 2.5) learns where the other is from its requests alone.
    pub fn read(sdp: &Sdp) -> Option<Self> {
        let (mut text, mut mids, mut m_lines) = (String::new(), Vec::new(), 0);
        for line in sdp.as_str().lines() {
            if line.starts_with("a=candidate:") || line.starts_with("a=end-of-candidates") {
                continue;
            }
            if let Some(media) = line.strip_prefix("m=") {
                m_lines += 1;
                let is_media = media.starts_with("audio ") || media.starts_with("video ");
                if !is_media || m_lines > OFFER_M_LINES {
                    return None;
                }
            }
            if let Some(mid) = line.strip_prefix("a=mid:") {
                mids.push(MidName::new(mid.to_owned()).ok()?);
            }
            text.push_str(line);
            text.push_str("\r\n");
        }
        let names = mids.iter().collect::<std::collections::BTreeSet<_>>().len();
        (mids.len() == m_lines && names == m_lines && m_lines > 0).then_some(Self { text, mids })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Offer> {
        Offer::read(&Sdp::new(text.to_owned()).unwrap())
    }

    #[test]
    fn candidates_are_left_out_and_m_lines_named() {
        let offer = read("v=0\nm=audio 9 x\na=mid:0\na=candidate:1 1 udp 1 10.0.0.1 9 typ host\n");

        let offer = offer.unwrap();
        assert_eq!(offer.text, "v=0\r\nm=audio 9 x\r\na=mid:0\r\n");
        assert_eq!(offer.mids, [MidName::new("0".into()).unwrap()]);
    }

    #[test]
    fn data_channels_double_names_and_too_many_lines_are_refused() {
        assert!(read("m=application 9 x\na=mid:0\n").is_none());
        assert!(read("m=audio 9\na=mid:0\nm=video 9\na=mid:0\n").is_none());
        assert!(read("m=audio 9\n").is_none(), "without a name");
        assert!(read("").is_none());
        let many: String = (0..=OFFER_M_LINES)
            .map(|mid| format!("m=audio 9\na=mid:{mid}\n"))
            .collect();
        assert!(read(&many).is_none());
    }
}
