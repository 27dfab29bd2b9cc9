//! A greeted connection: backlog by cursor under credit, then live.

use crate::delivery::Mail;
use crate::session::follow::Follow;
use crate::session::{Found, LogRead, Output};
use bytes::Bytes;
use roost_wire::api::{Acknowledge, InboxPage};
use roost_wire::frame::{ClientFrame, Cursor, ServerFrame};
use roost_wire::{GroupId, InboxSeq, Seq, limit};
use std::collections::{BTreeMap, BTreeSet};

/// Credit a client can pile up.
const CREDIT_MAX: u32 = 4 * limit::CREDIT_EVENTS;

/// The state of a greeted connection.
#[derive(Debug)]
pub struct Live {
    follows: BTreeMap<GroupId, Follow>,
    /// The group read last: the others come first.
    last_read: Option<GroupId>,
    reading: bool,
    inbox_sent: InboxSeq,
    inbox_behind: bool,
    /// What could not be read: tried again when the client says something, which it does at least
    /// when it hears nothing.
    failed: BTreeSet<GroupId>,
    inbox_failed: bool,
    credit: u32,
}

impl Live {
    pub(super) fn new(cursors: &[Cursor], inbox: InboxSeq, credit: u32) -> Self {
        let follows = cursors
            .iter()
            .map(|cursor| (cursor.group, Follow::from(cursor.seq)));
        Self {
            follows: follows.collect(),
            last_read: None,
            reading: false,
            inbox_sent: inbox,
            inbox_behind: true,
            failed: BTreeSet::new(),
            inbox_failed: false,
            credit: credit.min(CREDIT_MAX),
        }
    }

    /// Takes a frame of the client.
    pub fn on_frame(&mut self, frame: ClientFrame, out: &mut Vec<Output>) {
        self.try_again();
        match frame {
            ClientFrame::Hello { .. } => out.push(Output::Close),
            ClientFrame::Submit {
                request,
                message,
                began,
            } => out.push(Output::Submit {
                request,
                message,
                began,
            }),
            ClientFrame::Ack {
                cursors,
                inbox,
                state,
            } => out.push(Output::Acknowledge(Acknowledge {
                cursors,
                inbox,
                state,
            })),
            ClientFrame::Ephemeral { group, sealed } => {
                out.push(Output::Signal { group, sealed });
            }
            ClientFrame::Credit { events } => {
                self.credit = self.credit.saturating_add(events).min(CREDIT_MAX);
            }
            ClientFrame::Follow { cursor } => {
                let known = self.follows.contains_key(&cursor.group);
                if known || self.follows.len() < limit::GROUPS_PER_DEVICE {
                    self.follows.insert(cursor.group, Follow::from(cursor.seq));
                }
            }
            ClientFrame::Ping => send(&ServerFrame::Pong, out),
            ClientFrame::Watch { group, wants } => {
                let wants = wants.into_vec();
                out.push(Output::Watch { group, wants });
            }
        }
    }

    /// Takes what the fan-out handed over.
    pub fn on_mail(&mut self, mail: Mail, out: &mut Vec<Output>) {
        match mail {
            Mail::Entry { group, seq, frame } => {
                let credit = self.credit;
                if let Some(follow) = self.follows.get_mut(&group)
                    && follow.takes(seq, credit)
                {
                    self.send_event(frame, out);
                }
            }
            Mail::Passing { group, frame } => {
                if self.follows.contains_key(&group) {
                    out.push(Output::Send(frame));
                }
            }
            Mail::Answer(frame) => out.push(Output::Send(frame)),
            Mail::Behind(group) | Mail::Left(group) => {
                if let Some(follow) = self.follows.get_mut(&group) {
                    follow.behind = true;
                }
            }
            Mail::Inbox => self.inbox_behind = true,
            Mail::Close(frame) => {
                out.extend(frame.map(Output::Send));
                out.push(Output::Close);
            }
        }
    }

    /// The next thing to read, if there is credit for it. Answer it before asking again.
    pub fn want(&mut self) -> Option<Output> {
        if self.credit == 0 || self.reading {
            return None;
        }
        let rows = usize::try_from(self.credit).unwrap_or(usize::MAX);
        if self.inbox_behind {
            self.reading = true;
            return Some(Output::ReadInbox {
                after: self.inbox_sent,
                rows,
            });
        }
        let (group, after) = self.next_behind()?;
        self.reading = true;
        self.last_read = Some(group);
        Some(Output::Read { group, after, rows })
    }

    /// Takes what reading a group's log gave.
    pub fn on_log(&mut self, group: GroupId, found: Found, out: &mut Vec<Output>) {
        self.reading = false;
        match found {
            Found::Page(page) => self.on_page(group, page, out),
            Found::Gap { tail } => self.end(group, &ServerFrame::Gap { group, tail }, out),
            Found::Nothing => self.end(group, &ServerFrame::Gone { group }, out),
            Found::Failed => {
                if let Some(follow) = self.follows.get_mut(&group) {
                    follow.behind = false;
                    self.failed.insert(group);
                }
            }
        }
    }

