//! What stands before every handler.

pub mod rate;
