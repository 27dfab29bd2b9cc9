//! Getting into groups: founding them, Welcomes, external commits, and entering anew as repair.
//!
//! Owns the rule that what was staged replaces the old state only after the server's answer, in
//! one transaction, and is thrown away when the race was lost.

use super::Core;
use super::believe::strangers;
use super::net::Call;
use super::turn::Turn;
use crate::group::{Bundle, Entered, Leaf};
use crate::notice::Notice;
use crate::record::{EventRecord, Kind, Stage, TimelineRecord};
use crate::repair::Trouble;
use roost_mls::{GroupKind, InviteSecret, JoinGrant, JoinProof, limit};
use roost_wire::api::{Accepted, FetchGroupInfo, FetchTree, GroupInfoBundle, SubmitCommit, Tree};
use roost_wire::{
    ApiError, Blob, EntryHash, Epoch, ErrorCode, GroupId, List, Seconds, Seq, limit as wire_limit,
};

impl Core {
    pub(super) fn pump_welcomed(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        let Some(Stage::Welcomed { epoch, .. }) = self.stage(group) else {
            return;
        };
        let request = FetchTree {
            group: *group,
            epoch,
        };
        self.call(Call::Tree(*group), &request, turn);
    }

    pub(super) fn on_tree(&mut self, group: &GroupId, tree: &Tree, turn: &mut Turn<'_>) {
        let Some(Stage::Welcomed { seq, .. }) = self.stage(group) else {
            return;
        };
        let welcome = self
            .conversations
            .get(group)
            .and_then(|found| found.welcome.clone());
        let Some(welcome) = welcome else {
            return;
        };
        self.set_welcome(group, None);
        let joined = self.mls.join(group, &welcome.welcome, tree.tree.as_bytes());
        match joined {
            Ok(entered)
                if self.may_reach_us(&entered) && self.is_believable(group, &entered.shown()) =>
            {
                self.settle_in(group, seq, entered, turn);
            }
            result @ (Ok(_) | Err(_)) => {
                if let Ok(entered) = &result {
                    self.ask_about_unexpected(&entered.leaves);
                }
                self.mls.delete(group);
                self.troubles.count(Trouble::WelcomeRefused);
                // The account may have its place all the same: enter by ourselves.
                self.set_stage(group, Stage::Entering, turn);
            }
        }
    }

    pub(super) fn on_tree_refused(
        &mut self,
        group: &GroupId,
        error: &ApiError,
        turn: &mut Turn<'_>,
    ) {
        if !error.code.is_passing() && error.code != ErrorCode::NotSignedIn {
            self.set_welcome(group, None);
            self.set_stage(group, Stage::Entering, turn);
        }
    }

    /// The adder's key must be the one pinned for its account.
    fn may_reach_us(&self, entered: &Entered) -> bool {
        entered.adder.as_ref().is_some_and(|adder| {
            self.is_expected(&adder.account(), &adder.claims.account_key)
                && !self.is_revoked(&adder.claims)
        })
    }

    /// Enters a group anew: the old state is kept until the new one is accepted, but no longer used.
    pub(super) fn enter_anew(&mut self, group: &GroupId, trouble: Trouble, turn: &mut Turn<'_>) {
        let is_live = self.stage(group) == Some(Stage::Live);
        let Some(conversation) = self.change(group).filter(|_| is_live) else {
            return;
        };
        conversation.record.stage = Stage::Entering;
        conversation.record.rejoining = true;
        conversation.record.refused = None;
        conversation.record.doubted = false;
        conversation.followed = false;
        self.troubles.count(trouble);
        self.mls.forget(group);
        self.set_commit(group, None);
        let group = *group;
        turn.notify(Notice::Repairing { group, trouble });
        turn.notify(Notice::ConversationsChanged);
    }

    /// A commit of this device was taken back. The log tells which, and with it what has to be said
    /// again; without that, the group is entered anew all the same.
    pub(super) fn on_suspended(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        let Some(conversation) = self.conversations.get_mut(group) else {
            return;
        };
        if conversation.fetch {
            return;
        }
        if !std::mem::replace(&mut conversation.suspended, true) {
            conversation.fetch = true;
            conversation.caught_up = false;
            return;
        }
        self.unseal_from(group, Epoch::new(0));
        self.enter_anew(group, Trouble::StateLost, turn);
    }

    pub(super) fn pump_entering(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        let Some(conversation) = self.conversations.get(group) else {
            return;
        };
        let Some(entry) = &conversation.entry else {
            let group = *group;
            self.call(Call::Info(group), &FetchGroupInfo { group }, turn);
            return;
        };
        if !self.net.is_ready_for(&Call::Enter(*group), turn.now) {
            return;
        }
        let parts = (
            Blob::new(entry.commit.clone()),
            Blob::new(entry.group_info.clone()),
        );
        let (Ok(commit), Ok(group_info)) = parts else {
            self.set_entry(group, None);
            return;
        };
        let request = SubmitCommit {
            group: *group,
            commit,
            group_info,
            welcomes: List::default(),
            state: self.session.state,
        };
        self.call(Call::Enter(*group), &request, turn);
    }

