//! The group log through the server's front door: what is accepted, who gets it, once and in order.

use crate::kit::*;
use roost_tests::world::fragile_store::FragileStore;
use roost_wire::api::*;
use roost_wire::frame::{ClientFrame, Cursor, Outcome, ServerFrame};
use roost_wire::log::EntryKind;
use roost_wire::*;
use std::sync::Arc;

/// Ada, Ben and Cy in a group: entry 1 added the two.
fn three() -> (Home, [Guest; 3], [Member; 3]) {
    let home = Home::new();
    let [ada, ben, cy] = [1, 2, 3].map(|number| home.person(number));
    let mut ada_in = ada.found(&home, 9);
    ada_in.adds(&home, &ada, &[&ben, &cy]);
    let (ben_in, cy_in) = (ben.join(&home), cy.join(&home));
    (home, [ada, ben, cy], [ada_in, ben_in, cy_in])
}

#[test]
fn a_message_sent_twice_is_stored_once_and_answered_alike() {
    let (home, [ada, ..], [mut ada_in, ..]) = three();
    let message = ada_in.submission("hello");

    let first = ada.call(&home, &message).unwrap();
    let again = ada.call(&home, &message).unwrap();

    assert_eq!(first, again);
    assert_eq!(ada.seqs(&home, ada_in.id, 1), [first.seq.get()]);
}

#[test]
fn a_message_sent_again_after_a_restart_is_still_known() {
    let (mut home, [mut ada, ..], [mut ada_in, ..]) = three();
    let message = ada_in.submission("hello");
    let first = ada.call(&home, &message).unwrap();

    home.restart();
    ada.sign_in(&home).unwrap();

    assert_eq!(ada.call(&home, &message).unwrap(), first);
    assert_eq!(ada_in.says(&home, &ada, "more").seq, first.seq.next());
}

#[test]
fn the_first_commit_of_an_epoch_wins_and_the_other_learns_where_the_group_is() {
    let (home, [ada, ben, _], [mut ada_in, mut ben_in, _]) = three();
    let (first, second) = (ada_in.updating(&home), ben_in.updating(&home));

    let accepted = ada.call(&home, &first).unwrap();
    let refused = ben.call(&home, &second).unwrap_err();

    assert_eq!(refused.code, ErrorCode::Stale);
    assert_eq!(refused.epoch, Some(accepted.epoch));
    assert_eq!(refused.head, Some(accepted.seq));
    assert_eq!(ben.seqs(&home, ben_in.id, 1), [accepted.seq.get()]);
}

#[test]
fn a_commit_sent_again_gets_its_first_answer() {
    let (home, [ada, ..], [mut ada_in, ..]) = three();
    let commit = ada_in.updating(&home);

    let first = ada.call(&home, &commit).unwrap();

    assert_eq!(ada.call(&home, &commit).unwrap(), first);
}

#[test]
fn messages_of_the_two_epochs_before_are_taken_and_older_ones_are_stale() {
    let (home, [ada, ben, _], [mut ada_in, mut ben_in, _]) = three();
    let late: Vec<_> = (0..2).map(|n| ben_in.submission(&n.to_string())).collect();

    ada_in.updates(&home, &ada);
    ada_in.updates(&home, &ada);
    assert!(ben.call(&home, &late[0]).is_ok());
    ada_in.updates(&home, &ada);

    assert_eq!(
        ben.call(&home, &late[1]).unwrap_err().code,
        ErrorCode::Stale
    );
}

#[test]
fn who_was_removed_reads_up_to_that_entry_and_nothing_after() {
    let (home, [ada, ben, cy], [mut ada_in, mut ben_in, mut cy_in]) = three();
    let group = ada_in.id;
    cy_in.says(&home, &cy, "still here");
    let removal = ada_in.removes(&home, &ada, &cy);
    ben_in.receives(ben.log(&home, group, 1).unwrap().entries.as_slice());
    let after = ben_in.says(&home, &ben, "after");

    assert_eq!(cy.seqs(&home, group, 0).last(), Some(&removal.seq.get()));
    assert_eq!(ben.seqs(&home, group, 0).last(), Some(&after.seq.get()));
    let refused = cy.call(&home, &cy_in.submission("let me")).unwrap_err();
    assert_eq!(refused.code, ErrorCode::NotFound);
    let info = cy.call(&home, &FetchGroupInfo { group });
    assert_eq!(info.unwrap_err().code, ErrorCode::NotFound);
}

