//! What a person did on a page, as a type.
//!
//! Owns the names of actions in the templates' `data-action` attributes. Everything else in a
//! message from the page is text to be checked here.

mod call;
mod room;

pub use call::{CallEvent, Devices, Media};
pub use room::{RoomEvent, RoomLayout};

use roost_client::content::MessageId;
use roost_wire::{AccountId, GroupId, InviteId};

/// Named values that came with an action: data attributes and form fields, some more than once.
pub type Fields = Vec<(String, String)>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// On an invite's page, without an account.
    Join {
        name: String,
    },
    /// On the page of a call's link: ask to be let in as a guest.
    Visit {
        name: String,
    },
    /// On an invite's page, with an account.
    UseLink,
    PasteLink(String),
    /// The address bar names a conversation, or none.
    Route(Option<GroupId>),
    Find(String),
    Send(String),
    Draft(String),
    Typing,
    Reply(MessageId),
    CancelReply,
    React {
        message: MessageId,
        emoji: String,
    },
    Unreact {
        message: MessageId,
        emoji: String,
    },
    InsertEmoji(String),
    Retry(MessageId),
    Older,
    Panel(PanelName),
    ClosePanel,
    Start {
        with: Vec<AccountId>,
        name: String,
    },
    Add(Vec<AccountId>),
    Remove(AccountId),
    Leave,
    Rename(String),
    MakeInvite,
    /// Nobody shall come by this link of calls any more.
    WithdrawLink(InviteId),
    /// Whether the page can be seen, and whether the newest message can.
    Watch {
        visible: bool,
        bottom: bool,
    },
    Connect,
    Dismiss,
    Call(CallEvent),
    Room(RoomEvent),
    /// Look whether calls can work from here.
    Examine,
    /// What the page found of it.
    Found {
        name: String,
        result: String,
    },
}

/// A dialog to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PanelName {
    Menu,
    About,
    New,
    Details,
    Add,
    Rename,
    Invite,
    InviteGroup,
    /// The link by which guests come to the call.
    CallLink,
    React(MessageId),
    Emoji,
    ConfirmRemove(AccountId),
    ConfirmLeave,
    /// Out of the call, not of the conversation.
    ConfirmHush(AccountId),
    /// Microphones, cameras and loudspeakers.
    Devices,
    /// Whether calls can work from here.
    Doctor,
}

impl Event {
    /// Whether a person did it, and not the page by itself.
    #[must_use]
    pub const fn is_of_person(&self) -> bool {
        match self {
            Self::Watch { .. } | Self::Route(_) | Self::Found { .. } => false,
            Self::Call(event) => event.is_of_person(),
            Self::Room(event) => event.is_of_person(),
            _ => true,
        }
    }

