//! What people do, as commands for the core and changes to what a tab looks at.

use super::tab::{Panel, Place, Status, Tab, origin};
use super::{App, Turn};
use crate::event::{Event, PanelName};
use crate::patch::Act;
use crate::present::{INVITE_DAYS, INVITE_USES};
use crate::view::InviteState;
use roost_client::view::{ConversationView, ThreadItem};
use roost_client::{CUT_LINK, Command, MessageId};
use roost_wire::{AccountId, GroupId, InviteId, Seq, limit};

impl App {
    pub(super) fn on_event(&mut self, tab: &str, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Join { name } => self.join(tab, name, turn),
            Event::Visit { name } => self.visit(tab, name, turn),
            Event::UseLink => self.use_link(tab, turn),
            Event::PasteLink(link) => self.paste_link(tab, &link),
            Event::Route(group) => self.route(tab, group, turn),
            Event::Find(text) => self.find(tab, text),
            Event::Send(text) => self.send(tab, text, turn),
            Event::Draft(text) => {
                self.in_group(tab, turn, |group| Command::SetDraft { group, text });
            }
            Event::Typing => {
                self.in_group(tab, turn, Command::Typing);
            }
            Event::Reply(message) => self.reply(tab, Some(message)),
            Event::CancelReply => self.reply(tab, None),
            Event::React { message, emoji } => {
                self.react(tab, message, emoji, turn);
            }
            Event::Unreact { message, emoji } => {
                self.in_group(tab, turn, |group| Command::Unreact {
                    group,
                    message,
                    emoji,
                });
            }
            Event::InsertEmoji(emoji) => {
                self.panel(tab, None);
                self.act(tab, Act::Insert(emoji));
            }
            Event::Retry(message) => {
                self.in_group(tab, turn, |group| Command::Retry { group, message });
            }
            Event::Older => {
                self.in_group(tab, turn, Command::LoadOlder);
            }
            Event::Panel(name) => self.open_panel(tab, name, turn),
            Event::ClosePanel => {
                self.panel(tab, None);
                self.stop_examining(tab);
            }
            Event::Start { with, name } => self.start(tab, with, &name, turn),
            Event::Add(accounts) => self.add(tab, accounts, turn),
            Event::Remove(account) => {
                self.then_close(tab, turn, |group| Command::RemoveMember { group, account });
            }
            Event::Leave => self.then_close(tab, turn, Command::Leave),
            Event::Rename(name) => {
                self.then_close(tab, turn, |group| Command::Rename { group, name });
            }
            Event::MakeInvite => self.make_invite(tab, turn),
            Event::WithdrawLink(invite) => self.withdraw_link(tab, invite, turn),
            Event::Watch { visible, bottom } => {
                if let Some(tab) = self.tabs.get_mut(tab) {
                    tab.is_watching = visible && bottom;
                }
            }
            Event::Connect => {
                self.command(tab, Command::Connect, turn);
            }
            Event::Dismiss => {
                self.notes.clear();
                self.note_in_room(None);
            }
            Event::Call(event) => self.on_call_event(tab, event, turn),
            Event::Room(event) => self.on_room_event(tab, event, turn),
            Event::Examine => self.examine(tab, turn),
            Event::Found { name, result } => self.note_finding(tab, name, result),
        }
    }

    fn join(&mut self, tab: &str, name: String, turn: &mut Turn<'_>) {
        let Some(state) = self.tabs.get_mut(tab) else {
            return;
        };
        let Place::Invite { link } = state.place.clone() else {
            return;
        };
        state.is_joining = true;
        state.status = Status::News("Joining…");
        self.command(tab, Command::Join { link, name }, turn);
    }

    /// Somebody who has an account enters the link's group.
    fn use_link(&mut self, tab: &str, turn: &mut Turn<'_>) {
        let Some(state) = self.tabs.get_mut(tab) else {
            return;
        };
        let Place::Invite { link } = state.place.clone() else {
            return;
        };
        state.is_opening = true;
        state.is_joining = true;
        state.status = Status::News("Joining…");
        self.command(
            tab,
            Command::Join {
                link,
                name: String::new(),
            },
            turn,
        );
        self.command(tab, Command::Connect, turn);
        if let Some(state) = self.tabs.get_mut(tab)
            && state.is_joining
        {
            state.is_joining = false;
            state.goes_home();
        }
    }

    fn paste_link(&mut self, tab: &str, link: &str) {
        let Some(state) = self.tabs.get_mut(tab) else {
            return;
        };
        match roost_wire::link::InviteLink::parse(link) {
            Ok(invite) if origin(link.trim()) == invite.origin => {
                state.shown.act(Act::Visit(link.trim().to_owned()));
            }
            Ok(_) => state.status = Status::Trouble(OTHER_SERVER.to_owned()),
            Err(_) if is_call_link(link, origin(link.trim())) => {
                state.shown.act(Act::Visit(link.trim().to_owned()));
            }
            Err(_) => {
                state.status = Status::Trouble(CUT_LINK.to_owned());
            }
        }
    }

    /// The tab goes to a conversation, or to none.
    pub(super) fn route(&mut self, tab: &str, group: Option<GroupId>, turn: &mut Turn<'_>) {
        let Some(state) = self.tabs.get_mut(tab) else {
            return;
        };
        let before = std::mem::replace(&mut state.group, group);
        state.panel = None;
        if before == group && group.is_some() {
            return;
        }
        if group.is_some() {
            state.is_opening = false;
        }
        state.reply_to = None;
        state.new_after = None;
        state.is_watching = false;
        if let Some(before) = before
            && !self.tabs.values().any(|tab| tab.group == Some(before))
        {
            self.command(tab, Command::CloseThread(before), turn);
        }
        let Some(conversation) = group.and_then(|group| self.core.conversation(&group)) else {
            return;
        };
        let group = conversation.id;
        if let Some(state) = self.tabs.get_mut(tab) {
            state.new_after = (conversation.unread > 0).then_some(conversation.read_upto);
            state.shown.act(Act::Text(conversation.draft));
            state.shown.act(Act::Compose);
        }
        if self.core.thread(&group).is_none() {
            self.command(tab, Command::OpenThread(group), turn);
        }
    }

    fn find(&mut self, tab: &str, text: String) {
        if let Some(tab) = self.tabs.get_mut(tab) {
            tab.find = text;
        }
    }

    fn send(&mut self, tab: &str, text: String, turn: &mut Turn<'_>) {
        let Some(state) = self.tabs.get_mut(tab) else {
            return;
        };
        let Some(group) = state.group.filter(|_| !text.trim().is_empty()) else {
            return;
        };
        let reply_to = state.reply_to;
        let draft = Command::SetDraft {
            group,
            text: String::new(),
        };
        self.command(tab, draft, turn);
        let message = Command::Send {
            group,
            text: text.clone(),
            reply_to,
        };
        let is_sent = self.command(tab, message, turn);
        let Some(state) = self.tabs.get_mut(tab) else {
            return;
        };
        if is_sent {
            state.reply_to = None;
            state.new_after = None;
            state.shown.act(Act::Newest);
        } else {
            state.shown.act(Act::Text(text));
        }
    }

    fn reply(&mut self, tab: &str, message: Option<MessageId>) {
        if let Some(tab) = self.tabs.get_mut(tab) {
            tab.reply_to = message;
            tab.shown.act(Act::Compose);
        }
    }

    /// Pressing the emoji one has reacted with already takes it back.
    fn react(&mut self, tab: &str, message: MessageId, emoji: String, turn: &mut Turn<'_>) {
        let emoji = emoji.trim().to_owned();
        let Some(group) = self.tabs.get(tab).and_then(|tab| tab.group) else {
            return;
        };
        let is_mine = self
            .core
            .thread(&group)
            .and_then(|thread| thread.message(&message))
            .is_some_and(|message| {
                message
                    .reactions
                    .iter()
                    .any(|found| found.mine && found.emoji == emoji)
            });
        if is_mine {
            self.then_close(tab, turn, |group| Command::Unreact {
                group,
                message,
                emoji,
            });
        } else {
            self.then_close(tab, turn, |group| Command::React {
                group,
                message,
                emoji,
            });
        }
    }

    fn open_panel(&mut self, tab: &str, name: PanelName, turn: &mut Turn<'_>) {
        self.panel(
            tab,
            Some(Panel {
                name,
                invite: InviteState::Making,
                safety: None,
            }),
        );
        self.refresh_safety();
        match name {
            PanelName::Invite | PanelName::InviteGroup | PanelName::CallLink => {
                self.make_invite(tab, turn);
            }
            PanelName::New | PanelName::Add | PanelName::Details => {
                self.command(tab, Command::RefreshPeople, turn);
            }
            PanelName::Menu
            | PanelName::About
            | PanelName::Rename
            | PanelName::React(_)
            | PanelName::Emoji
            | PanelName::ConfirmRemove(_)
            | PanelName::ConfirmHush(_)
            | PanelName::ConfirmLeave
            | PanelName::Devices => {}
            PanelName::Doctor => self.examine(tab, turn),
        }
    }

    fn make_invite(&mut self, tab: &str, turn: &mut Turn<'_>) {
        let Some(state) = self.tabs.get_mut(tab) else {
            return;
        };
        let Some(panel) = &mut state.panel else {
            return;
        };
        let had = std::mem::replace(&mut panel.invite, InviteState::Making);
        if panel.name == PanelName::CallLink {
            let anew = matches!(had, InviteState::Ready(_));
            let Some(conversation) = state.call_place() else {
                state.invite_failed("You are in no call.");
                return;
            };
            self.command(tab, Command::MakeCallLink { conversation, anew }, turn);
            return;
        }
        let group = state.group.filter(|_| panel.name == PanelName::InviteGroup);
        let command = Command::CreateInvite {
            group,
            uses: INVITE_USES,
            days: INVITE_DAYS,
        };
        self.command(tab, command, turn);
    }

    fn withdraw_link(&mut self, tab: &str, invite: InviteId, turn: &mut Turn<'_>) {
        let place = self.tabs.get(tab).and_then(Tab::call_place);
        if let Some(conversation) = place {
            let command = Command::WithdrawCallLink {
                conversation,
                invite,
            };
            self.command(tab, command, turn);
        }
    }

    fn start(&mut self, tab: &str, with: Vec<AccountId>, name: &str, turn: &mut Turn<'_>) {
        let name = name.trim();
        let command = match with.as_slice() {
            [] if name.is_empty() => {
                return self.complain(Some(tab), "Choose somebody first.");
            }
            [one] if name.is_empty() => Command::StartDirect(*one),
            _ => Command::CreateGroup {
                name: self.group_name(name, &with),
                members: with,
            },
        };
        if let Some(tab) = self.tabs.get_mut(tab) {
            tab.is_opening = true;
        }
        self.command(tab, command, turn);
    }

    /// A group without a name is called by its people.
    fn group_name(&self, name: &str, with: &[AccountId]) -> String {
        if !name.is_empty() {
            return name.to_owned();
        }
        let names = self.names(None);
        let people: Vec<String> = self
            .core
            .me()
            .map(|me| me.name.to_string())
            .into_iter()
            .chain(with.iter().map(|account| names.of(account)))
            .collect();
        named_by(&people)
    }

    fn add(&mut self, tab: &str, accounts: Vec<AccountId>, turn: &mut Turn<'_>) {
        if accounts.is_empty() {
            return self.complain(Some(tab), "Choose somebody first.");
        }
        self.then_close(tab, turn, |group| Command::AddMembers { group, accounts });
    }

    /// Whether the tab is at a conversation and the command was taken.
    pub(super) fn in_group(
        &mut self,
        tab: &str,
        turn: &mut Turn<'_>,
        command: impl FnOnce(GroupId) -> Command,
    ) -> bool {
        let group = self.tabs.get(tab).and_then(|tab| tab.group);
        group.is_some_and(|group| self.command(tab, command(group), turn))
    }

    /// Closes the dialog unless the command was refused in it.
    fn then_close(
        &mut self,
        tab: &str,
        turn: &mut Turn<'_>,
        command: impl FnOnce(GroupId) -> Command,
    ) {
        if self.in_group(tab, turn, command) {
            self.panel(tab, None);
        }
    }

    /// What somebody looks at is read.
    pub(super) fn mark_what_is_seen(&mut self, turn: &mut Turn<'_>) {
        let open = self.tabs.iter().map(|(id, tab)| (id.clone(), tab.group));
        for (id, group) in open.collect::<Vec<_>>() {
            if let Some(conversation) = group.and_then(|group| self.core.conversation(&group))
                && conversation.unread > 0
            {
                self.see(&id, &conversation, turn);
            }
        }
    }

    fn see(&mut self, id: &str, conversation: &ConversationView, turn: &mut Turn<'_>) {
        let newest = self.newest(&conversation.id);
        let Some(tab) = self.tabs.get_mut(id) else {
            return;
        };
        match newest {
            Some(upto) if tab.is_watching => {
                self.command(
                    id,
                    Command::MarkRead {
                        group: conversation.id,
                        upto,
                    },
                    turn,
                );
            }
            _ => tab.has_new_after(conversation.read_upto),
        }
    }

    fn newest(&self, group: &GroupId) -> Option<Seq> {
        let items = self.core.thread(group)?.items();
        items
            .iter()
            .filter_map(|item| match item {
                ThreadItem::Message(message) => message.seq,
                ThreadItem::Event(event) => event.seq,
            })
            .max()
    }
}

/// Whether it leads to a call on this server.
fn is_call_link(link: &str, origin: &str) -> bool {
    roost_wire::link::CallLink::parse(link).is_ok_and(|link| link.origin == origin)
}

const OTHER_SERVER: &str = "This link is for another server. Open it in the address bar.";

/// The name of a group of these people, as long as a name may be.
fn named_by(people: &[String]) -> String {
    let name = people.join(", ");
    if name.chars().count() <= limit::NAME_CHARS {
        return name;
    }
    let start = name.chars().take(limit::NAME_CHARS.saturating_sub(1));
    start.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_wire::DisplayName;

    #[test]
    fn the_name_made_of_many_people_is_one_that_a_group_may_have() {
        let people = ["Alexander", "Benjamin", "Charlotte", "Dominique"].map(str::to_owned);

        let name = named_by(&people);

        assert_eq!(name, "Alexander, Benjamin, Charlotte, Dominiq…");
        assert!(DisplayName::new(&name).is_ok());
    }
}
