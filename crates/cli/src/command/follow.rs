//! `log --follow`: prints what comes, and meanwhile runs what other processes want of this account.

use super::log::{self, Printer};
use super::{Failure, Output, Session};
use crate::arguments::Task;
use crate::relay::{Ending, Errand, Relay};
use roost_client::Command;

/// Another process that wants to hear what comes in a conversation.
struct Guest {
    printer: Printer,
    out: Output,
    ending: Ending,
}

/// Goes on until interrupted.
pub(super) async fn run(
    session: &mut Session,
    mut printer: Printer,
    out: &mut Output,
) -> Result<(), Failure> {
    // Without it the others are told that the home is in use.
    let mut relay = Relay::listen(session.home()).ok();
    let mut guests = Vec::new();
    session.driver().command(Command::Connect)?;
    loop {
        let errand = tokio::select! {
            notices = session.driver().next() => {
                notices?;
                None
            }
            errand = next_errand(&mut relay) => errand,
        };
        if let Some(errand) = errand {
            guests.extend(serve(session, errand).await);
        }
        printer.print(session.core(), out)?;
        log::mark_read(session, printer.group)?;
        print_for(session, &mut guests)?;
    }
}

async fn next_errand(relay: &mut Option<Relay>) -> Option<Errand> {
    match relay {
        Some(relay) => relay.next().await,
        None => std::future::pending().await,
    }
}

/// Runs an errand to its end, or takes it in as a guest.
async fn serve(session: &mut Session, errand: Errand) -> Option<Guest> {
    let Errand {
        arguments,
        mut out,
        ending,
    } = errand;
    if let Task::Log(task) = &arguments.command
        && task.follow
    {
        return match log::begin(session, task, &mut out).await {
            Ok(printer) => Some(Guest {
                printer,
                out,
                ending,
            }),
            Err(failure) => {
                ending.tell(Err(failure));
                None
            }
        };
    }
    // Boxed, since `command::run` may lead back here.
    let result = Box::pin(super::run(session, arguments, &mut out)).await;
    ending.tell(result);
    None
}

fn print_for(session: &mut Session, guests: &mut Vec<Guest>) -> Result<(), Failure> {
    guests.retain_mut(|guest| {
        guest.ending.is_awaited() && guest.printer.print(session.core(), &mut guest.out).is_ok()
    });
    for guest in guests {
        log::mark_read(session, guest.printer.group)?;
    }
    Ok(())
}
