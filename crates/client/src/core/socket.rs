//! The WebSocket: opening it, resuming by cursors, credit, acknowledgements, frames.

use super::Core;
use super::net::{Call, Wanted};
use super::turn::Turn;
use crate::notice::Notice;
use crate::port::{Effect, Moment};
use crate::repair::Trouble;
use crate::room::knock::Stranger;
use roost_wire::api::{Acknowledge, AskTicket, SocketTicket};
use roost_wire::frame::{ClientFrame, Cursor, Outcome, ServerFrame};
use roost_wire::{GroupId, InboxSeq, List, Seq, limit};
use std::collections::BTreeMap;

/// Submissions under way on the socket at once.
const SUBMISSIONS_MAX: usize = 64;
/// After so long without a frame the server is asked whether it is there.
const SILENCE_MS: u64 = 45_000;
/// So long it may take to open a socket, to greet and to answer.
const ANSWER_MS: u64 = 15_000;
/// So long to answer where there is reason to think that the network is another one now.
const DOUBT_MS: u64 = 4_000;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Opening,
    /// Hello is sent.
    Greeting,
    Live,
}

#[derive(Default)]
pub(super) struct Socket {
    state: State,
    /// Events received since credit was last given.
    spent: u32,
    unacknowledged: usize,
    ack_at: Option<Moment>,
    acked_inbox: InboxSeq,
    submissions: BTreeMap<u32, (GroupId, u64)>,
    next_request: u32,
    /// The last sign of life, or when the socket was begun.
    heard: Moment,
    /// By when the server must have said that it is there, once it was asked.
    answer_by: Option<Moment>,
}

impl Socket {
    pub(super) fn is_live(&self) -> bool {
        self.state == State::Live
    }

    /// Open, and nothing that was submitted on it is without an answer.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_live() && self.submissions.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.is_live() && self.submissions.len() < SUBMISSIONS_MAX
    }

    pub(super) fn is_submitting(&self, group: &GroupId, index: u64) -> bool {
        self.submissions
            .values()
            .any(|other| *other == (*group, index))
    }

    /// Notes a submission; yields its number.
    pub(super) fn submit(&mut self, group: GroupId, index: u64) -> u32 {
        let request = self.next_request;
        self.next_request = self.next_request.wrapping_add(1);
        self.submissions.insert(request, (group, index));
        request
    }

    /// The server lost what it was told.
    pub(super) fn forget_acknowledged(&mut self) {
        self.acked_inbox = InboxSeq::default();
    }

    /// By when something must have been heard, or the server is asked.
    pub(super) fn next_check(&self) -> Option<Moment> {
        match (self.state, self.answer_by) {
            (State::Closed, _) => None,
            (State::Live, None) => Some(self.heard.plus_millis(SILENCE_MS)),
            (State::Live, Some(by)) => Some(by),
            (State::Opening | State::Greeting, _) => Some(self.heard.plus_millis(ANSWER_MS)),
        }
    }

    fn hear(&mut self, now: Moment) {
        self.heard = now;
        self.answer_by = None;
    }

    pub(super) fn ack_at(&self) -> Option<Moment> {
        self.ack_at
    }
}

impl Core {
    pub(super) fn pump_socket(&mut self, turn: &mut Turn<'_>) {
        if self.net.wanted != Wanted::Live {
            return;
        }
        self.check_line(turn);
        if self.net.socket.state == State::Closed {
            self.call(Call::Ticket, &AskTicket {}, turn);
        }
        if !self.net.socket.is_live() {
            return;
        }
        self.follow_new(turn);
        if self.net.socket.spent >= limit::CREDIT_EVENTS / 2 {
            let events = std::mem::take(&mut self.net.socket.spent);
            send(&ClientFrame::Credit { events }, turn);
        }
    }

    /// A connection can die without a word, as on a laptop that slept: then a new one is needed.
    fn check_line(&mut self, turn: &mut Turn<'_>) {
        let is_due = |at: Moment| at <= turn.now;
        if !self.net.socket.next_check().is_some_and(is_due) {
            return;
        }
        if self.net.socket.is_live() && self.net.socket.answer_by.is_none() {
            self.ask_for_life(ANSWER_MS, turn);
        } else {
            turn.effects.push(Effect::CloseSocket);
            self.on_socket_closed(turn);
        }
    }

    /// There is reason to think that the connection leads nowhere any more.
    pub(super) fn doubt_line(&mut self, turn: &mut Turn<'_>) {
        self.ask_for_life(DOUBT_MS, turn);
    }

    /// Asks a live connection whether it is one.
    fn ask_for_life(&mut self, patience_ms: u64, turn: &mut Turn<'_>) {
        let by = turn.now.plus_millis(patience_ms);
        let socket = &mut self.net.socket;
        if socket.is_live() && socket.answer_by.is_none_or(|before| by < before) {
            socket.answer_by = Some(by);
            send(&ClientFrame::Ping, turn);
        }
    }

