//! `GET /v1/groups/{group}/log`: entries after a cursor.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::LogPage;
use roost_wire::{GroupId, Seq, limit};

pub async fn get(call: &Incoming<'_>, group: GroupId) -> Reply<LogPage> {
    let from = call.caller_or_guest()?;
    let after = Seq::new(call.query("after")?.unwrap_or(0));
    let rows = call.query("limit")?.unwrap_or(limit::LOG_PAGE_ENTRIES);
    let page = call
        .app
        .groups
        .read(&from, &group, after, rows, || ())
        .await?;
    Ok(page.into_whole(call.app.house.identity.incarnation)?)
}
