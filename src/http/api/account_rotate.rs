//! `POST /v1/rotations`: a new account key; devices not named are removed.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::{Done, RotateAccount};

pub async fn post(call: &Incoming<'_>) -> Reply<Done> {
    let from = call.caller()?;
    let asked: RotateAccount = call.body()?;
    let outcome = call.app.accounts.rotate(&from, &asked).await?;
    call.app.deliver(outcome.deliveries);
    for device in &outcome.reply {
        call.app.devices.forget_packages(device).await?;
    }
    Ok(Done {})
}
