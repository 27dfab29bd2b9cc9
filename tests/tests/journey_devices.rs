//! One person with several devices.

use roost_client::view::{ConversationState, EventKind};
use roost_tests::world::World;

#[test]
fn a_linked_device_is_in_all_conversations_and_reads_what_follows() {
    let world = World::seeded(61);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.opens_room_with(&ben);
    ada.says(&room, "before the phone");
    world.settle();

    let phone = ada.links_device("ada");
    world.settle();
    ben.says(&room, "to both");
    world.settle();
    phone.says(&room, "from the phone");
    world.settle();

    assert_eq!(phone.account(), ada.account());
    assert_ne!(phone.device(), ada.device());
    assert_eq!(phone.reads(&room), ["to both", "from the phone"]);
    assert_eq!(
        ada.reads(&room),
        ["before the phone", "to both", "from the phone"]
    );
    assert_eq!(
        ben.reads(&room),
        ["before the phone", "to both", "from the phone"]
    );
}

#[test]
fn both_devices_are_added_to_a_new_group_and_removed_with_their_owner() {
    let world = World::seeded(62);
    let [ada, ben] = world.people(["ada", "ben"]);
    let phone = ben.links_device("ben");
    world.settle();

    let room = ada.founds("all of ben", &[&ben]);
    world.settle();
    ada.says(&room, "hello both");
    world.settle();
    ada.removes(&room, &ben);
    world.settle();
    ada.says(&room, "alone");
    world.settle();

    for device in [&ben, &phone] {
        assert_eq!(device.reads(&room), ["hello both"]);
        assert_eq!(device.state(&room), Some(ConversationState::Removed));
    }
    assert_eq!(ada.members(&room), ["ada"]);
}

#[test]
fn a_linked_device_learns_the_names_of_the_groups_it_enters() {
    let world = World::seeded(63);
    let [ada, ben] = world.people(["ada", "ben"]);
    let hikers = ada.founds("Sunday hikers", &[&ben]);
    let choir = ben.founds("Choir", &[&ada]);
    world.settle();

    let phone = ada.links_device("ada");
    world.settle();

    assert_eq!(phone.title(&hikers).as_deref(), Some("Sunday hikers"));
    assert_eq!(phone.title(&choir).as_deref(), Some("Choir"));
    let renamed = |event: &EventKind| matches!(event, EventKind::Renamed { .. });
    for person in [&ada, &ben, &phone] {
        assert!(!person.events(&hikers).iter().any(renamed));
    }
}

#[test]
fn a_linked_device_knows_with_whom_a_conversation_was_that_the_other_one_left() {
    let world = World::seeded(64);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.opens_room_with(&ben);
    world.settle();
    ben.leaves(&room);
    world.settle();

    let phone = ada.links_device("ada");
    world.settle();

    assert_eq!(phone.title(&room).as_deref(), Some("ben"));
    assert_eq!(phone.state(&room), Some(ConversationState::Ready));
}
