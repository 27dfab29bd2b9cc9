//! `DELETE /v1/calls/{group}/media`: ends a device's connection to the media of a call.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::GroupId;
use roost_wire::api::Done;

pub fn delete(call: &Incoming<'_>, group: GroupId) -> Reply<Done> {
    let from = call.caller_or_guest()?;
    call.app.media.cut(group, from.device);
    Ok(Done {})
}
