//! The call that a tab has: its page has the microphone and the connection.
//!
//! Owns that a tab has one at most: a page that takes up another one is told to close the first.

use super::call::HeldCall;
use super::room::HeldRoom;
use super::tab::Tab;
use crate::patch::{Act, CallAct, RoomAct};

/// What a tab's page has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// A call between two.
    Call(HeldCall),
    /// A group call.
    Room(HeldRoom),
}

impl Tab {
    pub(super) const fn call(&self) -> Option<&HeldCall> {
        match &self.held {
            Some(Held::Call(held)) => Some(held),
            Some(Held::Room(_)) | None => None,
        }
    }

    pub(super) const fn call_mut(&mut self) -> Option<&mut HeldCall> {
        match &mut self.held {
            Some(Held::Call(held)) => Some(held),
            Some(Held::Room(_)) | None => None,
        }
    }

    pub(super) const fn room(&self) -> Option<&HeldRoom> {
        match &self.held {
            Some(Held::Room(held)) => Some(held),
            Some(Held::Call(_)) | None => None,
        }
    }

    pub(super) const fn room_mut(&mut self) -> Option<&mut HeldRoom> {
        match &mut self.held {
            Some(Held::Room(held)) => Some(held),
            Some(Held::Call(_)) | None => None,
        }
    }

    /// This tab's page takes up a call. What it had is closed first: nobody there hears a word more.
    pub(super) fn take_up(&mut self, held: Held, open: Act) {
        self.drop_held();
        // Nobody goes on hearing themselves.
        if self.findings.take().is_some() {
            self.panel = None;
        }
        self.held = Some(held);
        self.shown.act(open);
        self.shown.act(Act::Focus("call-place"));
    }

    /// What this tab's page had is over.
    pub(super) fn drop_held(&mut self) {
        match self.held.take() {
            Some(Held::Call(held)) => self.close_call(held.id(), false),
            Some(Held::Room(_)) => self.shown.act(Act::Room(RoomAct::Close)),
            None => {}
        }
    }

    pub(super) fn close_call(&mut self, call: roost_client::call::RingId, lingers: bool) {
        let act = CallAct::Close { call, lingers };
        self.shown.act_once("call-close", Act::Call(act));
    }
}