    pub(super) fn on_ticket(&mut self, ticket: &SocketTicket, turn: &mut Turn<'_>) {
        if self.net.wanted == Wanted::Live && self.net.socket.state == State::Closed {
            self.net.socket.state = State::Opening;
            self.net.socket.hear(turn.now);
            let path = ticket.path();
            turn.effects.push(Effect::OpenSocket { path });
        }
    }

    pub(super) fn on_socket_opened(&mut self, turn: &mut Turn<'_>) {
        if self.net.socket.state != State::Opening {
            turn.effects.push(Effect::CloseSocket);
            return;
        }
        self.net.socket.state = State::Greeting;
        self.net.socket.hear(turn.now);
        self.net.socket.spent = 0;
        let mut cursors = Vec::new();
        for (group, conversation) in &mut self.conversations {
            conversation.caught_up = false;
            conversation.followed =
                conversation.is_usable() || conversation.record.refused.is_some();
            if conversation.followed {
                let seq = conversation.record.stored();
                cursors.push(Cursor { group: *group, seq });
            }
        }
        let hello = ClientFrame::Hello {
            cursors: List::capped(cursors),
            inbox: self.session.inbox,
            credit: limit::CREDIT_EVENTS,
            state: self.session.state,
        };
        send(&hello, turn);
    }

    pub(super) fn on_socket_closed(&mut self, turn: &mut Turn<'_>) {
        if self.net.socket.state == State::Closed {
            return;
        }
        self.lose_socket();
        let jitter = turn.below(1_000);
        self.net.unreachable(turn.now, jitter);
        if self.net.sync_asked {
            self.net.settled(turn);
        }
        turn.notify(Notice::ConnectionChanged);
    }

    /// What was said in greeting is not so: a new socket follows.
    pub(super) fn greet_anew(&mut self, turn: &mut Turn<'_>) {
        if self.net.socket.state != State::Closed {
            turn.effects.push(Effect::CloseSocket);
            self.lose_socket();
            let jitter = turn.below(1_000);
            self.net.unreachable(turn.now, jitter);
        }
    }

    /// Forgets the socket: what was submitted on it is submitted again.
    pub(super) fn lose_socket(&mut self) {
        self.lose_room_socket();
        let acked_inbox = self.net.socket.acked_inbox;
        self.net.socket = Socket {
            acked_inbox,
            next_request: self.net.socket.next_request,
            ..Socket::default()
        };
        for conversation in self.conversations.values_mut() {
            conversation.followed = false;
            conversation.halted = false;
            conversation.caught_up = false;
        }
    }

    pub(super) fn on_frame(&mut self, bytes: &[u8], turn: &mut Turn<'_>) {
        if matches!(self.net.socket.state, State::Closed | State::Opening) {
            return;
        }
        self.net.socket.hear(turn.now);
        match ServerFrame::parse(bytes) {
            Ok(frame) => self.on_server_frame(frame, turn),
            Err(_) => {
                self.troubles.count(Trouble::BadAnswer);
                turn.effects.push(Effect::CloseSocket);
                self.on_socket_closed(turn);
            }
        }
    }

    fn on_server_frame(&mut self, frame: ServerFrame, turn: &mut Turn<'_>) {
        match frame {
            ServerFrame::Ready { incarnation, time } => {
                self.net.socket.state = State::Live;
                self.net.answered();
                self.net.set_time(time, turn.now);
                self.check_incarnation(incarnation, turn);
                self.calls.hasten(turn.now);
                turn.notify(Notice::ConnectionChanged);
            }
            ServerFrame::Result { request, outcome } => self.on_result(request, outcome, turn),
            ServerFrame::Event { group, entry } if self.is_room(&group) => {
                self.spend(turn);
                self.on_room_entry(&group, entry, turn);
            }
            ServerFrame::Event { group, entry } => {
                self.spend(turn);
                self.on_entry(&group, entry, turn);
            }
            ServerFrame::Inbox { seq, item } => {
                self.spend(turn);
                self.on_inbox_item(seq, item, turn);
            }
            ServerFrame::Head { group, head } if self.is_room(&group) => {
                self.on_room_head(&group, head);
            }
            ServerFrame::Gap { group, .. } | ServerFrame::Gone { group }
                if self.is_room(&group) =>
            {
                self.on_room_gone(&group, turn);
            }
            ServerFrame::Ephemeral { group, sealed } if self.is_room(&group) => {
                self.on_room_signal(&group, sealed.as_bytes(), turn);
            }
            ServerFrame::Head { group, head } => self.on_head(&group, head),
            ServerFrame::Gap { group, .. } => self.enter_anew(&group, Trouble::LogGone, turn),
            ServerFrame::Ephemeral { group, sealed } => {
                self.on_signal(&group, sealed.as_bytes(), turn);
            }
            ServerFrame::Delivered { group, seq } => self.on_delivered(&group, seq, turn),
            ServerFrame::Drain => {
                turn.effects.push(Effect::CloseSocket);
                self.on_socket_closed(turn);
            }
            ServerFrame::Gone { group } => self.on_follow_refused(&group),
            ServerFrame::CallOn { group, call } => self.on_call_on(group, call, turn),
            ServerFrame::Tracks { group, tracks } => self.on_tracks(&group, tracks, turn),
            ServerFrame::Speaking { group, devices } => {
                self.on_speaking(&group, devices.into_vec(), turn);
            }
            ServerFrame::Knock {
                group,
                link,
                account,
                device,
                sealed,
            } => {
                let stranger = Stranger {
                    link,
                    account,
                    device,
                };
                self.on_knock(&group, &stranger, sealed.as_bytes(), turn);
            }
            ServerFrame::Pong => {}
        }
    }

