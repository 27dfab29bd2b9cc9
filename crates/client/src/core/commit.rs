//! Commits and proposals from the log, one's own among them.
//!
//! Owns what a change of members means for the conversation, and what happens to a commit that has
//! to be refused: the group stays where it was, the server is told, and its remedy is followed.

use super::Core;
use super::net::Call;
use super::turn::Turn;
use crate::content::Item;
use crate::group::{Leaf, LeafChanges, changes_of};
use crate::notice::Notice;
use crate::record::{EventRecord, RefusedCommit, Stage, Wish};
use crate::repair::Trouble;
use mls_rs::group::ReceivedMessage;
use roost_wire::api::{Remedy, ReportVerdict, Verdict, VerdictTaken};
use roost_wire::log::LogEntry;
use roost_wire::{AccountId, ApiError, EntryHash, Epoch, ErrorCode, GroupId, Seq};
use std::collections::BTreeMap;

/// The server is asked this often what is to become of a refused commit; then the device enters
/// the group anew.
const VERDICT_ASKS_MAX: u32 = 6;
/// Reports of merged commits that may wait.
const VERDICTS_WAITING_MAX: usize = 64;

const STRANGE_KEY: &str = "Somebody's key changed here. Ask them in person, then send it again.";

impl Core {
    pub(super) fn on_commit(
        &mut self,
        group: &GroupId,
        entry: &LogEntry,
        body: &[u8],
        turn: &mut Turn<'_>,
    ) {
        let Ok(current) = self.mls.epoch(group) else {
            return self.lose_state(group, turn);
        };
        if entry.epoch < current {
            return;
        }
        if entry.epoch > current {
            return self.enter_anew(group, Trouble::StateLost, turn);
        }
        self.keep_signal_key(group);
        self.keep_call_base(group);
        let before = self.mls.leaves(group).unwrap_or_default();
        match self.mls.apply_handshake(group, body, entry.time) {
            Ok(ReceivedMessage::Commit(commit)) => {
                let after = self.mls.leaves(group).unwrap_or_default();
                let joiner = commit.is_external.then_some(commit.committer);
                if self.brings_replaced_key(&before, &after, joiner, entry.time) {
                    return self.refuse_commit(group, entry, turn);
                }
                if self.mls.save_with_tree(group).is_err() {
                    return self.lose_state(group, turn);
                }
                let changes = changes_of(&before, &after, &commit);
                self.note_commit_signs(group, entry.time, &before, &after, &changes);
                // Whoever comes back counts on from where nobody here listened.
                for leaf in &after {
                    let entered = commit.is_external && leaf.index == commit.committer;
                    if entered || before.iter().all(|known| known.device() != leaf.device()) {
                        self.forget_heard_of(group, &leaf.device());
                    }
                }
                let strange = self.strange_keys(&before, &after);
                self.on_merged(group, entry, &changes, turn);
                self.warn_of_strange_keys(group, entry, strange, turn);
            }
            Ok(_) | Err(_) => self.refuse_commit(group, entry, turn),
        }
    }

    /// Accounts that come in under a key which nothing led to, and whether they were warned of.
    fn strange_keys(&self, before: &[Leaf], after: &[Leaf]) -> BTreeMap<AccountId, bool> {
        let is_new = |leaf: &&Leaf| {
            !before.iter().any(|known| {
                known.device() == leaf.device()
                    && known.claims.account_key == leaf.claims.account_key
            })
        };
        let strange = after.iter().filter(is_new).map(|leaf| leaf.account());
        let is_strange = |account: &AccountId| {
            let of_account = after.iter().filter(|leaf| leaf.account() == *account);
            of_account
                .map(|leaf| &leaf.claims.account_key)
                .any(|key| !self.is_expected(account, key))
        };
        let was_told = |account: &AccountId| {
            let person = self.people.get(account);
            person.is_some_and(|person| person.changed)
        };
        strange
            .filter(is_strange)
            .map(|account| (account, was_told(&account)))
            .collect()
    }

