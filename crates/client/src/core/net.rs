//! Requests under way: who asked, how answers are read, when to try again.
//!
//! Owns the rule that no two equal requests are under way at once, that a refused one cools down,
//! and that nothing is asked while the server cannot be reached.

use super::Core;
use super::invite::PendingInvite;
use super::room::RoomCall;
use super::socket::Socket;
use super::turn::Turn;
use crate::notice::Notice;
use crate::port::{CallId, Effect, HttpCall, HttpReply, Moment, Unreachable};
use crate::repair::Trouble;
use crate::view::{Connection, DeviceView};
use roost_wire::api::{InviteDetail, PutKeyPackages};
use roost_wire::{
    AccountId, ApiError, ErrorCode, GroupId, InviteId, Seconds, Seq, Token, api, call,
};
use std::collections::{BTreeMap, BTreeSet};

const BACKOFF_FIRST_MS: u64 = 1_000;
const BACKOFF_MAX_MS: u64 = 60_000;
const COOLING_FIRST_MS: u64 = 2_000;
const COOLING_MAX_MS: u64 = 300_000;
/// Largest error body that is read.
const ERROR_BYTES: usize = 4 * 1024;

/// What a request is for; equal ones are the same request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    About,
    ShowInvite,
    Register,
    LinkDevice,
    Redeem,
    Challenge,
    SignIn,
    Ticket,
    Renew,
    People,
    Account(AccountId),
    Rotate,
    KeyPackages,
    Memberships,
    Inbox,
    Acks,
    CreateInvite(PendingInvite),
    /// With the conversation whose guest link it is.
    WithdrawInvite(GroupId, InviteId),
    Found(GroupId),
    Info(GroupId),
    Tree(GroupId),
    Enter(GroupId),
    Log(GroupId),
    Claim(GroupId, AccountId),
    Commit(GroupId),
    Leave(GroupId),
    Message(GroupId, u64),
    Verdict(GroupId, Seq),
    RelayPass,
    Room(GroupId, RoomCall),
}

/// How much connection is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Wanted {
    #[default]
    Off,
    /// Until everything is done.
    Once,
    /// With a socket, for good.
    Live,
}

/// The state of the connection; none of it is stored.
#[derive(Default)]
pub(super) struct Net {
    pub wanted: Wanted,
    /// Somebody waits for the moment at which everything is done, on a lasting connection.
    pub sync_asked: bool,
    pub token: Option<Token>,
    pub nonce: Option<roost_wire::Nonce>,
    /// Since the device was last let in.
    pub sign_ins_refused: u32,
    calls: BTreeMap<CallId, Call>,
    next_call: u64,
    failures: u32,
    not_before: Moment,
    cooling: Vec<Cooling>,
    /// Seconds the server's clock is ahead of ours.
    skew_s: i64,
    pub socket: Socket,
    pub people_due: bool,
    pub people_after: Option<AccountId>,
    /// Accounts whose devices and rotations are wanted.
    pub accounts_due: BTreeSet<AccountId>,
    /// The account's own devices, as the server last told.
    pub devices: Vec<DeviceView>,
    /// When the last answer about people came.
    pub people_read: Moment,
    pub memberships_due: bool,
    pub inbox_due: bool,
    pub shown: Option<InviteDetail>,
    pub packages: Option<PutKeyPackages>,
    /// The server holds the key that a link grant names.
    pub linking_checked: bool,
    pub last_connection: Option<Connection>,
}

struct Cooling {
    call: Call,
    until: Moment,
    failures: u32,
}

impl Cooling {
    fn is_short(&self, now: Moment) -> bool {
        self.failures <= 4 && self.until > now && self.until.since(now) <= 10_000
    }
}

impl Net {
    /// The end of `SyncOnce`; a lasting connection goes on.
    pub(super) fn settled(&mut self, turn: &mut Turn<'_>) {
        self.sync_asked = false;
        if self.wanted == Wanted::Once {
            self.wanted = Wanted::Off;
        }
        turn.notify(Notice::Settled);
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted != Wanted::Off
    }

    pub(super) fn may_call(&self, now: Moment) -> bool {
        now >= self.not_before
    }

