//! The lines of a conversation.

use super::face::hue;
use super::{Button, Face, HOSTILE, Samples, Size};
use crate::rich::RichText;
use askama::Template;

/// How far one's own message has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    None,
    Sending,
    Sent,
    Delivered,
    Failed,
}

impl Mark {
    #[must_use]
    pub const fn is_failed(self) -> bool {
        matches!(self, Self::Failed)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuoteLine {
    /// Key of the message that is quoted.
    pub to: String,
    pub who: String,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    pub emoji: String,
    pub count: usize,
    pub mine: bool,
    /// Who, in words, and what pressing does.
    pub label: String,
}

/// The sign of a call, which a line tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallSign {
    pub icon: &'static str,
    pub is_missed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/message.html")]
pub struct Message {
    /// Names the message on the page.
    pub key: String,
    /// Message id in hexadecimal.
    pub id: String,
    /// For screen readers: who and when.
    pub label: String,
    /// Absent where `more` is set.
    pub face: Option<Face>,
    pub name: Option<String>,
    pub hue: u8,
    pub mine: bool,
    /// Follows one of the same person.
    pub more: bool,
    pub quote: Option<QuoteLine>,
    pub text: RichText,
    pub call: Option<CallSign>,
    /// For copying.
    pub plain: String,
    pub time: String,
    pub datetime: String,
    pub mark: Mark,
    pub reactions: Vec<Reaction>,
    /// Whether one can reply and react.
    pub actionable: bool,
    pub edited: bool,
    pub deleted: bool,
}

/// One child of the message list.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/line.html")]
#[expect(clippy::large_enum_variant, reason = "almost every line is a message")]
pub enum Line {
    Day {
        key: String,
        text: String,
    },
    Event {
        key: String,
        text: String,
    },
    /// What follows was not seen before.
    New,
    /// Earlier messages are stored.
    Older,
    Notice {
        key: String,
        text: String,
        button: Option<Button>,
    },
    Message(Message),
}

impl Line {
    /// Names the line in its list; equals the `id` of its element.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Day { key, .. } | Self::Event { key, .. } | Self::Notice { key, .. } => key,
            Self::New => "new-line",
            Self::Older => "older",
            Self::Message(message) => &message.key,
        }
    }
}

fn sample(at: usize, who: &str, mine: bool, text: &str, time: &str) -> Message {
    Message {
        key: format!("m-{at:x}"),
        id: format!("{at:064x}"),
        label: format!("{who}, {time}"),
        face: (!mine).then(|| Face::of(who, who.as_bytes(), Size::Small)),
        name: (!mine).then(|| who.to_owned()),
        hue: hue(who.as_bytes()),
        mine,
        more: false,
        quote: None,
        text: RichText::of(text),
        call: None,
        plain: text.to_owned(),
        time: time.to_owned(),
        datetime: "2026-06-07T08:02:00Z".to_owned(),
        mark: Mark::None,
        reactions: Vec::new(),
        actionable: true,
        edited: false,
        deleted: false,
    }
}

fn reaction(emoji: &str, count: usize, mine: bool) -> Reaction {
    Reaction {
        emoji: emoji.to_owned(),
        count,
        mine,
        label: format!("{emoji} from Mira and {HOSTILE}"),
    }
}

fn quote(at: usize, who: &str, text: &str) -> Option<QuoteLine> {
    Some(QuoteLine {
        to: format!("m-{at:x}"),
        who: who.to_owned(),
        text: text.to_owned(),
    })
}

impl Samples for Line {
    fn samples() -> Vec<Self> {
        let forecast = "The forecast says rain until ten. Shall we start an hour later?";
        let station = "Ten works for me. I take the train, so pick me up at the station?";
        let tomas = sample(1, "Tomás", false, forecast, "08:02");
        let thermos = Message {
            more: true,
            face: None,
            name: None,
            reactions: vec![reaction("☕", 3, true), reaction("🦜", 1, false)],
            ..sample(2, "Tomás", false, "I can bring the big thermos", "08:02")
        };
        let mine = Message {
            mark: Mark::Delivered,
            ..sample(3, "You", true, station, "08:20")
        };
        let ada = Message {
            quote: quote(1, "Tomás", forecast),
            ..sample(
                4,
                "Ada",
                false,
                "Yes please. I am new here: which side of the river?",
                "09:38",
            )
        };
        let list =
            "Bring:\n\n- water\n- a **warm** coat\n- `map.gpx` from https://maps.example/tour?id=7";
        let mira = Message {
            quote: quote(3, "You", station),
            reactions: vec![reaction("❤️", 2, false)],
            ..sample(5, "Mira", false, list, "09:41")
        };
        let sending = Message {
            mark: Mark::Sending,
            ..sample(6, "You", true, "Perfect", "09:41")
        };
        let sent = Message {
            mark: Mark::Sent,
            more: true,
            ..sample(7, "You", true, "🎉", "09:42")
        };
        let failed = Message {
            mark: Mark::Failed,
            more: true,
            ..sample(8, "You", true, "And who brings the cake?", "09:43")
        };
        let hostile = Message {
            quote: quote(9, HOSTILE, HOSTILE),
            edited: true,
            reactions: vec![reaction(HOSTILE, 1, true)],
            ..sample(10, HOSTILE, false, HOSTILE, "09:44")
        };
        let hebrew = sample(11, "ליאת", false, "נתראה ליד הגשר, בשעה 10:00", "09:45");
        let gone = Message {
            deleted: true,
            actionable: false,
            text: RichText::of("Deleted"),
            ..sample(12, "Ada", false, "", "09:46")
        };
        vec![
            Self::Older,
            Self::Day {
                key: "d-1".into(),
                text: "Today".into(),
            },
            Self::Message(tomas),
            Self::Message(thermos),
            Self::Event {
                key: "e-1".into(),
                text: "Ada joined by an invite link".into(),
            },
            Self::Message(mine),
            Self::New,
            Self::Message(ada),
            Self::Message(mira),
            Self::Message(sending),
            Self::Message(sent),
            Self::Message(failed),
            Self::Notice {
                key: "n-1".into(),
                text: "Some messages may be missing here.".into(),
                button: Some(Button {
                    action: "older",
                    text: "Look again",
                }),
            },
            Self::Message(hostile),
            Self::Message(hebrew),
            Self::Message(gone),
            Self::Event {
                key: "e-2".into(),
                text: HOSTILE.into(),
            },
        ]
    }
}

impl Samples for Message {
    fn samples() -> Vec<Self> {
        Line::samples()
            .into_iter()
            .filter_map(|line| match line {
                Line::Message(message) => Some(message),
                _ => None,
            })
            .collect()
    }
}
