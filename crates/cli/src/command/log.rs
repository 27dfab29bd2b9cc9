//! `log`: what was said in a conversation, and with `--follow` what is being said.

use super::{Failure, Output, Session, follow};
use crate::arguments::Log;
use crate::output;
use roost_client::view::ThreadItem;
use roost_client::{Command, Core};
use roost_wire::{GroupId, Seq};
use std::collections::BTreeMap;

pub(super) async fn run(session: &mut Session, task: Log, out: &mut Output) -> Result<(), Failure> {
    session.need_account()?;
    session.sync().await?;
    let printer = begin(session, &task, out).await?;
    if task.follow {
        follow::run(session, printer, out).await
    } else {
        session.reached()
    }
}

/// Prints the past.
pub(super) async fn begin(
    session: &mut Session,
    task: &Log,
    out: &mut Output,
) -> Result<Printer, Failure> {
    let group = session.group(&task.conversation).await?;
    load(session, group, task.last)?;
    let mut printer = Printer::new(session.core(), group, task);
    printer.print(session.core(), out)?;
    mark_read(session, group)?;
    Ok(printer)
}

/// Loads so many messages from the past, or all.
fn load(session: &mut Session, group: GroupId, last: usize) -> Result<(), Failure> {
    session.driver().command(Command::OpenThread(group))?;
    while session.has_older(group) && (last == 0 || items(session.core(), group).len() < last) {
        session.driver().command(Command::LoadOlder(group))?;
    }
    Ok(())
}

/// What is printed counts as read.
pub(super) fn mark_read(session: &mut Session, group: GroupId) -> Result<(), Failure> {
    let upto = items(session.core(), group).iter().filter_map(seq).max();
    let read = session
        .core()
        .conversation(&group)
        .map(|view| view.read_upto);
    if let Some(upto) = upto
        && read.is_some_and(|read| read < upto)
    {
        session
            .driver()
            .command(Command::MarkRead { group, upto })?;
    }
    Ok(())
}

fn items(core: &Core, group: GroupId) -> &[ThreadItem] {
    core.thread(&group).map_or(&[], |thread| thread.items())
}

const fn seq(item: &ThreadItem) -> Option<Seq> {
    match item {
        ThreadItem::Message(message) => message.seq,
        ThreadItem::Event(event) => event.seq,
    }
}

/// Prints what is new or has changed since it last printed.
pub(super) struct Printer {
    pub(super) group: GroupId,
    events: bool,
    /// Where it began: what lies before is the past, even if it is loaded later.
    floor: Option<Seq>,
    /// What was printed for each message id or event.
    printed: BTreeMap<String, String>,
}

impl Printer {
    fn new(core: &Core, group: GroupId, task: &Log) -> Self {
        let items = items(core, group);
        let skipped = match task.last {
            0 => 0,
            last => items.len().saturating_sub(last),
        };
        Self {
            group,
            events: task.events,
            floor: items.iter().skip(skipped).find_map(seq),
            printed: BTreeMap::new(),
        }
    }

    pub(super) fn print(&mut self, core: &Core, out: &mut Output) -> Result<(), Failure> {
        for item in items(core, self.group) {
            if seq(item).is_some() && seq(item) < self.floor {
                continue;
            }
            let (key, (text, object)) = match item {
                ThreadItem::Message(message) => {
                    (message.id.to_string(), output::message(core, message))
                }
                ThreadItem::Event(_) if out.json && !self.events => continue,
                ThreadItem::Event(event) => {
                    let (text, object) = output::event(core, event);
                    (text.clone(), (text, object))
                }
            };
            let line = if out.json {
                object.to_string()
            } else {
                text.clone()
            };
            if self.printed.get(&key) != Some(&line) {
                out.line(&text, &object)?;
                self.printed.insert(key, line);
            }
        }
        Ok(())
    }
}
