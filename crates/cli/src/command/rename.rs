//! `rename`: a new name for a group, known to its members only.

use super::{Failure, Session};
use crate::arguments::Rename;
use roost_client::Command;

pub(super) async fn run(session: &mut Session, task: Rename) -> Result<(), Failure> {
    session.need_account()?;
    let group = session.group(&task.group).await?;
    let name = task.name;
    session
        .settle(Command::Rename { group, name }, Some(group))
        .await?;
    session.taken()
}
