//! What a page says about a call.

use super::Fields;
use crate::view::Device;
use roost_client::call::{BoundedText, MediaSignal, RingId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEvent {
    /// The person of the open conversation is to be called.
    Start {
        video: bool,
    },
    Accept {
        call: RingId,
        video: bool,
    },
    Decline(RingId),
    HangUp(RingId),
    Dismiss(RingId),
    /// Beside the conversation, or over everything.
    Small(bool),
    /// From the page's connection to the other's.
    Signal {
        call: RingId,
        signal: MediaSignal,
    },
    Media {
        call: RingId,
        media: Media,
    },
    Connected(RingId),
    Lost(RingId),
    /// The key at the other end is not the one that was told.
    Forged(RingId),
    Devices(Devices),
}

/// What the page's media are at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Media {
    pub mic: Device,
    pub camera: Device,
    pub screen: Device,
    /// Of the other one, in their own words.
    pub their_mic: bool,
    pub their_camera: bool,
    pub their_screen: bool,
    pub is_gone: bool,
    pub is_weak: bool,
    pub is_relayed: bool,
    /// This device's address is hidden, and nothing relays.
    pub has_no_way: bool,
}

/// What the browser has, for choosing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Devices {
    pub all: Vec<Named>,
    pub relay_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// `mic`, `camera` or `speaker`.
    pub kind: String,
    pub id: String,
    pub label: String,
    pub chosen: bool,
}

const NAMED_MAX: usize = 64;

impl CallEvent {
    pub(super) const fn is_of_person(&self) -> bool {
        match self {
            Self::Start { .. }
            | Self::Accept { .. }
            | Self::Decline(_)
            | Self::HangUp(_)
            | Self::Dismiss(_)
            | Self::Small(_) => true,
            Self::Signal { .. }
            | Self::Media { .. }
            | Self::Connected(_)
            | Self::Lost(_)
            | Self::Forged(_)
            | Self::Devices(_) => false,
        }
    }

    /// `None` for what no page of this version says.
    pub(super) fn parse(action: &str, fields: &Fields) -> Option<Self> {
        let text = |name: &str| {
            let found = fields.iter().find(|(field, _)| field == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let call = || text("call").parse::<RingId>().ok();
        let video = text("video") == "true";
        Some(match action {
            "call-start" => Self::Start { video },
            "call-accept" => Self::Accept {
                call: call()?,
                video,
            },
            "call-decline" => Self::Decline(call()?),
            "call-hang-up" => Self::HangUp(call()?),
            "call-dismiss" => Self::Dismiss(call()?),
            "call-small" => Self::Small(text("small") == "true"),
            "call-signal" => Self::Signal {
                call: call()?,
                signal: signal(text)?,
            },
            "call-media" => Self::Media {
                call: call()?,
                media: media(text)?,
            },
            "call-connected" => Self::Connected(call()?),
            "call-lost" => Self::Lost(call()?),
            "call-forged" => Self::Forged(call()?),
            "call-devices" => Self::Devices(devices(fields)),
            _ => return None,
        })
    }
}

fn signal<'a>(text: impl Fn(&str) -> &'a str) -> Option<MediaSignal> {
    let [first, second, third] = ["text0", "text1", "text2"].map(&text);
    Some(match text("kind") {
        "offer" => MediaSignal::Offer {
            sdp: bounded(first)?,
        },
        "answer" => MediaSignal::Answer {
            sdp: bounded(first)?,
        },
        "candidate" => MediaSignal::Candidate {
            candidate: bounded(first)?,
            mid: Some(bounded(second)?),
            line: Some(third.parse().ok()?),
        },
        "restart" => MediaSignal::Restart,
        _ => return None,
    })
}

fn bounded<const MAX: usize>(text: &str) -> Option<BoundedText<MAX>> {
    BoundedText::new(text.to_owned()).ok()
}

pub(super) fn media<'a>(text: impl Fn(&str) -> &'a str) -> Option<Media> {
    let is = |name: &str| text(name) == "true";
    let says = |word: &str| text("quality").split(' ').any(|said| said == word);
    Some(Media {
        mic: Device::parse(text("mic"))?,
        camera: Device::parse(text("camera"))?,
        screen: Device::parse(text("screen"))?,
        their_mic: is("their-mic"),
        their_camera: is("their-camera"),
        their_screen: is("their-screen"),
        is_gone: says("gone"),
        is_weak: says("weak"),
        is_relayed: says("relayed"),
        has_no_way: says("no-way"),
    })
}

/// Fields are `kind` or `kind*` for the chosen one, and `id label`.
fn devices(fields: &Fields) -> Devices {
    let named = fields.iter().filter_map(|(kind, value)| {
        let (id, label) = value.split_once(' ')?;
        let chosen = kind.ends_with('*');
        let kind = kind.trim_end_matches('*');
        ["mic", "camera", "speaker"].contains(&kind).then(|| Named {
            kind: kind.to_owned(),
            id: id.to_owned(),
            label: label.to_owned(),
            chosen,
        })
    });
    Devices {
        all: named.take(NAMED_MAX).collect(),
        relay_only: fields
            .iter()
            .any(|(kind, value)| kind == "relay" && value == "true"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(action: &str, pairs: &[(&str, &str)]) -> Option<CallEvent> {
        let fields = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        CallEvent::parse(action, &fields)
    }

    #[test]
    fn what_a_page_says_of_its_media_is_read_whole_or_not_at_all() {
        let call = "01".repeat(16);
        let all = [
            ("call", call.as_str()),
            ("mic", "on"),
            ("camera", "refused"),
            ("screen", "off"),
            ("their-mic", "true"),
            ("quality", "weak relayed no-way"),
        ];

        let Some(CallEvent::Media { media, .. }) = parse("call-media", &all) else {
            panic!("no event");
        };
        assert_eq!(media.camera, Device::Refused);
        assert!(media.their_mic && media.is_weak && media.is_relayed && !media.is_gone);
        assert!(media.has_no_way);
        assert_eq!(parse("call-media", &all[..2]), None);
    }

    #[test]
    fn devices_are_named_with_the_one_that_is_chosen() {
        let Some(CallEvent::Devices(devices)) = parse(
            "call-devices",
            &[
                ("mic*", "a1 Desk microphone"),
                ("relay", "true"),
                ("other", "x y"),
            ],
        ) else {
            panic!("no event");
        };

        assert!(devices.relay_only);
        assert_eq!(devices.all.len(), 1);
        assert_eq!(devices.all[0].label, "Desk microphone");
        assert!(devices.all[0].chosen);
    }
}
