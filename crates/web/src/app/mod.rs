//! The browser client without the browser: one core, and what each tab looks at.
//!
//! Owns which conversation, dialog and reply a tab is at, and turns what people do into commands
//! for the core. Does no I/O: what is to be stored and done is taken by the worker.

mod act;
mod call;
mod draw;
mod held;
mod memo;
mod room;
mod tab;
mod visit;

pub use room::flag;
pub use tab::Arrival;

use crate::event::{Event, PanelName};
use crate::patch::{Act, CallAct, Patch, RoomAct};
use crate::view::{InviteState, Zone};
use roost_client::view::ConversationKind;
use roost_client::{Command, Core, Dice, Effect, Input, Moment, Notice, Step, Write};
use std::collections::BTreeMap;
use tab::{Leads, Panel, Place, Status, Tab};

/// Sentences kept for the banner.
const NOTES_MAX: usize = 3;

const ONLY_HERE: &str = "Your account lives in this browser only. Clearing its data loses it: \
there is no recovery yet.";

/// When, and with which dice.
pub struct Turn<'a> {
    pub now: Moment,
    pub dice: &'a mut dyn Dice,
}

/// What the worker must do: store all of `writes` in one transaction, then perform `effects`.
#[derive(Debug, Default)]
pub struct Out {
    pub writes: Vec<Write>,
    pub effects: Vec<Effect>,
}

pub struct App {
    core: Core,
    zone: Zone,
    tabs: BTreeMap<String, Tab>,
    /// Sentences that every tab shows until they are dismissed.
    notes: Vec<String>,
    out: Out,
}

impl App {
    #[must_use]
    pub fn new(core: Core, zone: Zone) -> Self {
        Self {
            core,
            zone,
            tabs: BTreeMap::new(),
            notes: Vec::new(),
            out: Out::default(),
        }
    }

    /// Whether there is an account in this browser.
    #[must_use]
    pub fn has_account(&self) -> bool {
        self.core.me().is_some()
    }

    /// Whether there is something to ask a server for: an account, or one that is being made, which
    /// a reload may have interrupted.
    #[must_use]
    pub fn needs_server(&self) -> bool {
        self.has_account() || self.core.is_joining()
    }

    /// A tab was opened, or does not know any more what it was told.
    pub fn attach(&mut self, tab: &str, arrival: Arrival, turn: &mut Turn<'_>) {
        let group = arrival.group;
        self.let_go(tab, turn);
        let mut state = Tab::new(arrival);
        // A call of this tab is one that another leader knew of, or that it forgot itself.
        state.shown.act(Act::Call(CallAct::Drop));
        if let Place::Invite { link } = &state.place {
            if self.core.has_joined_by(link) {
                state.goes_home();
            } else if self.core.is_joining() {
                state.is_joining = true;
                state.status = Status::News("Joining…");
            }
        }
        let is_visit = state.is_visit();
        self.tabs.insert(tab.to_owned(), state);
        if self.has_account() && !is_visit {
            self.act(tab, Act::Keep);
            self.route(tab, group, turn);
        }
    }

    pub fn detach(&mut self, tab: &str, turn: &mut Turn<'_>) {
        self.let_go(tab, turn);
        self.tabs.remove(tab);
    }

    /// Something for every tab's banner.
    pub fn note(&mut self, sentence: &str) {
        self.notes.retain(|note| note != sentence);
        self.notes.push(sentence.to_owned());
        if self.notes.len() > NOTES_MAX {
            self.notes.remove(0);
        }
        self.note_in_room(Some(sentence));
    }

    /// A person did something on a page.
    pub fn event(&mut self, tab: &str, event: Event, turn: &mut Turn<'_>) {
        if let Some(tab) = self.tabs.get_mut(tab)
            && event.is_of_person()
        {
            tab.status = Status::Nothing;
        }
        self.on_event(tab, event, turn);
        self.mark_what_is_seen(turn);
    }

    /// Something came for the core.
    pub fn input(&mut self, input: Input, turn: &mut Turn<'_>) {
        let step = self.core.handle(input, turn.now, turn.dice);
        self.absorb(step, None, turn);
        self.mark_what_is_seen(turn);
    }

    /// What there is to store and to do since the last time.
    pub fn take(&mut self) -> Out {
        std::mem::take(&mut self.out)
    }

    /// What each tab must change to show what is true at `now`.
    pub fn render(&mut self, now: Moment) -> Vec<(String, Patch)> {
        let ids: Vec<String> = self.tabs.keys().cloned().collect();
        let loud = self.loud();
        let mut patches = Vec::new();
        for id in ids {
            // Drawing a tab looks at the others, too.
            let Some(mut tab) = self.tabs.remove(&id) else {
                continue;
            };
            self.draw(&mut tab, now, loud.as_ref() == Some(&id));
            let patch = tab.shown.take();
            if !patch.is_empty() {
                patches.push((id.clone(), patch));
            }
            self.tabs.insert(id, tab);
        }
        patches
    }

    /// Whether the command was taken; if not, the person was told why.
    fn command(&mut self, tab: &str, command: Command, turn: &mut Turn<'_>) -> bool {
        let step = self
            .core
            .handle(Input::Command(command), turn.now, turn.dice);
        let is_refused = |notice: &Notice| matches!(notice, Notice::Refused { .. });
        let is_taken = !step.notices.iter().any(is_refused);
        self.absorb(step, Some(tab), turn);
        is_taken
    }

    fn absorb(&mut self, step: Step, tab: Option<&str>, turn: &mut Turn<'_>) {
        self.out.writes.extend(step.writes);
        self.out.effects.extend(step.effects);
        for notice in step.notices {
            self.on_notice(notice, tab, turn);
        }
    }

