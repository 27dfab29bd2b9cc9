//! Becoming somebody: from an invite link to an account, and using links later on.
//!
//! Owns the order: learn the server's key, check who invites, make the identity and store it,
//! register. The identity is stored before it is sent, so that a lost answer costs nothing. Guests
//! of calls come in by the same steps, without a name.

use super::Core;
use super::net::{Call, Wanted};
use super::turn::Turn;
use crate::identity::{Home, Identity};
use crate::notice::Notice;
use crate::record::{
    CallLinkRecord, Invitation, JoiningRecord, Kind, RedeemingRecord, Stage, VisitRecord,
};
use roost_mls::InviteSecret;
use roost_mls::policy::server_id;
use roost_wire::api::{
    AboutServer, InviteDetail, RedeemInvite, Register, Registered, ServerInfo, ShowInvite,
};
use roost_wire::link::{CallLink, InviteLink, InviterPrint};
use roost_wire::{AccountId, ApiError, Blob, DisplayName, ErrorCode, GroupId, InviteId, limit};

const OTHER_INVITER: &str =
    "This link was changed on its way: the server names another inviter than the link does.";
/// What to say of a link that is none.
pub const CUT_LINK: &str =
    "This is not a whole invite link. Copy all of it, also what comes after the #.";
const OWN_LINK: &str = "This link is your own. Give it to somebody who is not here yet.";
const OTHER_SERVER: &str = "This link is for another server.";
/// What to say of a call's link that is none.
pub const CUT_CALL_LINK: &str =
    "This is not the whole link of a call. Copy all of it, also what comes after the #.";
const NOT_A_GUEST: &str =
    "You have an account here. Open the link in a private window to come as a guest.";
const NO_CALL_LINK: &str = "This link is not for guests of a call.";
const ONLY_FOR_GUESTS: &str =
    "This link is for guests of a call, not for members. Ask for an invite link instead.";

/// The link that somebody comes by.
enum Way {
    Invitation(InviteLink),
    Call(CallLink),
}

impl Way {
    fn parse(link: &str) -> Option<Self> {
        let call = CallLink::parse(link).map(Self::Call);
        call.or_else(|_| InviteLink::parse(link).map(Self::Invitation))
            .ok()
    }

    fn origin(&self) -> &str {
        match self {
            Self::Invitation(link) => &link.origin,
            Self::Call(link) => &link.origin,
        }
    }

    const fn invite(&self) -> InviteId {
        match self {
            Self::Invitation(link) => link.invite,
            Self::Call(link) => link.invite,
        }
    }

    const fn secret(&self) -> [u8; 16] {
        match self {
            Self::Invitation(link) => link.secret,
            Self::Call(link) => link.secret,
        }
    }

    /// What is wrong with what the server says of the link.
    fn doubt(&self, detail: &InviteDetail) -> Option<&'static str> {
        match self {
            Self::Call(_) => detail.guests_of.is_none().then_some(NO_CALL_LINK),
            Self::Invitation(_) if detail.guests_of.is_some() => Some(ONLY_FOR_GUESTS),
            Self::Invitation(link) => wrong_inviter(link, detail),
        }
    }
}

/// What is wrong with a name that a person or a group cannot have.
pub(super) fn name_rule(name: &str) -> &'static str {
    if (1..=limit::NAME_CHARS).contains(&name.trim().chars().count()) {
        "A name holds nothing invisible, and nothing that turns text around. Type it anew."
    } else {
        "A name has 1 to 40 characters."
    }
}

impl Core {
    pub(super) fn join(&mut self, link: &str, name: &str, turn: &mut Turn<'_>) {
        let Ok(parsed) = InviteLink::parse(link) else {
            turn.refuse(CUT_LINK);
            return;
        };
        if self.me.is_some() {
            self.redeem(&parsed, turn);
            return;
        }
        let Ok(name) = DisplayName::new(name) else {
            turn.refuse(name_rule(name));
            return;
        };
        self.come_by(link.trim().to_owned(), name);
    }

