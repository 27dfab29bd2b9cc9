//! Changes that are wanted: from an intent to a commit, and again when the race was lost.
//!
//! Owns the rule that a commit is derived from its intent against the present group (still wanted?
//! already done?), stored before it is sent, and sent unchanged until its fate is known.

use super::Core;
use super::net::Call;
use super::turn::Turn;
use crate::group::{Addition, Changes, Commit, GroupError};
use crate::port::Table;
use crate::record::{CommitRecord, IntentRecord, Kind, SealedRecord, WelcomeRecord, Wish};
use crate::vault::indexed_key;
use roost_mls::{Observer, SUITE_DEFAULT, limit};
use roost_wire::api::{
    Accepted, ClaimKeyPackages, ClaimedKeyPackage, ClaimedKeyPackages, SubmitCommit,
    SubmitProposal, WelcomeFor,
};
use roost_wire::{
    AccountId, ApiError, Blob, ErrorCode, GroupId, List, Seconds, limit as wire_limit,
};

/// A direct conversation's other person is tried again this long after none of their devices could
/// be added.
const RETRY_DIRECT_SECONDS: u64 = 60;

impl Core {
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
                Wish::Remove(_) | Wish::Leave | Wish::Update | Wish::LetGo => false,
            })
    }

    /// Whether somebody is still to be added, whom the next message should reach.
    pub(super) fn is_growing(&self, group: &GroupId) -> bool {
        self.intents_of(group)
            .any(|(_, intent)| matches!(intent.wish, Wish::Add(_)))
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
            let shown = !matches!(intent.wish, Wish::Update | Wish::LetGo);
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
        self.queue_update(group, turn);
        let now = self.net.server_time(turn.now);
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
            Wish::Update => {
                let renew_credential = true;
                let changes = Changes {
                    renew_credential,
                    ..Changes::default()
                };
                self.build(group, index, changes, turn);
            }
            Wish::LetGo if self.leavers(group) == 0 => self.drop_intent(group, index),
            Wish::LetGo => self.build(group, index, Changes::default(), turn),
        }
    }

    pub(super) fn on_claimed(
        &mut self,
        group: &GroupId,
        account: &AccountId,
        claimed: ClaimedKeyPackages,
        turn: &mut Turn<'_>,
    ) {
        let now = self.net.server_time(turn.now);
        let fitting = |package: &ClaimedKeyPackage| {
            let summary = Observer::new().validate_key_package(package.package.as_bytes(), now);
            summary.is_ok_and(|summary| {
                summary.account == *account
                    && summary.device == package.device
                    && summary.suite == SUITE_DEFAULT
                    && self.is_expected(account, &summary.account_key)
            })
        };
        let packages = claimed
            .packages
            .into_vec()
            .into_iter()
            .filter(fitting)
            .collect();
        if let Some(conversation) = self.conversations.get_mut(group) {
            conversation.claimed.insert(*account, packages);
        }
    }

    pub(super) fn on_claim_refused(
        &mut self,
        group: &GroupId,
        account: AccountId,
        error: &ApiError,
        turn: &mut Turn<'_>,
    ) {
        if error.code.is_passing() || error.code == ErrorCode::NotSignedIn {
            return;
        }
        let message = error.message.clone();
        self.fail(group, &message, turn);
        if let Some(conversation) = self.conversations.get_mut(group) {
            conversation.claimed.insert(account, Vec::new());
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
                self.enter_anew(group, crate::repair::Trouble::StateLost, turn);
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

    fn derive_add(
        &mut self,
        group: &GroupId,
        index: u64,
        accounts: &[AccountId],
        turn: &mut Turn<'_>,
    ) {
        let Ok(leaves) = self.mls.leaves(group) else {
            return self.lose_state(group, turn);
        };
        let there = |account: &AccountId| leaves.iter().any(|leaf| leaf.account() == *account);
        let missing: Vec<_> = accounts
            .iter()
            .copied()
            .filter(|account| !there(account))
            .collect();
        let claimed = self.conversations.get(group).map(|found| &found.claimed);
        let unclaimed = missing
            .iter()
            .find(|account| claimed.is_some_and(|claimed| !claimed.contains_key(account)));
        if let Some(account) = unclaimed {
            let request = ClaimKeyPackages {
                account: *account,
                suite: SUITE_DEFAULT.raw_value(),
                except: List::default(),
            };
            self.call(Call::Claim(*group, *account), &request, turn);
            return;
        }
        let packages = self.take_claimed(group);
        let add: Vec<_> = packages.into_iter().map(addition).collect();
        if missing.is_empty() {
            self.drop_intent(group, index);
        } else if add.is_empty() {
            self.nobody_to_add(group, index, turn);
        } else {
            let changes = Changes {
                add,
                ..Changes::default()
            };
            self.build(group, index, changes, turn);
        }
    }

    fn nobody_to_add(&mut self, group: &GroupId, index: u64, turn: &mut Turn<'_>) {
        let kind = self.conversations.get(group).map(|found| found.record.kind);
        let reason = "Nobody could be added: none of their devices can be reached.";
        self.fail(group, reason, turn);
        let wish = self
            .intents
            .get(&(*group, index))
            .map(|intent| intent.wish.clone());
        self.drop_intent(group, index);
        if let (Some(Kind::Direct(_)), Some(wish)) = (kind, wish) {
            self.intend(group, wish, RETRY_DIRECT_SECONDS, turn);
        }
    }

    fn derive_removal(
        &mut self,
        group: &GroupId,
        index: u64,
        account: &AccountId,
        turn: &mut Turn<'_>,
    ) {
        let Ok(leaves) = self.mls.leaves(group) else {
            return self.lose_state(group, turn);
        };
        let theirs = leaves.iter().filter(|leaf| leaf.account() == *account);
        let remove: Vec<u32> = theirs.map(|leaf| leaf.index).collect();
        if remove.is_empty() {
            self.drop_intent(group, index);
            return;
        }
        let changes = Changes {
            remove,
            ..Changes::default()
        };
        self.build(group, index, changes, turn);
    }

    /// Removes the account's other devices, then asks to be let go.
    fn derive_leave(&mut self, group: &GroupId, index: u64, turn: &mut Turn<'_>) {
        let (Ok(leaves), Ok(own)) = (self.mls.leaves(group), self.mls.own_index(group)) else {
            return self.lose_state(group, turn);
        };
        let mine = |leaf: &&crate::group::Leaf| self.is_me(&leaf.account());
        let others = leaves.iter().filter(mine).map(|leaf| leaf.index);
        let remove: Vec<u32> = others.filter(|index| *index != own).collect();
        if leaves.iter().all(|leaf| self.is_me(&leaf.account())) {
            // Nobody is left to let us go.
            self.end(group, crate::record::Stage::Left, turn);
        } else if !remove.is_empty() {
            let changes = Changes {
                remove,
                ..Changes::default()
            };
            self.build(group, index, changes, turn);
        } else if self.net.is_ready_for(&Call::Leave(*group), turn.now) {
            self.send_leave(group, turn);
        }
    }

    /// One proposal an epoch: the same bytes again until the server has them. It stays cached in
    /// the group, since the commit that lets us go names it by reference.
    fn send_leave(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        let Ok(epoch) = self.mls.epoch(group) else {
            return self.lose_state(group, turn);
        };
        let made = self
            .conversations
            .get(group)
            .and_then(|found| found.record.leave.clone());
        let bytes = match made.filter(|made| made.epoch == epoch) {
            Some(made) => made.bytes,
            None => {
                let Ok(bytes) = self.mls.propose_to_leave(group) else {
                    return self.lose_state(group, turn);
                };
                if let Some(conversation) = self.change(group) {
                    let bytes = bytes.clone();
                    conversation.record.leave = Some(SealedRecord { bytes, epoch });
                }
                bytes
            }
        };
        if let Ok(proposal) = Blob::new(bytes) {
            let request = SubmitProposal {
                group: *group,
                proposal,
            };
            self.call(Call::Leave(*group), &request, turn);
        }
    }

    pub(super) fn on_leave_accepted(&mut self, group: &GroupId, _accepted: Accepted) {
        let index = self
            .intents_of(group)
            .find(|(_, intent)| intent.wish == Wish::Leave);
        if let Some(index) = index.map(|(index, _)| index) {
            self.drop_intent(group, index);
        }
    }

    pub(super) fn on_leave_refused(
        &mut self,
        group: &GroupId,
        error: &ApiError,
        turn: &mut Turn<'_>,
    ) {
        match error.code {
            ErrorCode::Stale => {
                if let Some(conversation) = self.conversations.get_mut(group) {
                    conversation.fetch = true;
                }
            }
            ErrorCode::NotFound => self.end(group, crate::record::Stage::Left, turn),
            _ => {}
        }
    }

    fn build(&mut self, group: &GroupId, index: u64, changes: Changes, turn: &mut Turn<'_>) {
        let now = self.net.server_time(turn.now);
        match self.mls.commit(group, changes, now) {
            Ok(commit) => {
                self.count_state();
                self.set_commit(group, Some(record_of(index, commit)));
                let commit = self
                    .conversations
                    .get(group)
                    .and_then(|found| found.commit.as_ref());
                if let Some(request) = commit.and_then(|commit| self.submission(group, commit)) {
                    self.call(Call::Commit(*group), &request, turn);
                }
            }
            Err(error) => self.on_build_failed(group, index, &error, turn),
        }
    }

    fn on_build_failed(
        &mut self,
        group: &GroupId,
        index: u64,
        error: &GroupError,
        turn: &mut Turn<'_>,
    ) {
        self.mls.forget(group);
        let wish = self
            .intents
            .get(&(*group, index))
            .map(|intent| intent.wish.clone());
        self.drop_intent(group, index);
        if !matches!(wish, Some(Wish::Update | Wish::LetGo)) {
            self.fail(group, &format!("This cannot be done: {error}."), turn);
        }
    }

    fn submission(&self, group: &GroupId, commit: &CommitRecord) -> Option<SubmitCommit> {
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
        let next = self.next_update(turn);
        if let Some(conversation) = self.change(group) {
            conversation.record.update_due = Some(next);
        }
        if !self.has_wish(group, &Wish::Update) {
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

    fn intents_of(&self, group: &GroupId) -> impl Iterator<Item = (u64, &IntentRecord)> {
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

    fn take_claimed(&mut self, group: &GroupId) -> Vec<ClaimedKeyPackage> {
        let conversation = self.conversations.get_mut(group);
        let claimed = conversation.map(|found| std::mem::take(&mut found.claimed));
        let packages = claimed
            .into_iter()
            .flat_map(std::collections::BTreeMap::into_values);
        packages
            .flatten()
            .take(wire_limit::ADDS_PER_COMMIT)
            .collect()
    }
}

fn addition(claimed: ClaimedKeyPackage) -> Addition {
    Addition {
        device: claimed.device,
        package: claimed.package.into_bytes(),
    }
}

fn record_of(intent: u64, commit: Commit) -> CommitRecord {
    let welcomes = commit.welcomes.into_iter();
    CommitRecord {
        intent,
        commit: commit.bytes,
        group_info: commit.group_info,
        welcomes: welcomes
            .map(|(devices, welcome)| WelcomeRecord { devices, welcome })
            .collect(),
        accepted: None,
    }
}
