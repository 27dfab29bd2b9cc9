//! One connected device: the session machine, and the services and fan-out it talks to.
//!
//! Free of sockets: the web server's pump and the simulation drive it alike. Call `advance`, carry
//! out every outgoing thing, and again until there is none; then wait for a frame or `arrived`.

use crate::clock::Moment;
use crate::delivery::Mail;
use crate::fanout::{ConnectionId, Follower, Mailbox};
use crate::http::App;
use crate::http::api::acknowledge;
use crate::http::guard::rate::Kind;
use crate::http::respond::{Refusal, Reply};
use crate::service::error::GroupError;
use crate::service::{Caller, Order, Read, Submission, Turn};
use crate::session::{Found, Greeting, Live, LogRead, Output};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use roost_wire::api::Accepted;
use roost_wire::envelope::Envelope;
use roost_wire::frame::{ClientFrame, Outcome, ServerFrame};
use roost_wire::{ApiError, Blob, GroupId, Seq, Ticket, limit};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Messages of one connection on their way to the store; beyond, no frame is read.
const SUBMITS_MAX: usize = 64;
/// Droppable signals a device may send a second, sustained.
const SIGNALS_PER_SECOND: u32 = 10;
/// What they may weigh, sustained: a call is set up with a few of the longest.
const SIGNALS_KIB_PER_SECOND: u32 = 32;
const KIB: usize = 1024;
/// A connection that has not said hello by then is closed.
const GREETING_MS: u64 = 10_000;

/// What the shell must do.
pub enum Outgoing {
    Frame(Bytes),
    /// Run it to its end, beside the connection; start several in this order.
    Work(BoxFuture<'static, ()>),
    Close,
}

/// One connected device.
pub struct Connection {
    app: App,
    caller: Caller,
    id: ConnectionId,
    mailbox: Arc<Mailbox>,
    state: State,
    opened: Moment,
    outgoing: VecDeque<Outgoing>,
    under_way: Arc<AtomicUsize>,
    order: Order,
}

enum State {
    New(Greeting),
    Greeted(Live),
    Over,
}

impl App {
    /// Opens a connection for the device that a ticket was given to.
    ///
    /// # Errors
    /// `NotSignedIn` for a ticket that is no good.
    pub fn connect(&self, ticket: &Ticket, now: Moment) -> Result<Connection, ApiError> {
        let caller = self
            .sessions
            .use_ticket(ticket, now.seconds())
            .map_err(|error| Refusal::from(error).0)?;
        let (id, mailbox) = self.hub.attach(caller.device);
        Ok(Connection {
            app: self.clone(),
            caller,
            id,
            mailbox,
            state: State::New(Greeting::new(self.house.identity.incarnation)),
            opened: now,
            outgoing: VecDeque::new(),
            under_way: Arc::default(),
            order: Order::default(),
        })
    }
}

impl Connection {
    /// Takes one binary message of the client.
    pub async fn on_frame(&mut self, bytes: &[u8], now: Moment) {
        let mut out = Vec::new();
        let frame = ClientFrame::parse(bytes);
        // Closed rather than left out: who comes back names all its groups at once.
        let too_many =
            matches!(frame, Ok(ClientFrame::Follow { .. })) && !self.may(Kind::Request, now);
        // Removing the device ends a connection that is attached; it may have come before that.
        let removed = matches!(self.state, State::New(_)) && !self.is_current().await;
        if let Ok(ClientFrame::Follow { cursor }) = &frame {
            self.order.follow(cursor.group);
        }
        match (frame, &mut self.state) {
            (Err(_), _) => out.push(Output::Close),
            (Ok(_), _) if too_many || removed => out.push(Output::Close),
            (Ok(frame), State::Greeted(live)) => live.on_frame(frame, &mut out),
            (Ok(frame), State::New(_)) => {
                if let State::New(greeting) = std::mem::replace(&mut self.state, State::Over)
                    && let Some(live) = greeting.on_frame(frame, now.seconds(), &mut out)
                {
                    self.state = State::Greeted(live);
                }
            }
            (Ok(_), State::Over) => {}
        }
        self.carry_out(out, now).await;
    }

