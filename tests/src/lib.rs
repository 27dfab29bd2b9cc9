//! Where server and clients meet: the kit the proofs are written with.
//!
//! Owns [`world`] (real cores and the real server's logic in one thread), [`sim`] (stories played
//! in it), [`real`] (the real binary in a process), [`internet`] (a network with homes behind routers), [`capture`] (what passes by), [`guest`], [`terminal`], [`browser`], [`mod@turn`] and [`lean`]
//! (who talks to it), [`mod@fuzz`] (what takes any bytes), [`search`] (looking for words in bytes), and the proofs [`mod@gun`] and [`mod@bench`]. Never part of
//! the product.

pub mod bench;
pub mod browser;
pub mod capture;
pub mod fuzz;
pub mod guest;
pub mod gun;
pub mod internet;
pub mod lean;
pub mod real;
pub mod search;
pub mod sim;
pub mod terminal;
pub mod turn;
pub mod world;
