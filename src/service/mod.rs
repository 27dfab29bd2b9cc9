//! The rules of the house: who may do what, decided once and stored in one batch.
//!
//! Never speaks HTTP, names an engine, or reads the clock or the dice by itself. What should be
//! told to others is returned as deliveries.

mod account;
pub mod agenda;
mod device;
mod directory;
pub mod error;
mod group;
mod guest;
mod house;
mod identity;
mod inbox;
mod invite;
mod invite_operator;
mod key;
mod key_package;
mod media;
pub mod outcome;
mod record;
mod relay_pass;
mod session;
mod signature;

pub use account::Accounts;
pub use device::Devices;
pub use directory::Caller;
pub use group::{Groups, Order, Page, Read, Submission, Turn};
pub use guest::Guests;
pub use house::{House, Identity, Settings};
pub use inbox::Inboxes;
pub use invite::Invites;
pub use key_package::KeyPackages;
pub use media::{Media, MediaError};
pub use outcome::Outcome;
pub use relay_pass::RelayPasses;
pub use session::Sessions;
