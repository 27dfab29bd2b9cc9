//! The call of this device: what the machine wants done, and what it has to know.
//!
//! Owns who may be called, and what is stored of a call: nothing but the line it leaves, and a mark
//! from which that line is made after a crash.

use super::Core;
use super::turn::Turn;
use crate::call::{CallView, Deed, Letter, Marker, Party, Post, Refusal, RingId, Scene};
use crate::content::{CallLine, Item};
use crate::group::Leaf;
use crate::notice::Notice;
use crate::record::Kind;
use crate::view::Trust;
use roost_wire::{AccountId, GroupId};

const NOT_DIRECT: &str = "Only conversations of two can be called for now.";
const NOT_CONNECTED: &str = "There is no connection to the server. Call again when there is one.";
const NOT_READY: &str = "This conversation is not ready yet. Call again in a moment.";
const NOT_THERE: &str = "They are no longer in this conversation.";
const KEY_CHANGED: &str =
    "Their key changed, so somebody else may answer. Compare safety numbers with them first.";
const LEFT: &str = "You are no longer in this conversation.";
const SHUT_OUT: &str = "The device at the other end was removed from the conversation.";

impl Core {
    /// The call that is on, rings or has just ended; none after `Command::DismissCall`.
    #[must_use]
    pub fn current_call(&self) -> Option<CallView> {
        self.calls.view(|account| self.trust_of(account))
    }

    pub(super) fn start_call(&mut self, group: &GroupId, video: bool, turn: &mut Turn<'_>) {
        if let Some(reason) = self.cannot_call(group) {
            return turn.refuse(reason);
        }
        let Some(scene) = self.scene(group, turn) else {
            return turn.refuse(NOT_READY);
        };
        let ring = RingId::new(turn.sixteen());
        refuse(self.calls.start(ring, &scene, video), turn);
    }

    pub(super) fn accept_call(&mut self, call: RingId, video: bool, turn: &mut Turn<'_>) {
        refuse(self.calls.accept(call, video, turn.now), turn);
    }

    pub(super) fn decline_call(&mut self, call: RingId, turn: &mut Turn<'_>) {
        refuse(self.calls.decline(call, turn.now), turn);
    }

    /// A letter whose signature was checked against the sender's leaf.
    pub(super) fn on_letter(
        &mut self,
        group: &GroupId,
        sender: &Leaf,
        letter: Letter,
        turn: &mut Turn<'_>,
    ) {
        if self.is_revoked(&sender.claims) {
            return;
        }
        if let Some(scene) = self.scene(group, turn) {
            self.calls.hear(&scene, &party(sender), letter);
        }
    }

    /// Does what the machine wants, and what time brings.
    pub(super) fn pump_calls(&mut self, turn: &mut Turn<'_>) {
        if let Some((group, _)) = self.calls.partner()
            && self
                .conversations
                .get(&group)
                .is_none_or(|found| found.is_over())
        {
            self.calls.fail(LEFT, turn.now);
        }
        self.calls.tick(turn.now);
        for deed in self.calls.take() {
            self.perform(deed, turn);
        }
        self.write_down_unfinished(turn);
    }

    /// A new epoch: a device that was removed has no call any more.
    pub(super) fn check_call(&mut self, group: &GroupId, leaves: &[Leaf], turn: &Turn<'_>) {
        let Some((of, Some(partner))) = self.calls.partner() else {
            return;
        };
        let is_there = leaves
            .iter()
            .any(|leaf| leaf.device_key == partner.key && !self.is_revoked(&leaf.claims));
        if of == *group && !is_there {
            self.calls.fail(SHUT_OUT, turn.now);
        }
    }

    /// Why there can be no call in this conversation; a sentence.
    fn cannot_call(&self, group: &GroupId) -> Option<&'static str> {
        let conversation = self.conversations.get(group);
        let Some((conversation, peer)) = conversation.and_then(|found| match found.record.kind {
            Kind::Direct(peer) => Some((found, peer)),
            Kind::Group => None,
        }) else {
            return Some(NOT_DIRECT);
        };
        if self.trust_of(&peer) == Trust::KeyChanged {
            return Some(KEY_CHANGED);
        }
        if !self.net.socket.is_live() {
            return Some(NOT_CONNECTED);
        }
        if !conversation.is_usable() || conversation.record.leaving {
            return Some(NOT_READY);
        }
        (!conversation.record.has_member(&peer)).then_some(NOT_THERE)
    }

    fn scene(&self, group: &GroupId, turn: &Turn<'_>) -> Option<Scene> {
        let me = self.me.as_ref()?;
        let conversation = self.conversations.get(group)?;
        let peer = match conversation.record.kind {
            Kind::Direct(peer) => Some(peer),
            Kind::Group => None,
        };
        Some(Scene {
            group: *group,
            me: Party {
                account: me.account,
                device: me.device,
                key: me.device_key(),
            },
            peer,
            is_trusted: peer.is_none_or(|peer| self.trust_of(&peer) != Trust::KeyChanged),
            time: self.net.server_time(turn.now),
            now: turn.now,
        })
    }

    fn perform(&mut self, deed: Deed, turn: &mut Turn<'_>) {
        match deed {
            Deed::Post(post) => self.post(post, turn),
            Deed::Changed => turn.notify(Notice::CallChanged),
            // Two equal ones are two.
            Deed::Signal { call, signal } => {
                turn.notices.push(Notice::CallSignal { call, signal });
            }
            Deed::Mark(marker) => self.set_call_marker(marker),
            Deed::Write { group, line } => self.write_line(&group, line, turn),
        }
    }

    fn post(&mut self, post: Post, turn: &mut Turn<'_>) {
        let letter = Letter {
            ring: post.ring,
            counter: post.counter,
            time: self.net.server_time(turn.now),
            word: post.word,
        };
        self.send_letter(&post.group, &letter, turn);
    }

    fn set_call_marker(&mut self, marker: Option<Marker>) {
        self.call_marker = marker;
        self.store_call_marker();
    }

    /// A call was on when this device crashed or was closed.
    fn write_down_unfinished(&mut self, turn: &mut Turn<'_>) {
        let Some(marker) = self.call_marker else {
            return;
        };
        if self.me.is_some() && !self.calls.is_at(&marker.ring) {
            self.set_call_marker(None);
            self.write_line(&marker.group, marker.line(), turn);
        }
    }

    pub(super) fn write_line(&mut self, group: &GroupId, line: CallLine, turn: &mut Turn<'_>) {
        let can_write = self
            .conversations
            .get(group)
            .is_some_and(|found| !found.is_over() && !found.record.leaving);
        if can_write {
            self.say(group, &Item::Call(line), turn);
        }
    }

    fn trust_of(&self, account: &AccountId) -> Trust {
        self.people
            .get(account)
            .map_or(Trust::FirstSight, super::read::trust_in)
    }
}

fn party(leaf: &Leaf) -> Party {
    Party {
        account: leaf.account(),
        device: leaf.device(),
        key: leaf.device_key,
    }
}

fn refuse(outcome: Result<(), Refusal>, turn: &mut Turn<'_>) {
    if let Err(refusal) = outcome {
        turn.refuse(&refusal.to_string());
    }
}
