//! What goes wrong is put right without anybody's help.

use roost_client::view::{ConversationState, EventKind, MessageState};
use roost_tests::world::World;
use roost_tests::world::fragile_store::Death;

#[test]
fn a_broken_commit_of_a_member_is_taken_back_and_all_go_on() {
    let world = World::seeded(41);
    let [ada, ben, cem, eve, dov] = world.people(["ada", "ben", "cem", "eve", "dov"]);
    let room = ada.founds("one of us is odd", &[&ben, &cem, &eve]);
    world.settle();

    eve.spoils_commits(1);
    eve.adds(&room, &dov);
    world.settle();
    for person in [&ada, &ben, &cem, &eve] {
        person.says(&room, &format!("still here, {}", person.name()));
        world.settle();
    }

    let history = world.stage().witness.history(&room);
    let voids = history.chapters.iter().filter_map(|entry| entry.voids);
    assert_eq!(voids.count(), 1);
    let expected = ["ada", "ben", "cem", "eve"].map(|name| format!("still here, {name}"));
    for person in [&ada, &ben, &cem, &eve] {
        let name = person.name();
        assert_eq!(
            person.state(&room),
            Some(ConversationState::Ready),
            "{name}"
        );
        assert_eq!(person.reads(&room), expected, "{name}");
        assert_eq!(
            person.members(&room),
            ["ada", "ben", "cem", "eve"],
            "{name}"
        );
    }
}

#[test]
fn a_message_nobody_can_open_stops_nobody() {
    let world = World::seeded(42);
    let [ada, ben, eve] = world.people(["ada", "ben", "eve"]);
    let room = ada.founds("noise", &[&ben, &eve]);
    world.settle();

    eve.spoils_messages(1);
    eve.says(&room, "spoiled");
    world.settle();
    eve.says(&room, "whole");
    ada.says(&room, "and mine");
    world.settle();

    for person in [&ada, &ben] {
        let texts = person.reads(&room);
        assert!(!texts.contains(&"spoiled".to_owned()), "{}", person.name());
        assert!(texts.contains(&"whole".to_owned()), "{}", person.name());
        assert!(texts.contains(&"and mine".to_owned()), "{}", person.name());
        assert_eq!(
            person.state(&room),
            Some(ConversationState::Ready),
            "{}",
            person.name()
        );
    }
}

#[test]
fn a_device_away_for_longer_than_the_log_rejoins_and_says_so() {
    let world = World::seeded(43);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.founds("long absence", &[&ben]);
    ada.says(&room, "before");
    world.settle();

    ben.disconnects();
    world.settle();
    ada.says(&room, "missed");
    world.settle();
    world.pass(40 * 86_400_000);
    ben.connects();
    world.settle();
    ada.says(&room, "after");
    world.settle();

    assert_eq!(ben.reads(&room), ["before", "after"]);
    let rejoined = |event: &EventKind| matches!(event, EventKind::Rejoined);
    assert!(
        ben.events(&room).iter().any(rejoined),
        "{:?}",
        ben.events(&room)
    );
}

#[test]
fn a_copied_profile_never_sends_with_the_keys_of_the_other() {
    let world = World::seeded(44);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.opens_room_with(&ben);
    ada.says(&room, "one");
    world.settle();
    let copy = world.copy_of(&ada, "ada");

    ada.says(&room, "two");
    world.settle();
    ada.disconnects();
    world.settle();
    copy.starts();
    copy.connects();
    world.settle();
    copy.says(&room, "from the copy");
    world.settle();

    assert_eq!(ben.reads(&room), ["one", "two", "from the copy"]);
    assert_eq!(ben.state(&room), Some(ConversationState::Ready));
    let rejoined = |event: &EventKind| matches!(event, EventKind::Rejoined);
    assert!(
        copy.events(&room).iter().any(rejoined),
        "{:?}",
        copy.events(&room)
    );
}

#[test]
fn a_client_that_crashes_in_any_step_of_a_message_loses_and_doubles_nothing() {
    let world = World::seeded(45);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.opens_room_with(&ben);
    world.settle();
    let mut expected = Vec::new();

    for doomed in [&ada, &ben] {
        for death in [Death::BeforeTheCommit, Death::AfterTheCommit] {
            for step in 0.. {
                let text = format!("{} {death:?} {step}", doomed.name());
                ada.says(&room, &text);
                expected.push(text);
                doomed.will_crash_in_step(step, death);
                world.settle();
                if doomed.is_spared() {
                    assert!(step > 2, "{} takes {step} steps", doomed.name());
                    break;
                }
            }
        }
    }

    assert_eq!(ben.reads(&room), expected);
    assert_eq!(ada.reads(&room), expected);
}

#[test]
fn what_was_said_after_a_commit_that_is_taken_back_reaches_those_who_refused_it() {
    let world = World::seeded(47);
    let [ada, ben, eve, dov] = world.people(["ada", "ben", "eve", "dov"]);
    let room = ada.founds("one of us is odd", &[&ben, &eve]);
    world.settle();
    ada.disconnects();
    ben.disconnects();
    eve.spoils_commits(1);
    eve.adds(&room, &dov);
    world.settle();
    eve.says(&room, "said too soon");
    eve.reacts(&room, "said too soon", "👍");
    world.settle();
    assert_eq!(
        eve.message(&room, "said too soon").state,
        MessageState::Stored
    );

    ada.connects();
    ben.connects();
    world.settle();

    for person in [&ada, &ben, &eve] {
        let name = person.name();
        assert_eq!(person.reads(&room), ["said too soon"], "{name}");
        let reactions = person.message(&room, "said too soon").reactions;
        assert_eq!(reactions.len(), 1, "{name}");
    }
    assert_eq!(
        eve.message(&room, "said too soon").state,
        MessageState::Delivered
    );
}
