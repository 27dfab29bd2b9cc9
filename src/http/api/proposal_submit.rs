//! `POST /v1/groups/{group}/proposals`: a member asks to leave.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::{Accepted, SubmitProposal};

pub async fn post(call: &Incoming<'_>) -> Reply<Accepted> {
    let from = call.caller_or_guest()?;
    let asked: SubmitProposal = call.body()?;
    let outcome = call.app.groups.propose(&from, asked, call.time()).await?;
    call.app.deliver(outcome.deliveries);
    Ok(outcome.reply)
}