    /// Works on what has arrived for the device and on its backlog, as far as what is outgoing
    /// already allows.
    pub async fn advance(&mut self, now: Moment) {
        while self.outgoing.is_empty() {
            let State::Greeted(live) = &mut self.state else {
                // Only an end concerns a device that has not said hello.
                if let Some(Mail::Close(_)) = self.mailbox.take() {
                    self.carry_out(vec![Output::Close], now).await;
                }
                return;
            };
            let mut out = Vec::new();
            if let Some(mail) = self.mailbox.take() {
                live.on_mail(mail, &mut out);
                while let Some(mail) = self.mailbox.take() {
                    live.on_mail(mail, &mut out);
                }
            } else {
                match live.want() {
                    Some(read) => out.push(read),
                    None => return,
                }
            }
            self.carry_out(out, now).await;
        }
    }

    /// The next thing for the shell to do.
    pub fn outgoing(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    /// Waits until something has arrived for the device.
    pub fn arrived(&self) -> impl Future<Output = ()> + use<> {
        let mailbox = self.mailbox.clone();
        async move { mailbox.arrived().await }
    }

    /// Whether so much is on its way to the store that no frame should be read now.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) >= SUBMITS_MAX
    }

    /// Whether the device should have said hello by now.
    #[must_use]
    pub fn is_overdue(&self, now: Moment) -> bool {
        matches!(self.state, State::New(_)) && now.millis_since(self.opened) > GREETING_MS
    }

    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Works until nothing is left to do, all in place, and gives the frames for the client: for
    /// simulations, where futures do not wait.
    pub async fn turn(&mut self, now: Moment) -> Vec<Bytes> {
        let mut frames = Vec::new();
        loop {
            self.advance(now).await;
            if self.outgoing.is_empty() {
                return frames;
            }
            while let Some(outgoing) = self.outgoing() {
                match outgoing {
                    Outgoing::Frame(frame) => frames.push(frame),
                    Outgoing::Work(work) => work.await,
                    Outgoing::Close => return frames,
                }
            }
        }
    }

    async fn carry_out(&mut self, outputs: Vec<Output>, now: Moment) {
        let mut outputs = VecDeque::from(outputs);
        while let Some(output) = outputs.pop_front() {
            let mut more = Vec::new();
            match output {
                Output::Send(frame) => self.outgoing.push_back(Outgoing::Frame(frame)),
                Output::Read { group, after, rows } => {
                    let found = self.read(group, after, rows).await;
                    if let State::Greeted(live) = &mut self.state {
                        live.on_log(group, found, &mut more);
                    }
                }
                Output::ReadInbox { after, rows } => {
                    let page = self.app.inboxes.fetch(&self.caller, after, rows).await;
                    if let State::Greeted(live) = &mut self.state {
                        live.on_inbox(page.ok(), &mut more);
                    }
                }
                Output::Unfollow(group) => self.app.hub.unfollow(&group, self.id),
                Output::Submit {
                    request,
                    message,
                    began,
                } => self.submit(request, message, began, now),
                Output::Acknowledge(asked) => {
                    if self.may(Kind::Request, now) {
                        // What is not noted now is said again when the group moves on, and by the
                        // next `Hello`, which names every place.
                        let _ = acknowledge::take(&self.app, &self.caller, &asked).await;
                    }
                }
                Output::Signal { group, sealed } => self.signal(group, sealed, now).await,
                Output::Watch { group, wants } => {
                    if self.may(Kind::Watch, now) {
                        self.app.media.watch(&self.caller, group, wants);
                    }
                }
                Output::Close => {
                    self.end();
                    self.outgoing.push_back(Outgoing::Close);
                    return;
                }
            }
            outputs.extend(more);
        }
    }

