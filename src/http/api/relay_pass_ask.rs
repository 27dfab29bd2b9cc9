//! `POST /v1/relay-passes`: a pass to the relay for calls.

use crate::http::extract::Incoming;
use crate::http::respond::{Refusal, Reply};
use roost_wire::api::RelayPass;

pub async fn post(call: &Incoming<'_>) -> Reply<RelayPass> {
    let from = call.caller_or_guest()?;
    // Whoever holds a link and was not let in is not to relay anything.
    if let Some(conversation) = &from.guest_of {
        call.app.groups.check_in_call(&from, conversation).await?;
    }
    let pass = call.app.relay_passes.pass(&from, call.time());
    pass.ok_or_else(Refusal::not_found)
}
