//! `new-group`: starts a group and prints its id.

use super::{Failure, Output, Session};
use crate::arguments::NewGroup;
use roost_client::{Command, Notice};
use serde_json::json;

pub(super) async fn run(
    session: &mut Session,
    task: NewGroup,
    out: &mut Output,
) -> Result<(), Failure> {
    session.need_account()?;
    let members = session.everyone(&task.users).await?;
    let command = Command::CreateGroup {
        name: task.name,
        members,
    };
    let notices = session.settle(command, None).await?;
    let opened = notices.iter().find_map(|notice| match notice {
        Notice::Opened(group) => Some(group.to_string()),
        _ => None,
    });
    let id = opened.ok_or_else(|| Failure::Broken("the group was not made".into()))?;
    out.line(&id, &json!({"group": id}))?;
    session.taken()
}
