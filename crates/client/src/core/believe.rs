//! Which group a device lets itself be led into.
//!
//! Only members can prove a group's history to each other, and a device that enters has no proof yet: the
//! server could show it a group of its own making, with the true members' public leaves and one
//! more. Owns what is compared with what the device knew before. Never trusts the server's word
//! for who is in a conversation.

use super::Core;
use crate::group::{Leaf, Shown};
use crate::record::{EventRecord, Invitation, Kind, MemberRecord};
use roost_mls::{GroupKind, JoinGrant};
use roost_wire::link::InviterPrint;
use roost_wire::{AccountId, GroupId, Seconds, Seq};
use std::collections::BTreeSet;

const STRANGERS: &str =
    "Somebody is in this conversation who was not before. Look who is here, then send it again.";

impl Core {
    /// Whether what the server shows agrees with what this device knows: pinned account keys, the
    /// kind of conversation, and the inviter that a link named.
    pub(super) fn is_believable(&self, group: &GroupId, shown: &Shown) -> bool {
        let Some(conversation) = self.conversations.get(group) else {
            return false;
        };
        let record = &conversation.record;
        let known = !record.members.is_empty();
        self.has_expected_keys(&shown.leaves)
            && self.is_kind(record.kind, known, shown)
            && record
                .invitation
                .as_ref()
                .is_none_or(|invitation| is_inviters(group, invitation, &shown.leaves))
    }

    /// Shows who is new since this device was last in, and sends nothing to them by itself.
    pub(super) fn meet_strangers(
        &mut self,
        group: &GroupId,
        strangers: &BTreeSet<AccountId>,
        seq: Seq,
        now: Seconds,
    ) {
        for stranger in strangers {
            self.append_event(group, EventRecord::FoundHere(*stranger), Some(seq), now);
        }
        if !strangers.is_empty() {
            self.hold_outbox(group, STRANGERS);
        }
    }

    fn has_expected_keys(&self, leaves: &[Leaf]) -> bool {
        leaves
            .iter()
            .all(|leaf| self.is_expected(&leaf.account(), &leaf.claims.account_key))
    }

    /// A conversation of two never becomes another kind, nor has a third person.
    fn is_kind(&self, kind: Kind, known: bool, shown: &Shown) -> bool {
        match kind {
            Kind::Direct(other) => {
                shown.policy.kind == GroupKind::Direct
                    && shown
                        .leaves
                        .iter()
                        .all(|leaf| leaf.account() == other || self.is_me(&leaf.account()))
            }
            Kind::Group => !known || shown.policy.kind == GroupKind::Group,
        }
    }
}

/// The grant is for this group and invite, by a device that is in the group, of the account that the link
/// names.
fn is_inviters(group: &GroupId, invitation: &Invitation, leaves: &[Leaf]) -> bool {
    let Ok(grant) = JoinGrant::parse(&invitation.grant) else {
        return false;
    };
    let inviter = leaves.iter().find(|leaf| leaf.device_key == grant.inviter);
    let named = inviter.is_some_and(|leaf| {
        let print = InviterPrint::of(&leaf.claims.account_key);
        invitation.inviter.is_none_or(|named| named == print)
    });
    named && grant.group == *group && grant.invite == invitation.invite
}

/// Accounts that were not in the group when this device last knew its members.
pub(super) fn strangers(
    known: &[MemberRecord],
    leaves: &[Leaf],
    me: Option<AccountId>,
) -> BTreeSet<AccountId> {
    if known.is_empty() {
        return BTreeSet::new();
    }
    let before: BTreeSet<AccountId> = known
        .iter()
        .map(|member| member.account)
        .chain(me)
        .collect();
    let now: BTreeSet<AccountId> = leaves.iter().map(Leaf::account).collect();
    now.difference(&before).copied().collect()
}
