//! `POST /v1/acks`: everything up to these places is stored on the device.

use crate::http::App;
use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use crate::service::Caller;
use roost_wire::api::{Acknowledge, Done};

pub async fn post(call: &Incoming<'_>) -> Reply<Done> {
    let from = call.caller()?;
    let asked: Acknowledge = call.body()?;
    take(call.app, &from, &asked).await
}

/// The same by WebSocket.
pub async fn take(app: &App, from: &Caller, asked: &Acknowledge) -> Reply<Done> {
    for cursor in asked.cursors.as_slice() {
        let deliveries = app.groups.acknowledge(from, cursor).await?;
        app.deliver(deliveries);
    }
    app.inboxes.acknowledge(&from.device, asked.inbox).await?;
    app.devices.note_state(&from.device, asked.state).await?;
    Ok(Done {})
}
