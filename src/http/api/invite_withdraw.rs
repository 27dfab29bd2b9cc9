//! `DELETE /v1/invites/{invite}`: withdraws one's own invite.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::InviteId;
use roost_wire::api::Done;

pub async fn delete(call: &Incoming<'_>, invite: InviteId) -> Reply<Done> {
    let from = call.caller()?;
    Ok(call.app.invites.withdraw(&from, &invite).await?)
}
