//! `POST /v1/groups/{group}/messages`: an application message.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::{Accepted, SubmitMessage};
use roost_wire::envelope::Envelope;

pub async fn post(call: &Incoming<'_>) -> Reply<Accepted> {
    let from = call.sender()?;
    let asked: SubmitMessage = call.body()?;
    let envelope = Envelope::parse(asked.message.into_bytes())?;
    let outcome = call.app.groups.submit(&from, envelope, call.time()).await?;
    call.app.deliver(outcome.deliveries);
    Ok(outcome.reply)
}