    pub(super) fn is_idle(&self) -> bool {
        self.calls.is_empty()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    pub(super) fn is_under_way(&self, call: &Call) -> bool {
        self.calls.values().any(|other| other == call)
    }

    pub(super) fn is_ready_for(&self, call: &Call, now: Moment) -> bool {
        let cool = self.cooling.iter().find(|cooling| cooling.call == *call);
        !self.is_under_way(call) && cool.is_none_or(|cooling| cooling.until <= now)
    }

    /// Whether something is about to be tried again, so that it is worth waiting for.
    pub(super) fn is_about_to_retry(&self, now: Moment) -> bool {
        self.cooling.iter().any(|cooling| cooling.is_short(now))
    }

    /// Whether this was refused for the first time, and is about to be tried again.
    pub(super) fn has_another_try(&self, call: &Call, now: Moment) -> bool {
        let mut cooling = self.cooling.iter();
        let is_first = |it: &Cooling| it.call == *call && it.failures <= 1 && it.is_short(now);
        cooling.any(is_first)
    }

    /// The next moment at which something that waits may be tried.
    pub(super) fn next_try(&self, now: Moment) -> Option<Moment> {
        let cooling = self.cooling.iter().map(|cooling| cooling.until);
        let waits = cooling.chain([self.not_before]);
        waits.filter(|moment| *moment > now).min()
    }

    /// Waits before this request is made again: longer each time, or as long as the server says.
    pub(super) fn cool(&mut self, call: Call, now: Moment, wait_s: Option<u32>, jitter_ms: u64) {
        let failures = self.forget_cooling(&call).saturating_add(1);
        // What was refused long ago counts no more; some requests never come again.
        let counts = |cooling: &Cooling| cooling.until.plus_millis(COOLING_MAX_MS) > now;
        self.cooling.retain(counts);
        let doubled = COOLING_FIRST_MS.saturating_mul(1 << failures.min(10));
        let wait = wait_s.map_or(doubled.min(COOLING_MAX_MS), |s| u64::from(s) * 1_000);
        self.cooling.push(Cooling {
            call,
            until: now.plus_millis(wait.saturating_add(jitter_ms)),
            failures,
        });
    }

    /// Forgets earlier failures of a request; tells how many there were.
    fn forget_cooling(&mut self, call: &Call) -> u32 {
        let at = self
            .cooling
            .iter()
            .position(|cooling| cooling.call == *call);
        at.map_or(0, |at| self.cooling.swap_remove(at).failures)
    }

    pub(super) fn answered(&mut self) {
        self.failures = 0;
        self.not_before = Moment::default();
    }

    pub(super) fn unreachable(&mut self, now: Moment, jitter_ms: u64) {
        self.failures = self.failures.saturating_add(1);
        let wait = BACKOFF_FIRST_MS.saturating_mul(1 << self.failures.saturating_sub(1).min(10));
        let wait = wait.min(BACKOFF_MAX_MS).saturating_add(jitter_ms);
        self.not_before = now.plus_millis(wait);
    }

    pub(super) fn forget_calls(&mut self) {
        self.calls.clear();
        self.cooling.clear();
        self.answered();
    }

    pub(super) fn set_time(&mut self, server: Seconds, now: Moment) {
        let (server, own) = (
            i64::try_from(server.get()),
            i64::try_from(now.seconds().get()),
        );
        if let (Ok(server), Ok(own)) = (server, own) {
            self.skew_s = server.saturating_sub(own);
        }
    }

    /// The server's time, as well as it is known.
    pub(super) fn server_time(&self, now: Moment) -> Seconds {
        Seconds::new(now.seconds().get().saturating_add_signed(self.skew_s))
    }

    /// When the server's clock will show `time`.
    pub(super) fn moment_of(&self, time: Seconds) -> Moment {
        let own = time
            .get()
            .saturating_add_signed(self.skew_s.saturating_neg());
        Moment::from_millis(own.saturating_mul(1_000))
    }
}

impl Core {
    /// Makes a request unless an equal one is under way or cooling down.
    pub(super) fn call<T: call::Call>(&mut self, call: Call, request: &T, turn: &mut Turn<'_>) {
        if !self.net.is_ready_for(&call, turn.now) {
            return;
        }
        let id = CallId(self.net.next_call);
        self.net.next_call = self.net.next_call.saturating_add(1);
        self.net.calls.insert(id, call);
        let token = self.net.token.clone().filter(|_| T::SIGNED_IN);
        turn.effects.push(Effect::Http(HttpCall {
            id,
            method: T::METHOD,
            path: request.path(),
            body: request.body(),
            token,
        }));
    }

