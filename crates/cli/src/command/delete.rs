//! `delete`: takes one's own message back for everyone.

use super::{Failure, Session};
use crate::arguments::Delete;
use roost_client::Command;

pub(super) async fn run(session: &mut Session, task: Delete) -> Result<(), Failure> {
    session.need_account()?;
    let group = session.group(&task.conversation).await?;
    let message = session.message(group, &task.message).await?;
    session
        .settle(Command::Delete { group, message }, Some(group))
        .await?;
    session.taken()
}
