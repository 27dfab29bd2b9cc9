//! The server's rules through its front door, without a network: what it accepts, what it refuses,
//! and who gets what.

mod delivery;
mod guests;
mod hostile_accounts;
mod hostile_garbage;
mod hostile_members;
mod kit;
