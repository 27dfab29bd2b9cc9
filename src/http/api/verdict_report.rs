//! `POST /v1/groups/{group}/verdicts`: what a device made of a commit.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::{ReportVerdict, VerdictTaken};

pub async fn post(call: &Incoming<'_>) -> Reply<VerdictTaken> {
    let from = call.caller_or_guest()?;
    let asked: ReportVerdict = call.body()?;
    let outcome = call.app.groups.verdict(&from, &asked, call.time()).await?;
    call.app.deliver(outcome.deliveries);
    Ok(outcome.reply)
}
