//! `remove`: a person, with all their devices, out of a group.

use super::{Failure, Session};
use crate::arguments::Remove;
use roost_client::Command;

pub(super) async fn run(session: &mut Session, task: Remove) -> Result<(), Failure> {
    session.need_account()?;
    let group = session.group(&task.group).await?;
    let account = session.person(&task.user).await?;
    session
        .settle(Command::RemoveMember { group, account }, Some(group))
        .await?;
    session.taken()
}
