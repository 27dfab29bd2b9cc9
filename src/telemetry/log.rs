//! One line to standard error for what a person should look at. Success is quiet.
//!
//! Never prints names, ids, addresses, links or contents: events have no field that could hold one.

use std::fmt::Display;

/// A line for the operator.
pub fn note(line: &str) {
    eprintln!("roost: {line}");
}

/// The store does not do what it should. Its errors name files and rows' kinds, never contents.
pub fn store_fault(error: &impl Display) {
    eprintln!("roost: error: the store: {error}");
}
