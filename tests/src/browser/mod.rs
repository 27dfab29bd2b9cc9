//! Real browsers and the people in front of them.
//!
//! Owns [`station`] (Chromium's driver with a home of its own, which trusts one server's
//! authority), [`person`] (one browser profile: what somebody does and sees), [`call`] (what they do
//! and hear in a call) and [`media`] (what their fake devices deliver). Acts through the
//! keyboard and the mouse only; scripts are used to look, never to act.

pub mod call;
pub mod media;
pub mod person;
mod room;
pub mod station;

pub use media::{Colour, Media, SCREEN};
pub use person::{Mark, Person};
pub use station::Station;