    /// Somebody without an account comes as a guest, or asks again to be let in.
    pub(super) fn visit_call(&mut self, link: &str, name: &str, turn: &mut Turn<'_>) {
        let Ok(name) = DisplayName::new(name) else {
            turn.refuse(name_rule(name));
            return;
        };
        if CallLink::parse(link).is_err() {
            turn.refuse(CUT_CALL_LINK);
            return;
        }
        let link = link.trim().to_owned();
        if self.me.is_none() {
            return self.come_by(link, name);
        }
        let Some(visit) = self
            .session
            .visit
            .as_mut()
            .filter(|visit| visit.link == link)
        else {
            turn.refuse(NOT_A_GUEST);
            return;
        };
        visit.name = name;
        self.store_session();
        self.wait_in_lobby(turn);
    }

    fn come_by(&mut self, link: String, name: DisplayName) {
        let same = self
            .joining
            .as_ref()
            .is_some_and(|joining| joining.link == link && joining.name == name);
        if !same {
            self.net.forget_calls();
            self.net.shown = None;
            let identity = None;
            self.joining = Some(JoiningRecord {
                link,
                name,
                identity,
            });
            self.store_joining();
        }
        // A person waits: no back-off from earlier failures.
        self.net.answered();
    }

    pub(super) fn pump_setup(&mut self, turn: &mut Turn<'_>) {
        self.pump_linking(turn);
        let Some(joining) = &self.joining else {
            return;
        };
        let Some(way) = Way::parse(&joining.link) else {
            self.give_up_joining(CUT_LINK, turn);
            return;
        };
        match (&joining.identity, &self.net.shown) {
            (None, _) => self.call(Call::About, &AboutServer {}, turn),
            (Some(_), None) => {
                let invite = way.invite();
                self.call(Call::ShowInvite, &ShowInvite { invite }, turn);
            }
            (Some(identity), Some(_)) => {
                if let Some(request) = registration(identity, &way) {
                    self.call(Call::Register, &request, turn);
                }
            }
        }
    }

    pub(super) fn on_about(&mut self, info: ServerInfo, turn: &mut Turn<'_>) {
        self.net.set_time(info.time, turn.now);
        if self.linking.is_some() {
            self.on_about_linking(&info, turn);
        }
        let Some(joining) = &mut self.joining else {
            return;
        };
        if server_id(&info.key) != info.id {
            self.give_up_joining("The server does not hold the key of its name.", turn);
            return;
        }
        let Some(way) = Way::parse(&joining.link) else {
            return;
        };
        if joining.identity.is_none() {
            let home = Home {
                origin: way.origin().to_owned(),
                server: info.id,
                server_key: info.key,
            };
            let name = match way {
                Way::Invitation(_) => joining.name.clone(),
                Way::Call(_) => DisplayName::of_guests(),
            };
            let made = Identity::found(home, name, info.time, turn.dice);
            joining.identity = made.ok();
            self.store_joining();
        }
        if self
            .joining
            .as_ref()
            .is_some_and(|joining| joining.identity.is_none())
        {
            self.give_up_joining("No identity could be made for this server.", turn);
        }
    }

    pub(super) fn on_invite_shown(&mut self, detail: InviteDetail, turn: &mut Turn<'_>) {
        if self.redeeming.is_some() && self.me.is_some() {
            self.on_redeeming_shown(detail, turn);
            return;
        }
        let Some(joining) = &self.joining else {
            return;
        };
        let Some(way) = Way::parse(&joining.link) else {
            return;
        };
        if let Some(wrong) = way.doubt(&detail) {
            self.give_up_joining(wrong, turn);
            return;
        }
        let ours = joining
            .identity
            .as_ref()
            .is_some_and(|identity| identity.server == detail.server);
        if !ours {
            self.give_up_joining(OTHER_SERVER, turn);
            return;
        }
        self.net.shown = Some(detail);
    }

