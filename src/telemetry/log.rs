//! One line to standard error for what a person should look at. Success is quiet.
//!
//! Never prints names, ids, addresses, links or contents: sentences are written here in the code,
//! and of errors only those that promise it.

use std::fmt::Display;

/// An error whose text holds nothing of people: it names files, kinds of rows and rules.
pub trait LogSafe: Display {}

/// Something did not work, and why.
pub fn note(what: &'static str, why: &impl LogSafe) {
    eprintln!("roost: {what}: {why}");
}

/// Something in here is wrong; what panicked has said where.
pub fn bug(what: &'static str) {
    eprintln!("roost: error: {what}; please report this");
}

/// The store does not do what it should.
pub fn store_fault(error: &impl LogSafe) {
    eprintln!("roost: error: the store: {error}");
}
