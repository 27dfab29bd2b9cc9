//! What a page says about a group call.

use super::Fields;
use super::call::{Media, media};
use roost_client::room::MediaOffer;
use roost_wire::api::{MidName, Sdp, Sent, TrackId, TrackKind, Want};
use roost_wire::{AccountId, List, limit};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomEvent {
    /// The open conversation's call is to be entered, or begun.
    Enter {
        video: bool,
    },
    Leave,
    /// Beside the conversation, or over everything.
    Small(bool),
    View(RoomLayout),
    Hand(bool),
    Remove(AccountId),
    /// A guest at the door.
    Admit(AccountId),
    TurnAway(AccountId),
    Media(Media),
    Offer(MediaOffer),
    Watch(Vec<Want>),
    /// Whether the page's connection is there.
    Connected(bool),
    /// The connection that was refused is to be tried again.
    Again,
    /// The browser lacks what a connection needs.
    Unable,
    /// The note was read.
    Noted,
}

/// How the people of a call are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RoomLayout {
    #[default]
    Grid,
    /// Who speaks is large.
    Speaker,
}

impl RoomEvent {
    pub(super) const fn is_of_person(&self) -> bool {
        match self {
            Self::Enter { .. }
            | Self::Leave
            | Self::Small(_)
            | Self::View(_)
            | Self::Hand(_)
            | Self::Remove(_)
            | Self::Admit(_)
            | Self::TurnAway(_)
            | Self::Again
            | Self::Noted => true,
            Self::Media(_)
            | Self::Offer(_)
            | Self::Watch(_)
            | Self::Connected(_)
            | Self::Unable => false,
        }
    }

    /// `None` for what no page of this version says.
    pub(super) fn parse(action: &str, fields: &Fields) -> Option<Self> {
        let text = |name: &str| {
            let found = fields.iter().find(|(field, _)| field == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        Some(match action {
            "room-enter" => Self::Enter {
                video: text("video") == "true",
            },
            "room-leave" => Self::Leave,
            "room-small" => Self::Small(text("small") == "true"),
            "room-view" if text("view") == "speaker" => Self::View(RoomLayout::Speaker),
            "room-view" => Self::View(RoomLayout::Grid),
            "room-hand" => Self::Hand(text("up") == "true"),
            "room-remove" => Self::Remove(text("account").parse().ok()?),
            "room-admit" => Self::Admit(text("account").parse().ok()?),
            "room-turn-away" => Self::TurnAway(text("account").parse().ok()?),
            "room-media" => Self::Media(media(text)?),
            "room-offer" => Self::Offer(MediaOffer {
                sdp: Sdp::new(text("offer").to_owned()).ok()?,
                sent: List::new(all(fields, "sent", sent)?).ok()?,
                is_new: text("new") == "true",
            }),
            "room-watch" => Self::Watch(all(fields, "want", want)?),
            "room-again" => Self::Again,
            "room-unable" => Self::Unable,
            "room-noted" => Self::Noted,
            "room-connected" => Self::Connected(text("is") == "true"),
            _ => return None,
        })
    }
}

/// Every field of this name, or none if one of them is not understood.
fn all<T>(fields: &Fields, name: &str, read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let named = fields.iter().filter(|(field, _)| field == name);
    named
        .take(limit::CALL_SLOTS)
        .map(|(_, value)| read(value))
        .collect()
}

/// `mid kind`.
fn sent(text: &str) -> Option<Sent> {
    let (mid, kind) = text.split_once(' ')?;
    Some(Sent {
        mid: MidName::new(mid.to_owned()).ok()?,
        kind: match kind {
            "mic" => TrackKind::Audio,
            "camera" => TrackKind::Video,
            "screen" => TrackKind::Screen,
            _ => return None,
        },
    })
}

/// `mid track height`.
fn want(text: &str) -> Option<Want> {
    let mut parts = text.split(' ');
    Some(Want {
        mid: MidName::new(parts.next()?.to_owned()).ok()?,
        track: TrackId::new(parts.next()?.parse().ok()?),
        height: parts.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(action: &str, pairs: &[(&str, &str)]) -> Option<RoomEvent> {
        let fields = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        RoomEvent::parse(action, &fields)
    }

    #[test]
    fn an_offer_names_what_its_lines_send() {
        let Some(RoomEvent::Offer(offer)) = parse(
            "room-offer",
            &[
                ("offer", "v=0"),
                ("new", "true"),
                ("sent", "0 mic"),
                ("sent", "1 screen"),
            ],
        ) else {
            panic!("no offer");
        };

        let kinds: Vec<_> = offer.sent.as_slice().iter().map(|sent| sent.kind).collect();
        assert!(offer.is_new);
        assert_eq!(kinds, [TrackKind::Audio, TrackKind::Screen]);
    }

    #[test]
    fn what_is_not_understood_in_part_is_not_taken_at_all() {
        assert_eq!(
            parse("room-watch", &[("want", "3 7 180"), ("want", "4 x 0")]),
            None
        );
        assert_eq!(parse("room-offer", &[("sent", "0 smell")]), None);
        assert_eq!(
            parse("room-watch", &[("want", "3 7 180")]),
            Some(RoomEvent::Watch(vec![Want {
                mid: MidName::new("3".into()).unwrap(),
                track: TrackId::new(7),
                height: 180,
            }]))
        );
    }
}
