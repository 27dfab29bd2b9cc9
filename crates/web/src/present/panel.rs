//! Dialogs.

use super::Names;
use super::room::visitors;
use super::rows::face;
use crate::event::PanelName;
use crate::view::{
    AboutPanel, CallLinkPanel, ConfirmPanel, DetailsPanel, EMOJI, EmojiPanel, Face, InvitePanel,
    InviteState, Local, MenuPanel, OwnLink, Person, PickPanel, RenamePanel, Size, Zone,
};
use roost_client::room::{Decision, RoomView};
use roost_client::view::{
    CallLinkView, ConversationKind, ConversationView, Me, MemberView, PersonView, Trust,
};
use roost_wire::{AccountId, Seconds};
use std::net::IpAddr;

/// How often and how long a link from the dialog works.
pub const INVITE_USES: u32 = 10;
pub const INVITE_DAYS: u64 = 7;
const TAIL_LETTERS: usize = 6;

#[must_use]
pub fn host(me: &Me) -> String {
    me.origin
        .split_once("://")
        .map_or(me.origin.as_str(), |(_, host)| host)
        .to_owned()
}

/// Whether only the machine that runs the server finds it under this address.
fn is_only_here(host: &str) -> bool {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
    // The colons of an address without a port are its own.
    let name = if port.ends_with(']') { host } else { name };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    is_loopback || name == "localhost" || name.ends_with(".localhost")
}

#[must_use]
pub fn menu(me: &Me) -> MenuPanel {
    let name = me.name.to_string();
    MenuPanel {
        title: "Menu",
        face: Face::of(&name, me.account.as_bytes(), Size::Usual),
        me: name,
        host: host(me),
    }
}

#[must_use]
pub fn about(me: &Me) -> AboutPanel {
    AboutPanel {
        title: "What this server can and cannot see",
        host: host(me),
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// Choose among the people who are not in `members`; without members, for a new conversation.
#[must_use]
pub fn pick<'a>(
    people: impl IntoIterator<Item = &'a PersonView>,
    members: Option<&[MemberView]>,
) -> PickPanel {
    let is_in = |account: &AccountId| {
        members.is_some_and(|members| members.iter().any(|member| member.account == *account))
    };
    let people = people
        .into_iter()
        .filter(|person| !person.is_me && !is_in(&person.account))
        .map(person)
        .collect();
    if members.is_some() {
        PickPanel {
            title: "Add people",
            action: "add",
            button: "Add",
            people,
            names_group: false,
        }
    } else {
        PickPanel {
            title: "New conversation",
            action: "start",
            button: "Start",
            people,
            names_group: true,
        }
    }
}

fn person(person: &PersonView) -> Person {
    let name = person.name.to_string();
    Person {
        account: person.account.to_string(),
        face: Face::of(&name, person.account.as_bytes(), Size::Usual),
        name,
        note: note(person).map(str::to_owned),
        removable: false,
    }
}

fn note(person: &PersonView) -> Option<&'static str> {
    if person.trust == Trust::KeyChanged {
        Some("Their key changed. Ask them in person before you trust it.")
    } else if person.looks_like.is_some() {
        Some("Looks like another name here. Make sure who it is.")
    } else if person.trust == Trust::VerifiedByLink {
        Some("Verified by link")
    } else {
        None
    }
}

#[must_use]
pub fn details(
    conversation: &ConversationView,
    members: &[MemberView],
    people: &[PersonView],
    guests: bool,
    safety: Option<String>,
) -> DetailsPanel {
    let group = matches!(conversation.kind, ConversationKind::Group);
    let changeable = group && conversation.state.can_write();
    let shown = members.iter().map(|member| {
        let known = people
            .iter()
            .find(|person| person.account == member.account);
        let name = member.name.to_string();
        let note = if member.is_me {
            Some("You")
        } else {
            known.and_then(note)
        };
        Person {
            account: member.account.to_string(),
            face: Face::of(&name, member.account.as_bytes(), Size::Usual),
            name,
            note: note.map(str::to_owned),
            removable: changeable && !member.is_me,
        }
    });
    DetailsPanel {
        title: "People and details",
        face: face(conversation, Size::Usual),
        name: conversation.title.clone(),
        subtitle: match members.len() {
            1 => "Only you so far".to_owned(),
            count => format!("{count} people"),
        },
        people: shown.collect(),
        group: changeable,
        guests,
        safety,
    }
}

#[must_use]
pub fn rename(conversation: &ConversationView) -> RenamePanel {
    RenamePanel {
        title: "Change the name",
        name: conversation.title.clone(),
    }
}

