//! What of an offer is looked at before the media library sees it.

use crate::limit::{OFFER_M_LINES, OFFER_SSRC_LINES};
use roost_wire::api::{MidName, Sdp};
use std::collections::{BTreeMap, BTreeSet};

/// An offer within bounds, of sound and pictures only.
#[derive(Default)]
pub struct Offer {
    pub text: String,
    /// The names of its m-lines.
    pub mids: Vec<MidName>,
    /// What it names streams by.
    pub ssrcs: BTreeSet<u32>,
}

/// What has been read of one.
#[derive(Default)]
struct Reading<'a> {
    offer: Offer,
    m_lines: usize,
    ssrc_lines: usize,
    /// What each payload type means, and which one each repairs.
    formats: BTreeMap<&'a str, &'a str>,
    repairs: BTreeMap<&'a str, &'a str>,
}

impl Offer {
    /// None for what is beyond its bounds, or offers anything else. Candidates are left out: a lite
    /// agent (RFC 8445, section 2.5) learns where the other is from its requests alone.
    pub fn read(sdp: &Sdp) -> Option<Self> {
        let mut reading = Reading::default();
        for line in sdp.as_str().lines() {
            if line.starts_with("a=candidate:") || line.starts_with("a=end-of-candidates") {
                continue;
            }
            reading.take(line)?;
        }
        let Reading { offer, m_lines, .. } = reading;
        let names = offer.mids.iter().collect::<BTreeSet<_>>().len();
        (offer.mids.len() == m_lines && names == m_lines && m_lines > 0).then_some(offer)
    }
}

impl<'a> Reading<'a> {
    fn take(&mut self, line: &'a str) -> Option<()> {
        if let Some(media) = line.strip_prefix("m=") {
            self.m_lines += 1;
            let is_media = media.starts_with("audio ") || media.starts_with("video ");
            if !is_media || self.m_lines > OFFER_M_LINES {
                return None;
            }
        }
        if let Some(mid) = line.strip_prefix("a=mid:") {
            self.offer.mids.push(MidName::new(mid.to_owned()).ok()?);
        }
        if let Some(format) = line.strip_prefix("a=rtpmap:") {
            let (number, means) = format.split_once(' ')?;
            is_same(&mut self.formats, number, means)?;
        }
        if let Some((number, repaired)) = line.strip_prefix("a=fmtp:").and_then(repair) {
            is_same(&mut self.repairs, number, repaired)?;
        }
        if line.starts_with("a=ssrc") {
            self.ssrc_lines += 1;
            if self.ssrc_lines > OFFER_SSRC_LINES {
                return None;
            }
        }
        if let Some(stream) = line.strip_prefix("a=ssrc:") {
            let number = stream.split(' ').next()?;
            self.offer.ssrcs.insert(number.parse().ok()?);
        }
        self.offer.text.push_str(line);
        self.offer.text.push_str("\r\n");
        Some(())
    }
}

/// A payload type and the one it repairs (RFC 4588, section 8).
fn repair(format: &str) -> Option<(&str, &str)> {
    let (number, parameters) = format.split_once(' ')?;
    let mut parameters = parameters.split(';');
    let repaired = parameters.find_map(|it| it.trim().strip_prefix("apt="))?;
    Some((number, repaired))
}

/// Whether a payload type means the same as before, in any m-line: all are of one transport (RFC 9143,
/// section 10.1.1), and the media library takes it for granted.
fn is_same<'a>(
    known: &mut BTreeMap<&'a str, &'a str>,
    number: &'a str,
    what: &'a str,
) -> Option<()> {
    let known = known.entry(number).or_insert(what);
    known.eq_ignore_ascii_case(what).then_some(())
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

    #[test]
    fn a_payload_type_means_one_thing_in_all_m_lines() {
        let offer = |first: &str, second: &str| {
            read(&format!(
                "m=audio 9\na=mid:0\n{first}\nm=video 9\na=mid:1\n{second}\n"
            ))
        };

        assert!(offer("a=rtpmap:96 VP8/90000", "a=rtpmap:96 vp8/90000").is_some());
        assert!(offer("a=rtpmap:96 opus/48000/2", "a=rtpmap:96 VP8/90000").is_none());
        assert!(offer("a=fmtp:97 apt=96", "a=fmtp:97 x=1; apt=98").is_none());
        assert!(offer("a=fmtp:97 x=1", "a=fmtp:97 apt=98").is_some());
    }

    #[test]
    fn streams_are_named_by_numbers_and_not_too_often() {
        let lines = |count: usize| {
            let lines: String = (0..count)
                .map(|it| format!("a=ssrc:{it} cname:x\n"))
                .collect();
            read(&format!("m=audio 9\na=mid:0\n{lines}"))
        };

        let offer = lines(OFFER_SSRC_LINES).unwrap();
        assert_eq!(offer.ssrcs.len(), OFFER_SSRC_LINES);
        assert!(lines(OFFER_SSRC_LINES + 1).is_none());
        assert!(read("m=audio 9\na=mid:0\na=ssrc:me cname:x\n").is_none());
    }
}
