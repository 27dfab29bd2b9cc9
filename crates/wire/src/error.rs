//! Errors as they cross the network: what a client can do about them, and a sentence for people.

use crate::{Epoch, Seq, limit};
use minicbor::{Decode, Encode};

/// What a client can do about a refusal. "Not yours" and "not there" are one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ErrorCode {
    /// The request was not understood; sending it again will not help.
    #[n(0)]
    Malformed,
    /// Sign in, then send it again.
    #[n(1)]
    NotSignedIn,
    #[n(2)]
    NotFound,
    /// The group moved on: process the log, then derive the change anew. Carries epoch and head.
    #[n(3)]
    Stale,
    /// Somebody else was first (a name, an id); choose another.
    #[n(4)]
    Taken,
    #[n(5)]
    TooLarge,
    /// Wait `retry_after_s`, then send it again.
    #[n(6)]
    TooMany,
    /// Against the rules of the group or the server; sending it again will not help.
    #[n(7)]
    Refused,
    /// The server cannot store now (disk full). Reading goes on; send it again later.
    #[n(8)]
    ReadOnly,
    /// The invite was used up, withdrawn or has expired.
    #[n(9)]
    InviteOver,
    /// The cursor lies before the log's tail: rejoin the group.
    #[n(10)]
    Gone,
    /// The outcome is not known: look for the entry in the log, or send it again unchanged.
    #[n(11)]
    Unknown,
    /// The device may not send to this group until it has rejoined.
    #[n(12)]
    Suspended,
    /// A fault of the server's; send it again later.
    #[n(13)]
    Internal,
}

impl ErrorCode {
    /// The HTTP status that goes with it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::NotSignedIn => 401,
            Self::Refused | Self::Suspended => 403,
            Self::NotFound => 404,
            Self::Stale | Self::Taken => 409,
            Self::InviteOver | Self::Gone => 410,
            Self::TooLarge => 413,
            Self::TooMany => 429,
            Self::Internal | Self::Unknown => 500,
            Self::ReadOnly => 507,
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        matches!(
            self,
            Self::TooMany | Self::ReadOnly | Self::Unknown | Self::Internal
        )
    }
}

/// Body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[error("{message}")]
#[cbor(map)]
pub struct ApiError {
    #[n(0)]
    pub code: ErrorCode,
    /// One sentence for people: what happened and what to do next.
    #[n(1)]
    pub message: String,
    /// With [`ErrorCode::Stale`]: the group's epoch and last entry.
    #[n(2)]
    pub epoch: Option<Epoch>,
    #[n(3)]
    pub head: Option<Seq>,
    /// With [`ErrorCode::TooMany`]: seconds to wait.
    #[n(4)]
    pub retry_after_s: Option<u32>,
}

impl ApiError {
    /// The sentence is cut at [`limit::ERROR_TEXT_BYTES`].
    #[must_use]
    pub fn new(code: ErrorCode, message: &str) -> Self {
        let mut message = message.to_owned();
        message.truncate(message.floor_char_boundary(limit::ERROR_TEXT_BYTES));
        Self {
            code,
            message,
            epoch: None,
            head: None,
            retry_after_s: None,
        }
    }

    #[must_use]
    pub fn stale(epoch: Epoch, head: Seq) -> Self {
        let error = Self::new(
            ErrorCode::Stale,
            "The group has changed meanwhile; catch up and try again.",
        );
        Self {
            epoch: Some(epoch),
            head: Some(head),
            ..error
        }
    }

    #[must_use]
    pub fn too_many(message: &str, retry_after_s: u32) -> Self {
        Self {
            retry_after_s: Some(retry_after_s),
            ..Self::new(ErrorCode::TooMany, message)
        }
    }
}