#[test]
fn who_was_removed_gets_nothing_after_it_by_socket_either() {
    let (home, [ada, ben, cy], [mut ada_in, mut ben_in, _]) = three();
    let group = ada_in.id;
    let mut line = cy.connect(&home, &[(group, 1)]);
    line.frames(&home);

    let removal = ada_in.removes(&home, &ada, &cy);
    ben_in.receives(ben.log(&home, group, 1).unwrap().entries.as_slice());
    ben_in.says(&home, &ben, "after");
    let frames = line.frames(&home);

    let events: Vec<_> = frames
        .iter()
        .filter_map(|frame| match frame {
            ServerFrame::Event { entry, .. } => Some(entry.seq),
            _ => None,
        })
        .collect();
    assert_eq!(events, [removal.seq]);
    assert!(frames.contains(&ServerFrame::Gone { group }));
    ben_in.says(&home, &ben, "more");
    assert_eq!(line.seqs(&home), [0u64; 0]);
}

#[test]
fn a_late_joiner_reads_nothing_from_before() {
    let (home, [ada, ..], [mut ada_in, ..]) = three();
    let dora = home.person(4);
    ada_in.says(&home, &ada, "before");
    let joined = ada_in.adds(&home, &ada, &[&dora]);
    let after = ada_in.says(&home, &ada, "after");

    let read = dora.seqs(&home, ada_in.id, 0);

    assert_eq!(read, [joined.seq.get(), after.seq.get()]);
}

#[test]
fn strangers_cannot_tell_a_group_from_none() {
    let (home, _, [mut ada_in, ..]) = three();
    let stranger = home.person(7);
    let (group, nowhere) = (ada_in.id, GroupId::new([77; 16]));
    let message = ada_in.submission("forged");
    let errors = |group: GroupId| {
        [
            stranger.log(&home, group, 0).unwrap_err(),
            stranger.call(&home, &FetchGroupInfo { group }).unwrap_err(),
            stranger
                .call(
                    &home,
                    &FetchTree {
                        group,
                        epoch: Epoch::new(1),
                    },
                )
                .unwrap_err(),
        ]
    };

    assert_eq!(errors(group), errors(nowhere));
    let sent = stranger.call(&home, &message).unwrap_err();
    assert_eq!(sent.code, ErrorCode::NotFound);
}

#[test]
fn nobody_commits_or_sends_with_anothers_session() {
    let (home, [_, ben, _], [mut ada_in, ..]) = three();

    let commit = ada_in.updating(&home);

    assert_eq!(
        ben.call(&home, &commit).unwrap_err().code,
        ErrorCode::Refused
    );
    assert_eq!(ben.seqs(&home, ada_in.id, 1), [0u64; 0]);
}

#[test]
fn every_added_device_needs_a_welcome_and_no_other_gets_one() {
    let (home, [ada, ben, _], [mut ada_in, ..]) = three();
    let dora = home.person(4);
    let whole = ada_in.adding(&home, &ada, &[&dora]);
    let without = SubmitCommit {
        welcomes: List::default(),
        ..whole.clone()
    };
    let misled = WelcomeFor {
        devices: List::new(vec![ben.device]).unwrap(),
        welcome: whole.welcomes.as_slice()[0].welcome.clone(),
    };
    let elsewhere = SubmitCommit {
        welcomes: List::new(vec![misled]).unwrap(),
        ..whole.clone()
    };

    assert_eq!(
        ada.call(&home, &without).unwrap_err().code,
        ErrorCode::Refused
    );
    assert_eq!(
        ada.call(&home, &elsewhere).unwrap_err().code,
        ErrorCode::Refused
    );
    assert!(ada.call(&home, &whole).is_ok());
}

#[test]
fn a_socket_brings_the_backlog_and_then_what_is_new() {
    let (home, [ada, ben, _], [mut ada_in, ..]) = three();
    let group = ada_in.id;
    ada_in.says(&home, &ada, "one");
    ada_in.says(&home, &ada, "two");
    let mut line = ben.connect(&home, &[(group, 1)]);

    assert_eq!(line.seqs(&home), [2, 3]);
    ada_in.says(&home, &ada, "three");
    assert_eq!(line.seqs(&home), [4]);
}

