//! The appliance: one server that keeps ciphertext and order, and cannot read what it keeps.
//!
//! One way for data to flow:
//!
//! ```text
//! bytes in → wire types → service → store → deliveries out
//! (socket)   (parsed once)  (rules)   (durable)  (fan-out)
//! ```
//!
//! # Without a network
//!
//! [`App`] is the whole server but for its sockets, clock and dice. [`api::dispatch`] answers any
//! `/v1/` request; [`App::connect`] opens what the WebSocket is. Over a
//! [`MemoryStore`](roost_store::MemoryStore) none of its futures ever waits.

pub mod boot;
pub mod clock;
pub mod command;
pub mod config;
mod control;
pub mod delivery;
pub mod entropy;
mod fanout;
pub mod http;
mod https;
mod job;
pub mod relay;
pub mod service;
mod session;
pub mod telemetry;
pub mod tls;

pub use clock::Moment;
pub use entropy::Dice;
pub use http::{App, Connection, Outgoing, PeerAddr, api};
pub use service::Settings;
