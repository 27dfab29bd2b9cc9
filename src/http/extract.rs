//! Here the bytes of a request become wire types.

use crate::clock::Moment;
use crate::http::App;
use crate::http::guard::rate::{Kind, PeerAddr};
use crate::http::respond::Refusal;
use crate::service::Caller;
use minicbor::Decode;
use roost_wire::{ApiError, Malformed, Method, Seconds, Token, api, limit};
use std::str::FromStr;

/// A request to `/v1/…`, whatever carried it.
#[derive(Debug)]
pub struct Request {
    pub method: Method,
    /// From `/v1/` on, query included.
    pub path_and_query: String,
    pub token: Option<Token>,
    pub body: Vec<u8>,
    pub peer: PeerAddr,
}

/// The answer: an HTTP status and a CBOR body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
}

/// A request on its way through a handler.
pub struct Incoming<'a> {
    pub app: &'a App,
    pub now: Moment,
    request: &'a Request,
}

impl<'a> Incoming<'a> {
    #[must_use]
    pub const fn new(app: &'a App, request: &'a Request, now: Moment) -> Self {
        Self { app, now, request }
    }

    /// The server's time of this request.
    #[must_use]
    pub const fn time(&self) -> Seconds {
        self.now.seconds()
    }

    /// Who asks, counted as one request of theirs. Not for guests of calls.
    ///
    /// # Errors
    /// `NotSignedIn`, `TooMany`; `NotFound` for guests.
    pub fn caller(&self) -> Result<Caller, Refusal> {
        not_a_guest(self.caller_or_guest()?)
    }

    /// Who asks for what guests of calls may ask for too, counted as one request of theirs.
    ///
    /// # Errors
    /// `NotSignedIn`, `TooMany`.
    pub fn caller_or_guest(&self) -> Result<Caller, Refusal> {
        self.counted(Kind::Request, self.app.house.settings.requests_per_second)
    }

    /// A guest who asks to be let in, counted apart: each time everybody hears of it.
    ///
    /// # Errors
    /// `NotSignedIn`, `TooMany`.
    pub fn knocker(&self) -> Result<Caller, Refusal> {
        self.counted(Kind::Knock, limit::KNOCKS_PER_SECOND)
    }

    /// Who connects to the media of a call, counted apart: one machine serves all calls.
    ///
    /// # Errors
    /// `NotSignedIn`, `TooMany`.
    pub fn offerer(&self) -> Result<Caller, Refusal> {
        self.counted(Kind::Media, limit::MEDIA_OFFERS_PER_SECOND)
    }

    /// Who asks, counted as one message of theirs. Not for guests of calls.
    ///
    /// # Errors
    /// `NotSignedIn`, `TooMany`; `NotFound` for guests.
    pub fn sender(&self) -> Result<Caller, Refusal> {
        not_a_guest(self.counted(Kind::Message, self.app.house.settings.messages_per_second)?)
    }

    /// Lets somebody without a session pass, counted by address.
    ///
    /// # Errors
    /// `TooMany`.
    pub fn stranger(&self) -> Result<(), Refusal> {
        let per_second = self.app.house.settings.strangers_per_second;
        self.app
            .rates
            .address(self.request.peer, per_second, self.now)
            .map_err(too_many)
    }

    /// The body, as one whole value.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn body<T: for<'b> Decode<'b, ()>>(&self) -> Result<T, Refusal> {
        // The shell has bounded the bytes by the route's own limit.
        Ok(api::decode(&self.request.body, "request", usize::MAX)?)
    }

    /// A parameter of the query.
    ///
    /// # Errors
    /// `Malformed` if it is there and not valid.
    pub fn query<T: FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let query = self.request.path_and_query.split_once('?');
        let pairs = query.map_or("", |(_, query)| query).split('&');
        let value = pairs
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name);
        value.map(|(_, value)| path_part(value)).transpose()
    }

    fn counted(&self, kind: Kind, per_second: u32) -> Result<Caller, Refusal> {
        let token = self.request.token.as_ref();
        let caller = self.app.sessions.caller(token, self.time())?;
        self.app
            .rates
            .device(kind, caller.device, per_second, self.now)
            .map_err(too_many)?;
        Ok(caller)
    }
}

fn not_a_guest(caller: Caller) -> Result<Caller, Refusal> {
    match caller.guest_of {
        None => Ok(caller),
        Some(_) => Err(Refusal::not_found()),
    }
}

/// A value in the path or query.
///
/// # Errors
/// `Malformed`.
pub fn path_part<T: FromStr>(part: &str) -> Result<T, Refusal> {
    part.parse()
        .map_err(|_| Malformed::Invalid { what: "path" }.into())
}

/// The refusal of one request too many.
#[must_use]
pub fn too_many(wait_s: u32) -> Refusal {
    Refusal(ApiError::too_many(
        "That was too much at once; wait a moment and try again.",
        wait_s,
    ))
}
