//! Devices that nobody hears of for months are let go, and come back by themselves.

use roost_client::view::{ConversationState, EventKind, MessageState};
use roost_tests::world::{Person, World};
use roost_wire::GroupId;

const DAY_MS: u64 = 86_400_000;

#[test]
fn a_silent_device_is_let_go_and_enters_anew_when_it_is_back() {
    let world = World::seeded(81);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.opens_room_with(&ben);
    world.settle();
    let phone = ben.links_device("ben");
    world.settle();
    assert_eq!(ada.devices_in(&room)[&ben.account()], 2);

    phone.disconnects();
    weeks_pass(&world, 16);
    ada.says(&room, "while the phone was off");
    world.settle();
    let meanwhile = ada.devices_in(&room)[&ben.account()];
    phone.connects();
    world.settle();
    ada.says(&room, "to both");
    world.settle();

    assert_eq!(meanwhile, 1);
    assert_eq!(ada.devices_in(&room)[&ben.account()], 2);
    assert_eq!(phone.state(&room), Some(ConversationState::Ready));
    assert_eq!(phone.reads(&room), ["to both"]);
    assert_eq!(ben.reads(&room), ["while the phone was off", "to both"]);
}

#[test]
fn a_silent_person_is_let_go_and_added_again_when_they_are_back() {
    let world = World::seeded(82);
    let [ada, ben, cem] = world.people(["ada", "ben", "cem"]);
    let room = ada.founds("three", &[&ben, &cem]);
    world.settle();

    cem.disconnects();
    weeks_pass(&world, 16);
    let meanwhile = ada.members(&room);
    ada.says(&room, "cem is away");
    world.settle();
    cem.connects();
    world.settle();
    hours_pass(&world, 3);
    ben.says(&room, "welcome back");
    world.settle();

    assert_eq!(meanwhile, ["ada", "ben"]);
    assert_eq!(ada.members(&room), ["ada", "ben", "cem"]);
    assert_eq!(cem.reads(&room), ["welcome back"]);
    assert_eq!(cem.state(&room), Some(ConversationState::Ready));
    let let_go = EventKind::LetGo { who: cem.account() };
    assert!(ada.events(&room).contains(&let_go));
    assert!(ben.events(&room).contains(&let_go));
}

#[test]
fn what_is_written_to_somebody_who_is_away_waits_until_they_are_back() {
    let world = World::seeded(83);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.opens_room_with(&ben);
    ada.says(&room, "before");
    world.settle();

    ben.disconnects();
    weeks_pass(&world, 16);
    ada.says(&room, "are you there?");
    world.settle();
    let state = ada.message(&room, "are you there?").state;
    ben.connects();
    world.settle();
    hours_pass(&world, 3);

    assert_eq!(state, MessageState::Sending);
    assert_eq!(ben.reads(&room), ["before", "are you there?"]);
    assert_eq!(ada.opens_room_with(&ben), room);
}

#[test]
fn nobody_is_let_go_by_somebody_who_was_away_for_as_long() {
    let world = World::seeded(84);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.opens_room_with(&ben);
    world.settle();

    ada.disconnects();
    ben.disconnects();
    world.settle();
    world.leap(120 * DAY_MS);
    ada.connects();
    world.settle();
    hours_pass(&world, 48);

    assert_eq!(ada.members(&room), ["ada", "ben"]);
}

#[test]
fn those_who_only_read_are_not_silent() {
    let world = World::seeded(85);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room: GroupId = ada.opens_room_with(&ben);
    world.settle();

    weeks_pass(&world, 20);

    for person in [&ada, &ben] {
        let person: &Person = person;
        assert_eq!(person.members(&room), ["ada", "ben"]);
        let let_go = |event: &EventKind| matches!(event, EventKind::LetGo { .. });
        assert!(!person.events(&room).iter().any(let_go));
    }
}

fn weeks_pass(world: &World, weeks: u64) {
    for _ in 0..weeks {
        world.leap(7 * DAY_MS);
        world.settle();
    }
}

fn hours_pass(world: &World, hours: u64) {
    for _ in 0..hours {
        world.leap(3_600_000);
        world.settle();
    }
}
