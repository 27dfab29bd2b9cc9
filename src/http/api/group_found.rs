//! `POST /v1/groups`: founds a group.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::{Accepted, FoundGroup};

pub async fn post(call: &Incoming<'_>) -> Reply<Accepted> {
    let from = call.caller()?;
    let asked: FoundGroup = call.body()?;
    let outcome = call.app.groups.found(&from, &asked, call.time()).await?;
    call.app.deliver(outcome.deliveries);
    Ok(outcome.reply)
}