#[test]
fn without_credit_nothing_comes_and_with_it_all_does() {
    let (home, [ada, ben, _], [mut ada_in, ..]) = three();
    let group = ada_in.id;
    let mut line = ben.connect(&home, &[(group, 1)]);
    for n in 0..300 {
        ada_in.says(&home, &ada, &n.to_string());
    }

    let first = line.seqs(&home).len();
    line.send(&home, &ClientFrame::Credit { events: 100 });
    let second = line.seqs(&home).len();

    // The inbox took two: the Welcome, and the request for more key packages.
    assert_eq!((first, second), (254, 46));
}

#[test]
fn a_message_by_socket_is_answered_and_reaches_the_others() {
    let (home, [ada, ben, _], [mut ada_in, ..]) = three();
    let group = ada_in.id;
    let (mut from, mut to) = (
        ada.connect(&home, &[(group, 1)]),
        ben.connect(&home, &[(group, 1)]),
    );
    to.frames(&home);

    let outcome = from.submit(&home, ada_in.message("hi"));

    assert!(matches!(outcome, Outcome::Accepted(accepted) if accepted.seq == Seq::new(2)));
    assert_eq!(to.seqs(&home), [2]);
}

#[test]
fn everybody_learns_when_everybody_has_it() {
    let (home, [ada, ben, cy], [mut ada_in, ..]) = three();
    let group = ada_in.id;
    let mut line = ada.connect(&home, &[(group, 1)]);
    line.frames(&home);
    let said = ada_in.says(&home, &ada, "hi");
    let ack = |person: &Guest| {
        let cursor = frame::Cursor {
            group,
            seq: said.seq,
        };
        person
            .call(
                &home,
                &Acknowledge {
                    cursors: List::new(vec![cursor]).unwrap(),
                    inbox: InboxSeq::new(0),
                    state: StateCounter::new(1),
                },
            )
            .unwrap();
    };
    let delivered = ServerFrame::Delivered {
        group,
        seq: said.seq,
    };

    ack(&ben);
    assert!(!line.frames(&home).contains(&delivered));
    ack(&cy);
    assert!(line.frames(&home).contains(&delivered));
    let page = ada.log(&home, group, 1).unwrap();
    assert_eq!(page.delivered, said.seq);
}

#[test]
fn a_group_that_fails_does_not_keep_others_from_being_acknowledged() {
    let (mut home, [mut ada, mut ben, mut cy], [mut ada_in, ..]) = three();
    let broken = ben.found(&home, 8).id;
    let said = ada_in.says(&home, &ada, "hi");
    home.spoil(broken.as_bytes());
    home.restart();
    for person in [&mut ada, &mut ben, &mut cy] {
        person.sign_in(&home).unwrap();
    }
    let cursor = |group| frame::Cursor {
        group,
        seq: said.seq,
    };
    let asked = |cursors| Acknowledge {
        cursors: List::new(cursors).unwrap(),
        inbox: InboxSeq::new(0),
        state: StateCounter::new(1),
    };

    for person in [&ada, &cy] {
        let one = asked(vec![cursor(ada_in.id)]);
        person.call(&home, &one).unwrap();
    }
    let both = asked(vec![cursor(broken), cursor(ada_in.id)]);
    ben.call(&home, &both).unwrap_err();

    let page = ada.log(&home, ada_in.id, 1).unwrap();
    assert_eq!(page.delivered, said.seq);
}

#[test]
fn an_inbox_place_from_before_a_restore_forgets_nothing() {
    let (home, [_, ben, _], _) = three();
    let after = InboxSeq::new(0);
    let waiting = |home: &Home| ben.call(home, &FetchInbox { after }).unwrap().items;
    let acknowledge = |place: u64| {
        let asked = Acknowledge {
            cursors: List::default(),
            inbox: InboxSeq::new(place),
            state: StateCounter::new(1),
        };
        ben.call(&home, &asked).unwrap();
    };
    let before = waiting(&home);
    let head = before.as_slice().last().unwrap().seq;

    acknowledge(head.get() + 1);
    assert_eq!(waiting(&home), before);
    acknowledge(head.get());
    assert!(waiting(&home).as_slice().is_empty());
}

