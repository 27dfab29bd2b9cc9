//! What stands before every handler.

pub mod bodies;
pub mod headers;
pub mod origin;
pub mod rate;