    pub(super) fn on_reply(
        &mut self,
        id: CallId,
        result: Result<HttpReply, Unreachable>,
        turn: &mut Turn<'_>,
    ) {
        let Some(call) = self.net.calls.remove(&id) else {
            return;
        };
        match result {
            Err(Unreachable) => {
                self.say_again(&call);
                self.on_unreachable(turn);
            }
            Ok(reply) if reply.status == 200 => {
                self.net.answered();
                let failures = self.net.forget_cooling(&call);
                if self.on_answer(&call, &reply.body, turn).is_none() {
                    self.troubles.count(Trouble::BadAnswer);
                    let jitter = turn.below(1_000);
                    self.net.cool(call.clone(), turn.now, None, jitter);
                    self.net.restore_failures(&call, failures);
                }
            }
            Ok(reply) => {
                self.net.answered();
                let error = api::decode(&reply.body, "error", ERROR_BYTES);
                let error = error.unwrap_or_else(|_| not_understood(reply.status));
                self.on_refusal(call, error, turn);
            }
        }
    }

    pub(super) fn on_unreachable(&mut self, turn: &mut Turn<'_>) {
        let jitter = turn.below(500);
        self.net.unreachable(turn.now, jitter);
        turn.notify(Notice::Unreachable);
        if self.net.wanted == Wanted::Once || self.net.sync_asked {
            self.net.settled(turn);
        }
    }

    /// Acknowledgements are taken for said when they are made.
    fn say_again(&mut self, call: &Call) {
        if *call == Call::Acks {
            self.on_acks_failed();
        }
    }

    /// A refusal cools the request down by default; what else follows depends on the request.
    fn on_refusal(&mut self, call: Call, error: ApiError, turn: &mut Turn<'_>) {
        self.say_again(&call);
        if error.code == ErrorCode::NotSignedIn {
            self.net.token = None;
            self.net.nonce = None;
            if call != Call::SignIn {
                // A server that takes no token it gave is not asked for one after the other.
                self.net.cool(Call::Challenge, turn.now, Some(1), 0);
                return;
            }
        }
        let jitter = turn.below(1_000);
        self.net
            .cool(call.clone(), turn.now, error.retry_after_s, jitter);
        self.refused(call, error, turn);
    }

    /// Reads the answer of a request and hands it on; none if it is not of the protocol.
    fn on_answer(&mut self, call: &Call, body: &[u8], turn: &mut Turn<'_>) -> Option<()> {
        match call {
            Call::About => self.on_about(read::<api::AboutServer>(body)?, turn),
            Call::ShowInvite => self.on_invite_shown(read::<api::ShowInvite>(body)?, turn),
            Call::Register => self.on_registered(read::<api::Register>(body)?, turn),
            Call::LinkDevice => self.on_linked(turn),
            Call::Redeem => self.on_redeemed(&read::<api::RedeemInvite>(body)?, turn),
            Call::Challenge => self.on_challenge(&read::<api::AskChallenge>(body)?, turn),
            Call::SignIn => self.on_signed_in(read::<api::SignIn>(body)?, turn),
            Call::Ticket => self.on_ticket(&read::<api::AskTicket>(body)?, turn),
            Call::Renew => self.on_renewed(),
            Call::People => self.on_people(read::<api::ListPeople>(body)?, turn),
            Call::Account(account) => {
                self.on_account(account, &read::<api::ShowAccount>(body)?, turn);
            }
            Call::Rotate => self.on_rotated(turn),
            Call::KeyPackages => self.on_key_packages_put(turn),
            Call::Memberships => self.on_memberships(read::<api::ListMemberships>(body)?, turn),
            Call::Inbox => self.on_inbox_page(read::<api::FetchInbox>(body)?, turn),
            Call::Acks => {}
            Call::CreateInvite(invite) => self.on_invite_created(invite, turn),
            Call::WithdrawInvite(group, invite) => {
                read::<api::WithdrawInvite>(body)?;
                self.on_withdrawn(group, invite, turn);
            }
            Call::Found(group) => {
                self.on_founded(group, read::<api::FoundGroup>(body)?, turn);
            }
            Call::Info(group) => {
                self.on_group_info(group, read::<api::FetchGroupInfo>(body)?, turn);
            }
            Call::Tree(group) => self.on_tree(group, &read::<api::FetchTree>(body)?, turn),
            Call::Enter(group) => {
                self.on_entered(group, read::<api::SubmitCommit>(body)?, turn);
            }
            Call::Log(group) => self.on_log_page(group, read::<api::FetchLog>(body)?, turn),
            Call::Claim(group, account) => {
                let claimed = read::<api::ClaimKeyPackages>(body)?;
                self.on_claimed(group, account, claimed, turn);
            }
            Call::Commit(group) => {
                self.on_commit_accepted(group, read::<api::SubmitCommit>(body)?);
            }
            Call::Leave(group) => {
                self.on_leave_accepted(group, read::<api::SubmitProposal>(body)?);
            }
            Call::Message(group, index) => {
                let accepted = read::<api::SubmitMessage>(body)?;
                self.on_message_accepted(group, *index, accepted, turn);
            }
            Call::Verdict(group, seq) => {
                let taken = read::<api::ReportVerdict>(body)?;
                self.on_verdict_taken(group, *seq, taken, turn);
            }
            Call::RelayPass => self.on_relay_pass(read::<api::AskRelayPass>(body)?, turn),
            Call::Room(group, call) => self.on_room_answer(group, *call, body, turn)?,
        }
        Some(())
    }