    pub(super) fn on_registered(&mut self, registered: Registered, turn: &mut Turn<'_>) {
        let Some(joining) = self.joining.take() else {
            return;
        };
        let (Some(identity), Some(way)) = (joining.identity, Way::parse(&joining.link)) else {
            return;
        };
        self.store_joining();
        let shown = self.net.shown.take();
        let claims = identity.credential().ok();
        self.me = Some(identity);
        self.store_me();
        self.session.joined_by = Some(way.invite());
        self.session.visit = match (&way, shown) {
            (Way::Call(link), Some(shown)) => visit(link, joining.name, &shown),
            _ => None,
        };
        self.store_session();
        let link = match way {
            Way::Invitation(link) => link,
            Way::Call(_) => {
                turn.notify(Notice::Joined);
                return self.wait_in_lobby(turn);
            }
        };
        if let Some(claims) = claims {
            self.meet(&claims, None, turn);
        }
        self.hear_of(&registered.me, turn);
        self.net.people_due = true;
        if let Some(inviter) = &registered.inviter {
            self.verify_by_link(inviter, link.inviter, turn);
        }
        turn.notify(Notice::Joined);
        let inviter = registered.inviter.map(|inviter| inviter.account);
        let grant = registered.grant.map(Blob::into_bytes);
        self.follow_link(&link, registered.group, grant, inviter, turn);
        if self.net.wanted == Wanted::Off {
            self.net.wanted = Wanted::Once;
        }
    }

    pub(super) fn on_join_refused(&mut self, error: &ApiError, turn: &mut Turn<'_>) {
        if error.code.is_passing() {
            return;
        }
        if self.redeeming.is_some() && self.me.is_some() {
            self.on_redeem_refused(error, turn);
            return;
        }
        let message = error.message.clone();
        self.give_up_joining(&message, turn);
    }

    fn give_up_joining(&mut self, reason: &str, turn: &mut Turn<'_>) {
        self.joining = None;
        self.net.shown = None;
        self.store_joining();
        let reason = reason.to_owned();
        turn.notify(Notice::Failed {
            group: None,
            reason,
        });
    }

    /// Somebody with an account uses a link.
    fn redeem(&mut self, link: &InviteLink, turn: &mut Turn<'_>) {
        self.redeeming = Some(RedeemingRecord {
            link: link.to_string(),
        });
        self.net.shown = None;
        self.store_redeeming();
        if self.net.wanted == Wanted::Off {
            self.net.wanted = Wanted::Once;
        }
        turn.notify(Notice::ConversationsChanged);
    }

    pub(super) fn pump_redeeming(&mut self, turn: &mut Turn<'_>) {
        let (Some(redeeming), Some(me)) = (&self.redeeming, &self.me) else {
            return;
        };
        let Ok(link) = InviteLink::parse(&redeeming.link) else {
            return;
        };
        let invite = link.invite;
        if self.net.shown.is_none() {
            self.call(Call::ShowInvite, &ShowInvite { invite }, turn);
            return;
        }
        let secret = InviteSecret::new(link.secret);
        let message = RedeemInvite::to_be_signed(&me.server, &invite, &me.account);
        let request = RedeemInvite {
            invite,
            signature: sign_with(&secret, &message),
        };
        self.call(Call::Redeem, &request, turn);
    }

    fn on_redeeming_shown(&mut self, detail: InviteDetail, turn: &mut Turn<'_>) {
        let link = self
            .redeeming
            .as_ref()
            .map(|redeeming| redeeming.link.clone());
        let link = link.and_then(|link| InviteLink::parse(&link).ok());
        let (Some(link), Some(me)) = (link, &self.me) else {
            return;
        };
        if me.server != detail.server {
            self.give_up_redeeming(OTHER_SERVER, turn);
        } else if let Some(wrong) = wrong_inviter(&link, &detail) {
            self.give_up_redeeming(wrong, turn);
        } else if detail.group.is_none() {
            self.redeeming = None;
            self.store_redeeming();
            if let Some(inviter) = &detail.inviter {
                self.verify_by_link(inviter, link.inviter, turn);
            }
            let inviter = detail.inviter.map(|inviter| inviter.account);
            self.follow_link(&link, None, None, inviter, turn);
        } else {
            self.net.shown = Some(detail);
        }
    }

    pub(super) fn on_redeemed(&mut self, detail: &InviteDetail, turn: &mut Turn<'_>) {
        let Some(redeeming) = self.redeeming.take() else {
            return;
        };
        self.store_redeeming();
        self.net.shown = None;
        let Ok(link) = InviteLink::parse(&redeeming.link) else {
            return;
        };
        if let Some(inviter) = &detail.inviter {
            self.verify_by_link(inviter, link.inviter, turn);
        }
        let inviter = detail.inviter.as_ref().map(|inviter| inviter.account);
        let grant = detail.grant.clone().map(Blob::into_bytes);
        self.follow_link(&link, detail.group, grant, inviter, turn);
    }

