//! Signing in: the device proves its key and gets a token.
//!
//! Owns what follows from the answer: a server that knows a newer state of this profile means that
//! this is a copy, which enters every group anew before anything is sent. One with another
//! incarnation may have lost part of its store: each group's log is compared first.

use super::Core;
use super::conversation::Conversation;
use super::net::Call;
use super::turn::Turn;
use crate::identity::Identity;
use crate::notice::Notice;
use crate::record::Stage;
use crate::repair::Trouble;
use roost_wire::api::{AddDevice, AskChallenge, Challenge, SignIn, SignedIn};
use roost_wire::{ApiError, ErrorCode, GroupId, InboxSeq, Seq, StateCounter};

/// Refusals one after the other that tell a device that it is shut out.
const SIGN_INS_REFUSED_MAX: u32 = 2;

impl Core {
    /// Whether the device is signed in; if not, goes on with it.
    pub(super) fn pump_session(&mut self, turn: &mut Turn<'_>) -> bool {
        if self.net.token.is_some() {
            return true;
        }
        let Some(me) = &self.me else {
            return false;
        };
        // Fetched while signing in has to wait, a challenge would be too old when it is answered.
        if !self.net.is_ready_for(&Call::SignIn, turn.now) {
            return false;
        }
        let device = me.device;
        let Some(nonce) = self.net.nonce else {
            self.call(Call::Challenge, &AskChallenge { device }, turn);
            return false;
        };
        let message = SignIn::to_be_signed(&me.server, &device, &nonce);
        let request = SignIn {
            device,
            nonce,
            signature: me.device_seed.sign(&message),
            state: self.session.state,
        };
        self.call(Call::SignIn, &request, turn);
        false
    }

    pub(super) fn on_challenge(&mut self, challenge: &Challenge, turn: &mut Turn<'_>) {
        let ours = self
            .me
            .as_ref()
            .is_some_and(|me| me.server == challenge.server);
        if ours {
            self.net.nonce = Some(challenge.nonce);
        } else {
            self.troubles.count(Trouble::BadAnswer);
            self.net.cool(Call::Challenge, turn.now, None, 0);
        }
    }

    pub(super) fn on_signed_in(&mut self, signed_in: SignedIn, turn: &mut Turn<'_>) {
        self.net.nonce = None;
        self.net.sign_ins_refused = 0;
        self.net.set_time(signed_in.time, turn.now);
        self.check_copy(signed_in.known_state, turn);
        self.check_incarnation(signed_in.incarnation, turn);
        self.net.token = Some(signed_in.token);
        self.net.memberships_due = true;
        self.net.inbox_due = true;
        turn.notify(Notice::ConnectionChanged);
    }

    pub(super) fn on_sign_in_refused(&mut self, error: &ApiError, turn: &mut Turn<'_>) {
        self.net.nonce = None;
        // One refusal may be about a challenge that was lost with a restart of the server.
        let tries = self.net.sign_ins_refused.saturating_add(1);
        self.net.sign_ins_refused = tries;
        let unknown = error.code == ErrorCode::NotSignedIn && tries == SIGN_INS_REFUSED_MAX;
        if unknown || matches!(error.code, ErrorCode::NotFound | ErrorCode::Refused) {
            turn.notify(Notice::Failed {
                group: None,
                reason: "The server does not know this device (any longer).".into(),
            });
        }
    }

    /// Counts one more stored state; goes out with the next submission.
    pub(super) fn count_state(&mut self) -> StateCounter {
        self.session.state = self.session.state.next();
        self.store_session();
        self.session.state
    }

    /// Notes the server's incarnation, which also comes with the socket and with log pages.
    pub(super) fn check_incarnation(
        &mut self,
        incarnation: roost_wire::Incarnation,
        turn: &mut Turn<'_>,
    ) {
        let before = self.session.incarnation;
        if before == Some(incarnation) {
            return;
        }
        self.session.incarnation = Some(incarnation);
        self.store_session();
        if before.is_some() {
            self.read_inbox_anew(turn);
            self.replace_key_packages();
            self.doubt_all(turn);
        }
    }

    /// The server may be as it was some time ago. Where its log still holds the last entry that was
    /// read, nothing has happened; else the group is entered anew.
    fn doubt_all(&mut self, turn: &mut Turn<'_>) {
        let live = |found: &Conversation| found.record.stage == Stage::Live;
        let groups = self.conversations.iter().filter(|(_, found)| live(found));
        let groups: Vec<GroupId> = groups.map(|(group, _)| *group).collect();
        for group in groups {
            let Some(conversation) = self.change(&group) else {
                continue;
            };
            if conversation.record.refused.is_some() {
                self.enter_anew(&group, Trouble::ServerRestored, turn);
                continue;
            }
            conversation.record.doubted = true;
            conversation.acknowledged = Seq::NONE;
            conversation.followed = false;
            conversation.caught_up = false;
        }
    }

    /// Places in the inbox are counted anew by a restored server as well.
    fn read_inbox_anew(&mut self, turn: &mut Turn<'_>) {
        self.session.inbox = InboxSeq::default();
        self.store_session();
        self.net.socket.forget_acknowledged();
        self.net.inbox_due = true;
        self.net.memberships_due = true;
        self.greet_anew(turn);
    }

    /// Sends a renewed credential to the server.
    pub(super) fn pump_renewal(&mut self, turn: &mut Turn<'_>) {
        let now = self.net.server_time(turn.now);
        if let Some(me) = &mut self.me {
            let age = now.get().saturating_sub(me.credential_made.get());
            if age > roost_mls::limit::CREDENTIAL_SECONDS / 3 * 2 {
                me.renew(now);
                self.session.credential_due = true;
                self.store_me();
                self.store_session();
            }
        }
        if self.session.credential_due
            && let Some(request) = self.me.as_ref().and_then(device_request)
        {
            self.call(Call::Renew, &request, turn);
        }
    }

    pub(super) fn on_renewed(&mut self) {
        self.session.credential_due = false;
        self.store_session();
    }

    fn check_copy(&mut self, known: StateCounter, turn: &mut Turn<'_>) {
        if known <= self.session.state {
            return;
        }
        self.session.state = known.next();
        self.store_session();
        self.replace_key_packages();
        self.enter_all_anew(Trouble::ProfileCopied, turn);
    }

    fn enter_all_anew(&mut self, trouble: Trouble, turn: &mut Turn<'_>) {
        let groups: Vec<GroupId> = self.conversations.keys().copied().collect();
        for group in groups {
            let stage = self
                .conversations
                .get(&group)
                .map(|found| found.record.stage);
            if stage == Some(Stage::Live) {
                self.enter_anew(&group, trouble, turn);
            }
        }
    }
}

/// The request that makes a device's credential known to the server.
pub(super) fn device_request(me: &Identity) -> Option<AddDevice> {
    let credential = me.credential().ok()?.to_bytes();
    let message = AddDevice::to_be_signed(&me.server, &credential);
    Some(AddDevice {
        signature_key: me.device_key(),
        credential: roost_wire::Blob::new(credential).ok()?,
        signature: me.device_seed.sign(&message),
    })
}
