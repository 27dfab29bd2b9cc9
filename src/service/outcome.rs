//! The reply to a request together with the deliveries it causes.

use crate::delivery::Delivery;

/// What a service decided and made durable.
#[derive(Debug)]
#[must_use = "deliveries have to be handed over"]
pub struct Outcome<T> {
    pub reply: T,
    pub deliveries: Vec<Delivery>,
}

impl<T> Outcome<T> {
    pub const fn new(reply: T, deliveries: Vec<Delivery>) -> Self {
        Self { reply, deliveries }
    }

    /// Nobody else has to know.
    pub const fn quiet(reply: T) -> Self {
        Self::new(reply, Vec::new())
    }
}
