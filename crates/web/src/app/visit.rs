//! The page of a call's link: a guest says a name, asks to be let in, waits, and is in the call.
//!
//! Owns what such a tab shows around the call. Everything else of a guest is the core's.

use super::tab::{Place, Status, Tab};
use super::{App, Turn};
use crate::patch::Act;
use crate::view::{GuestScreen, VisitForm, html};
use roost_client::room::RoomState;
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

const LEFT: &str = "You have left the call. You can ask to be let in again.";
const GAVE_UP: &str = "You no longer wait to be let in. You can ask again.";
const ELSEWHERE: &str = "You are in this call in another tab already. Close that one first.";

impl App {
    pub(super) fn visit(&mut self, tab: &str, name: String, turn: &mut Turn<'_>) {
        let place = self.tabs.get(tab).map(|tab| tab.place.clone());
        let Some(Place::Visit { link }) = place else {
            return;
        };
        if self.tabs.get(tab).is_some_and(|tab| tab.room().is_some()) {
            return;
        }
        // Two pages would seal different frames with the same key and number.
        if self.tabs.values().any(|tab| tab.room().is_some()) {
            return self.complain(Some(tab), ELSEWHERE);
        }
        if !self.command(tab, Command::VisitCall { link, name }, turn) {
            return;
        }
        self.hold_room(tab, None, false, turn);
    }

    /// A guest is about to leave, and has nothing else to see.
    pub(super) fn say_left(&mut self, tab: &str) {
        let state = self.core.room().map(|room| room.state);
        if let Some(tab) = self.tabs.get_mut(tab).filter(|tab| tab.is_visit()) {
            let said = match state {
                Some(RoomState::Live) => LEFT,
                Some(RoomState::Waiting | RoomState::Entering) => GAVE_UP,
                Some(RoomState::Leaving) | None => return,
            };
            tab.status = Status::News(said);
        }
    }

    pub(super) fn draw_visit(&self, tab: &mut Tab, link: &str, now: Moment) {
        let is_whole = CallLink::parse(link).is_ok();
        if !is_whole {
            tab.status = Status::Trouble(CUT_CALL_LINK.to_owned());
        }
        tab.shown.fragment("app", html(&GuestScreen), &IN_GUEST);
        let is_in = self.draw_room(tab, now);
        let form = VisitForm {
            host: tab.host().to_owned(),
            name: self.core.guest_name().map(ToString::to_string),
            // A call that is over has been let go of by now.
            is_waiting: tab.room().is_some(),
            is_whole,
            has_left: matches!(tab.status, Status::News(_)),
        };
        let form = if is_in { String::new() } else { html(&form) };
        tab.shown.fragment("visit", form, &["visit-status"]);
        if is_in {
            tab.status = Status::Nothing;
        } else {
            tab.shown.fragment("call", String::new(), &["room-tiles"]);
            tab.shown.fragment_text("visit-status", tab.status.text());
        }
        if let Some(me) = self.core.me() {
            self.draw_panel(tab, &me, (None, &self.names(None)), now);
        }
        tab.shown
            .act_once("title", Act::Title("Call · Roost".to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Arrival;
    use crate::event::{Event, RoomEvent};
    use crate::patch::{Patch, RoomAct};
    use roost_client::Core;

    const LINK: &str = "https://roost.example/c/AQEBAQEBAQEBAQEBAQEBAQ#AgICAgICAgICAgICAgICAg";

    #[test]
    fn a_link_that_was_cut_off_says_so_and_asks_nobody() {
        let mut app = App::new(Core::fresh(), |_| 0);

        let cut = opens(&mut app, "cut", &LINK[..60]);
        assert!(shown(&cut, "visit").contains("<button class=\"primary\" disabled>Ask to join"));
        assert!(shown(&cut, "visit-status").contains("not the whole link"));
        let whole = opens(&mut app, "whole", LINK);
        assert!(shown(&whole, "visit").contains("<button class=\"primary\">Ask to join"));
        assert!(shown(&whole, "visit-status").is_empty());
    }

    #[test]
    fn the_microphone_is_asked_for_in_one_tab_and_in_no_second_one() {
        let mut app = App::new(Core::fresh(), |_| 0);
        for tab in ["first", "second"] {
            opens(&mut app, tab, LINK);
        }

        let first = asks(&mut app, "first");
        assert!(
            first
                .acts
                .contains(&Act::Room(RoomAct::Open { video: false }))
        );
        assert!(shown(&first, "visit").contains("disabled>Asking…"));
        let second = asks(&mut app, "second");
        assert!(
            !second
                .acts
                .contains(&Act::Room(RoomAct::Open { video: false }))
        );
        assert!(shown(&second, "visit-status").contains("in another tab already"));
    }

    #[test]
    fn a_guests_call_never_gets_small_and_a_second_press_asks_nobody() {
        let mut app = App::new(Core::fresh(), |_| 0);
        opens(&mut app, "tab", LINK);
        asks(&mut app, "tab");
        let small = Event::Room(RoomEvent::Small(true));

        let after = does(&mut app, "tab", |app, turn| app.event("tab", small, turn));
        assert!(!after.acts.contains(&Act::Focus("text")));
        let again = asks(&mut app, "tab");
        assert!(
            !again
                .acts
                .contains(&Act::Room(RoomAct::Open { video: false }))
        );
        assert!(shown(&again, "visit-status").is_empty());
    }

    fn opens(app: &mut App, tab: &str, link: &str) -> Patch {
        let arrival = Arrival {
            url: link.to_owned(),
            ..Arrival::default()
        };
        does(app, tab, |app, turn| app.attach(tab, arrival, turn))
    }

    fn asks(app: &mut App, tab: &str) -> Patch {
        let name = "Mia".to_owned();
        does(app, tab, |app, turn| {
            app.event(tab, Event::Visit { name }, turn)
        })
    }

    fn does(app: &mut App, tab: &str, act: impl FnOnce(&mut App, &mut Turn<'_>)) -> Patch {
        let mut dice = |bytes: &mut [u8]| bytes.fill(3);
        let now = Moment::from_millis(1_780_000_000_000);
        let dice = &mut dice;
        act(app, &mut Turn { now, dice });
        let patches = app.render(now);
        let own = patches.into_iter().find(|(id, _)| id == tab);
        own.map(|(_, patch)| patch).unwrap_or_default()
    }

    fn shown(patch: &Patch, id: &str) -> String {
        let found = patch.fragments.iter().rev().find(|(name, _)| *name == id);
        found.map(|(_, html)| html.clone()).unwrap_or_default()
    }
}
