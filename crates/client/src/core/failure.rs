//! Messages that were not sent: each says so itself, or what it changed is undone.

use super::Core;
use super::turn::Turn;
use crate::content::{Item, MimiContent};
use crate::notice::Notice;
use crate::record::TimelineRecord;
use roost_wire::{DisplayName, GroupId};

impl Core {
    pub(super) fn fail_outbox(&mut self, group: &GroupId, reason: &str, turn: &mut Turn<'_>) {
        let waiting: Vec<u64> = self.outbox_of(group).map(|(index, _)| index).collect();
        self.fail_messages(group, waiting.clone(), reason, turn);
        for index in waiting {
            self.drop_outbox(group, index);
        }
    }

    /// Keeps what is not sent until the person says again that it should be.
    pub(super) fn hold_outbox(&mut self, group: &GroupId, reason: &str, turn: &mut Turn<'_>) {
        let waiting = self.outbox_of(group).map(|(index, _)| index).collect();
        self.fail_messages(group, waiting, reason, turn);
    }

    /// These were not sent. A message says so itself; a change to one, and a name, is undone.
    pub(super) fn fail_messages(
        &mut self,
        group: &GroupId,
        indexes: Vec<u64>,
        reason: &str,
        turn: &mut Turn<'_>,
    ) {
        let mut undone = false;
        for index in indexes {
            if let Some(item) = self.fail_message(group, index, reason) {
                undone |= is_change(&item);
                if let Item::RoomName { name } = item {
                    self.undo_name(group, &name);
                }
            }
        }
        if undone {
            let told = format!("What you changed was not sent: {reason}");
            self.fail(group, &told, turn);
            turn.notify(Notice::ConversationsChanged);
        }
    }

    /// What it was, unless it is in the log or known to have failed.
    fn fail_message(&mut self, group: &GroupId, index: u64, reason: &str) -> Option<Item> {
        let item = self.outbox.get(&(*group, index))?;
        if item.accepted.is_some() || item.failed {
            return None;
        }
        let id = item.id;
        let content = MimiContent::decode(&item.content).ok();
        let reason = reason.to_owned();
        self.change_outbox(group, index, |item| {
            item.failed = true;
            item.sealed = None;
        });
        self.append(group, TimelineRecord::Failed { id, reason });
        content.map(|content| Item::of(&content))
    }

    fn undo_name(&mut self, group: &GroupId, name: &DisplayName) {
        if let Some(conversation) = self.change(group)
            && conversation.record.name.as_ref() == Some(name)
            && let Some(logged) = conversation.record.logged_name.clone()
        {
            conversation.record.name = Some(logged);
        }
    }
}

/// Whether an item changes what is there, so that only the change would show its failure.
const fn is_change(item: &Item) -> bool {
    match item {
        Item::Text { .. } | Item::Call(_) | Item::Unknown => false,
        Item::Reaction { .. }
        | Item::Unreact { .. }
        | Item::Edit { .. }
        | Item::Delete { .. }
        | Item::RoomName { .. } => true,
    }
}
