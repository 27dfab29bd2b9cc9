//! The doors: what arrives by HTTP and WebSocket becomes wire types, what leaves becomes bytes.
//!
//! Translates and does not decide.

pub mod api;
mod app;
mod connection;
mod extract;
mod guard;
mod respond;

pub use app::{App, Parts};
pub use connection::{Connection, Outgoing};
pub use guard::rate::{PeerAddr, Rates};
