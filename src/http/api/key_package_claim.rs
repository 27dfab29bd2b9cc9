//! `POST /v1/key-packages/claim`: one package for each device of an account.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::{ClaimKeyPackages, ClaimedKeyPackages};

pub async fn post(call: &Incoming<'_>) -> Reply<ClaimedKeyPackages> {
    let from = call.caller()?;
    let asked: ClaimKeyPackages = call.body()?;
    let outcome = call
        .app
        .key_packages
        .claim(&from, &asked, call.time())
        .await?;
    call.app.deliver(outcome.deliveries);
    Ok(outcome.reply)
}