    pub(super) fn on_group_info(
        &mut self,
        group: &GroupId,
        bundle: GroupInfoBundle,
        turn: &mut Turn<'_>,
    ) {
        if self.stage(group) != Some(Stage::Entering) {
            return;
        }
        self.net.set_time(bundle.time, turn.now);
        let parts = Bundle {
            group_info: bundle.group_info.into_bytes(),
            tree: bundle.tree.into_bytes(),
        };
        let proof = self.proof_for(group).map(|proof| proof.to_proposal());
        match self.mls.stage_entry(group, &parts, proof, bundle.time) {
            Ok((staged, shown)) if self.is_believable(group, &shown) => {
                self.count_state();
                self.set_entry(group, Some(staged));
            }
            result @ (Ok(_) | Err(_)) => {
                if let Ok((_, shown)) = &result {
                    self.ask_about_unexpected(&shown.leaves);
                }
                self.troubles.count(Trouble::BadAnswer);
                let jitter = turn.below(5_000);
                self.net.cool(Call::Info(*group), turn.now, None, jitter);
                self.give_up_entering_after(group, turn);
            }
        }
    }

    pub(super) fn on_group_info_refused(
        &mut self,
        group: &GroupId,
        error: &ApiError,
        turn: &mut Turn<'_>,
    ) {
        if !matches!(
            error.code,
            ErrorCode::NotFound | ErrorCode::Refused | ErrorCode::Gone
        ) {
            return;
        }
        let conversation = self.conversations.get_mut(group);
        if conversation.is_some_and(|found| std::mem::take(&mut found.called)) {
            self.net.cool(Call::Info(*group), turn.now, Some(0), 0);
        } else {
            self.end(group, Stage::Gone, turn);
        }
    }

    pub(super) fn on_entered(&mut self, group: &GroupId, accepted: Accepted, turn: &mut Turn<'_>) {
        let entry = self
            .conversations
            .get(group)
            .and_then(|found| found.entry.clone());
        let Some(staged) = entry else {
            return;
        };
        let hash = EntryHash::of(&staged.commit);
        self.set_entry(group, None);
        match self.mls.adopt(group, staged) {
            Ok(entered) => {
                self.settle_in(group, accepted.seq, entered, turn);
                if let Some(conversation) = self.change(group) {
                    conversation.record.hashes = vec![(accepted.seq, hash)];
                }
            }
            Err(_) => self.troubles.count(Trouble::StateLost),
        }
    }

    pub(super) fn on_entry_refused(
        &mut self,
        group: &GroupId,
        error: &ApiError,
        turn: &mut Turn<'_>,
    ) {
        if error.code.is_passing() || error.code == ErrorCode::NotSignedIn {
            return;
        }
        // Lost a race, or not (or no longer) allowed: throw it away and look again.
        self.set_entry(group, None);
        let jitter = turn.below(2_000);
        self.net.cool(Call::Info(*group), turn.now, Some(0), jitter);
        if error.code != ErrorCode::Stale {
            self.give_up_entering_after(group, turn);
        }
    }

    /// This device is in: takes over the group's facts and goes on from `seq`.
    fn settle_in(&mut self, group: &GroupId, seq: Seq, entered: Entered, turn: &mut Turn<'_>) {
        let now = self.net.server_time(turn.now);
        let due = if entered.by_last_resort {
            now
        } else {
            self.first_update(turn)
        };
        let me = self.me.as_ref().map(|me| me.account);
        let by = entered.adder.as_ref().map(Leaf::account).or(me);
        let Some(conversation) = self.change(group) else {
            return;
        };
        let record = &mut conversation.record;
        let again = std::mem::take(&mut record.rejoining);
        let by_link = record.invitation.take().is_some();
        let passed_over = std::mem::take(&mut record.passed_over);
        let skipped = again && (passed_over || seq.get() > record.cursor.get().saturating_add(1));
        let went_back = record.has_read(seq).then_some(record.delivered);
        if went_back.is_some() {
            record.start_log(seq);
        }
        let strangers = strangers(&record.members, &entered.leaves, me);
        record.stage = Stage::Live;
        record.cursor = seq;
        record.entered = entered.epoch;
        record.hashes.clear();
        record.update_due = Some(due);
        record.refused = None;
        record.verdicts.clear();
        record.last_commit = Some(now);
        // A repair does not make up anybody's mind.
        record.leaving &= again;
        record.quit = false;
        record.lost = 0;
        record.leavers = 0;
        record.leave = None;
        // The other may be out at the moment: the policy names the two all the same.
        let there = entered.leaves.iter().map(Leaf::account);
        let named = entered.policy.admins().iter().copied();
        let other = there.chain(named).find(|account| Some(*account) != me);
        if let (GroupKind::Direct, Some(other)) = (entered.policy.kind, other) {
            record.kind = Kind::Direct(other);
        }
        conversation.fetch = false;
        conversation.caught_up = false;
        conversation.followed = false;
        conversation.acknowledged = Seq::NONE;
        conversation.undecryptable = 0;
        conversation.suspended = false;
        conversation.signal_keys.clear();
        conversation.call_bases.clear();
        if skipped || !again {
            self.forget_heard(group);
        }
        if let Some(delivered) = went_back {
            self.append(group, TimelineRecord::LogWentBack(delivered));
        }
        self.resume_outbox(group, entered.epoch, turn);
        if let (Some(conversation), Some(by)) = (self.change(group), by) {
            conversation.record.begin_anew(seq, by);
        }
        self.begin_watch(group, &entered.leaves, now);
        self.note_roster(group, turn);
        self.ask_again_to_leave(group, turn);
        let by = entered.adder.map(|adder| adder.account());
        let event = match (again, by_link, me) {
            (true, _, _) if skipped => Some(EventRecord::Rejoined),
            (true, _, _) => None,
            (false, true, Some(me)) => Some(EventRecord::JoinedByLink(me)),
            (false, _, _) => Some(EventRecord::Entered(by)),
        };
        if let Some(event) = event {
            self.append_event(group, event, Some(seq), now);
        }
        self.meet_strangers(group, &strangers, seq, turn);
        turn.notify(Notice::ConversationsChanged);
    }

