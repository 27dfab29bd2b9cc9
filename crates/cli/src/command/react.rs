//! `react`: an emoji beside a message, or taken back.

use super::{Failure, Session};
use crate::arguments::React;
use roost_client::Command;

pub(super) async fn run(session: &mut Session, task: React) -> Result<(), Failure> {
    session.need_account()?;
    let group = session.group(&task.conversation).await?;
    let message = session.message(group, &task.message).await?;
    let emoji = task.emoji;
    let command = if task.remove {
        Command::Unreact {
            group,
            message,
            emoji,
        }
    } else {
        Command::React {
            group,
            message,
            emoji,
        }
    };
    session.settle(command, Some(group)).await?;
    session.taken()
}
