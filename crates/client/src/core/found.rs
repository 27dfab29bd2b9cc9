//! Founding conversations: a group with this device alone in it, and the wish to add the others.

use super::Core;
use super::net::Call;
use super::setup::name_rule;
use super::turn::Turn;
use crate::group::Bundle;
use crate::notice::Notice;
use crate::record::{EventRecord, Kind, Stage, Wish};
use roost_mls::{GroupKind, GroupPolicy};
use roost_wire::api::{Accepted, FoundGroup};
use roost_wire::{AccountId, ApiError, Blob, DisplayName, ErrorCode, GroupId};

impl Core {
    pub(super) fn start_direct(&mut self, account: AccountId, turn: &mut Turn<'_>) {
        if self.is_me(&account) {
            turn.refuse("A direct conversation needs another person.");
            return;
        }
        if let Some(group) = self.direct_with(&account) {
            turn.notify(Notice::Opened(group));
            return;
        }
        let Some(me) = self.me.as_ref().map(|me| me.account) else {
            turn.refuse("There is no account on this device yet.");
            return;
        };
        self.found(Kind::Direct(account), None, &[me, account], turn);
    }

    pub(super) fn create_group(
        &mut self,
        name: &str,
        members: Vec<AccountId>,
        turn: &mut Turn<'_>,
    ) {
        let Some(me) = self.me.as_ref().map(|me| me.account) else {
            turn.refuse("There is no account on this device yet.");
            return;
        };
        let Ok(name) = DisplayName::new(name) else {
            turn.refuse(name_rule(name));
            return;
        };
        let mut everyone = members;
        everyone.retain(|account| *account != me);
        everyone.insert(0, me);
        self.found(Kind::Group, Some(name), &everyone, turn);
    }

    fn found(
        &mut self,
        kind: Kind,
        name: Option<DisplayName>,
        everyone: &[AccountId],
        turn: &mut Turn<'_>,
    ) {
        let Some(me) = &self.me else {
            return;
        };
        let (me, server_key) = (me.account, me.server_key);
        let (policy_kind, admins) = match kind {
            Kind::Direct(_) => (GroupKind::Direct, everyone),
            Kind::Group => (GroupKind::Group, &[me][..]),
        };
        let group = GroupId::new(turn.sixteen());
        let now = self.net.server_time(turn.now);
        let made = GroupPolicy::new(server_key, policy_kind, admins)
            .ok()
            .and_then(|policy| self.mls.create(group, &policy, now).ok());
        if made.is_none() {
            turn.refuse("The conversation could not be made.");
            return;
        }
        self.begin(group, kind, Stage::Founding, turn);
        self.provisional_name(&group, name, None);
        self.note_roster(&group, turn);
        self.append_event(&group, EventRecord::Created(me), None, now);
        let others: Vec<_> = everyone
            .iter()
            .copied()
            .filter(|account| *account != me)
            .collect();
        if !others.is_empty() {
            self.intend(&group, Wish::Add(others), 0, turn);
        }
        turn.notify(Notice::Opened(group));
    }

    pub(super) fn pump_founding(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        if !self.net.is_ready_for(&Call::Found(*group), turn.now) {
            return;
        }
        let Ok(Bundle { group_info, tree }) = self.mls.bundle(group) else {
            self.set_stage(group, Stage::Gone, turn);
            return;
        };
        if let (Ok(group_info), Ok(tree)) = (Blob::new(group_info), Blob::new(tree)) {
            self.call(Call::Found(*group), &FoundGroup { group_info, tree }, turn);
        }
    }

    pub(super) fn on_founded(&mut self, group: &GroupId, accepted: Accepted, turn: &mut Turn<'_>) {
        let due = self.first_update(turn);
        if let Some(conversation) = self.change(group) {
            conversation.record.cursor = accepted.seq;
            conversation.record.update_due = Some(due);
            conversation.fetch = false;
            conversation.caught_up = true;
        }
        self.set_stage(group, Stage::Live, turn);
    }

    pub(super) fn on_found_refused(
        &mut self,
        group: &GroupId,
        error: &ApiError,
        turn: &mut Turn<'_>,
    ) {
        if !error.code.is_passing() && error.code != ErrorCode::NotSignedIn {
            self.fail(group, &error.message, turn);
            self.end(group, Stage::Gone, turn);
        }
    }
}
