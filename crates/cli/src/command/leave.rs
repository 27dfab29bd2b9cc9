//! `leave`: out of a group. What was said stays on this device.

use super::{Failure, Session};
use crate::arguments::Leave;
use roost_client::Command;

pub(super) async fn run(session: &mut Session, task: Leave) -> Result<(), Failure> {
    session.need_account()?;
    let group = session.group(&task.group).await?;
    session.settle(Command::Leave(group), Some(group)).await?;
    session.taken()
}
