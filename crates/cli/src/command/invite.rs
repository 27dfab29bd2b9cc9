//! `invite`: a link that lets somebody in.

use super::{Failure, Output, Session};
use crate::arguments::Invite;
use roost_client::{Command, Notice};
use serde_json::json;

pub(super) async fn run(
    session: &mut Session,
    task: Invite,
    out: &mut Output,
) -> Result<(), Failure> {
    session.need_account()?;
    let group = match &task.group {
        Some(typed) => Some(session.group(typed).await?),
        None => None,
    };
    let command = Command::CreateInvite {
        group,
        uses: task.uses,
        days: task.expires,
    };
    for notice in session.settle(command, group).await? {
        if let Notice::InviteCreated { link, expires, .. } = notice {
            let object = json!({"link": link, "expires": expires.get(), "uses": task.uses});
            return Ok(out.line(&link, &object)?);
        }
    }
    session.taken()?;
    Err(Failure::Broken(
        "the server did not confirm the invite".into(),
    ))
}
