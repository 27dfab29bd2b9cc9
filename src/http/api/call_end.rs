//! `POST /v1/groups/{group}/end`: the last device in a call ends it.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::{Done, EndCall};

pub async fn post(call: &Incoming<'_>) -> Reply<Done> {
    let from = call.caller()?;
    let asked: EndCall = call.body()?;
    let outcome = call.app.groups.end_call(&from, &asked.group).await?;
    call.app.deliver(outcome.deliveries);
    Ok(outcome.reply)
}
