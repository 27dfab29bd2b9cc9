//! Following a group's log: every entry once, in order, and never past a hole.

use super::Core;
use super::net::{Call, Wanted};
use super::turn::Turn;
use crate::notice::Notice;
use crate::record::{EventRecord, Stage};
use crate::repair::Trouble;
use roost_wire::api::{FetchLog, LogPage};
use roost_wire::log::{EntryKind, LogEntry};
use roost_wire::{ApiError, EntryHash, Epoch, ErrorCode, GroupId, List, Seq, limit};

impl Core {
    /// Fetches what is missing. With a socket, entries come by themselves unless there was a hole.
    pub(super) fn pump_log(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        let Some(conversation) = self.conversations.get(group) else {
            return;
        };
        let unread = self.net.wanted == Wanted::Once && !conversation.caught_up;
        let doubted = conversation.record.doubted;
        if !conversation.fetch && !unread && !doubted {
            return;
        }
        let cursor = conversation.record.cursor;
        let before = Seq::new(cursor.get().saturating_sub(1));
        let request = FetchLog {
            group: *group,
            after: if doubted { before } else { cursor },
            limit: u32::try_from(limit::LOG_PAGE_ENTRIES).unwrap_or(u32::MAX),
        };
        self.call(Call::Log(*group), &request, turn);
    }

    pub(super) fn on_log_page(&mut self, group: &GroupId, page: LogPage, turn: &mut Turn<'_>) {
        let is_doubted = self.is_doubted(group);
        self.check_incarnation(page.incarnation, turn);
        // Asked for before the restore was known, this is not the page to compare.
        if self.is_doubted(group) && !is_doubted {
            return;
        }
        let Some(conversation) = self.conversations.get_mut(group) else {
            return;
        };
        let cursor = conversation.record.cursor;
        conversation.fetch = false;
        if self.stage(group) != Some(Stage::Live) {
            return;
        }
        let Some(page) = self.compared(group, page, turn) else {
            self.enter_anew(group, Trouble::ServerRestored, turn);
            return;
        };
        // Whoever was removed and added again while away may not read what lies between.
        let first = page.entries.as_slice().first().map(|entry| entry.seq);
        let is_shut_out = first.is_some_and(|first| first > cursor.next());
        if is_shut_out || (page.tail.get() > cursor.get().saturating_add(1) && page.head > cursor) {
            self.enter_anew(group, Trouble::LogGone, turn);
            return;
        }
        for entry in page.entries.into_vec() {
            self.on_entry(group, entry, turn);
        }
        if let Some(conversation) = self.conversations.get_mut(group) {
            let behind = conversation.record.cursor < page.head;
            let advanced = conversation.record.cursor > cursor;
            conversation.caught_up = !behind;
            // A page that brings nothing new although there is more is not asked for again at once.
            conversation.fetch = behind && advanced;
            if behind && !advanced {
                self.net.cool(Call::Log(*group), turn.now, None, 0);
            }
        }
        self.on_delivered(group, page.delivered, turn);
    }

    fn is_doubted(&self, group: &GroupId) -> bool {
        let conversation = self.conversations.get(group);
        conversation.is_some_and(|found| found.record.doubted)
    }

    /// The page without the entry that was read last, if that is still in its place. After a
    /// restore, anything else is another history.
    fn compared(&mut self, group: &GroupId, page: LogPage, turn: &mut Turn<'_>) -> Option<LogPage> {
        // Only what is doubted is written anew.
        if !self.is_doubted(group) {
            return Some(page);
        }
        let conversation = self.change(group)?;
        let record = &mut conversation.record;
        let cursor = record.cursor;
        let mut entries = page.entries.into_vec();
        let is_there = entries.first().is_some_and(|entry| record.is_last(entry));
        if !is_there && cursor > Seq::NONE {
            return None;
        }
        record.doubted = false;
        self.offer_again(group, cursor, turn);
        entries.retain(|entry| entry.seq > cursor);
        Some(LogPage {
            entries: List::capped(entries),
            ..page
        })
    }

    /// What was accepted behind the last entry that was read may be missing from a restored log.
    fn offer_again(&mut self, group: &GroupId, cursor: Seq, turn: &mut Turn<'_>) {
        self.repeat_behind(group, cursor, turn);
        self.offer_commit_again(group, cursor);
        self.ask_again_to_leave(group, turn);
        if let Some(conversation) = self.change(group) {
            let record = &mut conversation.record;
            record.delivered = record.delivered.min(cursor);
            let delivered = record.delivered;
            if let Some(thread) = self.threads.get_mut(group) {
                thread.set_delivered(delivered);
                turn.notify(Notice::ThreadChanged(*group));
            }
        }
    }

    pub(super) fn on_log_refused(
        &mut self,
        group: &GroupId,
        error: &ApiError,
        turn: &mut Turn<'_>,
    ) {
        match error.code {
            ErrorCode::Gone => self.enter_anew(group, Trouble::LogGone, turn),
            ErrorCode::NotFound => {
                let leaving = self
                    .conversations
                    .get(group)
                    .is_some_and(|found| found.record.leaving);
                if leaving {
                    let now = self.net.server_time(turn.now);
                    self.append_event(group, EventRecord::Missing(None), None, now);
                    self.end(group, Stage::Left, turn);
                } else {
                    self.enter_anew(group, Trouble::StateLost, turn);
                }
            }
            _ => {}
        }
    }

    pub(super) fn on_head(&mut self, group: &GroupId, head: Seq) {
        if let Some(conversation) = self.conversations.get_mut(group) {
            conversation.caught_up = conversation.record.cursor >= head;
            conversation.fetch |= !conversation.caught_up;
        }
    }

