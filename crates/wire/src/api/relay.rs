//! Relays for calls.

use crate::call::{Call, Method};
use crate::{List, Seconds, limit};
use minicbor::{Decode, Encode};

/// `POST /v1/relay-passes`: what a device needs to relay its calls. `NotFound` where the server has
/// no relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AskRelayPass {}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RelayPass {
    /// `stun:` and `turn:` addresses (RFC 7064, RFC 7065).
    #[n(0)]
    pub urls: List<String, { limit::RELAY_URLS }>,
    /// `expiry:whom`; says nothing of who that is.
    #[n(1)]
    pub username: String,
    #[n(2)]
    pub password: String,
    #[n(3)]
    pub expires: Seconds,
}

impl Call for AskRelayPass {
    type Reply = RelayPass;
    const METHOD: Method = Method::Post;
    const REPLY_BYTES: usize = limit::RELAY_PASS_BYTES;

    fn path(&self) -> String {
        "/v1/relay-passes".into()
    }
}
