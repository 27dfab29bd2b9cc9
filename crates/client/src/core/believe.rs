//! Which group a device lets itself be led into.
//!
//! Only members can prove a group's history to each other, and a device that enters has no proof yet: the
//! server could show it a group of its own making, with the true members' public leaves and one
//! more. Owns what is compared with what the device knew before. Never trusts the server's word
//! for who is in a conversation.

use super::Core;
use super::turn::Turn;
use crate::group::{Leaf, Shown};
use crate::record::{EventRecord, Invitation, Kind, MemberRecord};
use roost_mls::{GroupKind, JoinGrant};
use roost_wire::link::InviterPrint;
use roost_wire::{AccountId, GroupId, Seq};
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
        turn: &mut Turn<'_>,
    ) {
        let now = self.net.server_time(turn.now);
        for stranger in strangers {
            self.append_event(group, EventRecord::FoundHere(*stranger), Some(seq), now);
        }
        if !strangers.is_empty() {
            self.hold_outbox(group, STRANGERS, turn);
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
            Kind::Group if known => shown.policy.kind == GroupKind::Group,
            // A call is no conversation.
            Kind::Group => shown.policy.kind != GroupKind::Call,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::KeySeed;
    use roost_mls::credential::{Account, Claims};
    use roost_mls::join_proof::GrantClaims;
    use roost_mls::{InviteSecret, account_key_hash};
    use roost_wire::{
        AccountKey, DeviceId, DisplayName, InviteId, Seconds, ServerId, SignatureKey,
    };

    const GROUP: GroupId = GroupId::new([1; 16]);
    const INVITE: InviteId = InviteId::new([2; 16]);

    #[test]
    fn a_group_with_the_inviter_in_it_is_believed() {
        let invitation = invitation(GROUP, INVITE, 5, Some(print(1)));

        assert!(is_inviters(&GROUP, &invitation, &[leaf(9, 8), leaf(1, 5)]));
    }

    #[test]
    fn a_link_that_names_nobody_needs_the_granting_device_all_the_same() {
        let invitation = invitation(GROUP, INVITE, 5, None);

        assert!(is_inviters(&GROUP, &invitation, &[leaf(1, 5)]));
        assert!(!is_inviters(&GROUP, &invitation, &[leaf(1, 6)]));
    }

    #[test]
    fn a_group_without_the_inviters_device_is_not() {
        let invitation = invitation(GROUP, INVITE, 5, Some(print(1)));

        assert!(!is_inviters(&GROUP, &invitation, &[]));
        assert!(!is_inviters(&GROUP, &invitation, &[leaf(1, 6), leaf(2, 7)]));
    }

    #[test]
    fn the_granting_device_under_another_account_key_than_the_link_names_is_not() {
        let invitation = invitation(GROUP, INVITE, 5, Some(print(1)));

        assert!(!is_inviters(&GROUP, &invitation, &[leaf(3, 5), leaf(1, 6)]));
    }

    #[test]
    fn a_grant_for_another_group_or_invite_is_not() {
        let other_group = invitation(GroupId::new([9; 16]), INVITE, 5, Some(print(1)));
        let other_invite = invitation(GROUP, InviteId::new([9; 16]), 5, Some(print(1)));

        assert!(!is_inviters(&GROUP, &other_group, &[leaf(1, 5)]));
        assert!(!is_inviters(&GROUP, &other_invite, &[leaf(1, 5)]));
    }

    #[test]
    fn a_grant_that_its_device_did_not_sign_is_not() {
        let mut invitation = invitation(GROUP, INVITE, 5, Some(print(1)));
        *invitation.grant.last_mut().unwrap() ^= 1;

        assert!(!is_inviters(&GROUP, &invitation, &[leaf(1, 5)]));
    }

    fn seed(byte: u8) -> KeySeed {
        KeySeed::from_bytes([byte; 32])
    }

    fn key(byte: u8) -> AccountKey {
        AccountKey::new(seed(byte).public())
    }

    fn print(account: u8) -> InviterPrint {
        InviterPrint::of(&key(account))
    }

    /// A grant by this device, kept with the invite of the link.
    fn invitation(
        group: GroupId,
        invite: InviteId,
        device: u8,
        inviter: Option<InviterPrint>,
    ) -> Invitation {
        let secret = [7; 16];
        let by = SignatureKey::new(seed(device).public());
        let invite_key = InviteSecret::new(secret).key();
        let claims = GrantClaims::new(invite, invite_key, group, Seconds::new(9), by);
        let signature = seed(device).sign(&claims.to_be_signed());
        let grant = JoinGrant::assemble(claims, signature).unwrap().to_bytes();
        Invitation {
            invite: INVITE,
            secret,
            grant,
            inviter,
        }
    }

    fn leaf(account: u8, device: u8) -> Leaf {
        let of = Account {
            server: ServerId::new([4; 16]),
            account: AccountId::new([account; 16]),
            name: DisplayName::new("Ada").unwrap(),
            key: key(account),
            next_key_hash: account_key_hash(&key(200)),
        };
        Leaf {
            index: u32::from(device),
            claims: Claims::new(of, DeviceId::new([device; 16]), Seconds::new(1_800_000_000)),
            device_key: SignatureKey::new(seed(device).public()),
        }
    }
}
