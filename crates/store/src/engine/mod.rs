//! The engines. Each keeps the whole promise of [`Store`](crate::Store).

pub(crate) mod memory;
pub(crate) mod sled;
