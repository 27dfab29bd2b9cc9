//! `POST /v1/challenges`: what a device signs to sign in.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::{AskChallenge, Challenge};

pub fn post(call: &Incoming<'_>) -> Reply<Challenge> {
    call.stranger()?;
    let asked: AskChallenge = call.body()?;
    Ok(call.app.sessions.challenge(&asked.device, call.time()))
}