    async fn read(&self, group: GroupId, after: Seq, rows: usize) -> Found {
        let follow = || {
            let follower = Follower {
                device: self.caller.device,
                mailbox: self.mailbox.clone(),
                is_guest: self.caller.guest_of.is_some(),
            };
            self.app.hub.follow(group, self.id, follower);
        };
        match self
            .app
            .groups
            .read(&self.caller, &group, after, rows, follow)
            .await
        {
            Ok(Read::Page(page)) => {
                let (head, delivered) = (page.head, page.delivered);
                let (more, ended, call) = (page.more, page.ended, page.call);
                Found::Page(LogRead {
                    frames: page.into_frames(group),
                    head,
                    delivered,
                    more,
                    ended,
                    call,
                })
            }
            Ok(Read::Gap { tail }) => Found::Gap { tail },
            Err(GroupError::Store(_)) => Found::Failed,
            Err(_) => Found::Nothing,
        }
    }

    fn submit(
        &mut self,
        request: u32,
        message: Blob<{ limit::MESSAGE_BYTES }>,
        began: Option<Seq>,
        now: Moment,
    ) {
        let (app, from) = (self.app.clone(), self.caller);
        let (mailbox, under_way) = (self.mailbox.clone(), self.under_way.clone());
        let turn = self.order.turn();
        under_way.fetch_add(1, Ordering::Relaxed);
        let work = async move {
            let outcome = match accept(&app, &from, message, began, &turn, now).await {
                Ok(accepted) => Outcome::Accepted(accepted),
                Err(Refusal(error)) => Outcome::Refused(error),
            };
            let frame = ServerFrame::Result { request, outcome };
            under_way.fetch_sub(1, Ordering::Relaxed);
            mailbox.put(Mail::Answer(frame.to_bytes().into()));
        };
        self.outgoing.push_back(Outgoing::Work(Box::pin(work)));
    }

    async fn signal(&self, group: GroupId, sealed: Blob<{ limit::EPHEMERAL_BYTES }>, now: Moment) {
        if self.may_signal(sealed.as_bytes().len(), now)
            && let Ok(delivery) = self.app.groups.signal(&self.caller, group, sealed).await
        {
            self.app.deliver(vec![delivery]);
        }
    }

    fn may_signal(&self, length_bytes: usize, now: Moment) -> bool {
        let (rates, device) = (&self.app.rates, self.caller.device);
        let length = u32::try_from(length_bytes.div_ceil(KIB)).unwrap_or(u32::MAX);
        let count = rates.device(Kind::Ephemeral, device, SIGNALS_PER_SECOND, now);
        count.is_ok()
            && rates
                .device_many(
                    Kind::EphemeralKib,
                    device,
                    length,
                    SIGNALS_KIB_PER_SECOND,
                    now,
                )
                .is_ok()
    }

    async fn is_current(&self) -> bool {
        let current = self.app.sessions.is_current(&self.caller).await;
        current.unwrap_or(false)
    }

    fn may(&self, kind: Kind, now: Moment) -> bool {
        let per_second = self.app.house.settings.requests_per_second;
        let rate = self
            .app
            .rates
            .device(kind, self.caller.device, per_second, now);
        rate.is_ok()
    }

    fn end(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Over);
        let groups: Vec<GroupId> = match &state {
            State::Greeted(live) => live.groups().collect(),
            State::New(_) | State::Over => Vec::new(),
        };
        self.app
            .hub
            .detach(&self.caller.device, self.id, groups.into_iter());
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end();
    }
}

async fn accept(
    app: &App,
    from: &Caller,
    message: Blob<{ limit::MESSAGE_BYTES }>,
    began: Option<Seq>,
    turn: &Turn,
    now: Moment,
) -> Reply<Accepted> {
    let per_second = app.house.settings.messages_per_second;
    let rate = app
        .rates
        .device(Kind::Message, from.device, per_second, now);
    let envelope = Envelope::parse(message.into_bytes())?;
    rate.inspect_err(|_| turn.refuse(envelope.group()))
        .map_err(crate::http::extract::too_many)?;
    let submission = Submission { envelope, began };
    let submitted = app.groups.submit(from, submission, turn, now.seconds());
    let outcome = submitted.await?;
    app.deliver(outcome.deliveries);
    Ok(outcome.reply)
}
