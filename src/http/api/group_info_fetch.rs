//! `GET /v1/groups/{group}/info`: what an external commit starts from.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::GroupId;
use roost_wire::api::GroupInfoBundle;

pub async fn get(call: &Incoming<'_>, group: GroupId) -> Reply<GroupInfoBundle> {
    let from = call.caller()?;
    Ok(call.app.groups.info(&from, &group, call.time()).await?)
}
