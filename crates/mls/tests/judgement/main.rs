//! Server and members judge every commit alike: accepted by all, or refused by all for one reason.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

#[path = "../kit/mod.rs"]
mod kit;

mod call;
mod commit;
mod entering;
mod external;
mod watching;
