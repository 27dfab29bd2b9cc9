//! The device's inbox: Welcomes, requests for key packages, places in groups.

use super::Core;
use super::net::{Call, Wanted};
use super::turn::Turn;
use crate::record::{Kind, Stage, WaitingWelcome};
use crate::repair::Trouble;
use roost_wire::api::{FetchInbox, InboxPage};
use roost_wire::log::InboxItem;
use roost_wire::{Epoch, GroupId, InboxSeq, Seq, limit};

/// Conversations that are kept, those that are over among them.
const CONVERSATIONS_MAX: usize = 20_000;

impl Core {
    /// Without a socket the inbox is fetched; with one it comes by itself.
    pub(super) fn pump_inbox(&mut self, turn: &mut Turn<'_>) {
        if self.net.inbox_due && self.net.wanted == Wanted::Once {
            let after = self.session.inbox;
            self.call(Call::Inbox, &FetchInbox { after }, turn);
        }
    }

    pub(super) fn on_inbox_page(&mut self, page: InboxPage, turn: &mut Turn<'_>) {
        let before = self.session.inbox;
        for row in page.items.into_vec() {
            self.on_inbox_item(row.seq, row.item, turn);
        }
        self.net.inbox_due = page.more && self.session.inbox > before;
    }

    pub(super) fn on_inbox_item(&mut self, seq: InboxSeq, item: InboxItem, turn: &mut Turn<'_>) {
        if seq <= self.session.inbox {
            return;
        }
        self.session.inbox = seq;
        self.store_session();
        match item {
            InboxItem::Welcome {
                group,
                epoch,
                seq,
                welcome,
            } => self.on_welcome(group, epoch, seq, welcome.into_bytes(), turn),
            InboxItem::RefillKeyPackages { .. } => {
                self.session.refill = true;
                self.store_session();
            }
            InboxItem::JoinGroup { group } => self.on_place_in_group(group, turn),
        }
    }

    /// Keeps a Welcome until its tree is here. One for a group that exists is refused: a stranger's
    /// Welcome with a known id would overwrite the live group.
    fn on_welcome(
        &mut self,
        group: GroupId,
        epoch: Epoch,
        seq: Seq,
        welcome: Vec<u8>,
        turn: &mut Turn<'_>,
    ) {
        if self.on_room_welcome(&group, epoch, seq, &welcome) {
            return;
        }
        let stage = Stage::Welcomed { epoch, seq };
        let known = self
            .conversations
            .get(&group)
            .map(|found| found.record.stage);
        match known {
            _ if self.mls.has(&group) => {
                self.troubles.count(Trouble::WelcomeRefused);
                return;
            }
            None if self.has_no_room() => return,
            None => self.begin(group, Kind::Group, stage, turn),
            Some(Stage::Entering) if self.is_entry_sent(&group) => return,
            Some(_) => self.set_stage(&group, stage, turn),
        }
        self.set_welcome(&group, Some(WaitingWelcome { welcome }));
    }

    /// Only so many conversations begin at the server's word.
    pub(super) fn has_no_room(&self) -> bool {
        let open = self.conversations.values().filter(|found| !found.is_over());
        open.count() >= 2 * limit::GROUPS_PER_DEVICE
            || self.conversations.len() >= CONVERSATIONS_MAX
    }

    fn is_entry_sent(&self, group: &GroupId) -> bool {
        self.conversations
            .get(group)
            .is_some_and(|found| found.entry.is_some())
    }
}
