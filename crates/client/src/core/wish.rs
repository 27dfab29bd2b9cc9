//! Commands: each becomes stored intents, stored messages or a request, or is refused at once.

use super::Core;
use super::net::Wanted;
use super::setup::name_rule;
use super::turn::Turn;
use crate::command::Command;
use crate::content::{Emoji, Item, MessageId};
use crate::notice::Notice;
use crate::port::Effect;
use crate::record::{Kind, Wish};
use roost_wire::{AccountId, DisplayName, GroupId, Seq, limit};

/// Unsent text that is kept.
const DRAFT_BYTES: usize = limit::CONTENT_BYTES;

impl Core {
    pub(super) fn carry_out(&mut self, command: Command, turn: &mut Turn<'_>) {
        match command {
            Command::Join { link, name } => self.join(&link, &name, turn),
            Command::StartDirect(account) => self.start_direct(account, turn),
            Command::CreateGroup { name, members } => self.create_group(&name, members, turn),
            Command::Send {
                group,
                text,
                reply_to,
            } => self.send_text(&group, text, reply_to, turn),
            Command::React {
                group,
                message,
                emoji,
            } => self.react(&group, message, &emoji, turn),
            Command::Unreact {
                group,
                message,
                emoji,
            } => self.unreact(&group, message, &emoji, turn),
            Command::Edit {
                group,
                message,
                text,
            } => self.edit(&group, message, text, turn),
            Command::Delete { group, message } => self.delete(&group, message, turn),
            Command::Retry { group, message } => self.retry_message(&group, &message, turn),
            Command::MarkRead { group, upto } => self.mark_read(&group, upto, turn),
            Command::AddMembers { group, accounts } => self.add_members(&group, accounts, turn),
            Command::RemoveMember { group, account } => self.remove_member(&group, account, turn),
            Command::Leave(group) => self.leave(&group, turn),
            Command::Rename { group, name } => self.rename_group(&group, &name, turn),
            Command::CreateInvite { group, uses, days } => {
                self.create_invite(group, uses, days, turn);
            }
            Command::Typing(group) => self.type_in(&group, turn),
            Command::SetDraft { group, text } => self.set_draft(&group, text, turn),
            Command::OpenThread(group) => self.open_thread(group, false, turn),
            Command::LoadOlder(group) => self.open_thread(group, true, turn),
            Command::CloseThread(group) => {
                self.threads.remove(&group);
            }
            Command::RefreshPeople => self.refresh_people(),
            Command::RefreshDevices => self.refresh_devices(turn),
            Command::RevokeDevice(device) => self.revoke_device(device, turn),
            Command::RequestLink { origin } => self.request_link(&origin, turn),
            Command::GrantLink { request } => self.grant_link(&request, turn),
            Command::AcceptLink { grant } => self.accept_link(&grant, turn),
            Command::RingHere(is_ready) => self.calls.ring_here(is_ready),
            Command::StartCall { group, video } => self.start_call(&group, video, turn),
            Command::AcceptCall { call, video } => self.accept_call(call, video, turn),
            Command::DeclineCall { call } => self.decline_call(call, turn),
            Command::HangUp { call } => self.calls.hang_up(call, turn.now),
            Command::CallSignal { call, signal } => self.calls.signal(call, signal, turn.now),
            Command::CallConnected { call } => self.calls.connected(call, turn.now),
            Command::CallLost { call } => {
                self.calls.lost(call, turn.now);
                // What broke the one connection may have broken the other.
                self.doubt_line(turn);
            }
            Command::CallForged { call } => self.calls.forged(call, turn.now),
            Command::DismissCall => self.calls.dismiss(),
            Command::EnterCall { conversation } => self.enter_call(conversation, turn),
            Command::LeaveCall => self.leave_call(turn),
            Command::RemoveFromCall { account } => self.remove_from_call(account, turn),
            Command::AdmitGuest { account } => self.admit_guest(account, turn),
            Command::TurnAway { account } => self.turn_away(account, turn),
            Command::MakeCallLink { conversation, anew } => {
                self.make_call_link(conversation, anew, turn);
            }
            Command::WithdrawCallLink {
                conversation,
                invite,
            } => self.withdraw_call_link(&conversation, invite, turn),
            Command::WaitForCall { conversation, call } => {
                self.wait_for_call(conversation, Some(call), turn);
            }
            Command::VisitCall { link, name } => self.visit_call(&link, &name, turn),
            Command::SetRoomFlags(flags) => self.set_room_flags(flags),
            Command::ConnectMedia(offer) => self.connect_media(offer),
            Command::WatchTracks(wants) => self.watch_tracks(wants),
            Command::RenewRoomSession => self.renew_room_session(turn),
            Command::Connect => self.connect(Wanted::Live, turn),
            Command::Disconnect => self.disconnect(turn),
            Command::AskRelays => self.ask_relays(),
            Command::SyncOnce => self.connect(Wanted::Once, turn),
        }
    }

