//! `POST /v1/relay-passes`: a pass to the relay for calls.

use crate::http::extract::Incoming;
use crate::http::respond::{Refusal, Reply};
use roost_wire::api::RelayPass;

pub fn post(call: &Incoming<'_>) -> Reply<RelayPass> {
    let from = call.caller_or_guest()?;
    let pass = call.app.relay_passes.pass(&from, call.time());
    pass.ok_or_else(Refusal::not_found)
}
