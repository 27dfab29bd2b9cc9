//! Changes that are wanted: from an intent to a commit, and again when the race was lost.
//!
//! Owns the rule that a commit is derived from its intent against the present group (still wanted?
//! already done?), stored before it is sent, and sent unchanged until its fate is known.

use super::Core;
use super::net::Call;
use super::turn::Turn;
use crate::port::Table;
use crate::record::{CommitRecord, IntentRecord, Wish};
use crate::vault::indexed_key;
use roost_mls::limit;
use roost_wire::api::{Accepted, SubmitCommit, WelcomeFor};
use roost_wire::{
    AccountId, ApiError, Blob, ErrorCode, GroupId, List, Seconds, Seq, limit as wire_limit,
};

impl Core {
    pub(super) fn intend(
        &mut self,
        group: &GroupId,
        wish: Wish,
        delay_s: u64,
        turn: &mut Turn<'_>,
    ) {
        let not_before = match delay_s {
            0 => Seconds::new(0),
            delay => self.net.server_time(turn.now).plus(delay),
        };
        self.add_intent(
            group,
            IntentRecord {
                wish,
                not_before,
                tries: 0,
            },
        );
    }

    pub(super) fn add_intent(&mut self, group: &GroupId, intent: IntentRecord) {
        let index = self
            .intents
            .range((*group, 0)..=(*group, u64::MAX))
            .next_back()
            .map_or(0, |((_, index), _)| index.saturating_add(1));
        self.put_intent(group, index, intent);
    }

    pub(super) fn has_wish(&self, group: &GroupId, wish: &Wish) -> bool {
        self.intents_of(group)
            .any(|(_, intent)| intent.wish == *wish)
    }

    /// An intent that waits for its turn is due now.
    pub(super) fn hasten(&mut self, group: &GroupId, wish: &Wish) {
        let found = self
            .intents_of(group)
            .find(|(_, intent)| intent.wish == *wish);
        let Some((index, intent)) = found.map(|(index, intent)| (index, intent.clone())) else {
            return;
        };
        let not_before = Seconds::new(0);
        if intent.not_before != not_before {
            self.put_intent(
                group,
                index,
                IntentRecord {
                    not_before,
                    ..intent
                },
            );
        }
    }

    pub(super) fn is_adding(&self, group: &GroupId, account: &AccountId) -> bool {
        self.intents_of(group)
            .any(|(_, intent)| match &intent.wish {
                Wish::Add(accounts) => accounts.contains(account),
                Wish::Remove(_) | Wish::Leave | Wish::Update | Wish::LetGo | Wish::Purge => false,
            })
    }

    /// Whether somebody is still to be added, whom the next message should reach.
    pub(super) fn is_growing(&self, group: &GroupId) -> bool {
        let adds = |intent: &IntentRecord| match &intent.wish {
            Wish::Add(accounts) => accounts.iter().any(|one| !self.is_absent(group, one)),
            Wish::Remove(_) | Wish::Leave | Wish::Update | Wish::LetGo | Wish::Purge => false,
        };
        self.intents_of(group).any(|(_, intent)| adds(intent)) || self.waits_for_absent(group)
    }

    pub(super) fn drop_intent(&mut self, group: &GroupId, index: u64) {
        if self.intents.remove(&(*group, index)).is_some() {
            self.vault.delete(Table::Intents, indexed_key(group, index));
        }
    }

    pub(super) fn drop_intents(&mut self, group: &GroupId) {
        let indices: Vec<u64> = self.intents_of(group).map(|(index, _)| index).collect();
        for index in indices {
            self.drop_intent(group, index);
        }
    }

    /// A try was lost: the intent waits a moment, or is given up.
    pub(super) fn retry_intent(&mut self, group: &GroupId, index: u64, turn: &mut Turn<'_>) {
        let Some(intent) = self.intents.get(&(*group, index)) else {
            return;
        };
        let tries = intent.tries.saturating_add(1);
        if tries >= wire_limit::COMMIT_TRIES {
            let shown = !matches!(intent.wish, Wish::Update | Wish::LetGo | Wish::Purge);
            self.drop_intent(group, index);
            if shown {
                let reason = "The group kept changing meanwhile; please try again.";
                self.fail(group, reason, turn);
            }
            return;
        }
        // Waits up to 1, 2, 4, … seconds; the clock of intents has whole seconds.
        let delay = turn.below(1 << tries.min(6));
        let not_before = self.net.server_time(turn.now).plus(delay);
        let intent = IntentRecord {
            wish: intent.wish.clone(),
            not_before,
            tries,
        };
        self.put_intent(group, index, intent);
    }

