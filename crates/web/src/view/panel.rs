//! Dialogs: one at a time, each with one purpose.

use super::{Face, HOSTILE, Person, Samples, Size, Visitor};
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
    /// There can be guests in its calls.
    pub guests: bool,
    pub safety: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/panel_rename.html")]
pub struct RenamePanel {
    pub title: &'static str,
    pub name: String,
}

/// What a call is made with.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/panel_devices.html")]
pub struct DevicesPanel {
    pub title: &'static str,
    pub choices: Vec<Choice>,
    /// Calls never go directly from device to device.
    pub relay_only: bool,
}

/// Whether calls can work from here.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/panel_doctor.html")]
pub struct DoctorPanel {
    pub title: &'static str,
    pub lines: Vec<Finding>,
    /// All that was to be looked at was looked at.
    pub done: bool,
    /// What it means for calls.
    pub verdict: String,
    /// The relay carries something: one can hear oneself through it.
    pub echo: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub what: &'static str,
    pub health: Health,
    /// What it means and what to do.
    pub advice: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Not looked at yet.
    Waiting,
    Good,
    /// Calls work without.
    Bearable,
    Bad,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub kind: &'static str,
    pub title: &'static str,
    pub devices: Vec<DeviceChoice>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceChoice {
    pub id: String,
    pub label: String,
    pub chosen: bool,
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
    /// Other machines do not find the server under the address in the link.
    pub only_here: bool,
}

/// The link by which guests come to a conversation's calls.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/panel_call_link.html")]
pub struct CallLinkPanel {
    pub title: &'static str,
    pub call: String,
    pub state: InviteState,
    /// Other machines do not find the server under the address in the link.
    pub only_here: bool,
    /// Guests who go on asking although the person here has turned them away.
    pub turned_away: Vec<Visitor>,
    /// The link that is shown is over.
    pub is_withdrawn: bool,
    pub links: Vec<OwnLink>,
}

/// A link that one has made and that works yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnLink {
    /// Names it.
    pub invite: String,
    /// Its last letters.
    pub tail: String,
    pub until: String,
    /// It is the one that is shown whole.
    pub is_shown: bool,
    /// The server has not confirmed yet that it is over.
    pub is_withdrawn: bool,
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
            guests: true,
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
            only_here: group.is_some(),
            state,
        })
        .into()
    }
}

impl Samples for CallLinkPanel {
    fn samples() -> Vec<Self> {
        let link =
            "https://roost.hill-house.example/c/AQEBAQEBAQEBAQEBAQEBAQ#AgICAgICAgICAgICAgICAg";
        [
            ("Sunday hikers", InviteState::Ready(link.to_owned())),
            (HOSTILE, InviteState::Making),
            ("Mira", InviteState::Failed(HOSTILE.to_owned())),
        ]
        .map(|(call, state)| Self {
            title: "Invite a guest",
            call: call.to_owned(),
            only_here: call == HOSTILE,
            turned_away: vec![Visitor {
                account: "01".repeat(16),
                name: call.to_owned(),
                is_admitted: false,
            }],
            is_withdrawn: call == HOSTILE,
            links: [true, false]
                .map(|is_shown| OwnLink {
                    invite: "01".repeat(16),
                    tail: "…AgICAg".to_owned(),
                    until: "until Sunday, 7 June, 09:41".to_owned(),
                    is_shown,
                    is_withdrawn: !is_shown,
                })
                .into(),
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

impl Samples for DevicesPanel {
    fn samples() -> Vec<Self> {
        let device = |label: &str, chosen| DeviceChoice {
            id: label.to_owned(),
            label: label.to_owned(),
            chosen,
        };
        vec![Self {
            title: "Devices",
            choices: vec![
                Choice {
                    kind: "mic",
                    title: "Microphone",
                    devices: vec![device("Desk microphone", false), device(HOSTILE, true)],
                },
                Choice {
                    kind: "speaker",
                    title: "Loudspeaker",
                    devices: Vec::new(),
                },
            ],
            relay_only: true,
        }]
    }
}

impl Samples for DoctorPanel {
    fn samples() -> Vec<Self> {
        let line = |what, health, advice: Option<&str>| Finding {
            what,
            health,
            advice: advice.map(str::to_owned),
        };
        vec![Self {
            title: "Check calls",
            lines: vec![
                line("Microphone", Health::Good, None),
                line("Camera", Health::Bearable, Some(HOSTILE)),
                line("Relay over UDP", Health::Bad, Some("Forward UDP 3478.")),
                line("Relay over TLS", Health::Waiting, None),
            ],
            done: true,
            echo: true,
            verdict: "Calls work from here, with what is said above.".to_owned(),
        }]
    }
}