#[test]
fn whoever_asks_whether_the_server_is_there_is_answered() {
    let (home, [ada, ..], _) = three();
    let mut line = ada.connect(&home, &[]);
    line.frames(&home);

    line.send(&home, &ClientFrame::Ping);

    assert_eq!(line.frames(&home), [ServerFrame::Pong]);
}

#[test]
fn what_every_device_has_stored_is_forgotten_and_an_old_cursor_is_told() {
    let (mut home, [ada, ben, cy], [mut ada_in, ..]) = three();
    let group = ada_in.id;
    for n in 0..5 {
        ada_in.says(&home, &ada, &n.to_string());
    }
    for person in [&ada, &ben, &cy] {
        let cursor = frame::Cursor {
            group,
            seq: Seq::new(5),
        };
        let asked = Acknowledge {
            cursors: List::new(vec![cursor]).unwrap(),
            inbox: InboxSeq::new(0),
            state: StateCounter::new(1),
        };
        person.call(&home, &asked).unwrap();
    }

    home.pass(120);

    assert_eq!(ben.seqs(&home, group, 4), [5, 6], "where all stand stays");
    assert_eq!(ben.log(&home, group, 3).unwrap_err().code, ErrorCode::Gone);
    let mut line = ben.connect(&home, &[(group, 3)]);
    let tail = Seq::new(5);
    assert!(
        line.frames(&home)
            .contains(&ServerFrame::Gap { group, tail })
    );
}

#[test]
fn entries_that_nobody_fetches_go_after_the_retention_time() {
    let (mut home, [mut ada, ..], [mut ada_in, ..]) = three();
    ada_in.says(&home, &ada, "old");
    home.pass(31 * DAY);
    ada.sign_in(&home).unwrap();
    let new = ada_in.says(&home, &ada, "new");
    home.pass(DAY);
    home.pass(1);
    ada.sign_in(&home).unwrap();

    let page = ada.log(&home, ada_in.id, new.seq.get() - 1).unwrap();

    assert_eq!(page.tail, new.seq);
}

#[test]
fn a_direct_groups_refused_commit_is_taken_back_and_its_author_rejoins() {
    let home = Home::new();
    let (ada, ben) = (home.person(1), home.person(2));
    let (mut ada_in, asked) = ada.founding(&home, 9, roost_mls::GroupKind::Direct);
    ada.call(&home, &asked).unwrap();
    ada_in.adds(&home, &ada, &[&ben]);
    let mut ben_in = ben.join(&home);
    let group = ada_in.id;
    let bad = ada_in.updates(&home, &ada);

    let verdict = ReportVerdict {
        group,
        seq: bad.seq,
        hash: ben.log(&home, group, 1).unwrap().entries.as_slice()[0].hash,
        verdict: Verdict::Refused,
    };
    let taken = ben.call(&home, &verdict).unwrap();
    let entries = ben.log(&home, group, bad.seq.get()).unwrap().entries;

    assert_eq!(taken.remedy, Remedy::GoOn);
    assert_eq!(entries.as_slice()[0].kind, EntryKind::Void);
    assert_eq!(entries.as_slice()[0].voids, Some(bad.seq));
    ben_in.says(&home, &ben, "the old epoch holds");
    let suspended = ada.call(&home, &ada_in.updating(&home)).unwrap_err();
    assert!(matches!(
        suspended.code,
        ErrorCode::Stale | ErrorCode::Suspended
    ));
    let old = ben_in.index_of(&ada);
    let (mut again, asked) = ada.entering(&home, group, None, Some(old)).unwrap();
    ada.call(&home, &asked).unwrap();
    again.says(&home, &ada, "back");
}

