//! Groups: who is in, who is out, and what they can read.

use roost_client::view::{ConversationState, EventKind, MessageState};
use roost_tests::world::World;

#[test]
fn three_people_talk_in_a_group_and_know_its_name() {
    let world = World::seeded(21);
    let [ada, ben, cem] = world.people(["ada", "ben", "cem"]);
    let room = ada.founds("Sunday hikers", &[&ben, &cem]);
    world.settle();

    ada.says(&room, "one");
    world.settle();
    ben.says(&room, "two");
    world.settle();
    cem.says(&room, "three");
    world.settle();

    for person in [&ada, &ben, &cem] {
        assert_eq!(
            person.reads(&room),
            ["one", "two", "three"],
            "{}",
            person.name()
        );
        assert_eq!(person.title(&room).as_deref(), Some("Sunday hikers"));
        assert_eq!(person.members(&room), ["ada", "ben", "cem"]);
    }
    assert_eq!(ada.message(&room, "one").state, MessageState::Delivered);
}

#[test]
fn a_removed_member_reads_nothing_that_follows() {
    let world = World::seeded(22);
    let [ada, ben, cem] = world.people(["ada", "ben", "cem"]);
    let room = ada.founds("three", &[&ben, &cem]);
    world.settle();
    ada.says(&room, "for all");
    world.settle();

    ada.removes(&room, &cem);
    world.settle();
    ada.says(&room, "without cem");
    world.settle();
    ben.says(&room, "indeed");
    world.settle();
    cem.says(&room, "am I heard?");
    world.settle();

    assert_eq!(cem.reads(&room)[..1], ["for all"]);
    assert!(!cem.reads(&room).contains(&"without cem".to_owned()));
    assert_eq!(cem.state(&room), Some(ConversationState::Removed));
    assert_eq!(ben.reads(&room), ["for all", "without cem", "indeed"]);
    assert_eq!(ben.members(&room), ["ada", "ben"]);
}

#[test]
fn a_late_joiner_reads_nothing_earlier() {
    let world = World::seeded(23);
    let [ada, ben, cem] = world.people(["ada", "ben", "cem"]);
    let room = ada.founds("two at first", &[&ben]);
    world.settle();
    ada.says(&room, "before cem");
    world.settle();

    ben.adds(&room, &cem);
    world.settle();
    ada.says(&room, "with cem");
    world.settle();

    assert_eq!(cem.reads(&room), ["with cem"]);
    assert_eq!(cem.title(&room).as_deref(), Some("two at first"));
    let entered = |event: &EventKind| matches!(event, EventKind::Entered { .. });
    assert!(cem.events(&room).iter().any(entered));
}

#[test]
fn somebody_new_enters_a_group_by_its_link() {
    let world = World::seeded(24);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.founds("open door", &[&ben]);
    world.settle();
    ada.says(&room, "inside only");
    let link = ada.invites(Some(room));
    let eva = world.device("eva");

    eva.joins(&link);
    world.settle();
    eva.says(&room, "hello from outside");
    world.settle();

    assert_eq!(eva.reads(&room), ["hello from outside"]);
    assert_eq!(ben.reads(&room), ["inside only", "hello from outside"]);
    assert_eq!(ben.members(&room), ["ada", "ben", "eva"]);
}

#[test]
fn somebody_known_enters_a_group_by_its_link() {
    let world = World::seeded(25);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.founds("open door", &[]);
    world.settle();
    let link = ada.invites(Some(room));

    ben.joins(&link);
    world.settle();
    ada.says(&room, "welcome");
    world.settle();

    assert_eq!(ben.reads(&room), ["welcome"]);
}

#[test]
fn changes_made_at_the_same_moment_both_come_true() {
    let world = World::seeded(26);
    let [ada, ben, cem, dov] = world.people(["ada", "ben", "cem", "dov"]);
    let room = ada.founds("race", &[&ben]);
    world.settle();

    ada.adds(&room, &cem);
    ben.adds(&room, &dov);
    world.settle();
    dov.says(&room, "all here");
    world.settle();

    for person in [&ada, &ben, &cem, &dov] {
        assert_eq!(
            person.members(&room),
            ["ada", "ben", "cem", "dov"],
            "{}",
            person.name()
        );
        assert_eq!(person.reads(&room), ["all here"], "{}", person.name());
    }
}

#[test]
fn the_same_change_wanted_twice_happens_once() {
    let world = World::seeded(27);
    let [ada, ben, cem] = world.people(["ada", "ben", "cem"]);
    let room = ada.founds("twice", &[&ben]);
    world.settle();

    ada.adds(&room, &cem);
    ben.adds(&room, &cem);
    world.settle();

    let added = ada
        .events(&room)
        .iter()
        .filter(|event| matches!(event, EventKind::Added { who, .. } if *who == cem.account()))
        .count();
    assert_eq!(added, 1);
    assert_eq!(cem.members(&room), ["ada", "ben", "cem"]);
}

#[test]
fn who_leaves_is_out_and_the_others_go_on() {
    let world = World::seeded(28);
    let [ada, ben, cem] = world.people(["ada", "ben", "cem"]);
    let room = ada.founds("leaving", &[&ben, &cem]);
    world.settle();

    cem.leaves(&room);
    world.settle();
    ada.says(&room, "gone");
    world.settle();

    assert_eq!(ada.members(&room), ["ada", "ben"]);
    assert_eq!(ben.reads(&room), ["gone"]);
    assert!(!cem.reads(&room).contains(&"gone".to_owned()));
    assert_eq!(cem.state(&room), Some(ConversationState::Left));
    let left =
        |event: &EventKind| matches!(event, EventKind::Left { who } if *who == cem.account());
    assert!(ben.events(&room).iter().any(left));
}

#[test]
fn a_removed_member_can_be_added_again_and_missed_what_was_said_meanwhile() {
    let world = World::seeded(29);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.founds("back again", &[&ben]);
    world.settle();
    ada.says(&room, "one");
    world.settle();

    ada.removes(&room, &ben);
    world.settle();
    ada.says(&room, "two");
    world.settle();
    ada.adds(&room, &ben);
    world.settle();
    ada.says(&room, "three");
    world.settle();

    assert_eq!(ben.reads(&room), ["one", "three"]);
    assert_eq!(ben.state(&room), Some(ConversationState::Ready));
}

#[test]
fn a_new_name_reaches_everyone_and_newcomers() {
    let world = World::seeded(30);
    let [ada, ben, cem] = world.people(["ada", "ben", "cem"]);
    let room = ada.founds("old name", &[&ben]);
    world.settle();

    ben.wishes(roost_client::Command::Rename {
        group: room,
        name: "new name".into(),
    });
    world.settle();
    ada.adds(&room, &cem);
    world.settle();

    for person in [&ada, &ben, &cem] {
        assert_eq!(
            person.title(&room).as_deref(),
            Some("new name"),
            "{}",
            person.name()
        );
    }
}
