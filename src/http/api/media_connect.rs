//! `POST /v1/calls/{group}/media`: connects a device to the media of a call.

use crate::http::extract::Incoming;
use crate::http::respond::{Refusal, Reply};
use roost_wire::GroupId;
use roost_wire::api::{ConnectMedia, MediaConnected};

pub async fn post(call: &Incoming<'_>, group: GroupId) -> Reply<MediaConnected> {
    let from = call.offerer()?;
    let asked: ConnectMedia = call.body()?;
    if asked.group != group {
        return Err(Refusal::not_found());
    }
    let app = call.app;
    Ok(app.media.connect(&app.groups, &from, asked).await?)
}
