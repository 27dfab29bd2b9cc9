//! `GET /v1/invites/{invite}`: what anyone with the link may know.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::InviteId;
use roost_wire::api::InviteDetail;

pub async fn get(call: &Incoming<'_>, invite: InviteId) -> Reply<InviteDetail> {
    call.stranger()?;
    Ok(call.app.invites.show(&invite, call.time()).await?)
}