    /// The warning stands in each conversation that such a key comes into, and what waits to be
    /// sent there is held.
    fn warn_of_strange_keys(
        &mut self,
        group: &GroupId,
        entry: &LogEntry,
        strange: BTreeMap<AccountId, bool>,
        turn: &mut Turn<'_>,
    ) {
        for (account, was_told) in &strange {
            // Else it stands there already.
            if *was_told {
                let event = EventRecord::KeyChanged(*account);
                self.append_event(group, event, Some(entry.seq), entry.time);
            }
        }
        if !strange.is_empty() {
            self.hold_outbox(group, STRANGE_KEY, turn);
        }
    }

    fn on_merged(
        &mut self,
        group: &GroupId,
        entry: &LogEntry,
        changes: &LeafChanges,
        turn: &mut Turn<'_>,
    ) {
        self.settle_own_commit(group, &entry.hash, turn);
        self.note_events(group, entry, changes);
        if changes.removed_us {
            if let Some(conversation) = self.conversations.get_mut(group) {
                conversation.advance(entry.seq, entry.hash);
            }
            return self.on_removed(group, changes, turn);
        }
        self.note_roster(group, turn);
        self.ask_again_to_leave(group, turn);
        let own = self.is_own_commit(changes);
        if let Some(conversation) = self.change(group) {
            conversation.record.last_commit = Some(entry.time);
            if let Some(by) = changes.committer {
                let has_newcomers = !changes.new_accounts.is_empty();
                conversation.record.begin(entry.seq, by, has_newcomers);
            }
            conversation.record.leavers = 0;
            conversation.record.leave = None;
            conversation.undecryptable = 0;
            if !own && conversation.record.verdicts.len() < VERDICTS_WAITING_MAX {
                conversation.record.verdicts.push((entry.seq, entry.hash));
            }
        }
        self.welcome_newcomers(group, changes, turn);
    }

    /// An account leaves with all its devices: whom another of them removes has left too.
    fn on_removed(&mut self, group: &GroupId, changes: &LeafChanges, turn: &mut Turn<'_>) {
        let me = self.me.as_ref().map(|me| me.account);
        if self.is_own_commit(changes) {
            self.quit(group, turn);
        } else if me.is_some_and(|me| changes.left.contains(&me)) {
            self.end(group, Stage::Left, turn);
        } else {
            self.end(group, Stage::Removed, turn);
        }
    }

    /// A commit that let nobody go has made the request to leave void: it is made anew.
    pub(super) fn ask_again_to_leave(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        let leaving = self
            .conversations
            .get(group)
            .is_some_and(|found| found.record.leaving);
        if leaving && !self.has_wish(group, &Wish::Leave) {
            self.intend(group, Wish::Leave, 0, turn);
        }
    }

    /// An own commit that came back is done; one that another commit overtook is derived anew.
    fn settle_own_commit(&mut self, group: &GroupId, hash: &EntryHash, turn: &mut Turn<'_>) {
        let commit = self
            .conversations
            .get(group)
            .and_then(|found| found.commit.clone());
        let Some(commit) = commit else {
            return;
        };
        self.set_commit(group, None);
        if EntryHash::of(&commit.commit) == *hash {
            // What is left of the wish (a second batch of people) is found out by deriving again.
            let again = self
                .intents
                .get(&(*group, commit.intent))
                .map(|intent| &intent.wish);
            if !matches!(again, Some(Wish::Add(_) | Wish::Leave)) {
                self.drop_intent(group, commit.intent);
            }
        } else {
            self.retry_intent(group, commit.intent, turn);
        }
    }