    pub(super) fn on_redeem_refused(&mut self, error: &ApiError, turn: &mut Turn<'_>) {
        if !error.code.is_passing() && error.code != ErrorCode::NotSignedIn {
            let message = error.message.clone();
            self.give_up_redeeming(&message, turn);
        }
    }

    fn give_up_redeeming(&mut self, reason: &str, turn: &mut Turn<'_>) {
        self.redeeming = None;
        self.net.shown = None;
        self.store_redeeming();
        let reason = reason.to_owned();
        turn.notify(Notice::Failed {
            group: None,
            reason,
        });
    }

    /// Goes where a link leads: into its group, or to the person who made it.
    fn follow_link(
        &mut self,
        link: &InviteLink,
        group: Option<GroupId>,
        grant: Option<Vec<u8>>,
        inviter: Option<AccountId>,
        turn: &mut Turn<'_>,
    ) {
        let Some(group) = group else {
            match inviter {
                Some(inviter) if self.is_me(&inviter) => turn.notify(Notice::Failed {
                    group: None,
                    reason: OWN_LINK.to_owned(),
                }),
                Some(inviter) => self.start_direct(inviter, turn),
                None => {}
            }
            return;
        };
        let is_open = self
            .conversations
            .get(&group)
            .is_some_and(|found| !found.is_over());
        if !is_open {
            let name = link
                .group_name
                .as_deref()
                .and_then(|name| DisplayName::new(name).ok());
            if self.conversations.contains_key(&group) {
                self.set_stage(&group, Stage::Entering, turn);
            } else {
                self.begin(group, Kind::Group, Stage::Entering, turn);
            }
            let invitation = grant.map(|grant| Invitation {
                invite: link.invite,
                secret: link.secret,
                grant,
                inviter: link.inviter,
            });
            self.provisional_name(&group, name, invitation);
        }
        turn.notify(Notice::Opened(group));
    }
}

/// What is wrong when the inviter is not the one the link names. Links of people name them; those of
/// the operator nobody.
fn wrong_inviter(link: &InviteLink, detail: &InviteDetail) -> Option<&'static str> {
    match (link.inviter, &detail.inviter) {
        (None, None) => None,
        (None, Some(_)) => Some(CUT_LINK),
        (Some(print), Some(inviter)) if print == InviterPrint::of(&inviter.key) => None,
        (Some(_), Some(_) | None) => Some(OTHER_INVITER),
    }
}

/// What a guest remembers of the link it came by.
fn visit(link: &CallLink, name: DisplayName, shown: &InviteDetail) -> Option<VisitRecord> {
    Some(VisitRecord {
        link: link.to_string(),
        name,
        conversation: shown.guests_of?,
        call_link: CallLinkRecord {
            invite: link.invite,
            secret: link.secret,
            expires: shown.expires,
            maker: shown.inviter.as_ref()?.account,
        },
    })
}

fn registration(identity: &Identity, way: &Way) -> Option<Register> {
    let credential = identity.credential().ok()?.to_bytes();
    let signature_key = identity.device_key();
    let invite = way.invite();
    let message = Register::to_be_signed(&identity.server, &invite, &signature_key, &credential);
    Some(Register {
        invite,
        invite_signature: sign_with(&InviteSecret::new(way.secret()), &message),
        signature_key,
        credential: Blob::new(credential).ok()?,
    })
}

fn sign_with(secret: &InviteSecret, message: &[u8]) -> roost_wire::SignatureBytes {
    use ed25519_dalek::Signer;
    roost_wire::SignatureBytes::new(secret.signing_key().sign(message).to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_refused_for_what_is_wrong_with_it() {
        for (name, word) in [
            ("", "1 to 40"),
            (" \t", "1 to 40"),
            (&*"x".repeat(41), "1 to 40"),
            ("Ada\u{202e}", "invisible"),
            ("A\u{200b}da", "invisible"),
        ] {
            assert!(DisplayName::new(name).is_err());
            assert!(name_rule(name).contains(word), "{name:?}");
        }
    }
}
