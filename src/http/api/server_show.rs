//! `GET /v1/server`: who this server is.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::ServerInfo;

pub fn get(call: &Incoming<'_>) -> Reply<ServerInfo> {
    call.stranger()?;
    let house = &call.app.house;
    Ok(ServerInfo {
        id: house.identity.id,
        key: house.identity.key,
        host: house.settings.host().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        incarnation: house.identity.incarnation,
        time: call.time(),
    })
}
