//! The server is restored from a backup that is older than what people have seen.

use roost_client::Command;
use roost_client::view::{ConversationState, EventKind, MessageState};
use roost_tests::world::{Person, World};
use roost_wire::{GroupId, Seq};

#[test]
fn after_a_restore_new_messages_come_last_unread_and_honestly_marked() {
    let world = World::seeded(81);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.founds("backed up", &[&ben]);
    ada.says(&room, "in the backup");
    world.settle();
    let backup = world.back_up();
    for text in ["one", "two", "three"] {
        ada.says(&room, text);
        world.settle();
    }
    let last = place(&ben, &room, "three");
    reads_up_to(&ben, &room, last);

    world.restore(&backup);
    world.settle();
    ben.disconnects();
    world.settle();
    ada.says(&room, "after");
    world.settle();

    let all = ["in the backup", "one", "two", "three", "after"];
    let state = |text: &str| ada.message(&room, text).state;
    assert_eq!(ada.reads(&room), all);
    assert!(place(&ada, &room, "after") <= last, "a number comes again");
    assert_eq!(state("three"), MessageState::Delivered);
    assert_eq!(state("after"), MessageState::Stored, "ben is away");

    ben.connects();
    world.settle();
    assert_eq!(ben.reads(&room), all);
    assert_eq!(unread(&ben, &room), 1);
    assert_eq!(state("after"), MessageState::Delivered);
    reads_up_to(&ben, &room, place(&ben, &room, "after"));
    assert_eq!(unread(&ben, &room), 0);
    for person in [&ada, &ben] {
        assert_eq!(person.state(&room), Some(ConversationState::Ready));
    }
}

#[test]
fn a_conversation_that_is_whole_in_the_backup_goes_on_without_a_gap() {
    let world = World::seeded(83);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.founds("backed up", &[&ben]);
    ada.says(&room, "before");
    world.settle();
    let backup = world.back_up();
    ben.disconnects();

    world.restore(&backup);
    ada.says(&room, "while ben was away");
    world.settle();
    ben.connects();
    world.settle();
    ben.says(&room, "seen");
    world.settle();

    for person in [&ada, &ben] {
        let name = person.name();
        assert_eq!(
            person.reads(&room),
            ["before", "while ben was away", "seen"],
            "{name}"
        );
        let events = person.events(&room);
        assert!(!events.contains(&EventKind::Rejoined), "{name}: {events:?}");
    }
}

#[test]
fn who_was_added_and_has_read_nothing_yet_stays_in_after_a_restore() {
    let world = World::seeded(84);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.founds("backed up", &[&ben]);
    world.settle();
    assert_eq!(ben.state(&room), Some(ConversationState::Ready));
    let backup = world.back_up();
    ben.disconnects();

    world.restore(&backup);
    ada.says(&room, "while ben was away");
    world.settle();
    ben.connects();
    world.settle();

    assert_eq!(ben.reads(&room), ["while ben was away"]);
    let events = ben.events(&room);
    assert!(!events.contains(&EventKind::Rejoined), "{events:?}");
}

#[test]
fn after_a_restore_what_waits_in_an_inbox_is_fetched() {
    let world = World::seeded(82);
    let [ada, ben] = world.people(["ada", "ben"]);
    let backup = world.back_up();
    for name in ["lost", "as well", "and this"] {
        let _ = ada.founds(name, &[&ben]);
        world.settle();
    }

    world.restore(&backup);
    world.settle();
    let room = ada.founds("new", &[&ben]);
    ada.says(&room, "welcome");
    world.settle();

    assert_eq!(ben.reads(&room), ["welcome"]);
    assert_eq!(ben.state(&room), Some(ConversationState::Ready));
}

fn place(person: &Person, room: &GroupId, text: &str) -> Seq {
    let seq = person.message(room, text).seq;
    seq.expect("it is in the log")
}

fn reads_up_to(person: &Person, room: &GroupId, upto: Seq) {
    let group = *room;
    person.wishes(Command::MarkRead { group, upto });
    assert_eq!(unread(person, room), 0);
}

fn unread(person: &Person, room: &GroupId) -> u32 {
    let view = person.core().conversation(room);
    view.expect("the conversation is there").unread
}