    fn send_text(
        &mut self,
        group: &GroupId,
        text: String,
        reply_to: Option<MessageId>,
        turn: &mut Turn<'_>,
    ) {
        if text.trim().is_empty() {
            turn.refuse("There is nothing to send.");
            return;
        }
        if let Some(message) = self.say(group, &Item::Text { text, reply_to }, turn) {
            self.set_draft(group, String::new(), turn);
            let group = *group;
            turn.notify(Notice::Queued { group, message });
        }
    }

    fn react(&mut self, group: &GroupId, target: MessageId, emoji: &str, turn: &mut Turn<'_>) {
        let Ok(emoji) = Emoji::new(emoji) else {
            turn.refuse("A reaction is one emoji.");
            return;
        };
        if let Some(me) = &self.me
            && let Some(thread) = self.threads.get(group)
            && thread.reaction(&target, &me.account, &emoji).is_some()
        {
            return;
        }
        self.queue(group, &Item::Reaction { target, emoji }, turn);
    }

    fn unreact(&mut self, group: &GroupId, target: MessageId, emoji: &str, turn: &mut Turn<'_>) {
        let (Ok(emoji), Some(me)) = (Emoji::new(emoji), &self.me) else {
            turn.refuse("A reaction is one emoji.");
            return;
        };
        let thread = self.threads.get(group);
        let reaction = thread.and_then(|thread| thread.reaction(&target, &me.account, &emoji));
        let Some(reaction) = reaction else {
            turn.refuse("There is no such reaction of yours (open the conversation first).");
            return;
        };
        let target = Some(target);
        self.queue(group, &Item::Unreact { reaction, target }, turn);
    }

    fn edit(&mut self, group: &GroupId, target: MessageId, text: String, turn: &mut Turn<'_>) {
        if text.trim().is_empty() {
            turn.refuse("There is nothing to send.");
        } else if self.is_call(group, &target) {
            turn.refuse("The line of a call cannot be changed.");
        } else if self.is_mine(group, &target, turn) {
            self.queue(group, &Item::Edit { target, text }, turn);
        }
    }

    fn delete(&mut self, group: &GroupId, target: MessageId, turn: &mut Turn<'_>) {
        if self.is_mine(group, &target, turn) {
            self.queue(group, &Item::Delete { target }, turn);
        }
    }

    fn is_call(&self, group: &GroupId, message: &MessageId) -> bool {
        let thread = self.threads.get(group);
        let message = thread.and_then(|thread| thread.message(message));
        message.is_some_and(|message| message.call.is_some())
    }

    fn is_mine(&self, group: &GroupId, message: &MessageId, turn: &mut Turn<'_>) -> bool {
        let thread = self.threads.get(group);
        let mine = thread
            .and_then(|thread| thread.message(message))
            .is_some_and(|message| message.mine);
        if !mine {
            turn.refuse("Only your own messages can be changed.");
        }
        mine
    }

    fn queue(&mut self, group: &GroupId, item: &Item, turn: &mut Turn<'_>) {
        if let Some(message) = self.say(group, item, turn) {
            let group = *group;
            turn.notify(Notice::Queued { group, message });
        }
    }

