//! `POST /v1/groups/{group}/commits`: the first valid commit of an epoch wins.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::{Accepted, SubmitCommit};

pub async fn post(call: &Incoming<'_>) -> Reply<Accepted> {
    let from = call.caller()?;
    let asked: SubmitCommit = call.body()?;
    let (app, state) = (call.app, asked.state);
    let outcome = app.groups.commit(&from, asked, call.time()).await?;
    app.deliver(outcome.deliveries);
    // The commit is durable whatever becomes of the counter.
    let _ = app.devices.note_state(&from.device, state).await;
    Ok(outcome.reply)
}