    fn on_result(&mut self, request: u32, outcome: Outcome, turn: &mut Turn<'_>) {
        let Some((group, index)) = self.net.socket.submissions.remove(&request) else {
            return;
        };
        match outcome {
            Outcome::Accepted(accepted) => self.on_message_accepted(&group, index, accepted, turn),
            Outcome::Refused(error) => {
                let jitter = turn.below(1_000);
                let call = Call::Message(group, index);
                if let Some(conversation) = self.conversations.get_mut(&group) {
                    conversation.halted = true;
                }
                self.net.cool(call, turn.now, error.retry_after_s, jitter);
                self.on_message_refused(&group, index, &error, turn);
            }
        }
    }

    fn spend(&mut self, turn: &Turn<'_>) {
        let socket = &mut self.net.socket;
        socket.spent = socket.spent.saturating_add(1);
        socket.unacknowledged = socket.unacknowledged.saturating_add(1);
        let at = turn.now.plus_millis(limit::ACK_DELAY_MS);
        socket.ack_at.get_or_insert(at);
    }

    fn follow_new(&mut self, turn: &mut Turn<'_>) {
        for (group, conversation) in &mut self.conversations {
            if conversation.followed || !conversation.is_usable() {
                continue;
            }
            conversation.followed = true;
            let seq = conversation.record.cursor;
            let cursor = Cursor { group: *group, seq };
            send(&ClientFrame::Follow { cursor }, turn);
        }
    }

    /// Tells the server what is stored here, now and then.
    pub(super) fn pump_acks(&mut self, turn: &mut Turn<'_>) {
        let socket = &self.net.socket;
        let due = match self.net.wanted {
            Wanted::Off => false,
            Wanted::Once => self.net.is_idle(),
            Wanted::Live => {
                let waited = socket.ack_at.is_some_and(|at| at <= turn.now);
                socket.is_live() && (waited || socket.unacknowledged >= limit::ACK_EVENTS)
            }
        };
        if !due || !self.net.is_ready_for(&Call::Acks, turn.now) {
            return;
        }
        self.net.socket.ack_at = None;
        self.net.socket.unacknowledged = 0;
        let cursors = self.take_unacknowledged();
        let inbox = self.session.inbox;
        if cursors.as_slice().is_empty() && inbox <= self.net.socket.acked_inbox {
            return;
        }
        self.net.socket.acked_inbox = inbox;
        let state = self.session.state;
        if self.net.socket.is_live() {
            let frame = ClientFrame::Ack {
                cursors,
                inbox,
                state,
            };
            send(&frame, turn);
        } else {
            let request = Acknowledge {
                cursors,
                inbox,
                state,
            };
            self.call(Call::Acks, &request, turn);
        }
    }

    /// What was acknowledged did not arrive: it is said again.
    pub(super) fn on_acks_failed(&mut self) {
        self.net.socket.forget_acknowledged();
        for conversation in self.conversations.values_mut() {
            conversation.acknowledged = Seq::NONE;
        }
    }

    fn take_unacknowledged(&mut self) -> List<Cursor, { limit::GROUPS_PER_DEVICE }> {
        let mut cursors = Vec::new();
        for (group, conversation) in &mut self.conversations {
            let seq = conversation.record.stored();
            if seq > conversation.acknowledged && seq > Seq::NONE {
                conversation.acknowledged = seq;
                cursors.push(Cursor { group: *group, seq });
            }
        }
        List::capped(cursors)
    }
}

pub(super) fn send(frame: &ClientFrame, turn: &mut Turn<'_>) {
    turn.effects.push(Effect::Send(frame.to_bytes()));
}
