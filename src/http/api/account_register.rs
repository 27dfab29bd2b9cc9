//! `POST /v1/accounts`: a first device redeems an invite.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::{Register, Registered};

pub async fn post(call: &Incoming<'_>) -> Reply<Registered> {
    call.stranger()?;
    let asked: Register = call.body()?;
    Ok(call.app.accounts.register(&asked, call.time()).await?)
}
