//! The pump between a WebSocket and a connection: bytes in, bytes out, and nothing of what they
//! mean.

use crate::clock::{self, Moment};
use crate::http::guard::origin;
use crate::http::{Connection, Outgoing, Site};
use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Session};
use bytes::Bytes;
use roost_wire::{Ticket, limit};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// A client that takes no bytes for so long is closed and catches up later.
const SEND_SECONDS: u64 = 20;
const PING_SECONDS: u64 = 25;
/// A client that is silent for so long is gone.
const SILENT_MS: u64 = 70_000;
const SOMETHING_OVER: usize = 1024;

#[derive(serde::Deserialize)]
pub struct Query {
    ticket: String,
}

/// `GET /v1/socket?ticket=<hex>`.
pub async fn open(
    site: web::Data<Site>,
    request: HttpRequest,
    query: web::Query<Query>,
    payload: web::Payload,
) -> actix_web::Result<HttpResponse> {
    if !origin::is_own(&request) {
        return Ok(HttpResponse::Forbidden().finish());
    }
    let ticket: Option<Ticket> = query.ticket.parse().ok();
    let opened = ticket.map(|ticket| site.app.connect(&ticket, clock::now()));
    let Some(Ok(connection)) = opened else {
        return Ok(HttpResponse::Unauthorized().finish());
    };
    let (response, session, stream) = actix_ws::handle(&request, payload)?;
    let max = limit::CLIENT_FRAME_BYTES + SOMETHING_OVER;
    let stream = stream
        .max_frame_size(max)
        .aggregate_continuations()
        .max_continuation_size(max);
    actix_web::rt::spawn(pump(connection, session, stream));
    Ok(response)
}

/// Why the pump stopped.
enum End {
    /// We close.
    Ours,
    /// The client is gone.
    Gone,
}

async fn pump(mut connection: Connection, session: Session, mut stream: AggregatedMessageStream) {
    let mut out = session.clone();
    let mut heard = clock::now();
    let mut clock = interval(Duration::from_secs(PING_SECONDS));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = loop {
        if let Err(end) = send_all(&mut connection, &mut out).await {
            break end;
        }
        tokio::select! {
            message = stream.recv(), if !connection.is_busy() => {
                heard = clock::now();
                let Some(Ok(message)) = message else { break End::Gone };
                if let Err(end) = take(&mut connection, &mut out, message).await {
                    break end;
                }
            }
            () = connection.arrived() => {}
            _ = clock.tick() => {
                if let Err(end) = look(&connection, &mut out, heard).await {
                    break end;
                }
            }
        }
    };
    if let End::Ours = end {
        let reason = CloseReason::from(CloseCode::Normal);
        let _ = timeout(Duration::from_secs(1), session.close(Some(reason))).await;
    }
}

/// Sends all there is, in order.
async fn send_all(connection: &mut Connection, out: &mut Session) -> Result<(), End> {
    loop {
        connection.advance(clock::now()).await;
        let mut sent = false;
        while let Some(outgoing) = connection.outgoing() {
            sent = true;
            match outgoing {
                Outgoing::Frame(frame) => send(out, frame).await?,
                Outgoing::Work(work) => drop(actix_web::rt::spawn(work)),
                Outgoing::Close => return Err(End::Ours),
            }
        }
        if !sent {
            return Ok(());
        }
    }
}

async fn send(out: &mut Session, frame: Bytes) -> Result<(), End> {
    match timeout(Duration::from_secs(SEND_SECONDS), out.binary(frame)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Ours),
    }
}

async fn take(
    connection: &mut Connection,
    out: &mut Session,
    message: AggregatedMessage,
) -> Result<(), End> {
    match message {
        AggregatedMessage::Binary(bytes) => connection.on_frame(&bytes, clock::now()).await,
        AggregatedMessage::Ping(bytes) => out.pong(&bytes).await.map_err(|_| End::Gone)?,
        AggregatedMessage::Pong(_) => {}
        AggregatedMessage::Text(_) => return Err(End::Ours),
        AggregatedMessage::Close(_) => return Err(End::Ours),
    }
    Ok(())
}

/// Every so often: is the client still there?
async fn look(connection: &Connection, out: &mut Session, heard: Moment) -> Result<(), End> {
    let now = clock::now();
    if connection.is_overdue(now) || now.millis_since(heard) > SILENT_MS {
        return Err(End::Ours);
    }
    out.ping(b"").await.map_err(|_| End::Gone)
}
