//! From a wish to a commit: what is still missing in the present group, and whom to ask for it.

use super::Core;
use super::net::Call;
use super::turn::Turn;
use crate::group::{Addition, Changes, Commit, GroupError, Leaf};
use crate::record::{CommitRecord, Kind, SealedRecord, WelcomeRecord, Wish};
use roost_mls::{Observer, SUITE_DEFAULT};
use roost_wire::api::{
    Accepted, ClaimKeyPackages, ClaimedKeyPackage, ClaimedKeyPackages, SubmitProposal,
};
use roost_wire::{AccountId, ApiError, Blob, ErrorCode, GroupId, List, limit};

/// A direct conversation's other person is tried again this long after none of their devices could
/// be added.
const RETRY_DIRECT_SECONDS: u64 = 60;

impl Core {
    /// Fresh keys, and the newest credential with them. Leaves that were silent for long go.
    pub(super) fn derive_update(&mut self, group: &GroupId, index: u64, turn: &mut Turn<'_>) {
        let remove = self.silent_leaves(group, self.net.server_time(turn.now));
        let changes = Changes {
            renew_credential: true,
            for_silence: !remove.is_empty(),
            remove,
            ..Changes::default()
        };
        self.build(group, index, changes, turn);
    }

    /// Only what others proposed.
    pub(super) fn derive_plain(&mut self, group: &GroupId, index: u64, turn: &mut Turn<'_>) {
        self.build(group, index, Changes::default(), turn);
    }

    pub(super) fn derive_add(
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
        let packages = self.take_claimed(group, &missing);
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
        if self.is_adding_absent(group, index) {
            // Tried again when the server says once more that they were there.
            self.drop_intent(group, index);
            return;
        }
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

    fn is_adding_absent(&self, group: &GroupId, index: u64) -> bool {
        let intent = self.intents.get(&(*group, index));
        intent.is_some_and(|intent| match &intent.wish {
            Wish::Add(accounts) => accounts.iter().all(|one| self.is_absent(group, one)),
            Wish::Remove(_) | Wish::Leave | Wish::Update | Wish::LetGo | Wish::Purge => false,
        })
    }

    pub(super) fn derive_removal(
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
        self.derive_removal_of(group, index, remove, turn);
    }

    /// Removes these leaves.
    pub(super) fn derive_removal_of(
        &mut self,
        group: &GroupId,
        index: u64,
        remove: Vec<u32>,
        turn: &mut Turn<'_>,
    ) {
        let changes = Changes {
            remove,
            ..Changes::default()
        };
        self.build(group, index, changes, turn);
    }

    /// Removes the account's other devices, then asks to be let go.
    pub(super) fn derive_leave(&mut self, group: &GroupId, index: u64, turn: &mut Turn<'_>) {
        let (Ok(leaves), Ok(own)) = (self.mls.leaves(group), self.mls.own_index(group)) else {
            return self.lose_state(group, turn);
        };
        let mine = |leaf: &&Leaf| self.is_me(&leaf.account());
        let others = leaves.iter().filter(mine).map(|leaf| leaf.index);
        let remove: Vec<u32> = others.filter(|index| *index != own).collect();
        if !remove.is_empty() {
            let changes = Changes {
                remove,
                ..Changes::default()
            };
            self.build(group, index, changes, turn);
        } else if leaves.iter().all(|leaf| self.is_me(&leaf.account())) {
            // Nobody is left to let us go.
            self.quit(group, turn);
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
                    conversation.record.leave = Some(SealedRecord {
                        bytes: bytes.clone(),
                        epoch,
                        began: conversation.record.began,
                    });
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

    pub(super) fn on_leave_accepted(&mut self, group: &GroupId, accepted: Accepted) {
        // The answer to a request of an epoch that is over: it let nobody go.
        if self.mls.epoch(group).ok() != Some(accepted.epoch) {
            return;
        }
        let index = self
            .intents_of(group)
            .find(|(_, intent)| intent.wish == Wish::Leave);
        if let Some(index) = index.map(|(index, _)| index) {
            self.drop_intent(group, index);
        }
    }

    pub(super) fn on_leave_refused(&mut self, group: &GroupId, error: &ApiError) {
        match error.code {
            // Out already, or overtaken: the log tells.
            ErrorCode::Stale | ErrorCode::NotFound => {
                if let Some(conversation) = self.conversations.get_mut(group) {
                    conversation.fetch = true;
                }
            }
            _ => {}
        }
    }

    pub(super) fn on_claimed(
        &mut self,
        group: &GroupId,
        account: &AccountId,
        claimed: ClaimedKeyPackages,
        turn: &mut Turn<'_>,
    ) {
        let packages = self.fitting_packages(account, claimed, turn);
        if let Some(conversation) = self.conversations.get_mut(group) {
            conversation.claimed.insert(*account, packages);
        }
    }

    /// Those that are of the account, under the key that is known of it.
    pub(super) fn fitting_packages(
        &self,
        account: &AccountId,
        claimed: ClaimedKeyPackages,
        turn: &Turn<'_>,
    ) -> Vec<ClaimedKeyPackage> {
        let now = self.net.server_time(turn.now);
        let fitting = |package: &ClaimedKeyPackage| {
            let summary = Observer::new().validate_key_package(package.package.as_bytes(), now);
            summary.is_ok_and(|summary| {
                summary.account == *account
                    && summary.device == package.device
                    && summary.suite == SUITE_DEFAULT
                    && self.is_expected(account, &summary.account_key)
                    && !self.is_replaced(account, &summary.account_key)
            })
        };
        let packages = claimed.packages.into_vec().into_iter();
        packages.filter(fitting).collect()
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
        if !self.is_absent(group, &account) {
            let message = error.message.clone();
            self.fail(group, &message, turn);
        }
        if let Some(conversation) = self.conversations.get_mut(group) {
            conversation.claimed.insert(account, Vec::new());
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
        if !matches!(wish, Some(Wish::Update | Wish::LetGo | Wish::Purge)) {
            self.fail(group, &format!("This cannot be done: {error}."), turn);
        }
    }

    /// What was claimed for those who are still missing; somebody else may have added the others.
    fn take_claimed(&mut self, group: &GroupId, missing: &[AccountId]) -> Vec<ClaimedKeyPackage> {
        let conversation = self.conversations.get_mut(group);
        let claimed = conversation.map(|found| std::mem::take(&mut found.claimed));
        let packages = claimed.into_iter().flatten();
        let packages = packages.filter(|(account, _)| missing.contains(account));
        let packages = packages.flat_map(|(_, packages)| packages);
        packages.take(limit::ADDS_PER_COMMIT).collect()
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
