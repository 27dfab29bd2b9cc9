//! The call that this browser is in, or is called for.
//!
//! Owns which tab has it: its page has the microphone and the connection. What becomes of the call
//! is decided by the core.

use super::held::Held;
use super::tab::{Place, Status, Tab};
use super::{App, Turn};
use crate::event::{CallEvent, Devices, Media};
use crate::patch::{Act, CallAct};
use crate::present::{self, Findings};
use crate::view::{CallButtons, Device, html};
use roost_client::call::{CallEnd, CallStage, CallView, MediaSignal, RingId};
use roost_client::view::{Connection, ConversationKind, ConversationView};
use roost_client::{Command, Moment};

pub(super) const IN_CALL: &str = "You are in a call. Hang up first.";

/// A call between two in a tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldCall {
    call: RingId,
    media: Media,
    is_small: bool,
}

impl HeldCall {
    pub(super) const fn id(&self) -> RingId {
        self.call
    }
}

impl App {
    pub(super) fn on_call_event(&mut self, tab: &str, event: CallEvent, turn: &mut Turn<'_>) {
        match event {
            CallEvent::Start { .. } if self.is_in_room() => self.complain(Some(tab), IN_CALL),
            CallEvent::Start { video } => {
                if self.in_group(tab, turn, |group| Command::StartCall { group, video }) {
                    self.hold(tab, video);
                }
            }
            CallEvent::Accept { call, video } => {
                // One call at a time; but nobody leaves one for a call that is over already.
                if self.command(tab, Command::AcceptCall { call, video }, turn) {
                    self.hold(tab, video);
                    self.command(tab, Command::LeaveCall, turn);
                }
            }
            CallEvent::Decline(call) => {
                self.command(tab, Command::DeclineCall { call }, turn);
            }
            CallEvent::HangUp(call) => {
                self.command(tab, Command::HangUp { call }, turn);
                self.dismiss(tab, call, turn);
            }
            CallEvent::Dismiss(call) => self.dismiss(tab, call, turn),
            CallEvent::Small(is_small) => {
                self.change_held(tab, |held| held.is_small = is_small);
                let place = if is_small { "text" } else { "call-place" };
                self.act(tab, Act::Focus(place));
            }
            CallEvent::Signal { call, signal } => {
                self.command(tab, Command::CallSignal { call, signal }, turn);
            }
            CallEvent::Media { call, media } => self.change_held(tab, |held| {
                if held.call == call {
                    held.media = media;
                }
            }),
            CallEvent::Connected(call) => {
                self.command(tab, Command::CallConnected { call }, turn);
            }
            CallEvent::Lost(call) => {
                self.command(tab, Command::CallLost { call }, turn);
            }
            CallEvent::Forged(call) => {
                self.command(tab, Command::CallForged { call }, turn);
            }
            CallEvent::Devices(devices) => self.know_devices(tab, devices),
        }
    }

    /// For the page that has the connection.
    pub(super) fn pass_on(&mut self, call: RingId, signal: &MediaSignal) {
        for tab in self.tabs.values_mut() {
            if tab.call().is_some_and(|held| held.call == call) {
                let signal = signal.clone();
                tab.shown.act(Act::Call(CallAct::Signal { call, signal }));
            }
        }
    }

    /// The tab is gone, and its microphone with it.
    pub(super) fn let_go(&mut self, tab: &str, turn: &mut Turn<'_>) {
        match self.tabs.get(tab).and_then(|tab| tab.held.clone()) {
            Some(Held::Call(held)) => {
                self.command(tab, Command::HangUp { call: held.call }, turn);
            }
            Some(Held::Room(_)) => {
                self.command(tab, Command::LeaveCall, turn);
            }
            None => {}
        }
    }

    /// Whether the people of this conversation can be called now, and what that takes.
    pub(super) fn call_buttons(&self, open: &ConversationView) -> CallButtons {
        let start = match open.kind {
            ConversationKind::Direct(_) => "call-start",
            ConversationKind::Group => "room-enter",
        };
        let is_talking = self.core.current_call().is_some_and(|call| !is_over(&call));
        let is_free = !is_talking && !self.is_in_room();
        CallButtons {
            are_shown: open.state.can_write(),
            can_be_pressed: is_free && self.core.connection() == Connection::Online,
            start,
            is_on: open.is_call_on && !self.is_in_room(),
        }
    }

    /// The tab that rings: one that is looked at, if there is one.
    pub(super) fn loud(&self) -> Option<String> {
        let home = self.tabs.iter().filter(|(_, tab)| tab.place == Place::Home);
        let loud = home.max_by_key(|(_, tab)| tab.is_watching);
        loud.map(|(id, _)| id.clone())
    }

