//! `POST /v1/devices`: a further device of an account, or new keys of one.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::{AddDevice, Done};

pub async fn post(call: &Incoming<'_>) -> Reply<Done> {
    call.stranger()?;
    let asked: AddDevice = call.body()?;
    let outcome = call.app.devices.add(&asked, call.time()).await?;
    call.app.deliver(outcome.deliveries);
    Ok(outcome.reply)
}
