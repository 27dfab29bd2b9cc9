//! What stands before every handler.

pub mod headers;
pub mod origin;
pub mod rate;