    /// Sends the commit that is waiting, or derives one from the first intent that is due.
    pub(super) fn pump_intents(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        let Some(conversation) = self.conversations.get(group) else {
            return;
        };
        if let Some(commit) = &conversation.commit {
            if commit.accepted.is_none()
                && let Some(request) = self.submission(group, commit)
            {
                self.call(Call::Commit(*group), &request, turn);
            }
            return;
        }
        if !conversation.caught_up || conversation.fetch {
            return;
        }
        let now = self.net.server_time(turn.now);
        self.note_watch(group, now);
        self.queue_update(group, turn);
        let due = self
            .intents_of(group)
            .find(|(_, intent)| intent.not_before <= now);
        let Some((index, wish)) = due.map(|(index, intent)| (index, intent.wish.clone())) else {
            return;
        };
        match wish {
            Wish::Add(accounts) => self.derive_add(group, index, &accounts, turn),
            Wish::Remove(account) => self.derive_removal(group, index, &account, turn),
            Wish::Leave => self.derive_leave(group, index, turn),
            Wish::Update => self.derive_update(group, index, turn),
            Wish::Purge => self.derive_purge(group, index, turn),
            Wish::LetGo if self.leavers(group) == 0 => self.drop_intent(group, index),
            Wish::LetGo => self.derive_plain(group, index, turn),
        }
    }

    pub(super) fn on_commit_accepted(&mut self, group: &GroupId, accepted: Accepted) {
        let commit = self
            .conversations
            .get(group)
            .and_then(|found| found.commit.clone());
        let Some(commit) = commit else {
            return;
        };
        let accepted = Some(accepted.seq);
        self.set_commit(group, Some(CommitRecord { accepted, ..commit }));
        // It is applied when it comes back from the log.
        if let Some(conversation) = self.conversations.get_mut(group) {
            conversation.fetch |= !conversation.followed;
            if accepted.is_some_and(|seq| seq <= conversation.record.cursor) {
                self.set_commit(group, None);
            }
        }
    }

    /// The same bytes are sent again: the server knows them if it has them.
    pub(super) fn offer_commit_again(&mut self, group: &GroupId, cursor: Seq) {
        let conversation = self.conversations.get(group);
        let commit = conversation.and_then(|found| found.commit.clone());
        if let Some(commit) = commit.filter(|commit| commit.accepted > Some(cursor)) {
            let accepted = None;
            self.set_commit(group, Some(CommitRecord { accepted, ..commit }));
        }
    }

    pub(super) fn on_commit_refused(
        &mut self,
        group: &GroupId,
        error: &ApiError,
        turn: &mut Turn<'_>,
    ) {
        if error.code.is_passing() || error.code == ErrorCode::NotSignedIn {
            return;
        }
        let index = self.drop_commit(group);
        match (error.code, index) {
            (ErrorCode::Suspended, _) => {
                self.on_suspended(group, turn);
            }
            (ErrorCode::Stale, Some(index)) => {
                if let Some(conversation) = self.conversations.get_mut(group) {
                    conversation.fetch = true;
                    conversation.caught_up = false;
                }
                self.retry_intent(group, index, turn);
            }
            (_, Some(index)) => {
                let message = error.message.clone();
                self.drop_intent(group, index);
                self.fail(group, &message, turn);
            }
            (_, None) => {}
        }
    }

    /// Forgets the pending commit; tells which intent it was for.
    pub(super) fn drop_commit(&mut self, group: &GroupId) -> Option<u64> {
        let commit = self.conversations.get(group)?.commit.clone()?;
        self.set_commit(group, None);
        if self.mls.drop_pending(group).is_err() {
            self.mls.forget(group);
        }
        Some(commit.intent)
    }

    pub(super) fn submission(
        &self,
        group: &GroupId,
        commit: &CommitRecord,
    ) -> Option<SubmitCommit> {
        let welcomes = commit.welcomes.iter().map(|welcome| {
            Some(WelcomeFor {
                devices: List::new(welcome.devices.clone()).ok()?,
                welcome: Blob::new(welcome.welcome.clone()).ok()?,
            })
        });
        Some(SubmitCommit {
            group: *group,
            commit: Blob::new(commit.commit.clone()).ok()?,
            group_info: Blob::new(commit.group_info.clone()).ok()?,
            welcomes: List::new(welcomes.collect::<Option<Vec<_>>>()?).ok()?,
            state: self.session.state,
        })
    }

