//! Real browsers and the people in front of them.
//!
//! Owns [`station`] (Chromium's driver with a home of its own, which trusts one server's
//! authority), [`person`] (one browser profile: what somebody does and sees), [`call`], `room`,
//! `guest` and `keyboard` (what they do and find in calls), [`media`] (what their fake devices
//! deliver), [`frames`] (what of it leaves and comes, looked at from [`inside`]), [`house`] (people
//! in a group, ready for a call) and [`firefox`] (the other browser). Acts through the keyboard and
//! the mouse only; scripts are used to look, never to act.

pub mod call;
pub mod firefox;
pub mod frames;
mod guest;
pub mod house;
pub mod inside;
mod keyboard;
pub mod media;
pub mod person;
mod room;
pub mod station;

pub use call::{SetUp, no_devices};
pub use firefox::Fox;
pub use frames::{FrameKey, Frames, Seals};
pub use house::{House, MEDIA, NAMES};
pub use media::{Colour, Media, SCREEN};
pub use person::{Mark, Person};
pub use station::Station;
