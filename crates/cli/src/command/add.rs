//! `add`: people into a group.

use super::{Failure, Session};
use crate::arguments::AddPeople;
use roost_client::Command;

pub(super) async fn run(session: &mut Session, task: AddPeople) -> Result<(), Failure> {
    session.need_account()?;
    let group = session.group(&task.group).await?;
    let accounts = session.everyone(&task.users).await?;
    session
        .settle(Command::AddMembers { group, accounts }, Some(group))
        .await?;
    session.taken()
}
