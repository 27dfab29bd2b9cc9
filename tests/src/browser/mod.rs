//! Real browsers and the people in front of them.
//!
//! Owns [`station`] (Chromium's driver with a home of its own, which trusts one server's
//! authority) and [`person`] (one browser profile: what somebody does and sees). Acts through the
//! keyboard and the mouse only; scripts are used to look, never to act.

pub mod person;
pub mod station;

pub use person::{Mark, Person};
pub use station::Station;
