//! `join`: an account from a set-up or invite link, or a group with the account there is.

use super::{Failure, Output, Session, whoami};
use crate::arguments::Join;
use roost_client::{Command, Notice};
use serde_json::json;

pub(super) async fn run(
    session: &mut Session,
    task: Join,
    out: &mut Output,
) -> Result<(), Failure> {
    let is_new = session.core().me().is_none();
    if is_new && task.name.is_none() {
        return Err(Failure::Usage("choose a name: --name NAME".into()));
    }
    if let Some(me) = session.core().me()
        && task
            .name
            .as_ref()
            .is_some_and(|name| name.trim() != me.name.as_str())
    {
        return Err(Failure::Usage(format!(
            "this home belongs to {} already: leave --name out, or choose another --home",
            me.name
        )));
    }
    let command = Command::Join {
        link: task.url,
        name: task.name.unwrap_or_default(),
    };
    let notices = session.settle(command, None).await?;
    session.taken()?;
    session.sync().await?;
    if is_new {
        session.need_account()?;
        whoami::run(session, out)?;
    }
    for notice in notices {
        if let Notice::Opened(group) = notice {
            let id = group.to_string();
            out.line(&format!("conversation {id}"), &json!({"group": id}))?;
        }
    }
    Ok(())
}