    /// What a tab shows of calls. One of them is loud.
    pub(super) fn draw_call(&self, tab: &mut Tab, now: Moment, is_loud: bool) {
        let view = self.core.current_call();
        self.settle_held(tab, view.as_ref());
        let held = tab.call().cloned();
        let own = view.as_ref().zip(held);
        let own = own.filter(|(view, held)| held.call == view.call);
        let mut tone = "";
        if let Some((view, held)) = own {
            let name = self.caller_name(view);
            let screen = present::call(view, &name, &held.media, held.is_small);
            tab.shown.fragment("call", html(&screen), &[]);
            if view.stage == CallStage::Ringing {
                tone = "out";
            }
            self.draw_connection(tab, view);
        } else if !self.draw_room(tab, now) {
            tab.shown.fragment("call", String::new(), &[]);
        }
        if self.draw_ring(tab, view.as_ref()) && is_loud {
            tone = "in";
        }
        tab.shown
            .act_once("call-tone", Act::Call(CallAct::Ring(tone)));
    }

    /// Whether somebody calls, and nobody has answered here.
    fn draw_ring(&self, tab: &mut Tab, view: Option<&CallView>) -> bool {
        let view = view.filter(|view| rings(view) && !self.is_held(view.call));
        let (mut markup, mut said) = (String::new(), String::new());
        if let Some(view) = view.filter(|_| tab.call().is_none()) {
            let name = self.caller_name(view);
            markup = html(&present::ring(view, &name));
            said = format!("{name} calls. Alt and C go to the call.");
        }
        let is_ringing = !markup.is_empty();
        tab.shown.act_once("call-said", Act::Say(said));
        tab.shown.fragment("ring-place", markup, &[]);
        is_ringing
    }

    /// Who calls, for the title of every tab.
    pub(super) fn ringing_name(&self) -> Option<String> {
        let view = self.core.current_call().filter(rings)?;
        (!self.is_held(view.call)).then(|| self.caller_name(&view))
    }

    /// The call that a tab has is over, or goes on under another name: two who called each other at
    /// once are in one of both calls.
    fn settle_held(&self, tab: &mut Tab, view: Option<&CallView>) {
        let Some(held) = tab.call().cloned() else {
            return;
        };
        if view.is_some_and(|view| view.call == held.call) {
            return;
        }
        let goes_on = |view: &&CallView| !rings(view) && !is_over(view);
        let Some(view) = view.filter(|view| goes_on(view) && !self.is_held(view.call)) else {
            return tab.drop_held();
        };
        let video = held.media.camera == Device::On;
        let call = view.call;
        tab.held = Some(Held::Call(HeldCall { call, ..held }));
        tab.shown.act(Act::Call(CallAct::Open { call, video }));
    }

    fn draw_connection(&self, tab: &mut Tab, view: &CallView) {
        let call = view.call;
        match &view.stage {
            CallStage::Connecting | CallStage::Talking { .. } => {
                if let Some(servers) = self.core.relays() {
                    let act = CallAct::Connect {
                        call,
                        offers: view.outgoing,
                        servers,
                    };
                    tab.shown.act_once("call-connect", Act::Call(act));
                }
            }
            CallStage::Ended { reason } => {
                let is_plain = !matches!(reason, CallEnd::Failed(_) | CallEnd::Lost);
                tab.close_call(call, is_plain);
            }
            CallStage::Calling | CallStage::Ringing => {}
        }
    }

    fn caller_name(&self, view: &CallView) -> String {
        self.names(Some(&view.group)).of(&view.peer)
    }

    fn is_held(&self, call: RingId) -> bool {
        let mut held = self.tabs.values().filter_map(Tab::call);
        held.any(|held| held.call == call)
    }

    /// The call that has just begun is this tab's.
    fn hold(&mut self, tab: &str, video: bool) {
        let (Some(view), Some(tab)) = (self.core.current_call(), self.tabs.get_mut(tab)) else {
            return;
        };
        let call = view.call;
        let held = HeldCall {
            call,
            media: Media::default(),
            is_small: false,
        };
        let open = Act::Call(CallAct::Open { call, video });
        tab.take_up(Held::Call(held), open);
    }

    fn dismiss(&mut self, tab: &str, call: RingId, turn: &mut Turn<'_>) {
        let view = self.core.current_call();
        if view.is_some_and(|view| view.call == call && is_over(&view)) {
            self.command(tab, Command::DismissCall, turn);
        }
    }

    fn change_held(&mut self, tab: &str, change: impl FnOnce(&mut HeldCall)) {
        let held = self.tabs.get_mut(tab).and_then(Tab::call_mut);
        if let Some(held) = held {
            change(held);
        }
    }

    /// Looks whether calls can work from this tab's device.
    pub(super) fn examine(&mut self, tab: &str, turn: &mut Turn<'_>) {
        let is_offline = self.core.connection() != Connection::Online;
        if self.command(tab, Command::AskRelays, turn)
            && let Some(tab) = self.tabs.get_mut(tab)
        {
            tab.findings = Some(Findings::default());
            tab.is_examining = false;
            if is_offline {
                tab.status = Status::Offline;
            }
        }
    }

    pub(super) fn note_finding(&mut self, tab: &str, name: String, result: String) {
        let findings = self.tabs.get_mut(tab).and_then(|tab| tab.findings.as_mut());
        if let Some(findings) = findings {
            findings.note(name, result);
        }
    }

