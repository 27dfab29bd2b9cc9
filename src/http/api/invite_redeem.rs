//! `POST /v1/invites/{invite}/redeem`: somebody who has an account uses a group's link.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::{InviteDetail, RedeemInvite};

pub async fn post(call: &Incoming<'_>) -> Reply<InviteDetail> {
    let from = call.caller()?;
    let asked: RedeemInvite = call.body()?;
    Ok(call.app.invites.redeem(&from, &asked, call.time()).await?)
}
