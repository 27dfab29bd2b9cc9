//! What a tab shows, compared with what it was told before.

use super::App;
use super::tab::{Place, Status, Tab};
use crate::event::PanelName;
use crate::patch::Act;
use crate::present::{self, Context, Names};
use crate::view::{
    Banner, BannerLine, Button, Invited, JoinStatus, LOST, MainScreen, NoRows, Replying, Rest,
    StartScreen, Talk, html,
};
use roost_client::view::{Connection, ConversationKind, ConversationView, Me};
use roost_client::{CUT_LINK, Moment};
use roost_wire::GroupId;
use roost_wire::link::InviteLink;

const IN_MAIN: [&str; 14] = [
    "banner",
    "rows",
    "talk",
    "talk-header",
    "at-door",
    "messages",
    "typing",
    "composer-place",
    "replying",
    "panel-body",
    "panel-status",
    "call",
    "ring-place",
    "room-tiles",
];
const IN_TALK: [&str; 6] = [
    "talk-header",
    "at-door",
    "messages",
    "typing",
    "composer-place",
    "replying",
];

/// Never a new identity without a word.
const ANOTHER_PERSON: &str = "You had an account here, and this browser has lost it. Joining makes \
a new person.";

impl App {
    /// One of the tabs is loud.
    pub(super) fn draw(&self, tab: &mut Tab, now: Moment, is_loud: bool) {
        match (self.core.me(), tab.place.clone()) {
            (_, Place::Visit { link }) => self.draw_visit(tab, &link, now),
            (me, Place::Invite { link }) => draw_invite(tab, me.as_ref(), &link),
            (None, Place::Home) => draw_start(tab),
            (Some(me), Place::Home) => {
                self.draw_main(tab, &me, now);
                self.draw_call(tab, now, is_loud);
                self.draw_examination(tab);
            }
        }
    }

    fn draw_main(&self, tab: &mut Tab, me: &Me, now: Moment) {
        let conversations = self.core.conversations();
        let open = conversations
            .iter()
            .find(|conversation| Some(conversation.id) == tab.group);
        let names = self.names(open.map(|open| &open.id));
        tab.shown.fragment("app", html(&MainScreen), &IN_MAIN);
        tab.shown.fragment("banner", html(&self.banner()), &[]);
        self.draw_rows(tab, &conversations, &names, now);
        match open {
            Some(open) => self.draw_talk(tab, open, &names, now),
            None => {
                let missing = tab.group.is_some();
                tab.shown
                    .fragment("talk", html(&Rest { missing }), &IN_TALK);
            }
        }
        self.draw_panel(tab, me, (open, &names), now);
        let title = match self.ringing_name() {
            Some(name) => format!("{name} calls · Roost"),
            None => present::title(&conversations, tab.group),
        };
        tab.shown.act_once("title", Act::Title(title));
        tab.shown
            .act_once("reading", Act::Reading(tab.group.is_some()));
    }

    fn draw_rows(
        &self,
        tab: &mut Tab,
        conversations: &[ConversationView],
        names: &Names,
        now: Moment,
    ) {
        let time = (now.seconds(), self.zone);
        let rows = present::rows(conversations, names, tab.group, &tab.find, time);
        let mut children: Vec<(String, String)> = rows
            .iter()
            .map(|row| (row.key.clone(), html(row)))
            .collect();
        if children.is_empty() {
            let finding = !conversations.is_empty();
            children.push(("no-rows".to_owned(), html(&NoRows { finding })));
        }
        tab.shown.list("rows", children);
    }

    fn draw_talk(&self, tab: &mut Tab, open: &ConversationView, names: &Names, now: Moment) {
        tab.shown.fragment(
            "talk",
            html(&Talk {
                group: open.id.to_string(),
            }),
            &IN_TALK,
        );
        self.draw_talk_head(tab, open, names);
        tab.shown.fragment(
            "composer-place",
            html(&present::composer(open.state)),
            &["replying"],
        );
        tab.shown.fragment_text("typing", &typing(open, names));
        let Some(thread) = self.core.thread(&open.id) else {
            return;
        };
        let context = Context {
            names,
            now: now.seconds(),
            zone: self.zone,
            new_after: tab.new_after,
            restarts: thread.restarts(),
            can_write: open.state.can_write(),
            has_older: thread.has_older(),
            is_direct: matches!(open.kind, ConversationKind::Direct(_)),
        };
        let entries = present::lines(thread.items(), &context);
        let children = tab.memo.draw(entries, &context);
        tab.shown.list("messages", children);
        let quoted = tab.reply_to.and_then(|id| thread.message(&id));
        let replying = quoted.map(|message| Replying {
            quote: present::reply_quote(message, names),
        });
        if open.state.can_write() {
            tab.shown.fragment(
                "replying",
                replying.map(|replying| html(&replying)).unwrap_or_default(),
                &[],
            );
        }
    }

    fn draw_talk_head(&self, tab: &mut Tab, open: &ConversationView, names: &Names) {
        let members = self.core.members(&open.id);
        let calls = self.call_buttons(open);
        let header = present::header(open, &members, names, calls);
        tab.shown.fragment("talk-header", html(&header), &[]);
        let at_door = present::at_door(open, calls);
        tab.shown.fragment("at-door", html(&at_door), &[]);
    }

    pub(super) fn draw_panel(
        &self,
        tab: &mut Tab,
        me: &Me,
        open: (Option<&ConversationView>, &Names),
        now: Moment,
    ) {
        let inside = self.panel_html(tab, me, open, now);
        let is_open = inside.is_some();
        tab.shown
            .fragment("panel-body", inside.unwrap_or_default(), &["panel-status"]);
        if is_open {
            tab.shown.fragment_text("panel-status", tab.status.text());
        }
        tab.shown.act_once("panel", Act::Panel(is_open));
    }