    /// The dialog was closed.
    pub(super) fn stop_examining(&mut self, tab: &str) {
        if let Some(tab) = self.tabs.get_mut(tab)
            && tab.findings.take().is_some()
        {
            tab.shown.act(Act::Call(CallAct::Spare));
        }
    }

    /// Begins once it is known what the server relays.
    pub(super) fn draw_examination(&self, tab: &mut Tab) {
        let Some(findings) = tab.findings.as_mut().filter(|_| !tab.is_examining) else {
            return;
        };
        if let Some(servers) = self.core.relays() {
            if let Some(pass) = &servers {
                findings.note_pass(pass);
            }
            tab.is_examining = true;
            if tab.status == Status::Offline {
                tab.status = Status::Nothing;
            }
            tab.shown.act(Act::Call(CallAct::Examine { servers }));
        }
    }

    fn know_devices(&mut self, tab: &str, devices: Devices) {
        if let Some(tab) = self.tabs.get_mut(tab) {
            tab.devices = devices;
        }
    }
}

fn rings(view: &CallView) -> bool {
    !view.outgoing && view.stage == CallStage::Ringing
}

pub(super) const fn is_over(view: &CallView) -> bool {
    matches!(view.stage, CallStage::Ended { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Arrival;
    use crate::event::{Event, PanelName};
    use roost_client::Core;
    use roost_client::view::Trust;
    use roost_wire::{AccountId, GroupId};

    #[test]
    fn the_tab_that_is_looked_at_rings_and_never_the_page_of_a_link() {
        let mut app = App::new(Core::fresh(), |_| 0);
        assert_eq!(app.loud(), None);
        for (tab, path) in [
            ("guest", "c/x#y"),
            ("hidden", ""),
            ("seen", ""),
            ("too", ""),
        ] {
            let url = format!("https://roost.example/{path}");
            let arrival = Arrival {
                url,
                ..Arrival::default()
            };
            turn(|turn| app.attach(tab, arrival, turn));
        }
        let watch = |visible| Event::Watch {
            visible,
            bottom: true,
        };

        turn(|turn| app.event("guest", watch(true), turn));
        assert_ne!(app.loud().as_deref(), Some("guest"));
        turn(|turn| app.event("seen", watch(true), turn));
        assert_eq!(app.loud().as_deref(), Some("seen"));
        turn(|turn| app.event("seen", watch(false), turn));
        turn(|turn| app.event("hidden", watch(true), turn));
        assert_eq!(app.loud().as_deref(), Some("hidden"));
    }

    #[test]
    fn who_looks_whether_calls_work_before_there_is_a_connection_waits_for_it() {
        let mut app = App::new(Core::fresh(), |_| 0);
        let url = "https://roost.example/".to_owned();
        let arrival = Arrival {
            url,
            ..Arrival::default()
        };
        turn(|turn| app.attach("tab", arrival, turn));
        turn(|turn| app.event("tab", Event::Panel(PanelName::Doctor), turn));

        let tab = &app.tabs["tab"];
        assert!(tab.findings.is_some() && !tab.is_examining);
        assert_eq!(tab.status, Status::Offline);
    }

    #[test]
    fn a_call_that_is_over_takes_its_tab_along_and_one_that_goes_on_under_another_name_does_not() {
        let app = App::new(Core::fresh(), |_| 0);
        let mut tab = tab_in_call(1);
        app.settle_held(&mut tab, Some(&view(2, CallStage::Connecting)));
        let held = tab.call().expect("two called each other at once");
        assert_eq!(held.call, RingId::new([2; 16]));

        let reason = CallEnd::Missed;
        app.settle_held(&mut tab, Some(&view(2, CallStage::Ended { reason })));
        assert!(tab.held.is_some(), "it says why until it is dismissed");
        app.settle_held(&mut tab, None);
        assert_eq!(tab.held, None);
    }

    #[test]
    fn somebody_elses_ringing_is_no_call_that_a_tab_goes_on_with() {
        let app = App::new(Core::fresh(), |_| 0);
        let mut tab = tab_in_call(1);

        let rings = CallView {
            outgoing: false,
            ..view(2, CallStage::Ringing)
        };
        app.settle_held(&mut tab, Some(&rings));

        assert_eq!(tab.held, None);
    }

    fn tab_in_call(call: u8) -> Tab {
        let mut tab = Tab::new(Arrival::default());
        tab.held = Some(Held::Call(HeldCall {
            call: RingId::new([call; 16]),
            media: Media::default(),
            is_small: false,
        }));
        tab
    }

    fn view(call: u8, stage: CallStage) -> CallView {
        CallView {
            call: RingId::new([call; 16]),
            group: GroupId::new([1; 16]),
            peer: AccountId::new([2; 16]),
            trust: Trust::FirstSight,
            outgoing: true,
            video: false,
            stage,
            peer_device: None,
            answered_with_video: None,
        }
    }

    fn turn(act: impl FnOnce(&mut Turn<'_>)) {
        let mut dice = |bytes: &mut [u8]| bytes.fill(3);
        let now = Moment::from_millis(1_780_000_000_000);
        act(&mut Turn {
            now,
            dice: &mut dice,
        });
    }
}
