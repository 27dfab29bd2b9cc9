//! The browser shell around `roost-client`.
//!
//! Owns what only a browser has: the worker's exports, IndexedDB, sockets, and the views rendered
//! to HTML. Never decides anything about groups, keys or content: that is the client core's part.

use wasm_bindgen::prelude::wasm_bindgen;

/// The version of this client, as in its manifest.
#[wasm_bindgen]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
