//! `POST /v1/knocks`: a guest asks to be let into a call.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::{Knock, Knocked};

pub async fn post(call: &Incoming<'_>) -> Reply<Knocked> {
    let from = call.knocker()?;
    let asked: Knock = call.body()?;
    let outcome = call.app.guests.knock(&from, asked, call.time()).await?;
    call.app.deliver(outcome.deliveries);
    Ok(outcome.reply)
}
