//! `POST /v1/acks`: everything up to these places is stored on the device.

use crate::http::App;
use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use crate::service::Caller;
use roost_wire::api::{Acknowledge, Done};

pub async fn post(call: &Incoming<'_>) -> Reply<Done> {
    let from = call.caller_or_guest()?;
    let asked: Acknowledge = call.body()?;
    take(call.app, &from, &asked).await
}

/// The same by WebSocket. What fails for one group does not stop the others.
pub async fn take(app: &App, from: &Caller, asked: &Acknowledge) -> Reply<Done> {
    let mut failed = None;
    for cursor in asked.cursors.as_slice() {
        match app.groups.acknowledge(from, cursor).await {
            Ok(deliveries) => app.deliver(deliveries),
            Err(error) => failed = Some(error),
        }
    }
    app.inboxes.acknowledge(&from.device, asked.inbox).await?;
    app.devices.note_state(&from.device, asked.state).await?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(Done {}),
    }
}
