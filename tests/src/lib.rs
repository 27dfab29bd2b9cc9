//! Where server and clients meet: the kit the proofs are written with.
//!
//! Owns [`world`] (real cores and the real server's logic in one thread), [`real`] (the real
//! binary in a process) and [`search`] (looking for words in bytes). Never part of the product.

pub mod real;
pub mod search;
