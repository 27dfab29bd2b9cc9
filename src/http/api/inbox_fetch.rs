//! `GET /v1/inbox`: what waits for the device.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::InboxPage;
use roost_wire::{InboxSeq, limit};

pub async fn get(call: &Incoming<'_>) -> Reply<InboxPage> {
    let from = call.caller_or_guest()?;
    let after = InboxSeq::new(call.query("after")?.unwrap_or(0));
    let rows = limit::INBOX_PAGE_ITEMS;
    Ok(call.app.inboxes.fetch(&from, after, rows).await?)
}
