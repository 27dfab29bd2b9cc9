//! Drives a [`Core`]: feeds it what happens, stores what it writes, then does what it asks.
//!
//! Owns the order of these three, which is the contract with the core, and the sockets behind
//! them. Knows nothing of what the core decides.

use crate::clock;
use crate::entropy::SystemDice;
use crate::tls::Trust;
use crate::transport_http::{HttpTransport, Trouble};
use crate::transport_socket::{Socket, SocketEvent};
use crate::vault::{Vault, VaultError};
use roost_client::{
    CallId, Command, Core, Effect, HttpCall, HttpReply, Input, Moment, Notice, Step, Unreachable,
};
use roost_wire::{ApiError, GroupId, api};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::mpsc;

/// Things that have happened and were not fed yet; beyond this the network waits.
const INBOUND: usize = 256;
/// What one [`Driver::settle`] may take.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(120);

/// Longest answer that says what went wrong.
const ERROR_BYTES: usize = 4_096;

/// The driver cannot go on; open a new one.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("the stored account cannot be opened: {0}")]
    Open(#[from] roost_client::OpenError),
    #[error(transparent)]
    Transport(#[from] Trouble),
    #[error("the server did not answer in time")]
    Slow,
}

/// From a task to the driver.
enum Inbound {
    Reply(CallId, Result<HttpReply, Trouble>),
    /// Of the socket with this number; earlier ones are not heard any more.
    Socket(u64, SocketEvent),
}

/// One core, its storage and its connections. Runs inside a tokio runtime.
pub struct Driver<V> {
    core: Core,
    vault: V,
    dice: SystemDice,
    trust: Trust,
    http: HttpTransport,
    tasks: mpsc::Sender<Inbound>,
    inbound: mpsc::Receiver<Inbound>,
    socket: Option<Socket>,
    /// Number of the newest socket.
    sockets: u64,
    wake: Option<Moment>,
    trouble: Option<Trouble>,
    put_off: Option<ApiError>,
    /// Whether the core was told to stay connected.
    live: bool,
}

impl<V: Vault> Driver<V> {
    /// Opens the account in `vault`, or an empty core if there is none.
    ///
    /// # Errors
    /// When storage cannot be read or what is in it cannot be understood.
    pub fn open(vault: V, trust: Trust) -> Result<Self, DriverError> {
        let rows = vault.opened_rows()?;
        let core = if rows.is_empty() {
            Core::fresh()
        } else {
            Core::open(rows)?
        };
        let (tasks, inbound) = mpsc::channel(INBOUND);
        Ok(Self {
            core,
            vault,
            dice: SystemDice,
            http: HttpTransport::new(&trust)?,
            trust,
            tasks,
            inbound,
            socket: None,
            sockets: 0,
            wake: None,
            trouble: None,
            put_off: None,
            live: false,
        })
    }

    /// Gives a command; what follows from the network comes by [`Driver::next`].
    ///
    /// # Errors
    /// When storage fails.
    pub fn command(&mut self, command: Command) -> Result<Vec<Notice>, DriverError> {
        match command {
            Command::Connect => self.live = true,
            Command::Disconnect => self.live = false,
            _ => {}
        }
        self.feed(Input::Command(command))
    }

    /// Waits for the next thing that happens. May be dropped while waiting; nothing is lost.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn next(&mut self) -> Result<Vec<Notice>, DriverError> {
        let inbound = tokio::select! {
            inbound = self.inbound.recv() => inbound,
            () = until(self.wake) => None,
        };
        match inbound {
            Some(Inbound::Reply(call, result)) => self.reply(call, result),
            Some(Inbound::Socket(number, event)) if number == self.sockets => self.socket(event),
            Some(Inbound::Socket(..)) => Ok(Vec::new()),
            None => {
                self.wake = None;
                self.feed(Input::Tick)
            }
        }
    }

    /// Gives a command and, unless the core refuses it, does all that can be done now. That is done
    /// without a socket; one that was open is opened again afterwards.
    ///
    /// # Errors
    /// When storage fails, or the server takes too long.
    pub async fn settle(&mut self, command: Command) -> Result<Vec<Notice>, DriverError> {
        if self.live {
            // With a socket there is no moment at which everything is done.
            self.feed(Input::Command(Command::Disconnect))?;
        }
        self.put_off = None;
        let mut notices = self.feed(Input::Command(command))?;
        let is_refused = |notice: &Notice| matches!(notice, Notice::Refused { .. });
        if notices.iter().any(is_refused) {
            return self.reconnect().map(|()| notices);
        }
        notices.extend(self.feed(Input::Command(Command::SyncOnce))?);
        let settling = async {
            while !notices.contains(&Notice::Settled) {
                notices.extend(self.next().await?);
            }
            Ok(())
        };
        let done: Result<Result<(), DriverError>, _> =
            tokio::time::timeout(SETTLE_TIMEOUT, settling).await;
        self.reconnect()?;
        match done {
            Ok(done) => done.map(|()| notices),
            Err(_) => Err(DriverError::Slow),
        }
    }

    /// The core, for its views.
    #[must_use]
    pub const fn core(&self) -> &Core {
        &self.core
    }

    /// Why the server could not be reached the last time it was tried.
    #[must_use]
    pub const fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// What the server said last, since the last [`Driver::settle`] began, to something that it
    /// could not do now: it has no room, or a fault. The core tries again.
    #[must_use]
    pub const fn put_off(&self) -> Option<&ApiError> {
        self.put_off.as_ref()
    }

    /// Goes on being connected, if that is wanted.
    fn reconnect(&mut self) -> Result<(), DriverError> {
        if self.live {
            self.feed(Input::Command(Command::Connect))?;
        }
        Ok(())
    }

    fn reply(
        &mut self,
        call: CallId,
        result: Result<HttpReply, Trouble>,
    ) -> Result<Vec<Notice>, DriverError> {
        self.trouble = result.as_ref().err().cloned();
        if let Some(error) = result.as_ref().ok().and_then(passing) {
            self.put_off = Some(error);
        }
        let result = result.map_err(|_| Unreachable);
        self.feed(Input::Reply { call, result })
    }

    fn socket(&mut self, event: SocketEvent) -> Result<Vec<Notice>, DriverError> {
        match event {
            SocketEvent::Opened => {
                self.trouble = None;
                self.feed(Input::SocketOpened)
            }
            SocketEvent::Frame(frame) => self.feed(Input::Frame(frame)),
            SocketEvent::Closed(trouble) => {
                self.trouble = trouble;
                self.socket = None;
                self.feed(Input::SocketClosed)
            }
        }
    }

    /// Feeds one input and what storage answers to it at once.
    fn feed(&mut self, input: Input) -> Result<Vec<Notice>, DriverError> {
        let mut inputs = VecDeque::from([input]);
        let mut notices = Vec::new();
        while let Some(input) = inputs.pop_front() {
            let step = self.core.handle(input, clock::now(), &mut self.dice);
            let Step {
                writes,
                effects,
                notices: new,
            } = step;
            self.vault.apply(&writes)?;
            notices.extend(new);
            for effect in effects {
                inputs.extend(self.perform(effect)?);
            }
        }
        Ok(notices)
    }

    fn perform(&mut self, effect: Effect) -> Result<Option<Input>, DriverError> {
        match effect {
            Effect::Http(call) => self.call(call),
            Effect::OpenSocket { path } => self.open_socket(&path),
            Effect::Send(frame) => {
                let sent = self
                    .socket
                    .as_ref()
                    .is_some_and(|socket| socket.send(frame));
                if !sent && self.socket.take().is_some() {
                    self.sockets = self.sockets.saturating_add(1);
                    return Ok(Some(Input::SocketClosed));
                }
            }
            Effect::CloseSocket => {
                self.socket = None;
                self.sockets = self.sockets.saturating_add(1);
            }
            Effect::WakeAt(moment) => self.wake = Some(moment),
            Effect::LoadTimeline {
                group,
                before,
                limit,
            } => return self.load(group, before, limit).map(Some),
        }
        Ok(None)
    }

    fn call(&self, call: HttpCall) {
        let origin = self.core.origin().unwrap_or_default();
        let (http, tasks) = (self.http.clone(), self.tasks.clone());
        tokio::spawn(async move {
            let result = http.call(&origin, &call).await;
            // Fails only when the driver is gone, and then nobody waits for it.
            let _ = tasks.send(Inbound::Reply(call.id, result)).await;
        });
    }

    fn open_socket(&mut self, path: &str) {
        self.sockets = self.sockets.saturating_add(1);
        let (number, tasks) = (self.sockets, self.tasks.clone());
        let origin = self.core.origin().unwrap_or_default();
        let tell = move |event| {
            let tasks = tasks.clone();
            async move {
                let _ = tasks.send(Inbound::Socket(number, event)).await;
            }
        };
        self.socket = Some(Socket::open(&self.trust, origin, path, tell));
    }

    fn load(&self, group: GroupId, before: Option<u64>, limit: u32) -> Result<Input, DriverError> {
        let page = self.vault.timeline(group, before, limit)?;
        Ok(Input::Timeline {
            group,
            rows: page.rows,
            more: page.more,
        })
    }
}

/// A refusal of what may succeed later.
fn passing(reply: &HttpReply) -> Option<ApiError> {
    if reply.status == 200 {
        return None;
    }
    let error: ApiError = api::decode(&reply.body, "error", ERROR_BYTES).ok()?;
    error.code.is_passing().then_some(error)
}

async fn until(moment: Option<Moment>) {
    match moment {
        Some(moment) => {
            tokio::time::sleep(Duration::from_millis(moment.since(clock::now()))).await;
        }
        None => std::future::pending().await,
    }
}
