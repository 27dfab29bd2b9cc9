//! The links by which guests come to a conversation's calls: made, kept, told and withdrawn.
//!
//! Owns which links are known here and which of them are over. What their secrets are good for is
//! in [`crate::room::knock`]; who is let in is the room's.

use super::Core;
use super::net::{Call, Wanted};
use super::turn::Turn;
use crate::notice::Notice;
use crate::record::CallLinkRecord;
use crate::view::CallLinkView;
use roost_wire::api::WithdrawInvite;
use roost_wire::link::CallLink;
use roost_wire::{ApiError, ErrorCode, GroupId, InviteId, Seconds, limit};

/// Guests that one link of calls lets knock, how long it lasts, and with how much time left another
/// one is made.
const USES: u32 = 100;
const DAYS: u64 = 7;
const LEFT_SECONDS: u64 = 3_600;

impl Core {
    /// The conversation's guest link, if one that lasts a while is known and no other is wanted;
    /// else a new one.
    pub(super) fn make_call_link(
        &mut self,
        conversation: GroupId,
        anew: bool,
        turn: &mut Turn<'_>,
    ) {
        let found = self.conversations.get(&conversation);
        if !found.is_some_and(super::Conversation::is_usable) {
            turn.refuse("This conversation is not ready for calls.");
            return;
        }
        let soon = self.net.server_time(turn.now).plus(LEFT_SECONDS);
        // Others' links are theirs to give away, and only they know how they were given.
        let is_fit =
            |link: &CallLinkRecord| !anew && link.expires > soon && self.is_me(&link.maker);
        let links = self.call_links(&conversation);
        if let Some(link) = links.into_iter().rev().find(is_fit) {
            return self.tell_call_link(conversation, &link, turn);
        }
        if !self.is_link_asked(conversation) {
            self.ask_for_invite(None, Some(conversation), USES, DAYS, turn);
        }
    }

    pub(super) fn on_call_link_created(
        &mut self,
        conversation: GroupId,
        (invite, secret): (InviteId, [u8; 16]),
        expires: Seconds,
        turn: &mut Turn<'_>,
    ) {
        let Some(maker) = self.me.as_ref().map(|me| me.account) else {
            return;
        };
        let link = CallLinkRecord {
            invite,
            secret,
            expires,
            maker,
        };
        self.keep_call_link(&conversation, link.clone(), turn);
        self.hasten_announcement();
        self.tell_call_link(conversation, &link, turn);
    }

    /// Nobody shall come by this link any more. It counts for nothing here from now on, and the
    /// server is told until it has heard.
    pub(super) fn withdraw_call_link(
        &mut self,
        conversation: &GroupId,
        invite: InviteId,
        turn: &mut Turn<'_>,
    ) {
        let links = self.call_links(conversation);
        let is_own = |link: &CallLinkRecord| link.invite == invite && self.is_me(&link.maker);
        if !links.iter().any(is_own) {
            turn.refuse("This link is over, or somebody else’s.");
            return;
        }
        if let Some(found) = self.change(conversation) {
            found.record.withdrawn_links.push(invite);
        }
        self.door.forget_link(&invite);
        if let Some(room) = &mut self.room {
            room.forget_link(&invite);
            turn.notify(Notice::RoomChanged);
        }
        if self.net.wanted == Wanted::Off {
            self.net.wanted = Wanted::Once;
        }
        self.hasten_announcement();
        turn.notify(Notice::ConversationsChanged);
    }

    pub(super) fn pump_withdrawals(&mut self, turn: &mut Turn<'_>) {
        let conversations = self.conversations.iter();
        let withdrawn = conversations.flat_map(|(group, found)| {
            let links = found.record.withdrawn_links.iter();
            links.map(|invite| (*group, *invite))
        });
        for (group, invite) in withdrawn.collect::<Vec<_>>() {
            let request = WithdrawInvite { invite };
            self.call(Call::WithdrawInvite(group, invite), &request, turn);
        }
    }

    pub(super) fn on_withdrawn(&mut self, group: &GroupId, invite: &InviteId, turn: &mut Turn<'_>) {
        if let Some(found) = self.change(group) {
            found.record.withdrawn_links.retain(|other| other != invite);
            found
                .record
                .call_links
                .retain(|link| link.invite != *invite);
            turn.notify(Notice::ConversationsChanged);
        }
    }

    pub(super) fn on_withdrawal_refused(
        &mut self,
        group: &GroupId,
        invite: &InviteId,
        error: &ApiError,
        turn: &mut Turn<'_>,
    ) {
        // The server has forgotten it: that it was over, or had been withdrawn before.
        if error.code == ErrorCode::NotFound {
            return self.on_withdrawn(group, invite, turn);
        }
        if error.code.is_passing() {
            return;
        }
        if let Some(found) = self.change(group) {
            found.record.withdrawn_links.retain(|other| other != invite);
        }
        self.fail(group, &error.message, turn);
    }

    /// The links by which guests come to the conversation's calls, as far as they are known here.
    pub(super) fn call_links(&self, conversation: &GroupId) -> Vec<CallLinkRecord> {
        let Some(found) = self.conversations.get(conversation) else {
            return Vec::new();
        };
        let withdrawn = &found.record.withdrawn_links;
        let links = found.record.call_links.iter();
        let links = links.filter(|link| !withdrawn.contains(&link.invite));
        links.cloned().collect()
    }

    /// The links of one's own, the newest last: those that are being withdrawn among them.
    #[must_use]
    pub fn own_call_links(&self, conversation: &GroupId) -> Vec<CallLinkView> {
        let Some(found) = self.conversations.get(conversation) else {
            return Vec::new();
        };
        let withdrawn = &found.record.withdrawn_links;
        let links = found.record.call_links.iter();
        let own = links.filter(|link| self.is_me(&link.maker));
        own.filter_map(|link| {
            Some(CallLinkView {
                invite: link.invite,
                link: self.whole_call_link(link)?,
                expires: link.expires,
                is_withdrawn: withdrawn.contains(&link.invite),
            })
        })
        .collect()
    }

    /// Keeps a link's secret with the conversation, so that everybody in a later call hears of it.
    /// There is room for so many; if they are all one's own, the oldest of them is withdrawn, since
    /// nobody here could let in who comes by it.
    pub(super) fn keep_call_link(
        &mut self,
        conversation: &GroupId,
        link: CallLinkRecord,
        turn: &Turn<'_>,
    ) {
        let now = self.net.server_time(turn.now);
        let me = self.me.as_ref().map(|me| me.account);
        if let Some(found) = self.change(conversation) {
            let record = &mut found.record;
            let links = &mut record.call_links;
            links.push(link);
            links.retain(|link| link.expires > now);
            // One's own go last.
            links.sort_by_key(|link| (Some(link.maker) == me, link.expires));
            let over = links.len().saturating_sub(limit::CALL_LINKS);
            let over = links.drain(..over);
            let own = over.filter(|link| Some(link.maker) == me);
            record.withdrawn_links.extend(own.map(|link| link.invite));
        }
    }

    fn tell_call_link(&self, conversation: GroupId, record: &CallLinkRecord, turn: &mut Turn<'_>) {
        if let Some(link) = self.whole_call_link(record) {
            let expires = record.expires;
            turn.notify(Notice::CallLink {
                conversation,
                link,
                expires,
            });
        }
    }

    fn whole_call_link(&self, record: &CallLinkRecord) -> Option<String> {
        let link = CallLink {
            origin: self.me.as_ref()?.origin.clone(),
            invite: record.invite,
            secret: record.secret,
        };
        Some(link.to_string())
    }
}
