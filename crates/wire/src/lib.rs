//! Everything that crosses the network, as types: identifiers, requests, frames, limits.
//!
//! Owns the formats and their bounds. Never does I/O and never holds a secret: what is encrypted
//! passes through as opaque, bounded bytes. A value of one of these types has been checked, so
//! nothing behind this crate validates again.

pub mod api;
pub mod bounded;
pub mod call;
pub mod envelope;
pub mod error;
pub mod frame;
pub mod hash;
pub mod id;
pub mod limit;
pub mod link;
pub mod log;
pub mod malformed;
pub mod name;
pub mod text;

pub use bounded::{Blob, List};
pub use call::{Call, Method};
pub use error::{ApiError, ErrorCode};
pub use hash::EntryHash;
pub use id::{
    AccountId, AccountKey, DeviceId, Epoch, GroupId, InboxSeq, Incarnation, InviteId, InviteKey,
    Nonce, Seconds, Seq, ServerId, ServerKey, SignatureBytes, SignatureKey, StateCounter, Ticket,
    Token,
};
pub use malformed::Malformed;
pub use name::DisplayName;
