//! One file for each command: finds what is meant, gives the core a command, prints what came of it.

mod add;
mod delete;
mod devices;
mod edit;
mod follow;
mod groups;
mod invite;
mod join;
mod leave;
mod link;
mod log;
mod new_group;
mod people;
mod react;
mod remove;
mod rename;
mod revoke;
mod safety_number;
mod send;
mod sync;
mod whoami;

use crate::arguments::{Arguments, Task};
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// Carries out one command line.
///
/// # Errors
/// Everything that can go wrong; [`Failure::code`] is the exit code.
pub async fn run(
    session: &mut Session,
    arguments: Arguments,
    out: &mut Output,
) -> Result<(), Failure> {
    session.set_offline(arguments.offline);
    let ca = arguments.ca.as_deref();
    let done = match arguments.command {
        Task::Join(task) => join::run(session, task, out).await,
        Task::Whoami => whoami::run(session, out),
        Task::People => people::run(session, out).await,
        Task::Groups => groups::run(session, out).await,
        Task::NewGroup(task) => new_group::run(session, task, out).await,
        Task::Send(task) => send::run(session, task, out).await,
        Task::React(task) => react::run(session, task).await,
        Task::Edit(task) => edit::run(session, task).await,
        Task::Delete(task) => delete::run(session, task).await,
        Task::Log(task) => log::run(session, task, out).await,
        Task::Add(task) => add::run(session, task).await,
        Task::Remove(task) => remove::run(session, task).await,
        Task::Rename(task) => rename::run(session, task).await,
        Task::Leave(task) => leave::run(session, task).await,
        Task::Invite(task) => invite::run(session, task, out).await,
        Task::SafetyNumber(task) => safety_number::run(session, task, out).await,
        Task::Devices => devices::run(session, out).await,
        Task::Revoke(task) => revoke::run(session, task, out).await,
        Task::Sync => sync::run(session, out).await,
        Task::Link(task) => link::run(session, task, out).await,
    };
    done?;
    match ca {
        Some(ca) => session.home().keep_authority(ca),
        None => Ok(()),
    }
}
