//! Dialogs: one at a time, each with one purpose.

use super::{Face, HOSTILE, Person, Samples, Size};
use askama::Template;

#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/panel_menu.html")]
pub struct MenuPanel {
    pub title: &'static str,
    pub me: String,
    pub face: Face,
    pub host: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/panel_about.html")]
pub struct AboutPanel {
    pub title: &'static str,
    pub host: String,
    pub version: &'static str,
}

/// Choose people: for a new conversation, or to add to a group.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/panel_new.html")]
pub struct PickPanel {
    pub title: &'static str,
    /// What the form does.
    pub action: &'static str,
    pub button: &'static str,
    pub people: Vec<Person>,
    /// Whether a group's name is asked for.
    pub names_group: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/panel_details.html")]
pub struct DetailsPanel {
    pub title: &'static str,
    pub face: Face,
    pub name: String,
    pub subtitle: String,
    pub people: Vec<Person>,
    /// A group and not two people: it can be changed.
    pub group: bool,
    pub safety: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/panel_rename.html")]
pub struct RenamePanel {
    pub title: &'static str,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InviteState {
    Making,
    Ready(String),
    Failed(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/panel_invite.html")]
pub struct InvitePanel {
    pub title: &'static str,
    pub host: String,
    /// The group the link leads to.
    pub group: Option<String>,
    pub uses: u32,
    pub days: u64,
    pub state: InviteState,
}

#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/panel_confirm.html")]
pub struct ConfirmPanel {
    pub title: &'static str,
    pub text: String,
    pub action: &'static str,
    pub account: Option<String>,
    pub button: &'static str,
}

/// For a reaction to `message`, or for the text being written.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/panel_emoji.html")]
pub struct EmojiPanel {
    pub title: &'static str,
    pub action: &'static str,
    pub message: Option<String>,
    pub emoji: &'static [(&'static str, &'static str)],
}

impl Samples for MenuPanel {
    fn samples() -> Vec<Self> {
        ["Ada", HOSTILE]
            .map(|me| Self {
                title: "Menu",
                me: me.to_owned(),
                face: Face::of(me, me.as_bytes(), Size::Usual),
                host: "roost.hill-house.example".to_owned(),
            })
            .into()
    }
}

impl Samples for AboutPanel {
    fn samples() -> Vec<Self> {
        vec![Self {
            title: "What this server can and cannot see",
            host: HOSTILE.to_owned(),
            version: "0.1.0",
        }]
    }
}

impl Samples for PickPanel {
    fn samples() -> Vec<Self> {
        let new = Self {
            title: "New conversation",
            action: "start",
            button: "Start",
            people: Person::samples(),
            names_group: true,
        };
        let nobody = Self {
            people: Vec::new(),
            ..new.clone()
        };
        let add = Self {
            title: "Add people",
            action: "add",
            button: "Add",
            names_group: false,
            ..new.clone()
        };
        vec![new, nobody, add]
    }
}

impl Samples for DetailsPanel {
    fn samples() -> Vec<Self> {
        let group = Self {
            title: "People and details",
            face: Face::of("Sunday hikers", b"h", Size::Usual),
            name: "Sunday hikers".to_owned(),
            subtitle: "4 people".to_owned(),
            people: Person::samples(),
            group: true,
            safety: None,
        };
        let direct = Self {
            name: HOSTILE.to_owned(),
            group: false,
            safety: Some(["12345 67890"; 6].join(" ")),
            ..group.clone()
        };
        vec![group, direct]
    }
}

impl Samples for RenamePanel {
    fn samples() -> Vec<Self> {
        vec![Self {
            title: "Change the name",
            name: HOSTILE.to_owned(),
        }]
    }
}

impl Samples for InvitePanel {
    fn samples() -> Vec<Self> {
        let link = "https://roost.hill-house.example/i/AQEBAQEBAQEBAQEBAQEBAQ#AgICAgICAgICAgICAgICAg.AwMDAwMDAwMDAwMDAwMDAw";
        [
            (None, InviteState::Ready(link.to_owned())),
            (Some(HOSTILE), InviteState::Making),
            (None, InviteState::Failed(HOSTILE.to_owned())),
        ]
        .map(|(group, state)| Self {
            title: "Invite people",
            host: "roost.hill-house.example".to_owned(),
            group: group.map(str::to_owned),
            uses: 10,
            days: 7,
            state,
        })
        .into()
    }
}

impl Samples for ConfirmPanel {
    fn samples() -> Vec<Self> {
        vec![Self {
            title: "Remove from the group?",
            text: format!("{HOSTILE} will not be able to read what is written from now on."),
            action: "remove",
            account: Some("00".repeat(16)),
            button: "Remove",
        }]
    }
}

impl Samples for EmojiPanel {
    fn samples() -> Vec<Self> {
        [("react", Some("00".repeat(32))), ("insert-emoji", None)]
            .map(|(action, message)| Self {
                title: "Choose an emoji",
                action,
                message,
                emoji: &super::EMOJI,
            })
            .into()
    }
}