#[test]
fn no_message_overtakes_a_refused_one_before_its_sender_knows() {
    let home = Home::new();
    let ada = home.person(1);
    let mut ada_in = ada.found(&home, 9);
    let group = ada_in.id;
    let late = ada_in.message("of an epoch that is over");
    for _ in 0..=limit::EPOCHS_BEHIND {
        ada_in.updates(&home, &ada);
    }
    let next = ada_in.message("next");
    let mut line = ada.connect(&home, &[(group, 0)]);

    let first = code(line.submit(&home, late));
    let behind = code(line.submit(&home, next.clone()));
    let seq = Seq::new(0);
    let cursor = Cursor { group, seq };
    line.send(&home, &ClientFrame::Follow { cursor });
    let again = code(line.submit(&home, next));

    assert_eq!(first, Some(ErrorCode::Stale));
    assert_eq!(behind, Some(ErrorCode::Unknown));
    assert_eq!(again, None);
}

#[test]
fn no_message_overtakes_one_that_the_disk_had_no_room_for() {
    let store = FragileStore::new();
    let home = Home::on(Arc::new(store.clone()));
    let ada = home.person(1);
    let mut ada_in = ada.found(&home, 9);
    let group = ada_in.id;
    let [one, two] = ["one", "two"].map(|text| ada_in.message(text));
    let mut line = ada.connect(&home, &[(group, 0)]);

    store.refuse_one();
    let first = code(line.submit(&home, one.clone()));
    let behind = code(line.submit(&home, two.clone()));
    let seq = Seq::new(0);
    let cursor = Cursor { group, seq };
    line.send(&home, &ClientFrame::Follow { cursor });
    let again = [one, two].map(|message| code(line.submit(&home, message)));

    assert_eq!(first, Some(ErrorCode::ReadOnly));
    assert_eq!(behind, Some(ErrorCode::Unknown));
    assert_eq!(again, [None, None]);
}

fn code(outcome: Outcome) -> Option<ErrorCode> {
    match outcome {
        Outcome::Refused(error) => Some(error.code),
        Outcome::Accepted(_) => None,
    }
}

#[test]
fn a_place_that_was_taken_back_is_gone_for_whoever_had_left_before() {
    let home = Home::new();
    let (ada, ben, cem) = (home.person(1), home.person(2), home.person(3));
    let mut ada_in = ada.found(&home, 9);
    ada_in.adds(&home, &ada, &[&ben, &cem]);
    let group = ada_in.id;
    ada_in.removes(&home, &ada, &cem);
    let bad = ada_in.adds(&home, &ada, &[&cem]);

    let verdict = ReportVerdict {
        group,
        seq: bad.seq,
        hash: ada
            .log(&home, group, bad.seq.get() - 1)
            .unwrap()
            .entries
            .as_slice()[0]
            .hash,
        verdict: Verdict::Refused,
    };
    ben.call(&home, &verdict).unwrap();

    let read = cem.log(&home, group, bad.seq.get());
    assert_eq!(read.unwrap_err().code, ErrorCode::Gone);
    let before = cem.log(&home, group, bad.seq.get() - 1);
    assert!(before.unwrap().entries.as_slice().is_empty());
}

#[test]
fn commits_that_their_author_made_alone_are_taken_back_newest_first() {
    let home = Home::new();
    let (ada, ben) = (home.person(1), home.person(2));
    let (mut ada_in, asked) = ada.founding(&home, 9, roost_mls::GroupKind::Direct);
    ada.call(&home, &asked).unwrap();
    ada_in.adds(&home, &ada, &[&ben]);
    let mut ben_in = ben.join(&home);
    let group = ada_in.id;
    let (first, second) = (ada_in.updates(&home, &ada), ada_in.updates(&home, &ada));

    let verdict = ReportVerdict {
        group,
        seq: first.seq,
        hash: ben.log(&home, group, 1).unwrap().entries.as_slice()[0].hash,
        verdict: Verdict::Refused,
    };
    ben.call(&home, &verdict).unwrap();
    let page = ben.log(&home, group, second.seq.get()).unwrap();

    let voids = page.entries.as_slice().iter();
    let voids: Vec<_> = voids.map(|entry| (entry.voids, entry.epoch)).collect();
    let holds = Epoch::new(first.epoch.get() - 1);
    assert_eq!(voids, [(Some(second.seq), holds), (Some(first.seq), holds)]);
    ben_in.says(&home, &ben, "the old epoch holds");
}