    /// Leaves by the account's own wish, though the server may hold a place for it still.
    pub(super) fn quit(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        self.end(group, Stage::Left, turn);
        if let Some(conversation) = self.change(group) {
            conversation.record.quit = true;
        }
    }

    /// Ends this device's part in a group: state is wiped, history stays.
    pub(super) fn end(&mut self, group: &GroupId, stage: Stage, turn: &mut Turn<'_>) {
        self.mls.delete(group);
        self.set_commit(group, None);
        self.set_entry(group, None);
        self.set_welcome(group, None);
        self.drop_intents(group);
        if stage == Stage::Gone {
            // No entry of the log ended this device's part: the commit that let it in, or one of its
            // own, was taken back, and what it said since then reached nobody.
            self.repeat_unsettled(group, turn);
        }
        self.fail_outbox(group, "You are no longer in this conversation.", turn);
        self.tell_of_a_hole(group, turn);
        if let Some(conversation) = self.change(group) {
            conversation.record.refused = None;
            conversation.record.verdicts.clear();
            conversation.record.leaving = false;
            conversation.record.update_due = None;
            conversation.record.rejoining = false;
            conversation.signal_keys.clear();
            conversation.call_bases.clear();
            conversation.typing.clear();
        }
        // The account may have its place again by now.
        self.net.memberships_due |= stage == Stage::Removed;
        self.set_stage(group, stage, turn);
    }

    /// What was said since this device wanted to enter anew, it will never have.
    fn tell_of_a_hole(&mut self, group: &GroupId, turn: &Turn<'_>) {
        let now = self.net.server_time(turn.now);
        let conversation = self.conversations.get(group);
        if conversation.is_some_and(|found| found.record.rejoining) {
            self.append_event(group, EventRecord::Missing(None), None, now);
        }
    }

    pub(super) fn stage(&self, group: &GroupId) -> Option<Stage> {
        self.conversations
            .get(group)
            .map(|found| found.record.stage)
    }

    pub(super) fn fail(&mut self, group: &GroupId, reason: &str, turn: &mut Turn<'_>) {
        turn.notify(Notice::Failed {
            group: Some(*group),
            reason: reason.to_owned(),
        });
    }

    /// After too many refusals of something well formed, the group is out of reach.
    fn give_up_entering_after(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        let Some(conversation) = self.change(group) else {
            return;
        };
        conversation.record.lost = conversation.record.lost.saturating_add(1);
        if conversation.record.lost >= wire_limit::COMMIT_TRIES {
            self.fail(group, "This conversation could not be entered.", turn);
            self.end(group, Stage::Gone, turn);
        }
    }

    fn proof_for(&self, group: &GroupId) -> Option<JoinProof> {
        let conversation = self.conversations.get(group)?;
        let invitation = conversation.record.invitation.as_ref()?;
        let grant = JoinGrant::parse(&invitation.grant).ok()?;
        let joiner = self.me.as_ref()?.credential().ok()?;
        JoinProof::new(grant, &joiner, &InviteSecret::new(invitation.secret)).ok()
    }

    /// A first update commit is due within a day of entering.
    pub(super) fn first_update(&self, turn: &mut Turn<'_>) -> Seconds {
        let hour = 3_600;
        let rest = limit::FIRST_UPDATE_SECONDS.saturating_sub(hour);
        let after = hour.saturating_add(turn.below(rest));
        self.net.server_time(turn.now).plus(after)
    }
}