    /// Post-compromise security needs fresh keys now and then.
    fn queue_update(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        let now = self.net.server_time(turn.now);
        let Some(conversation) = self.conversations.get(group) else {
            return;
        };
        let due = conversation.record.update_due.is_some_and(|due| due <= now);
        if !due {
            return;
        }
        let too_soon = conversation.has_just_committed(now);
        let next = if too_soon {
            now.plus(limit::UPDATE_SPACING_SECONDS)
                .plus(turn.below(limit::UPDATE_SPACING_SECONDS))
        } else {
            self.next_update(turn)
        };
        if let Some(conversation) = self.change(group) {
            conversation.record.update_due = Some(next);
        }
        if !too_soon && !self.has_wish(group, &Wish::Update) {
            self.intend(group, Wish::Update, 0, turn);
        }
    }

    /// A week later, give or take a day.
    pub(super) fn next_update(&self, turn: &mut Turn<'_>) -> Seconds {
        let jitter = turn.below(2 * 86_400);
        let after = limit::UPDATE_EVERY_SECONDS
            .saturating_sub(86_400)
            .saturating_add(jitter);
        self.net.server_time(turn.now).plus(after)
    }

    pub(super) fn lose_state(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        self.mls.forget(group);
        self.enter_anew(group, crate::repair::Trouble::StateLost, turn);
    }

    fn leavers(&self, group: &GroupId) -> u32 {
        self.conversations
            .get(group)
            .map_or(0, |found| found.record.leavers)
    }

    pub(super) fn intents_of(&self, group: &GroupId) -> impl Iterator<Item = (u64, &IntentRecord)> {
        let range = (*group, 0)..=(*group, u64::MAX);
        self.intents
            .range(range)
            .map(|((_, index), intent)| (*index, intent))
    }

    fn put_intent(&mut self, group: &GroupId, index: u64, intent: IntentRecord) {
        self.vault
            .put(Table::Intents, indexed_key(group, index), &intent);
        self.intents.insert((*group, index), intent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::conversation::Conversation;
    use crate::port::Moment;
    use crate::record::{Kind, MemberRecord, Stage};
    use roost_wire::DisplayName;

    const GROUP: GroupId = GroupId::new([1; 16]);
    const HOUR: u64 = limit::UPDATE_SPACING_SECONDS;

    #[test]
    fn in_a_large_group_an_update_waits_for_an_hour_after_the_last_commit() {
        let (core, next) = after_update_is_due(101, 59 * 60);

        assert!(!core.has_wish(&GROUP, &Wish::Update));
        assert!((NOW + HOUR..NOW + 2 * HOUR).contains(&next), "with jitter");
    }

    #[test]
    fn in_a_large_group_an_update_goes_out_when_the_last_commit_is_an_hour_old() {
        let (core, next) = after_update_is_due(101, HOUR);

        assert!(core.has_wish(&GROUP, &Wish::Update));
        assert!(next > NOW + 5 * 86_400, "the next one is due in a week");
    }

    #[test]
    fn in_a_small_group_updates_are_not_spaced() {
        let (core, _) = after_update_is_due(100, 1);

        assert!(core.has_wish(&GROUP, &Wish::Update));
    }

    const NOW: u64 = 1_800_000_000;

    /// A core whose update of a group of so many devices is due, so long after the last commit,
    /// and when the next one is due then.
    fn after_update_is_due(devices: u32, since_commit_s: u64) -> (Core, u64) {
        let mut core = Core::default();
        let mut conversation = Conversation::new(Kind::Group, Stage::Live);
        let record = &mut conversation.record;
        record.members = vec![MemberRecord {
            account: AccountId::new([1; 16]),
            name: DisplayName::new("Ada").unwrap(),
            devices,
            is_admin: false,
        }];
        record.update_due = Some(Seconds::new(NOW));
        record.last_commit = Some(Seconds::new(NOW - since_commit_s));
        core.conversations.insert(GROUP, conversation);

        let mut dice = |bytes: &mut [u8]| bytes.fill(7);
        let mut turn = Turn::new(Moment::from_millis(NOW * 1_000), &mut dice);
        core.queue_update(&GROUP, &mut turn);

        let next = core.conversations[&GROUP].record.update_due.unwrap();
        (core, next.get())
    }
}