#[test]
fn one_account_of_three_cannot_take_a_commit_back() {
    let (home, [ada, ben, cy], [mut ada_in, ..]) = three();
    let group = ada_in.id;
    let commit = ada_in.updates(&home, &ada);
    let hash = ben.log(&home, group, 1).unwrap().entries.as_slice()[0].hash;
    let says = |person: &Guest, verdict| {
        let asked = ReportVerdict {
            group,
            seq: commit.seq,
            hash,
            verdict,
        };
        person.call(&home, &asked).unwrap().remedy
    };

    assert_eq!(says(&ben, Verdict::Refused), Remedy::GoOn);
    assert_eq!(says(&cy, Verdict::Merged), Remedy::GoOn);
    assert_eq!(says(&ben, Verdict::Refused), Remedy::Rejoin);
    assert_eq!(ben.seqs(&home, group, commit.seq.get()), [0u64; 0]);
    let inbox = ben.call(
        &home,
        &FetchInbox {
            after: InboxSeq::new(0),
        },
    );
    let called_back = log::InboxItem::JoinGroup { group };
    let items = inbox.unwrap().items.into_vec();
    assert!(items.iter().any(|row| row.item == called_back));
}

#[test]
fn a_removal_can_not_be_taken_back_by_those_it_removes() {
    let (home, [ada, ben, cy], [mut ada_in, ..]) = three();
    let group = ada_in.id;
    let removal = ada_in.removes(&home, &ada, &cy);
    let hash = ben.log(&home, group, 1).unwrap().entries.as_slice()[0].hash;
    let verdict = ReportVerdict {
        group,
        seq: removal.seq,
        hash,
        verdict: Verdict::Refused,
    };

    assert_eq!(
        cy.call(&home, &verdict).unwrap_err().code,
        ErrorCode::NotFound
    );
}

#[test]
fn who_asks_to_leave_is_removed_by_another() {
    let (home, [ada, ben, _], [mut ada_in, mut ben_in, _]) = three();
    let last_words = ben_in.submission("gone");
    let asked = ben_in.leaving();

    let accepted = ben.call(&home, &asked).unwrap();
    assert_eq!(ben.call(&home, &asked).unwrap(), accepted);
    ada_in.receives(ada.log(&home, ada_in.id, 1).unwrap().entries.as_slice());
    ada_in.updates(&home, &ada);

    let refused = ben.call(&home, &last_words).unwrap_err();
    assert_eq!(refused.code, ErrorCode::NotFound);
    let memberships = ben.call(&home, &ListMemberships {}).unwrap();
    assert!(memberships.groups.as_slice().is_empty());
}

#[test]
fn droppable_signals_are_limited_by_their_length_too() {
    let (home, [ada, ben, _], [ada_in, ..]) = three();
    let group = ada_in.id;
    let [mut from, mut to] = [&ada, &ben].map(|person| person.connect(&home, &[(group, 1)]));
    for line in [&mut from, &mut to] {
        line.frames(&home);
    }
    let signal = |bytes: usize| ClientFrame::Ephemeral {
        group,
        sealed: Blob::new(vec![1; bytes]).unwrap(),
    };

    for _ in 0..40 {
        from.send(&home, &signal(limit::EPHEMERAL_BYTES));
    }
    from.send(&home, &signal(300));

    // Ten seconds' worth of 32 KiB, and what is left of it for a short one.
    assert_eq!(to.frames(&home).len(), 13 + 1);
}

#[test]
fn droppable_signals_reach_members_who_are_there_and_nobody_else() {
    let (home, [ada, ben, _], [ada_in, ..]) = three();
    let stranger = home.person(7);
    let group = ada_in.id;
    let [mut from, mut to, mut other] =
        [&ada, &ben, &stranger].map(|person| person.connect(&home, &[(group, 1)]));
    for line in [&mut from, &mut to, &mut other] {
        line.frames(&home);
    }
    let sealed: Blob<{ limit::EPHEMERAL_BYTES }> = Blob::new(vec![1, 2, 3]).unwrap();
    let signal = ClientFrame::Ephemeral {
        group,
        sealed: sealed.clone(),
    };

    from.send(&home, &signal);
    other.send(&home, &signal);

    let expected = ServerFrame::Ephemeral { group, sealed };
    assert_eq!(to.frames(&home), [expected]);
    assert!(from.frames(&home).is_empty());
    assert!(other.frames(&home).is_empty());
}
