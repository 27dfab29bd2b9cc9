//! Making invite links: the secret stays in the link's fragment, the server gets its public key.

use super::Core;
use super::net::{Call, Wanted};
use super::turn::Turn;
use crate::notice::Notice;
use minicbor::{Decode, Encode};
use roost_mls::join_proof::GrantClaims;
use roost_mls::{InviteSecret, JoinGrant};
use roost_wire::api::CreateInvite;
use roost_wire::link::{InviteLink, InviterPrint};
use roost_wire::{ApiError, Blob, GroupId, InviteId, Seconds, limit};

/// An invite that the server has not confirmed yet. Stored, so that a crash costs nobody the link.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct PendingInvite {
    #[n(0)]
    invite: InviteId,
    #[cbor(n(1), with = "minicbor::bytes")]
    secret: [u8; 16],
    #[n(2)]
    group: Option<GroupId>,
    #[n(3)]
    expires: Seconds,
    #[n(4)]
    uses: u32,
    /// In place of a group: the conversation whose calls it makes guests for.
    #[n(5)]
    guests_of: Option<GroupId>,
}

impl std::fmt::Debug for PendingInvite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PendingInvite({})", self.invite)
    }
}

impl Core {
    pub(super) fn create_invite(
        &mut self,
        group: Option<GroupId>,
        uses: u32,
        days: u64,
        turn: &mut Turn<'_>,
    ) {
        if !(1..=limit::INVITE_USES_MAX).contains(&uses)
            || !(1..=limit::INVITE_DAYS_MAX).contains(&days)
        {
            turn.refuse("An invite has 1 to 1,000 uses and lasts 1 to 90 days.");
            return;
        }
        let usable = |group: &GroupId| {
            self.conversations
                .get(group)
                .is_some_and(super::Conversation::is_usable)
        };
        if group.as_ref().is_some_and(|group| !usable(group)) {
            turn.refuse("This conversation is not ready for invitations.");
            return;
        }
        if self.invites.len() >= limit::INVITES_PER_ACCOUNT {
            turn.refuse("Too many invites wait for the server.");
            return;
        }
        self.ask_for_invite(group, None, uses, days, turn);
    }

    pub(super) fn ask_for_invite(
        &mut self,
        group: Option<GroupId>,
        guests_of: Option<GroupId>,
        uses: u32,
        days: u64,
        turn: &mut Turn<'_>,
    ) {
        // A minute less than the longest time, since clocks differ.
        let seconds = days.saturating_mul(86_400).saturating_sub(60);
        let pending = PendingInvite {
            invite: InviteId::new(turn.sixteen()),
            secret: turn.sixteen(),
            group,
            expires: self.net.server_time(turn.now).plus(seconds),
            uses,
            guests_of,
        };
        self.invites.push(pending);
        self.store_invites();
        if self.net.wanted == Wanted::Off {
            self.net.wanted = Wanted::Once;
        }
    }

    pub(super) fn pump_invites(&mut self, turn: &mut Turn<'_>) {
        for pending in self.invites.clone() {
            if let Some(request) = self.invite_request(&pending) {
                self.call(Call::CreateInvite(pending), &request, turn);
            }
        }
    }

    pub(super) fn on_invite_created(&mut self, pending: &PendingInvite, turn: &mut Turn<'_>) {
        self.drop_invite(pending);
        if let Some(conversation) = pending.guests_of {
            let (invite, secret, expires) = (pending.invite, pending.secret, pending.expires);
            return self.on_call_link_created(conversation, (invite, secret), expires, turn);
        }
        let Some(me) = &self.me else {
            return;
        };
        let conversation = pending
            .group
            .and_then(|group| self.conversations.get(&group));
        let name = conversation.and_then(|found| found.record.name.as_ref());
        let link = InviteLink {
            origin: me.origin.clone(),
            invite: pending.invite,
            secret: pending.secret,
            inviter: Some(InviterPrint::of(&me.account_key())),
            group_name: name.map(ToString::to_string),
        };
        turn.notify(Notice::InviteCreated {
            group: pending.group,
            link: link.to_string(),
            expires: pending.expires,
        });
    }

    pub(super) fn on_invite_refused(
        &mut self,
        pending: &PendingInvite,
        error: &ApiError,
        turn: &mut Turn<'_>,
    ) {
        if !error.code.is_passing() {
            self.drop_invite(pending);
            turn.notify(Notice::Failed {
                group: pending.group.or(pending.guests_of),
                reason: error.message.clone(),
            });
        }
    }

    fn drop_invite(&mut self, pending: &PendingInvite) {
        self.invites.retain(|other| other != pending);
        self.store_invites();
    }

    /// Whether a guest link of the conversation waits for the server.
    pub(super) fn is_link_asked(&self, conversation: GroupId) -> bool {
        let mut invites = self.invites.iter();
        invites.any(|pending| pending.guests_of == Some(conversation))
    }

    fn invite_request(&self, pending: &PendingInvite) -> Option<CreateInvite> {
        let me = self.me.as_ref()?;
        let key = InviteSecret::new(pending.secret).key();
        let grant = |group: GroupId| {
            let (invite, expires) = (pending.invite, pending.expires);
            let claims = GrantClaims::new(invite, key, group, expires, me.device_key());
            let signature = me.device_seed.sign(&claims.to_be_signed());
            let grant = JoinGrant::assemble(claims, signature).ok()?;
            Blob::new(grant.to_bytes()).ok()
        };
        Some(CreateInvite {
            invite: pending.invite,
            key,
            expires: pending.expires,
            uses: pending.uses,
            group: pending.group,
            grant: pending.group.and_then(grant),
            guests_of: pending.guests_of,
        })
    }
}
