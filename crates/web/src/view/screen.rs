//! Whole screens and the fixed parts of the main one.

use super::{Face, HOSTILE, Samples, Size};
use askama::Template;

/// No account in this browser, and no invite link either.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/start.html")]
pub struct StartScreen {
    pub host: String,
    /// There was an account, and the browser has thrown it away.
    pub lost: Option<String>,
}

/// The page of a call's link; the call goes over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Template)]
#[template(path = "app/guest.html")]
pub struct GuestScreen;

/// Who are you, and may they let you in?
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/visit_form.html")]
pub struct VisitForm {
    pub host: String,
    /// What the guest was called before.
    pub name: Option<String>,
    pub is_waiting: bool,
    /// The link can be used.
    pub is_whole: bool,
    /// What is said is nothing that failed.
    pub has_left: bool,
}

/// On an invite's page: this browser has an account already.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/invited.html")]
pub struct Invited {
    pub me: String,
    /// Whether the link leads anywhere for somebody who is here already.
    pub joins: bool,
    pub group: Option<String>,
}

/// How joining goes, below the name.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/join_status.html")]
pub struct JoinStatus {
    pub text: String,
    pub is_waiting: bool,
}

/// The frame that everything else is put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Template)]
#[template(path = "app/main.html")]
pub struct MainScreen;

/// The right side while no conversation is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Template)]
#[template(path = "app/rest.html")]
pub struct Rest {
    pub missing: bool,
}

/// The frame of one conversation.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/talk.html")]
pub struct Talk {
    pub group: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/header.html")]
pub struct TalkHeader {
    pub face: Face,
    pub title: String,
    pub subtitle: String,
    pub calls: CallButtons,
}

/// Guests who ask to be let into a call that the person here is not in.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/at_door.html")]
pub struct AtDoor {
    /// As they call themselves.
    pub names: Vec<String>,
    /// Others whose names are not shown.
    pub more: usize,
    /// There is a call to join.
    pub is_on: bool,
    pub can_enter: bool,
}

/// The buttons that call. They keep their place while nobody can be called, so that nothing moves
/// under a finger when a call comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallButtons {
    pub are_shown: bool,
    pub can_be_pressed: bool,
    /// The action that begins a call.
    pub start: &'static str,
    /// There is a call to join.
    pub is_on: bool,
}

impl Samples for StartScreen {
    fn samples() -> Vec<Self> {
        vec![
            Self {
                host: "roost.hill-house.example".to_owned(),
                lost: None,
            },
            Self {
                host: HOSTILE.to_owned(),
                lost: Some(LOST.to_owned()),
            },
        ]
    }
}

/// Said when a marker is there and the account is not.
pub const LOST: &str = "The browser has cleared what this site had stored, and your keys were in it. \
They cannot be brought back. Ask somebody here for a new invite link to start again as a new person.";

impl Samples for Invited {
    fn samples() -> Vec<Self> {
        vec![
            Self {
                me: "Ada".to_owned(),
                joins: true,
                group: Some("Sunday hikers".to_owned()),
            },
            Self {
                me: HOSTILE.to_owned(),
                joins: true,
                group: Some(HOSTILE.to_owned()),
            },
            Self {
                me: "Ada".to_owned(),
                joins: true,
                group: None,
            },
            Self {
                me: "Ada".to_owned(),
                joins: false,
                group: None,
            },
        ]
    }
}

impl Samples for GuestScreen {
    fn samples() -> Vec<Self> {
        vec![Self]
    }
}

impl Samples for VisitForm {
    fn samples() -> Vec<Self> {
        [
            (None, false, true),
            (Some(HOSTILE), true, true),
            (None, false, false),
        ]
        .map(|(name, is_waiting, is_whole)| Self {
            host: "roost.hill-house.example".to_owned(),
            name: name.map(str::to_owned),
            is_waiting,
            is_whole,
            has_left: is_waiting,
        })
        .into()
    }
}

impl Samples for JoinStatus {
    fn samples() -> Vec<Self> {
        [("", false), ("Joining…", true), (HOSTILE, false)]
            .map(|(text, is_waiting)| Self {
                text: text.to_owned(),
                is_waiting,
            })
            .into()
    }
}

impl Samples for MainScreen {
    fn samples() -> Vec<Self> {
        vec![Self]
    }
}

impl Samples for Rest {
    fn samples() -> Vec<Self> {
        vec![Self { missing: false }, Self { missing: true }]
    }
}

impl Samples for Talk {
    fn samples() -> Vec<Self> {
        vec![Self {
            group: "00".repeat(16),
        }]
    }
}

impl Samples for AtDoor {
    fn samples() -> Vec<Self> {
        [
            (vec![], 0, false),
            (vec!["Mia"], 0, true),
            (vec![HOSTILE, "Noor", "Ole"], 2, false),
        ]
        .map(|(names, more, is_on)| Self {
            names: names.into_iter().map(str::to_owned).collect(),
            more,
            is_on,
            can_enter: is_on,
        })
        .into()
    }
}

impl Samples for TalkHeader {
    fn samples() -> Vec<Self> {
        [
            ("Sunday hikers", "Mira, Tomás, Ada and you", true, true),
            (HOSTILE, HOSTILE, false, true),
            ("Mira", "Just the two of you", true, false),
        ]
        .map(|(title, subtitle, can_be_pressed, is_on)| Self {
            face: Face::of(title, title.as_bytes(), Size::Small),
            title: title.to_owned(),
            subtitle: subtitle.to_owned(),
            calls: CallButtons {
                are_shown: true,
                can_be_pressed,
                start: "room-enter",
                is_on,
            },
        })
        .into()
    }
}