    /// `None` for what no template of this version asks for.
    #[must_use]
    pub fn parse(action: &str, fields: &Fields) -> Option<Self> {
        let text = |name: &str| {
            let found = fields.iter().find(|(field, _)| field == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let message = || text("message").parse::<MessageId>().ok();
        let account = || text("account").parse::<AccountId>().ok();
        let with = || {
            let chosen = fields.iter().filter(|(field, _)| field == "with");
            chosen
                .filter_map(|(_, value)| value.parse().ok())
                .collect::<Vec<_>>()
        };
        Some(match action {
            "join" => Self::Join { name: text("name") },
            "visit" => Self::Visit { name: text("name") },
            "use-link" => Self::UseLink,
            "paste-link" => Self::PasteLink(text("link")),
            "route" => Self::Route(text("group").parse().ok()),
            "find" => Self::Find(text("value")),
            "send" => Self::Send(text("text")),
            "draft" => Self::Draft(text("text")),
            "typing" => Self::Typing,
            "reply" => Self::Reply(message()?),
            "cancel-reply" => Self::CancelReply,
            "react" => Self::React {
                message: message()?,
                emoji: text("emoji"),
            },
            "unreact" => Self::Unreact {
                message: message()?,
                emoji: text("emoji"),
            },
            "insert-emoji" => Self::InsertEmoji(text("emoji")),
            "retry" => Self::Retry(message()?),
            "older" => Self::Older,
            "panel" => Self::Panel(match text("panel").as_str() {
                "menu" => PanelName::Menu,
                "about" => PanelName::About,
                "new" => PanelName::New,
                "details" => PanelName::Details,
                "add" => PanelName::Add,
                "rename" => PanelName::Rename,
                "invite" => PanelName::Invite,
                "invite-group" => PanelName::InviteGroup,
                "call-link" => PanelName::CallLink,
                "react" => PanelName::React(message()?),
                "emoji" => PanelName::Emoji,
                "confirm-remove" => PanelName::ConfirmRemove(account()?),
                "confirm-leave" => PanelName::ConfirmLeave,
                "confirm-hush" => PanelName::ConfirmHush(account()?),
                "devices" => PanelName::Devices,
                "doctor" => PanelName::Doctor,
                _ => return None,
            }),
            "close-panel" => Self::ClosePanel,
            "start" => Self::Start {
                with: with(),
                name: text("name"),
            },
            "add" => Self::Add(with()),
            "remove" => Self::Remove(account()?),
            "leave" => Self::Leave,
            "rename" => Self::Rename(text("name")),
            "make-invite" => Self::MakeInvite,
            "withdraw-link" => Self::WithdrawLink(text("invite").parse().ok()?),
            "watch" => Self::Watch {
                visible: text("visible") == "true",
                bottom: text("bottom") == "true",
            },
            "connect" => Self::Connect,
            "dismiss" => Self::Dismiss,
            "doctor" => Self::Examine,
            "doctor-found" => Self::Found {
                name: text("name"),
                result: text("result"),
            },
            _ => {
                let call = CallEvent::parse(action, fields).map(Self::Call);
                call.or_else(|| RoomEvent::parse(action, fields).map(Self::Room))?
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn everyone_who_was_ticked_is_in_the_conversation() {
        let (ada, ben) = ("01".repeat(16), "02".repeat(16));

        let event = Event::parse(
            "start",
            &fields(&[("with", &ada), ("with", &ben), ("name", "Hikers")]),
        );

        let with = vec![AccountId::new([1; 16]), AccountId::new([2; 16])];
        assert_eq!(
            event,
            Some(Event::Start {
                with,
                name: "Hikers".into()
            })
        );
    }

    #[test]
    fn an_action_without_what_it_is_about_is_no_event() {
        assert_eq!(Event::parse("reply", &fields(&[])), None);
        assert_eq!(
            Event::parse("react", &fields(&[("message", "zz"), ("emoji", "👍")])),
            None
        );
        assert_eq!(Event::parse("panel", &fields(&[("panel", "other")])), None);
        assert_eq!(Event::parse("format-disk", &fields(&[])), None);
    }

    /// Every action that a template names is known here, so that no button does nothing.
    #[test]
    fn every_action_in_the_templates_is_an_event() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../templates");
        let id = "01".repeat(32);
        let short = "01".repeat(16);
        let mut seen = 0;
        for part in ["app", "part"] {
            for file in std::fs::read_dir(format!("{folder}/{part}")).unwrap() {
                let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
                for found in text.split("data-action=\"").skip(1) {
                    let name = found.split('"').next().unwrap();
                    let panel = found
                        .split("data-panel=\"")
                        .nth(1)
                        .and_then(|rest| rest.split('"').next());
                    if name.contains('{') {
                        continue;
                    }
                    let fields = fields(&[
                        ("message", &id),
                        ("account", &short),
                        ("call", &short),
                        ("invite", &short),
                        ("panel", panel.unwrap_or("")),
                    ]);
                    assert!(Event::parse(name, &fields).is_some(), "{name} {panel:?}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 20);
    }
}