    fn panel_html(
        &self,
        tab: &Tab,
        me: &Me,
        (open, names): (Option<&ConversationView>, &Names),
        now: Moment,
    ) -> Option<String> {
        let panel = tab.panel.as_ref()?;
        Some(match panel.name {
            PanelName::Menu => html(&present::menu(me)),
            PanelName::About => html(&present::about(me)),
            PanelName::New => html(&present::pick(&self.core.people(), None)),
            PanelName::Emoji | PanelName::React(_) => html(&present::emoji(panel.name)),
            PanelName::Invite => html(&present::invite(me, None, panel.invite.clone())),
            PanelName::InviteGroup => html(&present::invite(me, Some(open?), panel.invite.clone())),
            PanelName::CallLink => {
                let place = tab.call_place();
                let place = place.and_then(|group| self.core.conversation(&group))?;
                let own = self.core.own_call_links(&place.id);
                let time = (now.seconds(), self.zone);
                let room = self.core.room().filter(|_| tab.room().is_some());
                let room = room.filter(|room| room.conversation == place.id);
                html(&present::call_link(
                    me,
                    (&place, room.as_ref()),
                    &own,
                    panel.invite.clone(),
                    time,
                ))
            }
            PanelName::Details => {
                let members = self.core.members(&open?.id);
                // The dialog of links is about the call that one is in.
                let guests = tab.call_place() == Some(open?.id);
                html(&present::details(
                    open?,
                    &members,
                    &self.core.people(),
                    guests,
                    panel.safety.clone(),
                ))
            }
            PanelName::Add => {
                let members = self.core.members(&open?.id);
                html(&present::pick(&self.core.people(), Some(&members)))
            }
            PanelName::Rename => html(&present::rename(open?)),
            PanelName::ConfirmRemove(account) => html(&present::confirm_remove(&account, names)),
            PanelName::ConfirmHush(account) => {
                let members = self.core.room().map(|room| room.members);
                let mut members = members.iter().flatten();
                let is_guest = members.any(|it| it.account == account && it.is_guest);
                html(&present::confirm_hush(&account, names, is_guest))
            }
            PanelName::ConfirmLeave => html(&present::confirm_leave()),
            PanelName::Devices => html(&present::devices(&tab.devices)),
            PanelName::Doctor => {
                let nothing = present::Findings::default();
                html(&present::doctor(tab.findings.as_ref().unwrap_or(&nothing)))
            }
        })
    }

    fn banner(&self) -> Banner {
        let notes = self.notes.iter().enumerate().map(|(at, note)| BannerLine {
            text: note.clone(),
            alarm: false,
            button: (at == 0).then_some(Button {
                action: "dismiss",
                text: "OK",
            }),
        });
        let offline = match self.core.connection() {
            Connection::Waiting => Some(BannerLine {
                text: "No connection to the server. What you write is kept here and sent when it is back.".to_owned(),
                alarm: false,
                button: Some(Button { action: "connect", text: "Try now" }),
            }),
            Connection::Off | Connection::Connecting | Connection::Online => None,
        };
        Banner {
            lines: offline.into_iter().chain(notes).collect(),
        }
    }

    /// Names of everybody on the server and in a conversation.
    pub(super) fn names(&self, group: Option<&GroupId>) -> Names {
        let members = group
            .map(|group| self.core.members(group))
            .unwrap_or_default();
        let names = Names::new(
            &self.core.people(),
            &members,
            self.core.me().map(|me| me.account),
        );
        let room = self.core.room().into_iter();
        names.with_guests(room.flat_map(|room| room.members))
    }
}

fn draw_start(tab: &mut Tab) {
    let host = tab.host().to_owned();
    let lost = tab.had_account.then(|| LOST.to_owned());
    tab.shown
        .fragment("app", html(&StartScreen { host, lost }), &IN_MAIN);
    tab.shown.fragment_text("start-status", tab.status.text());
}

/// The server has written this page; what the link's fragment says is added.
fn draw_invite(tab: &mut Tab, me: Option<&Me>, link: &str) {
    let invite = InviteLink::parse(link).ok();
    let joins = invite.is_some();
    let group = invite.and_then(|invite| invite.group_name);
    if !joins {
        tab.status = Status::Trouble(CUT_LINK.to_owned());
    }
    if let Some(group) = &group {
        tab.shown.fragment_text(
            "invite-group",
            &format!("You are invited to join “{group}”."),
        );
        tab.shown.act_once("reveal", Act::Reveal("invite-group"));
    }
    if me.is_none() && tab.had_account && matches!(tab.status, Status::Nothing) {
        tab.status = Status::Trouble(ANOTHER_PERSON.to_owned());
    }
    if let Some(me) = me {
        let view = Invited {
            me: me.name.to_string(),
            joins,
            group,
        };
        tab.shown
            .fragment("invite-action", html(&view), &["join-status"]);
    }
    let status = JoinStatus {
        text: tab.status.text().to_owned(),
        is_waiting: tab.is_joining,
    };
    tab.shown.fragment("join-status", html(&status), &[]);
    if joins {
        tab.shown.act_once("ready", Act::Ready);
    }
}

fn typing(open: &ConversationView, names: &Names) -> String {
    let who: Vec<String> = open.typing.iter().map(|who| names.of(who)).collect();
    match who.len() {
        0 => String::new(),
        1 => format!("{} is writing…", present::listed(&who)),
        2 | 3 => format!("{} are writing…", present::listed(&who)),
        _ => "Several people are writing…".to_owned(),
    }
}
