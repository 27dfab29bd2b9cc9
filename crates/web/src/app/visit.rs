//! The page of a call's link: a guest says a name, asks to be let in, waits, and is in the call.
//!
//! Owns what such a tab shows around the call. Everything else of a guest is the core's.

use super::tab::{Place, Tab};
use super::{App, Turn};
use crate::patch::Act;
use crate::view::{GuestScreen, VisitForm, html};
use roost_client::{CUT_CALL_LINK, Command, Moment};
use roost_wire::link::CallLink;

const IN_GUEST: [&str; 6] = [
    "visit",
    "visit-status",
    "call",
    "room-tiles",
    "panel-body",
    "panel-status",
];

const ELSEWHERE: &str = "You are in this call in another tab already. Close that one first.";

impl App {
    pub(super) fn visit(&mut self, tab: &str, name: String, turn: &mut Turn<'_>) {
        let place = self.tabs.get(tab).map(|tab| tab.place.clone());
        let Some(Place::Visit { link }) = place else {
            return;
        };
        // Two pages would seal different frames with the same key and number.
        if self.tabs.values().any(|tab| tab.room().is_some()) {
            return self.complain(Some(tab), ELSEWHERE);
        }
        if !self.command(tab, Command::VisitCall { link, name }, turn) {
            return;
        }
        self.hold_room(tab, None, false, turn);
    }

    pub(super) fn draw_visit(&self, tab: &mut Tab, link: &str, now: Moment) {
        let is_whole = CallLink::parse(link).is_ok();
        if !is_whole {
            CUT_CALL_LINK.clone_into(&mut tab.status);
        }
        tab.shown.fragment("app", html(&GuestScreen), &IN_GUEST);
        let is_in = self.draw_room(tab, now);
        let form = VisitForm {
            host: tab.host().to_owned(),
            name: self.core.guest_name().map(ToString::to_string),
            // A call that is over has been let go of by now.
            is_waiting: tab.room().is_some(),
            is_whole,
        };
        let form = if is_in { String::new() } else { html(&form) };
        tab.shown.fragment("visit", form, &["visit-status"]);
        if is_in {
            tab.status.clear();
        } else {
            tab.shown.fragment("call", String::new(), &["room-tiles"]);
            tab.shown.fragment_text("visit-status", &tab.status.clone());
        }
        if let Some(me) = self.core.me() {
            self.draw_panel(tab, &me, (None, &self.names(None)), now);
        }
        tab.shown
            .act_once("title", Act::Title("Call · Roost".to_owned()));
    }
}