#[must_use]
pub fn invite(me: &Me, group: Option<&ConversationView>, state: InviteState) -> InvitePanel {
    InvitePanel {
        title: if group.is_some() {
            "Invite by link"
        } else {
            "Invite people"
        },
        host: host(me),
        group: group.map(|group| group.title.clone()),
        uses: INVITE_USES,
        days: INVITE_DAYS,
        state,
        only_here: is_only_here(&host(me)),
    }
}

/// `room` is the conversation's call, if this tab is in it.
#[must_use]
pub fn call_link(
    me: &Me,
    (call, room): (&ConversationView, Option<&RoomView>),
    own: &[CallLinkView],
    state: InviteState,
    (now, zone): (Seconds, Zone),
) -> CallLinkPanel {
    let shown = match &state {
        InviteState::Ready(link) => Some(link),
        InviteState::Making | InviteState::Failed(_) => None,
    };
    let is_shown = |link: &CallLinkView| shown == Some(&link.link);
    let holding = || own.iter().filter(|link| link.expires > now);
    let links = holding().map(|link| {
        let until = Local::at(link.expires, zone);
        let day = until
            .day_line(Local::at(now, zone))
            .replace("Today", "today");
        OwnLink {
            invite: link.invite.to_string(),
            tail: tail(&link.link),
            until: format!("until {day}, {}", until.clock()),
            is_shown: is_shown(link),
            is_withdrawn: link.is_withdrawn,
        }
    });
    let is_turned_away = |decision| decision == Decision::TurnedAway;
    CallLinkPanel {
        title: "Invite a guest",
        only_here: is_only_here(&host(me)),
        turned_away: room.map_or_else(Vec::new, |room| visitors(room, is_turned_away)),
        call: call.title.clone(),
        is_withdrawn: shown.is_some() && !holding().any(is_shown),
        links: links.collect(),
        state,
    }
}

/// Enough of a link to tell it from others.
fn tail(link: &str) -> String {
    let letters = link.chars().count();
    let last = link.chars().skip(letters.saturating_sub(TAIL_LETTERS));
    ['…'].into_iter().chain(last).collect()
}

#[must_use]
pub fn confirm_remove(account: &AccountId, names: &Names) -> ConfirmPanel {
    ConfirmPanel {
        title: "Remove from the group?",
        text: format!(
            "{} will not be able to read what is written from now on. What they have already read stays with them.",
            names.of(account)
        ),
        action: "remove",
        account: Some(account.to_string()),
        button: "Remove",
    }
}

#[must_use]
pub fn confirm_hush(account: &AccountId, names: &Names, is_guest: bool) -> ConfirmPanel {
    let then = if is_guest {
        "They can ask to be let in again; the others in the call are asked, and you find them under “Invite a guest”."
    } else {
        "In the conversation they stay, and may come back into the call."
    };
    ConfirmPanel {
        title: "Remove from the call?",
        text: format!(
            "{} will hear and see nothing more of this call. {then}",
            names.of(account)
        ),
        action: "room-remove",
        account: Some(account.to_string()),
        button: "Remove",
    }
}

#[must_use]
pub fn confirm_leave() -> ConfirmPanel {
    ConfirmPanel {
        title: "Leave the group?",
        text: "You will not be able to read what is written from now on. What was said until now stays here.".to_owned(),
        action: "leave",
        account: None,
        button: "Leave",
    }
}

#[must_use]
pub fn emoji(name: PanelName) -> EmojiPanel {
    let message = match name {
        PanelName::React(message) => Some(message.to_string()),
        _ => None,
    };
    EmojiPanel {
        title: if message.is_some() {
            "React"
        } else {
            "Choose an emoji"
        },
        action: if message.is_some() {
            "react"
        } else {
            "insert-emoji"
        },
        message,
        emoji: &EMOJI,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_only_this_machine_finds_is_told_from_others() {
        let here = ["localhost:8443", "localhost", "roost.localhost:8443"];
        let too = ["127.0.0.1:8443", "127.8.0.1", "[::1]:8443", "[::1]"];
        for host in here.iter().chain(&too) {
            assert!(is_only_here(host), "{host}");
        }
        let elsewhere = ["roost.example", "localhost.example:8443", ""];
        let either = ["192.168.1.7:8443", "[fd00::1]:8443", "[2001:db8::1]"];
        for host in elsewhere.iter().chain(&either) {
            assert!(!is_only_here(host), "{host}");
        }
    }
}
