//! The browser shell around `roost-client`.
//!
//! Owns what only a browser has: the worker's exports, tabs, and the views rendered to HTML. Never
//! decides anything about groups, keys or content: that is the client core's part.

#![cfg_attr(test, expect(clippy::string_slice, reason = "tests may panic"))]

pub mod app;
pub mod bindings;
pub mod event;
pub mod patch;
pub mod present;
pub mod rich;
pub mod view;
