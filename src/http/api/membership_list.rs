//! `GET /v1/memberships`: the groups in which the account has a leaf.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::Memberships;

pub async fn get(call: &Incoming<'_>) -> Reply<Memberships> {
    let from = call.caller_or_guest()?;
    Ok(call.app.devices.memberships(&from).await?)
}
