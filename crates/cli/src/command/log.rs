//! `log`: what was said in a conversation, and with `--follow` what is being said.

use super::{Failure, Output, Session, follow};
use crate::arguments::Log;
use crate::output;
use roost_client::view::ThreadItem;
use roost_client::{Command, Core};
use roost_wire::{GroupId, Seconds, Seq};
use std::collections::{BTreeMap, BTreeSet};

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
    past: Past,
    /// What was printed for each message id or event.
    printed: BTreeMap<String, String>,
}

impl Printer {
    fn new(core: &Core, group: GroupId, task: &Log) -> Self {
        Self {
            group,
            events: task.events,
            past: Past::before(items(core, group), task.last),
            printed: BTreeMap::new(),
        }
    }

    pub(super) fn print(&mut self, core: &Core, out: &mut Output) -> Result<(), Failure> {
        for item in items(core, self.group) {
            let key = key(item);
            let is_known = self.printed.contains_key(&key);
            if (!is_known && self.past.covers(item, &key)) || self.is_silent(item, out.json) {
                continue;
            }
            let (text, object) = match item {
                ThreadItem::Message(message) => output::message(core, message),
                ThreadItem::Event(event) => output::event(core, event),
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

    /// Scripts get one object a message, and events only if they ask.
    const fn is_silent(&self, item: &ThreadItem, json: bool) -> bool {
        matches!(item, ThreadItem::Event(_)) && json && !self.events
    }
}

/// What is not printed: it came before, even if it is loaded later.
struct Past {
    keys: BTreeSet<String>,
    /// Place in the log of the first that is printed.
    floor: Option<Seq>,
    /// Its time, for what has no place, and for lower places that are new: the log of a restored
    /// server went back.
    since: Seconds,
}

impl Past {
    /// All but the `last` items; nothing for 0.
    fn before(items: &[ThreadItem], last: usize) -> Self {
        let skipped = match last {
            0 => 0,
            last => items.len().saturating_sub(last),
        };
        let (past, present) = items.split_at_checked(skipped).unwrap_or((&[], items));
        let after_past = past.iter().filter_map(seq).max().map(Seq::next);
        Self {
            keys: past.iter().map(key).collect(),
            floor: after_past.or_else(|| present.iter().filter_map(seq).min()),
            since: present.first().map(time).unwrap_or_default(),
        }
    }

    fn covers(&self, item: &ThreadItem, key: &str) -> bool {
        let is_before = match (seq(item), self.floor) {
            (Some(seq), Some(floor)) => seq < floor && time(item) < self.since,
            (Some(_), None) => false,
            (None, _) => time(item) < self.since,
        };
        is_before || self.keys.contains(key)
    }
}

/// Names a message or an event among those of its conversation.
fn key(item: &ThreadItem) -> String {
    match item {
        ThreadItem::Message(message) => message.id.to_string(),
        ThreadItem::Event(event) => format!("{event:?}"),
    }
}

const fn time(item: &ThreadItem) -> Seconds {
    match item {
        ThreadItem::Message(message) => message.time,
        ThreadItem::Event(event) => event.time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_client::view::{EventKind, EventView};
    use roost_wire::AccountId;

    fn event(seq: Option<u64>, time: u64) -> ThreadItem {
        ThreadItem::Event(EventView {
            kind: EventKind::Left {
                who: AccountId::new([1; 16]),
            },
            seq: seq.map(Seq::new),
            time: Seconds::new(time),
        })
    }

    fn printed(past: &Past, items: &[ThreadItem]) -> Vec<u64> {
        let present = items.iter().filter(|item| !past.covers(item, &key(item)));
        present.map(|item| time(item).get()).collect()
    }

    #[test]
    fn only_the_last_are_printed_whether_or_not_they_have_a_place() {
        let items = [
            event(None, 1),
            event(Some(1), 2),
            event(Some(2), 3),
            event(None, 4),
        ];

        for (last, times) in [
            (1, vec![4]),
            (2, vec![3, 4]),
            (4, vec![1, 2, 3, 4]),
            (0, vec![1, 2, 3, 4]),
        ] {
            assert_eq!(
                printed(&Past::before(&items, last), &items),
                times,
                "{last}"
            );
        }
    }

    #[test]
    fn what_comes_later_is_printed_and_what_is_loaded_later_is_not() {
        let past = Past::before(&[event(Some(7), 70), event(Some(8), 80)], 2);

        let later = [
            event(None, 50),
            event(Some(6), 60),
            event(Some(9), 90),
            event(None, 90),
        ];

        assert_eq!(printed(&past, &later), [90, 90]);
    }

    #[test]
    fn what_is_new_in_a_log_that_went_back_is_printed() {
        let old = [event(Some(7), 70), event(Some(8), 80)];
        let new = [event(Some(3), 90), event(Some(4), 91)];
        let follows = Past::before(&old, 1);
        let starts = Past::before(&[old.clone(), new.clone()].concat(), 2);

        for past in [follows, starts] {
            assert_eq!(printed(&past, &new), [90, 91]);
            assert!(printed(&past, &[event(Some(6), 60)]).is_empty());
        }
    }
}
