//! Ways through the server for calls: a pass for its relay, asked for when a call begins and again
//! before it ends, since whoever comes into another network finds no new way with one that is over.
//!
//! None of it is stored. A call goes on without: then only those hear each other who can reach
//! each other directly.

use super::Core;
use super::net::Call;
use super::turn::Turn;
use crate::call::CallStage;
use crate::notice::Notice;
use crate::port::Moment;
use roost_wire::api::{AskRelayPass, RelayPass};
use roost_wire::{ApiError, Seconds};

/// A pass that ends before a call has properly begun is of no use; one that is in use is renewed
/// with so much left.
const LEFT_SECONDS: u64 = 600;

/// Between two renewals at least.
const RENEWAL_SECONDS: u32 = 60;

/// What is known of the server's relay.
#[derive(Debug, Default)]
pub(super) enum Relays {
    #[default]
    Unknown,
    /// Wanted without a call.
    Asked,
    /// The server has none, or gave none each time it was asked.
    None,
    Pass(RelayPass),
}

impl Core {
    /// What a call's connection may use; absent until the server has answered, then a pass, or none
    /// if the server relays nothing.
    #[must_use]
    pub fn relays(&self) -> Option<Option<RelayPass>> {
        match &self.relays {
            Relays::Unknown | Relays::Asked => None,
            Relays::None => Some(None),
            Relays::Pass(pass) => Some(Some(pass.clone())),
        }
    }

    /// Somebody looks whether calls can work.
    pub(super) fn ask_relays(&mut self) {
        self.relays = Relays::Asked;
    }

    /// Asks when a call begins; a pass is used for as many as it lasts.
    pub(super) fn pump_relays(&mut self, turn: &mut Turn<'_>) {
        let is_in_call = self.is_in_call();
        match &self.relays {
            Relays::Unknown if !is_in_call => {}
            Relays::Unknown | Relays::Asked => {
                self.call(Call::RelayPass, &AskRelayPass {}, turn);
            }
            Relays::None if !is_in_call => self.relays = Relays::Unknown,
            // The old one stays until there is another.
            Relays::Pass(pass) if self.is_ending(pass, turn) && is_in_call => {
                self.call(Call::RelayPass, &AskRelayPass {}, turn);
            }
            Relays::Pass(pass) if self.is_ending(pass, turn) => self.relays = Relays::Unknown,
            Relays::None | Relays::Pass(_) => {}
        }
    }

    pub(super) fn on_relay_pass(&mut self, pass: RelayPass, turn: &mut Turn<'_>) {
        if self.is_ending(&pass, turn) {
            // By one of the two clocks, which somebody set: the next one will look no better.
            let jitter_ms = turn.below(5_000);
            let wait = Some(RENEWAL_SECONDS);
            self.net.cool(Call::RelayPass, turn.now, wait, jitter_ms);
        }
        self.relays = Relays::Pass(pass);
        turn.notify(Notice::CallChanged);
    }

    /// The call goes on without, or with the pass it has, for which another one is asked again.
    pub(super) fn on_no_relay(&mut self, error: &ApiError, turn: &mut Turn<'_>) {
        let is_passing = error.code.is_passing();
        if is_passing && self.net.has_another_try(&Call::RelayPass, turn.now) {
            return;
        }
        if !matches!(self.relays, Relays::Pass(_)) {
            self.relays = Relays::None;
            turn.notify(Notice::CallChanged);
        }
    }

    /// When the pass of a call is to be renewed.
    pub(super) fn relays_wake(&self) -> Option<Moment> {
        let Relays::Pass(pass) = &self.relays else {
            return None;
        };
        let at = Seconds::new(pass.expires.get().saturating_sub(LEFT_SECONDS));
        let moment = self.net.moment_of(at).plus_millis(1_000);
        self.is_in_call().then_some(moment)
    }

    fn is_in_call(&self) -> bool {
        let call = self.current_call();
        let is_on = call.is_some_and(|call| !matches!(call.stage, CallStage::Ended { .. }));
        // A guest gets a pass once it is in.
        let room = self.room.as_ref();
        is_on || room.is_some_and(super::room::Room::may_relay)
    }

    fn is_ending(&self, pass: &RelayPass, turn: &Turn<'_>) -> bool {
        let now = self.net.server_time(turn.now).get();
        pass.expires.get() < now.saturating_add(LEFT_SECONDS)
    }
}