    /// The log has passed the place that the server named for an own commit, without it.
    pub(super) fn sweep_commit(&mut self, group: &GroupId, seq: Seq, turn: &mut Turn<'_>) {
        let commit = self
            .conversations
            .get(group)
            .and_then(|found| found.commit.as_ref());
        let passed = commit
            .and_then(|commit| commit.accepted)
            .is_some_and(|accepted| accepted <= seq);
        if passed && let Some(index) = self.drop_commit(group) {
            self.trouble(group, Trouble::BadAnswer, turn);
            self.retry_intent(group, index, turn);
        }
    }

    fn is_own_commit(&self, changes: &LeafChanges) -> bool {
        changes
            .committer
            .is_some_and(|committer| self.is_me(&committer))
    }

    fn note_events(&mut self, group: &GroupId, entry: &LogEntry, changes: &LeafChanges) {
        let by = changes.committer;
        let mut events = Vec::new();
        for who in changes.new_accounts.iter().copied() {
            match (changes.is_external, by) {
                (false, Some(by)) => events.push(EventRecord::Added { who, by }),
                (true, _) | (_, None) => events.push(EventRecord::JoinedByLink(who)),
            }
        }
        for who in changes.gone_accounts.iter().copied() {
            match by {
                Some(_) if changes.for_silence && !changes.left.contains(&who) => {
                    events.push(EventRecord::LetGo(who));
                }
                Some(by) if !changes.left.contains(&who) => {
                    events.push(EventRecord::Removed { who, by });
                }
                Some(_) | None => events.push(EventRecord::Left(who)),
            }
        }
        // A removed device's group stays as it was: its own end is not among the leaves that went.
        if changes.removed_us
            && let Some(who) = self.me.as_ref().map(|me| me.account)
            && !changes.gone_accounts.contains(&who)
        {
            events.push(match by {
                Some(by) if by != who && !changes.left.contains(&who) => {
                    EventRecord::Removed { who, by }
                }
                Some(_) | None => EventRecord::Left(who),
            });
        }
        for event in events {
            self.append_event(group, event, Some(entry.seq), entry.time);
        }
    }

    /// Newcomers cannot read what was said before: whoever let them in tells them the name, and
    /// another device of the same account tells a further one.
    fn welcome_newcomers(&mut self, group: &GroupId, changes: &LeafChanges, turn: &mut Turn<'_>) {
        let own_device = changes.further_devices.iter().any(|who| self.is_me(who));
        if changes.new_accounts.is_empty() && !own_device {
            return;
        }
        let key = self.me.as_ref().map(|me| me.device_key());
        let granted = changes
            .grant
            .as_ref()
            .is_some_and(|grant| Some(grant.inviter) == key);
        let added = !changes.is_external && self.is_own_commit(changes);
        let name = self
            .conversations
            .get(group)
            .and_then(|found| found.record.name.clone());
        if let Some(name) = name.filter(|_| granted || added || own_device) {
            self.say(group, &Item::RoomName { name }, turn);
        }
    }

    fn refuse_commit(&mut self, group: &GroupId, entry: &LogEntry, turn: &mut Turn<'_>) {
        self.mls.forget(group);
        let (seq, hash) = (entry.seq, entry.hash);
        // The server accepted it, so it may be ours that no longer fits.
        if let Some(index) = self.drop_commit(group) {
            self.retry_intent(group, index, turn);
        }
        if let Some(conversation) = self.change(group) {
            let asked = 0;
            conversation.record.refused = Some(RefusedCommit { seq, hash, asked });
        }
        self.trouble(group, Trouble::CommitRefused, turn);
        turn.notify(Notice::ConversationsChanged);
    }

