//! The client core: one account on one device, without I/O.
//!
//! Owns identity, MLS groups, content, the outbox and synchronisation: the only crate that holds
//! plaintext and private keys. A shell (browser, terminal) owns clock, dice, storage and sockets
//! and drives [`Core::handle`]; the contract between them is in [`port`].
//!
//! ```text
//! Input ──► Core::handle ──► Step { writes, effects, notices }
//!                             1. writes: one durable transaction
//!                             2. effects: requests, frames, timers
//!                             3. notices: which views to read again
//! ```

pub mod call;
mod command;
pub mod content;
mod core;
mod group;
mod identity;
mod notice;
pub mod port;
mod record;
mod repair;
pub mod room;
mod safety;
mod thread;
mod vault;
pub mod view;

pub use command::Command;
pub use content::{Emoji, MessageId};
pub use core::{CUT_CALL_LINK, CUT_LINK, Core, OpenError};
pub use notice::Notice;
pub use port::{
    CallId, Dice, Effect, HttpCall, HttpReply, Input, Moment, Row, Step, Table, Unreachable, Write,
};
pub use repair::{Trouble, Troubles};
pub use safety::SafetyNumber;
pub use thread::Thread;
