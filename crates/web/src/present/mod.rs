//! From what the client core says to what the views show.
//!
//! Owns names, words and grouping. Pure: reads views of the core, a clock's reading and a zone.

mod call;
mod doctor;
mod panel;
mod room;
mod rows;
mod talk;

pub use call::{call, devices, ring};
pub use doctor::{Findings, doctor};
pub use panel::{
    INVITE_DAYS, INVITE_USES, about, call_link, confirm_hush, confirm_leave, confirm_remove,
    details, emoji, invite, menu, pick, rename,
};
pub use room::{Room, room, tiles};
pub use rows::{rows, title};
pub use talk::{Context, Entry, at_door, composer, header, key, lines, reply_quote, show};

use roost_client::room::RoomMember;
use roost_client::view::{MemberView, PersonView};
use roost_wire::AccountId;
use std::collections::BTreeMap;

/// What accounts are called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<AccountId, String>, Option<AccountId>);

impl Names {
    #[must_use]
    pub fn new<'a>(
        people: impl IntoIterator<Item = &'a PersonView>,
        members: impl IntoIterator<Item = &'a MemberView>,
        me: Option<AccountId>,
    ) -> Self {
        let people = people
            .into_iter()
            .map(|person| (person.account, person.name.to_string()));
        let members = members
            .into_iter()
            .map(|member| (member.account, member.name.to_string()));
        Self(people.chain(members).collect(), me)
    }

    /// Guests of a call are nobody on the server: they have the names they give themselves.
    #[must_use]
    pub fn with_guests(mut self, members: impl IntoIterator<Item = RoomMember>) -> Self {
        let guests = members.into_iter().filter(|member| member.is_guest);
        self.0
            .extend(guests.map(|guest| (guest.account, guest.name.to_string())));
        self
    }

    /// At the start of a sentence.
    #[must_use]
    pub fn of(&self, account: &AccountId) -> String {
        if self.1.as_ref() == Some(account) {
            "You".to_owned()
        } else {
            self.theirs(account)
        }
    }

    /// Inside a sentence.
    #[must_use]
    pub fn inner(&self, account: &AccountId) -> String {
        if self.1.as_ref() == Some(account) {
            "you".to_owned()
        } else {
            self.theirs(account)
        }
    }

    #[must_use]
    pub fn is_me(&self, account: &AccountId) -> bool {
        self.1.as_ref() == Some(account)
    }

    fn theirs(&self, account: &AccountId) -> String {
        self.0
            .get(account)
            .cloned()
            .unwrap_or_else(|| "Somebody".to_owned())
    }
}

/// `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_as_sentences() {
        let names = ["Ada", "Ben", "you"].map(str::to_owned);

        assert_eq!(listed(&names), "Ada, Ben and you");
        assert_eq!(listed(&names[..2]), "Ada and Ben");
        assert_eq!(listed(&[]), "");
    }
}
