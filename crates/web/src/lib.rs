//! The browser shell around `roost-client`.
//!
//! Owns what only a browser has: the worker's exports and the views rendered to HTML. Never
//! decides anything about groups, keys or content: that is the client core's part.

pub mod rich;
pub mod view;
