//! A TURN and STUN server without I/O (RFC 8489, RFC 8656).
//!
//! Owns the messages, who may relay, where to, and for how long. Never opens a socket, reads a
//! clock or rolls dice: a shell feeds [`Server`] packets and sends what it says. What is relayed
//! passes through as bytes that nobody here can read.

pub mod address;
pub mod allocation;
mod asked;
pub mod auth;
mod limits;
pub mod message;
pub mod peer_policy;
pub mod server;
pub mod strangers;
pub mod stream;
pub mod time;

pub use auth::{Credential, Holder, Secret};
pub use limits::Limits;
pub use message::{Malformed, Message};
pub use peer_policy::{Network, PeerPolicy};
pub use server::{Client, FromClient, FromPeer, RelaySockets, Server, Transport};
pub use time::Moment;
