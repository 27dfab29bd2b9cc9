//! Who the server is, and signing in: a device proves its key and gets a token.

use super::to_be_signed;
use crate::call::{Call, Method};
use crate::{
    DeviceId, Incarnation, Nonce, Seconds, ServerId, ServerKey, SignatureBytes, StateCounter,
    Ticket, Token,
};
use minicbor::{Decode, Encode};

/// `GET /v1/server`: public facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AboutServer {}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ServerInfo {
    #[n(0)]
    pub id: ServerId,
    #[n(1)]
    pub key: ServerKey,
    /// The host people see in links.
    #[n(2)]
    pub host: String,
    #[n(3)]
    pub version: String,
    #[n(4)]
    pub incarnation: Incarnation,
    #[n(5)]
    pub time: Seconds,
}

impl Call for AboutServer {
    type Reply = ServerInfo;
    const METHOD: Method = Method::Get;
    const SIGNED_IN: bool = false;

    fn path(&self) -> String {
        "/v1/server".into()
    }
}

/// `POST /v1/challenges`: what a device must sign to sign in. Answered for unknown devices too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AskChallenge {
    #[n(0)]
    pub device: DeviceId,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Challenge {
    #[n(0)]
    pub nonce: Nonce,
    #[n(1)]
    pub server: ServerId,
}

impl Call for AskChallenge {
    type Reply = Challenge;
    const METHOD: Method = Method::Post;
    const SIGNED_IN: bool = false;

    fn path(&self) -> String {
        "/v1/challenges".into()
    }
}

/// `POST /v1/sessions`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignIn {
    #[n(0)]
    pub device: DeviceId,
    #[n(1)]
    pub nonce: Nonce,
    /// By the device's signature key over [`SignIn::to_be_signed`].
    #[n(2)]
    pub signature: SignatureBytes,
    #[n(3)]
    pub state: StateCounter,
}

impl SignIn {
    #[must_use]
    pub fn to_be_signed(server: &ServerId, device: &DeviceId, nonce: &Nonce) -> Vec<u8> {
        to_be_signed(
            "roost sign-in v1",
            &[server.as_bytes(), device.as_bytes(), nonce.as_bytes()],
        )
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignedIn {
    #[n(0)]
    pub token: Token,
    #[n(1)]
    pub expires: Seconds,
    /// The highest state the server has seen. Higher than the device's own: this is a copy or a
    /// restored profile, which must rejoin its groups before it sends.
    #[n(2)]
    pub known_state: StateCounter,
    #[n(3)]
    pub time: Seconds,
    #[n(4)]
    pub incarnation: Incarnation,
}

impl Call for SignIn {
    type Reply = SignedIn;
    const METHOD: Method = Method::Post;
    const SIGNED_IN: bool = false;

    fn path(&self) -> String {
        "/v1/sessions".into()
    }
}

/// `POST /v1/tickets`: one-use pass for `GET /v1/socket?ticket=<hex>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AskTicket {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SocketTicket {
    #[n(0)]
    pub ticket: Ticket,
}

impl SocketTicket {
    /// Path and query of the WebSocket.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/v1/socket?ticket={}", self.ticket)
    }
}

impl Call for AskTicket {
    type Reply = SocketTicket;
    const METHOD: Method = Method::Post;

    fn path(&self) -> String {
        "/v1/tickets".into()
    }
}
