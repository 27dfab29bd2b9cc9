//! `POST /v1/tickets`: a pass for the WebSocket.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::SocketTicket;

pub fn post(call: &Incoming<'_>) -> Reply<SocketTicket> {
    let from = call.caller_or_guest()?;
    Ok(call.app.sessions.ticket(from, call.time()))
}