    fn try_again(&mut self) {
        for group in std::mem::take(&mut self.failed) {
            if let Some(follow) = self.follows.get_mut(&group) {
                follow.behind = true;
            }
        }
        self.inbox_behind |= std::mem::take(&mut self.inbox_failed);
    }

    /// Takes what reading the inbox gave.
    pub fn on_inbox(&mut self, page: Option<InboxPage>, out: &mut Vec<Output>) {
        self.reading = false;
        self.inbox_behind = false;
        let Some(page) = page else {
            self.inbox_failed = true;
            return;
        };
        self.inbox_behind = page.more;
        for row in page.items.into_vec() {
            if row.seq <= self.inbox_sent {
                continue;
            }
            if self.credit == 0 {
                self.inbox_behind = true;
                return;
            }
            self.inbox_sent = row.seq;
            let frame = ServerFrame::Inbox {
                seq: row.seq,
                item: row.item,
            };
            self.send_event(frame.to_bytes().into(), out);
        }
    }

    /// The groups it follows.
    pub fn groups(&self) -> impl Iterator<Item = GroupId> + '_ {
        self.follows.keys().copied()
    }

    fn on_page(&mut self, group: GroupId, page: LogRead, out: &mut Vec<Output>) {
        let Some(mut follow) = self.follows.remove(&group) else {
            out.push(Output::Unfollow(group));
            return;
        };
        for (seq, frame) in page.frames {
            if seq <= follow.sent {
                continue;
            }
            if self.credit == 0 {
                self.follows.insert(group, follow);
                return;
            }
            follow.sent = seq;
            self.send_event(frame, out);
        }
        if page.more {
            self.follows.insert(group, follow);
            return;
        }
        if page.ended {
            out.push(Output::Unfollow(group));
            send(&ServerFrame::Gone { group }, out);
            return;
        }
        follow.behind = follow.hint > follow.sent && follow.hint > page.head;
        if !follow.behind {
            let (head, seq) = (page.head, page.delivered);
            send(&ServerFrame::Head { group, head }, out);
            if seq > Seq::NONE {
                send(&ServerFrame::Delivered { group, seq }, out);
            }
            if page.call.is_some() {
                let call = page.call;
                send(&ServerFrame::CallOn { group, call }, out);
            }
        }
        // Entries before a device's join are not shown to it; the next live one follows the head.
        follow.sent = follow.sent.max(page.head);
        self.follows.insert(group, follow);
    }

    fn end(&mut self, group: GroupId, why: &ServerFrame, out: &mut Vec<Output>) {
        self.follows.remove(&group);
        out.push(Output::Unfollow(group));
        send(why, out);
    }

    fn send_event(&mut self, frame: Bytes, out: &mut Vec<Output>) {
        self.credit = self.credit.saturating_sub(1);
        out.push(Output::Send(frame));
    }

    fn next_behind(&self) -> Option<(GroupId, Seq)> {
        let behind = || self.follows.iter().filter(|(_, follow)| follow.behind);
        let after_last = |(group, _): &(&GroupId, &Follow)| Some(**group) > self.last_read;
        let next = behind().find(after_last).or_else(|| behind().next());
        next.map(|(group, follow)| (*group, follow.sent))
    }
}

