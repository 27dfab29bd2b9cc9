//! `edit`: new words for one's own message.

use super::{Failure, Session};
use crate::arguments::Edit;
use roost_client::Command;

pub(super) async fn run(session: &mut Session, task: Edit) -> Result<(), Failure> {
    session.need_account()?;
    let group = session.group(&task.conversation).await?;
    let command = Command::Edit {
        group,
        message: session.message(group, &task.message).await?,
        text: task.text,
    };
    session.settle(command, Some(group)).await?;
    session.taken()
}
