//! `POST /v1/groups/{group}/call`: the way into a conversation's call, or the beginning of one.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::{CallOpened, OpenCall};

pub async fn post(call: &Incoming<'_>) -> Reply<CallOpened> {
    let from = call.caller()?;
    let asked: OpenCall = call.body()?;
    let outcome = call
        .app
        .groups
        .open_call(&from, &asked, call.time())
        .await?;
    call.app.deliver(outcome.deliveries);
    Ok(outcome.reply)
}