    fn on_notice(&mut self, notice: Notice, tab: Option<&str>, turn: &mut Turn<'_>) {
        match notice {
            Notice::Joined => self.on_joined(turn),
            Notice::Refused { reason } => self.complain(tab, &reason),
            Notice::Failed { reason, .. } => self.complain(tab, &reason),
            Notice::Opened(group) => {
                for tab in self.tabs.values_mut().filter(|tab| tab.is_opening) {
                    tab.is_opening = false;
                    tab.panel = None;
                    tab.shown.act(Act::Address(format!("/#/c/{group}")));
                }
            }
            Notice::InviteCreated { group, link, .. } => {
                let leads = group.map_or(Leads::Server, Leads::Group);
                self.link_is(leads, &link);
            }
            Notice::CallLink {
                conversation, link, ..
            } => self.link_is(Leads::Calls(conversation), &link),
            Notice::Received { group, .. } => self.announce(group),
            Notice::KeyChanged(account) => {
                let name = self.names(None).of(&account);
                self.note(&format!(
                    "The key of {name} changed. Ask them in person before you trust it."
                ));
            }
            Notice::PeopleChanged => self.refresh_safety(),
            Notice::CallSignal { call, signal } => self.pass_on(call, &signal),
            Notice::RoomKeys => self.on_room_keys(),
            Notice::MediaLost => self.on_media_lost(turn),
            Notice::MediaDoubtful => self.room_act(RoomAct::Again),
            Notice::MediaAnswer(answer) => self.room_act(RoomAct::Answer(answer)),
            Notice::MediaRefused(reason) => self.on_media_refused(&reason),
            Notice::Unreachable => self.on_unreachable(),
            Notice::Queued { .. }
            | Notice::Stored { .. }
            | Notice::LinkRequest { .. }
            | Notice::LinkGrant { .. }
            | Notice::CallChanged
            | Notice::ConversationsChanged
            | Notice::ThreadChanged(_)
            | Notice::DevicesChanged
            | Notice::DeviceRevoked(_)
            | Notice::ConnectionChanged
            | Notice::RoomChanged
            | Notice::Repairing { .. }
            | Notice::Settled => {}
        }
    }

    fn link_is(&mut self, leads: Leads, link: &str) {
        for tab in self.tabs.values_mut() {
            tab.link_is(leads, InviteState::Ready(link.to_owned()));
        }
    }

    /// Says so to who waits to be let in; everybody else has the banner.
    fn on_unreachable(&mut self) {
        for tab in self.tabs.values_mut().filter(|tab| tab.is_joining) {
            tab.status = Status::Trouble("The server does not answer. Trying again…".to_owned());
        }
    }

    fn on_joined(&mut self, turn: &mut Turn<'_>) {
        // A guest has come for a call, which goes on by itself.
        if self.tabs.values().any(Tab::is_visit) {
            return;
        }
        self.note(ONLY_HERE);
        for tab in self.tabs.values_mut() {
            tab.shown.act(Act::Keep);
            if std::mem::take(&mut tab.is_joining) || matches!(tab.place, Place::Home) {
                tab.goes_home();
                tab.is_opening = true;
            }
        }
        let step = self
            .core
            .handle(Input::Command(Command::Connect), turn.now, turn.dice);
        self.out.writes.extend(step.writes);
        self.out.effects.extend(step.effects);
    }

    /// Says what did not work where the person is looking.
    fn complain(&mut self, tab: Option<&str>, reason: &str) {
        let mut heard = false;
        for (id, tab_state) in &mut self.tabs {
            let was_making = tab_state.invite_failed(reason);
            let was_joining = std::mem::take(&mut tab_state.is_joining);
            let asked = tab == Some(id.as_str()) && tab_state.has_place_for_status();
            let asked = asked || tab_state.is_visit();
            if was_joining || asked {
                tab_state.is_opening = false;
                tab_state.status = Status::Trouble(reason.to_owned());
                tab_state.shown.act(Act::Ready);
            }
            heard |= was_making || was_joining || asked;
        }
        if !heard {
            self.note(reason);
        }
    }

    /// Tells screen readers of a message in a conversation they do not look at.
    fn announce(&mut self, group: roost_wire::GroupId) {
        let Some(conversation) = self.core.conversation(&group) else {
            return;
        };
        for tab in self
            .tabs
            .values_mut()
            .filter(|tab| tab.group != Some(group))
        {
            tab.shown
                .act(Act::Say(format!("New message: {}", conversation.title)));
        }
    }

    fn act(&mut self, tab: &str, act: Act) {
        if let Some(tab) = self.tabs.get_mut(tab) {
            tab.shown.act(act);
        }
    }

    /// The safety numbers that open dialogs show: with the other person of a conversation of two.
    fn refresh_safety(&mut self) {
        for tab in self.tabs.values_mut() {
            let Some(panel) = &mut tab.panel else {
                continue;
            };
            let open = tab.group.filter(|_| panel.name == PanelName::Details);
            let kind = open.and_then(|group| Some(self.core.conversation(&group)?.kind));
            panel.safety = match kind {
                Some(ConversationKind::Direct(with)) => self.core.safety_number(&with),
                Some(ConversationKind::Group) | None => None,
            }
            .map(|number| number.to_string());
        }
    }

    fn panel(&mut self, tab: &str, panel: Option<Panel>) {
        if let Some(tab) = self.tabs.get_mut(tab) {
            tab.panel = panel;
        }
    }
}