    /// The socket does not carry this group (any longer): the log tells why.
    pub(super) fn on_follow_refused(&mut self, group: &GroupId) {
        if let Some(conversation) = self.conversations.get_mut(group) {
            conversation.fetch = true;
        }
    }

    pub(super) fn on_delivered(&mut self, group: &GroupId, seq: Seq, turn: &mut Turn<'_>) {
        if self.is_alone(group) {
            return;
        }
        let Some(conversation) = self.conversations.get_mut(group) else {
            return;
        };
        if seq <= conversation.record.delivered {
            return;
        }
        conversation.record.delivered = seq;
        conversation.record.stands(seq);
        conversation.is_changed = true;
        let cursor = conversation.record.cursor;
        if let Some(thread) = self.threads.get_mut(group) {
            thread.set_delivered(seq);
            turn.notify(Notice::ThreadChanged(*group));
        }
        self.sweep_outbox(group, cursor);
    }

    /// Takes the next entry. Earlier ones are known; later ones wait until the hole is filled.
    pub(super) fn on_entry(&mut self, group: &GroupId, entry: LogEntry, turn: &mut Turn<'_>) {
        let Some(conversation) = self.conversations.get_mut(group) else {
            return;
        };
        let is_read = entry.seq <= conversation.record.cursor;
        if conversation.record.stage != Stage::Live || is_read || conversation.record.doubted {
            return;
        }
        if entry.seq != conversation.record.cursor.next() || entry.is_stub() {
            conversation.fetch = true;
            conversation.caught_up = false;
            return;
        }
        let known = conversation
            .record
            .hashes
            .iter()
            .any(|(_, hash)| *hash == entry.hash);
        let stuck = conversation.record.refused;
        let entered = conversation.record.entered;
        let (seq, hash) = (entry.seq, entry.hash);
        if known && entry.kind != EntryKind::Void {
            // Seen already, under another number.
        } else if entry.kind == EntryKind::Void {
            self.on_void(group, &entry, turn);
        } else if entry.epoch < entered {
            // From before this device entered: not for it.
        } else if stuck.is_some() && !self.is_unaffected(group, &entry) {
            // It hangs on a refused commit: gone with it, or missed if that commit stands.
            if let Some(conversation) = self.change(group) {
                conversation.record.passed_over = true;
            }
        } else {
            self.on_body(group, entry, turn);
        }
        if self.stage(group) == Some(Stage::Live)
            && let Some(conversation) = self.conversations.get_mut(group)
        {
            conversation.advance(seq, hash);
        }
        self.sweep_outbox(group, seq);
        self.sweep_commit(group, seq, turn);
    }

    /// Whether an entry behind a refused commit can be read all the same: a message that was made
    /// before that commit. Nobody sends it again if the commit is taken back.
    fn is_unaffected(&mut self, group: &GroupId, entry: &LogEntry) -> bool {
        entry.kind == EntryKind::Message && !self.is_ahead(group, entry.epoch)
    }

    fn on_body(&mut self, group: &GroupId, entry: LogEntry, turn: &mut Turn<'_>) {
        let Some(body) = &entry.body else {
            return;
        };
        if EntryHash::of(body.as_bytes()) != entry.hash {
            self.trouble(group, Trouble::BadEntry, turn);
            return;
        }
        match entry.kind {
            EntryKind::Commit => self.on_commit(group, &entry, body.as_bytes(), turn),
            EntryKind::Proposal => self.on_proposal(group, &entry, body.as_bytes(), turn),
            EntryKind::Message => self.on_message(group, &entry, body.as_bytes(), turn),
            EntryKind::Void => {}
        }
    }

    /// A commit was taken back: whoever refused it goes on, whoever merged it enters anew.
    fn on_void(&mut self, group: &GroupId, entry: &LogEntry, turn: &mut Turn<'_>) {
        let Some(conversation) = self.change(group) else {
            return;
        };
        let refused = conversation.record.refused;
        if refused.is_some_and(|refused| Some(refused.seq) == entry.voids) {
            conversation.record.refused = None;
            conversation.record.passed_over = false;
            // The server may have taken the commit for the end of this device's membership.
            conversation.followed = false;
            turn.notify(Notice::ConversationsChanged);
            return;
        }
        let merged = self.mls.epoch(group).is_ok_and(|epoch| epoch > entry.epoch);
        if merged {
            // Whoever is in the epoch that holds never heard what was said in the other.
            self.unseal_from(group, entry.epoch.next());
            if self.is_plausible_void(group, entry) {
                self.repeat_from(group, entry.epoch.next(), turn);
            }
            self.enter_anew(group, Trouble::CommitVoided, turn);
        }
    }

    /// Only the last commits in a row can be taken back; of others the server has no say.
    fn is_plausible_void(&self, group: &GroupId, entry: &LogEntry) -> bool {
        let run = self
            .conversations
            .get(group)
            .and_then(|found| found.record.run);
        run.is_some_and(|run| entry.voids.is_some_and(|voids| voids >= run.first))
    }

    pub(super) fn trouble(&mut self, group: &GroupId, trouble: Trouble, turn: &mut Turn<'_>) {
        self.troubles.count(trouble);
        let group = *group;
        turn.notify(Notice::Repairing { group, trouble });
    }

    /// Whether an epoch lies ahead of the group's own: entries were missed.
    pub(super) fn is_ahead(&mut self, group: &GroupId, epoch: Epoch) -> bool {
        self.mls.epoch(group).is_ok_and(|current| epoch > current)
    }
}