    fn mark_read(&mut self, group: &GroupId, upto: Seq, turn: &mut Turn<'_>) {
        let Some(conversation) = self.conversations.get(group) else {
            return;
        };
        if upto <= conversation.record.read_upto {
            return;
        }
        if let Some(conversation) = self.change(group) {
            conversation.record.read_upto = upto.min(conversation.record.cursor);
            conversation.record.unread.retain(|seq| *seq > upto);
            turn.notify(Notice::ConversationsChanged);
        }
    }

    fn add_members(&mut self, group: &GroupId, accounts: Vec<AccountId>, turn: &mut Turn<'_>) {
        if !self.is_changeable_group(group, turn) {
            return;
        }
        for batch in accounts.chunks(limit::ADDS_PER_COMMIT / limit::DEVICES_PER_ACCOUNT) {
            self.intend(group, Wish::Add(batch.to_vec()), 0, turn);
        }
    }

    fn remove_member(&mut self, group: &GroupId, account: AccountId, turn: &mut Turn<'_>) {
        if self.is_me(&account) {
            self.leave(group, turn);
        } else if self.is_changeable_group(group, turn) {
            self.intend(group, Wish::Remove(account), 0, turn);
        }
    }

    fn is_changeable_group(&self, group: &GroupId, turn: &mut Turn<'_>) -> bool {
        let changeable = self.conversations.get(group).is_some_and(|conversation| {
            let is_group = conversation.record.kind == Kind::Group;
            is_group && !conversation.is_over() && !conversation.record.leaving
        });
        if !changeable {
            turn.refuse("The members of this conversation cannot be changed.");
        }
        changeable
    }

    fn leave(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        let Some(conversation) = self
            .change(group)
            .filter(|conversation| !conversation.is_over() && !conversation.record.leaving)
        else {
            turn.refuse("You are not in this conversation.");
            return;
        };
        conversation.record.leaving = true;
        self.intend(group, Wish::Leave, 0, turn);
        turn.notify(Notice::ConversationsChanged);
    }

    fn rename_group(&mut self, group: &GroupId, name: &str, turn: &mut Turn<'_>) {
        let Ok(name) = DisplayName::new(name) else {
            turn.refuse(name_rule(name));
            return;
        };
        if !self.is_changeable_group(group, turn) {
            return;
        }
        let item = Item::RoomName { name: name.clone() };
        if self.say(group, &item, turn).is_some()
            && let Some(conversation) = self.change(group)
        {
            conversation.record.name = Some(name);
            turn.notify(Notice::ConversationsChanged);
        }
    }

    fn set_draft(&mut self, group: &GroupId, mut text: String, turn: &mut Turn<'_>) {
        let mut end = text.len().min(DRAFT_BYTES);
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        text.truncate(end);
        let known = self
            .conversations
            .get(group)
            .map(|found| &found.record.draft);
        if known.is_some_and(|known| *known != text)
            && let Some(conversation) = self.change(group)
        {
            conversation.record.draft = text;
            turn.notify(Notice::ConversationsChanged);
        }
    }

    fn refresh_people(&mut self) {
        self.net.people_due = true;
        self.net.people_after = None;
        if self.net.wanted == Wanted::Off {
            self.net.wanted = Wanted::Once;
        }
    }

    fn connect(&mut self, wanted: Wanted, turn: &mut Turn<'_>) {
        let asked = wanted == Wanted::Once || self.net.wanted == Wanted::Once;
        if self.net.wanted != Wanted::Live {
            self.net.wanted = wanted;
        }
        self.net.sync_asked |= asked && self.net.wanted == Wanted::Live;
        self.net.inbox_due = true;
        self.net.memberships_due = true;
        // A person waits: no back-off from earlier failures, and no trust in a silent line.
        self.net.answered();
        self.doubt_line(turn);
        for conversation in self.conversations.values_mut() {
            conversation.caught_up &= self.net.wanted == Wanted::Live;
        }
        turn.notify(Notice::ConnectionChanged);
    }

    fn disconnect(&mut self, turn: &mut Turn<'_>) {
        self.net.wanted = Wanted::Off;
        self.net.sync_asked = false;
        self.lose_socket();
        self.drop_room(turn);
        turn.effects.push(Effect::CloseSocket);
        turn.notify(Notice::ConnectionChanged);
    }
}