fn send(frame: &ServerFrame, out: &mut Vec<Output>) {
    out.push(Output::Send(frame.to_bytes().into()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_wire::List;

    const GROUP: GroupId = GroupId::new([7; 16]);

    fn live(cursor: u64, credit: u32) -> Live {
        let cursor = Cursor {
            group: GROUP,
            seq: Seq::new(cursor),
        };
        let mut live = Live::new(&[cursor], InboxSeq::new(0), credit);
        live.inbox_behind = false;
        live
    }

    fn frame(seq: u64) -> Bytes {
        Bytes::from(seq.to_string())
    }

    fn page(seqs: &[u64], more: bool) -> Found {
        Found::Page(LogRead {
            frames: seqs.iter().map(|n| (Seq::new(*n), frame(*n))).collect(),
            head: Seq::new(seqs.last().copied().unwrap_or_default()),
            delivered: Seq::NONE,
            more,
            ended: false,
            call: None,
        })
    }

    fn entry(seq: u64) -> Mail {
        Mail::Entry {
            group: GROUP,
            seq: Seq::new(seq),
            frame: frame(seq),
        }
    }

    /// Entries sent, and `H` for a Head.
    fn sent(out: &[Output]) -> String {
        let text = |output: &Output| match output {
            Output::Send(bytes) => {
                let text = String::from_utf8(bytes.to_vec());
                text.ok()
                    .filter(|text| text.parse::<u64>().is_ok())
                    .unwrap_or("H".into())
            }
            _ => String::new(),
        };
        out.iter().map(text).collect()
    }

    #[test]
    fn the_backlog_comes_before_live_entries_and_nothing_twice() {
        let (mut live, mut out) = (live(2, 100), Vec::new());

        assert!(matches!(live.want(), Some(Output::Read { after, .. }) if after == Seq::new(2)));
        live.on_mail(entry(5), &mut out);
        live.on_log(GROUP, page(&[3, 4, 5], false), &mut out);
        live.on_mail(entry(5), &mut out);
        live.on_mail(entry(6), &mut out);

        assert_eq!(sent(&out), "345H6");
        assert_eq!(live.want(), None);
    }

    #[test]
    fn without_credit_nothing_is_sent_and_with_new_credit_the_log_is_read() {
        let (mut live, mut out) = (live(0, 2), Vec::new());
        live.want();
        live.on_log(GROUP, page(&[1, 2, 3], false), &mut out);
        live.on_mail(entry(4), &mut out);

        assert_eq!(sent(&out), "12");
        assert_eq!(live.want(), None);

        live.on_frame(ClientFrame::Credit { events: 10 }, &mut out);

        assert!(matches!(live.want(), Some(Output::Read { after, .. }) if after == Seq::new(2)));
    }

    #[test]
    fn a_missed_live_entry_is_read_from_the_log() {
        let (mut live, mut out) = (live(0, 100), Vec::new());
        live.want();
        live.on_log(GROUP, page(&[1], false), &mut out);

        live.on_mail(entry(3), &mut out);

        assert_eq!(sent(&out), "1H");
        assert!(matches!(live.want(), Some(Output::Read { after, .. }) if after == Seq::new(1)));
    }

    #[test]
    fn who_has_caught_up_is_told_of_the_call_that_is_on() {
        let (mut live, mut out) = (live(0, 100), Vec::new());
        let call = Some(GroupId::new([9; 16]));
        live.want();
        let Found::Page(page) = page(&[1], false) else {
            unreachable!()
        };

        live.on_log(GROUP, Found::Page(LogRead { call, ..page }), &mut out);

        let told = ServerFrame::CallOn { group: GROUP, call };
        assert!(out.contains(&Output::Send(told.to_bytes().into())));
    }

    #[test]
    fn who_left_is_told_after_their_last_entry() {
        let (mut live, mut out) = (live(0, 100), Vec::new());
        live.want();
        let Found::Page(page) = page(&[1, 2], false) else {
            unreachable!()
        };
        let last = LogRead {
            ended: true,
            ..page
        };
        live.on_log(GROUP, Found::Page(last), &mut out);
        live.on_mail(entry(3), &mut out);

        assert_eq!(sent(&out), "12H", "two entries and Gone");
        assert!(out.contains(&Output::Unfollow(GROUP)));
    }

    #[test]
    fn signals_of_a_group_that_is_not_followed_are_dropped() {
        let (mut live, mut out) = (live(0, 100), Vec::new());
        let passing = |group| Mail::Passing {
            group,
            frame: frame(1),
        };

        live.on_mail(passing(GroupId::new([8; 16])), &mut out);
        assert!(out.is_empty());
        live.on_mail(passing(GROUP), &mut out);

        assert_eq!(sent(&out), "1");
    }

    #[test]
    fn a_second_hello_ends_the_connection() {
        let (mut live, mut out) = (live(0, 1), Vec::new());
        let hello = ClientFrame::Hello {
            cursors: List::default(),
            inbox: InboxSeq::new(0),
            credit: 1,
            state: roost_wire::StateCounter::new(0),
        };

        live.on_frame(hello, &mut out);

        assert_eq!(out, [Output::Close]);
    }

    #[test]
    fn what_cannot_be_read_is_tried_again_when_the_client_says_something() {
        let (mut live, mut out) = (live(0, 1), Vec::new());
        live.inbox_behind = true;
        for _ in 0..2 {
            match live.want() {
                Some(Output::ReadInbox { .. }) => live.on_inbox(None, &mut out),
                Some(Output::Read { group, .. }) => live.on_log(group, Found::Failed, &mut out),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(live.want(), None);

        live.on_frame(ClientFrame::Ping, &mut out);

        assert!(matches!(live.want(), Some(Output::ReadInbox { .. })));
        live.on_inbox(None, &mut out);
        assert!(matches!(live.want(), Some(Output::Read { .. })));
    }

    #[test]
    fn credit_does_not_pile_up_without_bound() {
        let (mut live, mut out) = (live(0, u32::MAX), Vec::new());

        live.on_frame(ClientFrame::Credit { events: u32::MAX }, &mut out);

        assert_eq!(live.credit, CREDIT_MAX);
    }
}
