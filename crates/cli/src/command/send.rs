//! `send`: a message to a group or a person. Prints its id once it is stored on this device.

use super::{Failure, Output, Session};
use crate::arguments::Send;
use crate::find::Target;
use roost_client::content::MessageId;
use roost_client::view::MessageState;
use roost_client::{Command, Notice};
use roost_wire::{AccountId, GroupId};
use serde_json::json;

pub(super) async fn run(
    session: &mut Session,
    task: Send,
    out: &mut Output,
) -> Result<(), Failure> {
    session.need_account()?;
    let group = match session.target(&task.to).await? {
        Target::Group(group) => group,
        Target::Nobody(account) => start(session, account).await?,
    };
    let reply_to = match &task.reply_to {
        Some(typed) => Some(session.message(group, typed).await?),
        None => None,
    };
    let command = Command::Send {
        group,
        text: task.text,
        reply_to,
    };
    let notices = session.settle(command, Some(group)).await?;
    let queued = notices.iter().find_map(|notice| match notice {
        Notice::Queued { message, .. } => Some(*message),
        _ => None,
    });
    let id = queued.ok_or_else(|| Failure::Broken("the message was not stored".into()))?;
    report(session, group, id, out)
}

/// Prints the id of a message and says whether the server has it.
pub(super) fn report(
    session: &mut Session,
    group: GroupId,
    id: MessageId,
    out: &mut Output,
) -> Result<(), Failure> {
    session.driver().command(Command::OpenThread(group))?;
    let message = session
        .core()
        .thread(&group)
        .and_then(|thread| thread.message(&id))
        .cloned();
    let seq = message.as_ref().and_then(|message| message.seq);
    let object = json!({
        "id": id.to_string(),
        "group": group.to_string(),
        "seq": seq.map(|seq| seq.get()),
        "stored": seq.is_some(),
    });
    out.line(&id.to_string(), &object)?;
    match message.map(|message| message.state) {
        Some(MessageState::Failed(reason)) => Err(Failure::Refused(reason)),
        Some(MessageState::Stored | MessageState::Delivered | MessageState::Received) => Ok(()),
        Some(MessageState::Sending) | None => session.stored(),
    }
}

async fn start(session: &mut Session, account: AccountId) -> Result<GroupId, Failure> {
    let notices = session.settle(Command::StartDirect(account), None).await?;
    let opened = notices.iter().find_map(|notice| match notice {
        Notice::Opened(group) => Some(*group),
        _ => None,
    });
    opened.ok_or_else(|| Failure::Broken("the conversation was not started".into()))
}
