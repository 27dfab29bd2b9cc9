//! Firefox, and people in front of it.
//!
//! Owns `bidi` (the protocol it is driven by, WebDriver BiDi), `profile` (its process and
//! whom it trusts) and `person` (what somebody does, hears and sees). The words
//! are those of [`super::Person`], who sits in front of Chromium, and so is the rule: act through the
//! keyboard and the mouse, look by scripts.

pub mod bidi;
pub mod person;
mod profile;

pub use person::Fox;