    fn refused(&mut self, call: Call, error: ApiError, turn: &mut Turn<'_>) {
        match call {
            Call::About | Call::Challenge | Call::Ticket | Call::People => {}
            Call::Memberships | Call::Inbox | Call::Acks => {}
            Call::KeyPackages => self.on_key_packages_refused(&error),
            Call::Renew => {}
            Call::RelayPass => self.on_no_relay(&error, turn),
            Call::Account(account) => self.on_account_refused(&account, &error),
            Call::Rotate => self.on_rotation_refused(&error, turn),
            Call::Verdict(group, seq) => self.on_verdict_refused(&group, seq, &error, turn),
            Call::ShowInvite | Call::Register => self.on_join_refused(&error, turn),
            Call::LinkDevice => self.on_link_refused(&error, turn),
            Call::Redeem => self.on_redeem_refused(&error, turn),
            Call::SignIn => self.on_sign_in_refused(&error, turn),
            Call::CreateInvite(invite) => self.on_invite_refused(&invite, &error, turn),
            Call::WithdrawInvite(group, invite) => {
                self.on_withdrawal_refused(&group, &invite, &error, turn);
            }
            Call::Found(group) => self.on_found_refused(&group, &error, turn),
            Call::Info(group) => self.on_group_info_refused(&group, &error, turn),
            Call::Tree(group) => self.on_tree_refused(&group, &error, turn),
            Call::Enter(group) => self.on_entry_refused(&group, &error, turn),
            Call::Log(group) => self.on_log_refused(&group, &error, turn),
            Call::Claim(group, account) => self.on_claim_refused(&group, account, &error, turn),
            Call::Commit(group) => self.on_commit_refused(&group, &error, turn),
            Call::Leave(group) => self.on_leave_refused(&group, &error),
            Call::Message(group, index) => {
                self.on_message_refused(&group, index, &error, turn);
            }
            Call::Room(group, call) => self.on_room_refusal(&group, call, &error, turn),
        }
    }
}

impl Net {
    /// An answer that was not understood counts as a failure among the earlier ones.
    fn restore_failures(&mut self, call: &Call, failures: u32) {
        if let Some(cooling) = self
            .cooling
            .iter_mut()
            .find(|cooling| cooling.call == *call)
        {
            cooling.failures = cooling.failures.saturating_add(failures);
        }
    }
}

fn read<T: call::Call>(body: &[u8]) -> Option<T::Reply> {
    T::reply(body).ok()
}

fn not_understood(status: u16) -> ApiError {
    let code = match status {
        401 => ErrorCode::NotSignedIn,
        429 => ErrorCode::TooMany,
        _ => ErrorCode::Internal,
    };
    ApiError::new(
        code,
        "The server's answer was not understood; trying again.",
    )
}
