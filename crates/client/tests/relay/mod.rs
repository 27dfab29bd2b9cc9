//! A minimal ordered-log relay that speaks the wire contract in memory, for tests of the core
//! alone. It checks little; the real server has its own tests, and the journeys join the two.
#![expect(dead_code, reason = "each test binary uses a part of it")]

pub mod machine;
mod person;

pub use person::World;
