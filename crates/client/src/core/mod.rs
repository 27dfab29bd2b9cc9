//! The core's state and its one entry point.
//!
//! Owns what is in memory and how it is read back from storage. The work is in the modules: each
//! extends `Core` by one concern. Wishes are stored, and `pump` derives from what is stored and
//! what is under way which requests to make next, so that a restart goes on where it was.

mod account;
mod believe;
mod call;
mod call_link;
mod commit;
mod conversation;
mod derive;
mod door;
mod enter;
mod failure;
mod found;
mod inbox;
mod intent;
mod invite;
mod link;
mod log;
mod net;
mod open;
mod outbox;
mod people;
mod read;
mod receive;
mod relays;
mod repeat;
mod revoke;
mod room;
mod rotation;
mod session;
mod setup;
mod signal;
mod silence;
mod socket;
mod turn;
mod wish;

pub use open::OpenError;
pub use setup::{CUT_CALL_LINK, CUT_LINK};

use crate::call::{Calls, Marker};
use crate::group::Mls;
use crate::identity::Identity;
use crate::port::{Dice, Effect, Input, Moment, Step};
use crate::record::{
    IntentRecord, JoiningRecord, OutboxRecord, PersonRecord, RedeemingRecord, RevokingRecord,
    SessionRecord, Stage,
};
use crate::repair::Troubles;
use crate::thread::Thread;
use crate::vault::Vault;
use conversation::Conversation;
use net::Net;
use roost_wire::{AccountId, GroupId};
use std::collections::BTreeMap;
use turn::Turn;

/// One account on one device.
#[derive(Default)]
pub struct Core {
    vault: Vault,
    me: Option<Identity>,
    joining: Option<JoiningRecord>,
    redeeming: Option<RedeemingRecord>,
    linking: Option<link::LinkingRecord>,
    revoking: Option<RevokingRecord>,
    invites: Vec<invite::PendingInvite>,
    session: SessionRecord,
    net: Net,
    mls: Mls,
    conversations: BTreeMap<GroupId, Conversation>,
    people: BTreeMap<AccountId, PersonRecord>,
    outbox: BTreeMap<(GroupId, u64), OutboxRecord>,
    intents: BTreeMap<(GroupId, u64), IntentRecord>,
    threads: BTreeMap<GroupId, Thread>,
    troubles: Troubles,
    calls: Calls,
    /// Of the call that this device makes, or has made when it crashed.
    call_marker: Option<Marker>,
    relays: relays::Relays,
    room: Option<room::Room>,
    /// How many offers of media there were.
    media_offers: u32,
    door: door::Door,
    /// The groups of the calls that are on, by the server's word.
    calls_on: BTreeMap<GroupId, GroupId>,
}

impl Core {
    /// A core with nothing stored yet: no account. Its first step writes the format version.
    pub fn fresh() -> Self {
        let mut core = Self::default();
        core.write_version();
        core
    }

    /// Takes one input and tells what follows. Total: no input makes it panic.
    pub fn handle(&mut self, input: Input, now: Moment, dice: &mut dyn Dice) -> Step {
        let mut turn = Turn::new(now, dice);
        match input {
            Input::Command(command) => self.carry_out(command, &mut turn),
            Input::Reply { call, result } => self.on_reply(call, result, &mut turn),
            Input::SocketOpened => self.on_socket_opened(&mut turn),
            Input::Frame(bytes) => self.on_frame(&bytes, &mut turn),
            Input::SocketClosed => self.on_socket_closed(&mut turn),
            Input::Tick => {}
            Input::Timeline { group, rows, more } => {
                self.on_timeline(group, rows, more, &mut turn);
            }
        }
        self.pump_calls(&mut turn);
        self.pump_door(&mut turn);
        self.pump(&mut turn);
        self.finish(turn)
    }

    /// Collects the step: every changed record once, and when to wake up.
    fn finish(&mut self, mut turn: Turn<'_>) -> Step {
        self.store_conversations();
        for (group, thread) in &mut self.threads {
            if thread.refresh() {
                turn.notify(crate::Notice::ThreadChanged(*group));
            }
        }
        let mut writes = self.vault.take();
        writes.extend(self.mls.store().take_writes());
        if let Some(at) = self.next_wake(turn.now) {
            turn.effects.push(Effect::WakeAt(at));
        }
        Step {
            writes,
            effects: turn.effects,
            notices: turn.notices,
        }
    }

    /// Makes the next requests for everything that is wanted and not under way.
    fn pump(&mut self, turn: &mut Turn<'_>) {
        self.forget_epoch(turn);
        if !self.net.may_call(turn.now) {
            self.settle(turn);
            return;
        }
        self.pump_setup(turn);
        if self.me.is_some() && self.net.is_wanted() && self.pump_session(turn) {
            self.pump_account(turn);
            self.pump_inbox(turn);
            self.pump_socket(turn);
            self.pump_relays(turn);
            let groups: Vec<GroupId> = self.conversations.keys().copied().collect();
            for group in groups {
                self.pump_conversation(&group, turn);
            }
            self.pump_room(turn);
            self.pump_acks(turn);
        }
        self.settle(turn);
    }

    /// What a conversation's stage asks for next.
    fn pump_conversation(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        match self.stage(group) {
            Some(Stage::Founding) => self.pump_founding(group, turn),
            Some(Stage::Welcomed { .. }) => self.pump_welcomed(group, turn),
            Some(Stage::Entering) => self.pump_entering(group, turn),
            Some(Stage::Live) => {
                self.pump_log(group, turn);
                self.pump_verdicts(group, turn);
                if self
                    .conversations
                    .get(group)
                    .is_some_and(|found| found.is_usable())
                {
                    self.pump_intents(group, turn);
                    self.pump_outbox(group, turn);
                }
            }
            Some(Stage::Left | Stage::Removed | Stage::Gone) | None => {}
        }
    }
}
