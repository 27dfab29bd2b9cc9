//! `POST /v1/invites`: a person's invite, to the server or to a group of theirs.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::{CreateInvite, Done};

pub async fn post(call: &Incoming<'_>) -> Reply<Done> {
    let from = call.caller()?;
    let asked: CreateInvite = call.body()?;
    for group in asked.group.iter().chain(&asked.guests_of) {
        call.app.groups.check_member(&from, group).await?;
    }
    Ok(call.app.invites.create(&from, &asked, call.time()).await?)
}