    /// Somebody asks to leave: one of the others commits it, the lower leaves first.
    pub(super) fn on_proposal(
        &mut self,
        group: &GroupId,
        entry: &LogEntry,
        body: &[u8],
        turn: &mut Turn<'_>,
    ) {
        let own = self
            .conversations
            .get(group)
            .and_then(|found| found.record.leave.as_ref());
        if own.is_some_and(|own| own.bytes == body) {
            return;
        }
        let current = self.mls.epoch(group).unwrap_or(Epoch::new(0));
        if entry.epoch < current {
            return;
        }
        let applied = self.mls.apply_handshake(group, body, entry.time);
        if !matches!(applied, Ok(ReceivedMessage::Proposal(_))) || self.mls.save(group).is_err() {
            self.mls.forget(group);
            self.trouble(group, Trouble::BadEntry, turn);
            return;
        }
        if let Some(conversation) = self.change(group) {
            conversation.record.leavers = conversation.record.leavers.saturating_add(1);
        }
        let rank = self.rank(group);
        let delay = rank.saturating_mul(2).min(60).saturating_add(turn.below(2));
        if !self.has_wish(group, &Wish::LetGo) {
            self.intend(group, Wish::LetGo, delay, turn);
        }
    }

    /// How many leaves stand before this device's own.
    fn rank(&mut self, group: &GroupId) -> u64 {
        let own = self.mls.own_index(group).unwrap_or(0);
        let leaves = self.mls.leaves(group).unwrap_or_default();
        let before = leaves.iter().filter(|leaf| leaf.index < own).count();
        u64::try_from(before).unwrap_or(u64::MAX)
    }

    /// Tells the server what became of commits here.
    pub(super) fn pump_verdicts(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        let Some(conversation) = self.conversations.get(group) else {
            return;
        };
        let (seq, hash, verdict) = if let Some(refused) = conversation.record.refused {
            (refused.seq, refused.hash, Verdict::Refused)
        } else if let Some((seq, hash)) = conversation.record.verdicts.last() {
            (*seq, *hash, Verdict::Merged)
        } else {
            return;
        };
        let request = ReportVerdict {
            group: *group,
            seq,
            hash,
            verdict,
        };
        self.call(Call::Verdict(*group, seq), &request, turn);
    }

    pub(super) fn on_verdict_taken(
        &mut self,
        group: &GroupId,
        seq: Seq,
        taken: VerdictTaken,
        turn: &mut Turn<'_>,
    ) {
        self.forget_verdict(group, seq);
        let me = self.me.as_ref().map(|me| me.account);
        let Some(conversation) = self.change(group) else {
            return;
        };
        let record = &mut conversation.record;
        let Some(refused) = record.refused.as_mut().filter(|refused| refused.seq == seq) else {
            record.vouch(me, seq);
            let cursor = record.cursor;
            self.sweep_outbox(group, cursor);
            return;
        };
        refused.asked = refused.asked.saturating_add(1);
        let asked = refused.asked;
        // The answer may be in the log already.
        conversation.fetch = true;
        if taken.remedy == Remedy::Rejoin || asked >= VERDICT_ASKS_MAX {
            self.enter_anew(group, Trouble::CommitRefused, turn);
        } else {
            let jitter = turn.below(1_000);
            let wait = 1_u32.checked_shl(asked).unwrap_or(60);
            let call = Call::Verdict(*group, seq);
            self.net.cool(call, turn.now, Some(wait), jitter);
        }
    }

    /// A report of a merged commit was taken, or nobody wants it.
    fn forget_verdict(&mut self, group: &GroupId, seq: Seq) {
        if let Some(conversation) = self.change(group) {
            let verdicts = &mut conversation.record.verdicts;
            verdicts.retain(|(other, _)| *other != seq);
        }
    }

    /// Who may not even report has lost its place, perhaps by the very commit it refused.
    pub(super) fn on_verdict_refused(
        &mut self,
        group: &GroupId,
        seq: Seq,
        error: &ApiError,
        turn: &mut Turn<'_>,
    ) {
        if !error.code.is_passing() && error.code != ErrorCode::NotSignedIn {
            self.forget_verdict(group, seq);
        }
        let refused = self
            .conversations
            .get(group)
            .and_then(|found| found.record.refused);
        if error.code == ErrorCode::NotFound && refused.is_some_and(|refused| refused.seq == seq) {
            self.enter_anew(group, Trouble::CommitRefused, turn);
        }
    }
}
