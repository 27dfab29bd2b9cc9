//! A lost device is shut out, and everybody follows the account's new key without alarm.

use roost_client::view::{ConversationState, Trust};
use roost_client::{Command, Notice};
use roost_tests::world::{Person, World};

#[test]
fn a_revoked_device_reads_nothing_that_follows_and_nobody_is_alarmed() {
    let world = World::seeded(91);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.opens_room_with(&ben);
    let phone = ada.links_device("ada");
    world.settle();
    ben.says(&room, "for both devices");
    world.settle();
    let trust = ben.trust_in(&ada);

    ada.revokes(&phone);
    world.settle();
    minutes_pass(&world, 5);
    ben.says(&room, "not for the phone");
    world.settle();
    phone.says(&room, "am I heard?");
    world.settle();

    assert_eq!(ben.devices_in(&room)[&ada.account()], 1);
    assert_eq!(ada.reads(&room), ["for both devices", "not for the phone"]);
    assert!(!phone.reads(&room).contains(&"not for the phone".to_owned()));
    assert_eq!(ben.reads(&room), ada.reads(&room));
    assert!(has(&ada, &Notice::DeviceRevoked(phone.device())));
    let told = |notice: &Notice| match notice {
        Notice::Failed { reason, .. } => reason.contains("does not know this device"),
        _ => false,
    };
    assert_eq!(phone.notices().iter().filter(|one| told(one)).count(), 1);
    hours_pass(&world, 13);
    assert_eq!(ben.trust_in(&ada), trust);
    assert_eq!(ben.core().person(&ada.account()).unwrap().key, key(&ada));
    assert_no_alarm(&[&ada, &ben]);
}

#[test]
fn devices_that_stay_take_over_the_new_key_and_can_link_others() {
    let world = World::seeded(92);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.opens_room_with(&ben);
    let lost = ada.links_device("ada");
    world.settle();
    let tablet = ada.links_device("ada");
    world.settle();
    let before = key(&ada);

    ada.revokes(&lost);
    world.settle();
    hours_pass(&world, 8);
    let watch = tablet.links_device("ada");
    world.settle();
    minutes_pass(&world, 5);
    ben.says(&room, "who hears me?");
    world.settle();

    assert_ne!(key(&ada), before);
    assert_eq!(key(&tablet), key(&ada));
    for device in [&ada, &tablet, &watch] {
        assert!(device.reads(&room).contains(&"who hears me?".to_owned()));
    }
    assert_eq!(lost.reads(&room), Vec::<String>::new());
    assert_eq!(ben.devices_in(&room)[&ada.account()], 3);
    assert_no_alarm(&[&ada, &ben, &tablet, &watch]);
}

#[test]
fn a_second_revocation_follows_the_first() {
    let world = World::seeded(93);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.opens_room_with(&ben);
    let first = ada.links_device("ada");
    world.settle();
    let second = ada.links_device("ada");
    world.settle();

    ada.revokes(&first);
    world.settle();
    minutes_pass(&world, 5);
    ada.revokes(&second);
    world.settle();
    hours_pass(&world, 8);
    ben.says(&room, "to the last one");
    world.settle();

    assert_eq!(ben.devices_in(&room)[&ada.account()], 1);
    assert_eq!(ada.reads(&room), ["to the last one"]);
    assert_no_alarm(&[&ada, &ben]);
}

#[test]
fn somebody_who_was_away_follows_and_sees_the_revoked_leaf_go() {
    let world = World::seeded(94);
    let [ada, ben, cem] = world.people(["ada", "ben", "cem"]);
    let room = ada.founds("three", &[&ben, &cem]);
    world.settle();
    ben.disconnects();
    let phone = ada.links_device("ada");
    world.settle();

    ada.revokes(&phone);
    world.settle();
    minutes_pass(&world, 5);
    ben.connects();
    world.settle();
    ben.says(&room, "back again");
    world.settle();

    assert_eq!(ben.devices_in(&room)[&ada.account()], 1);
    assert_eq!(ada.reads(&room), ["back again"]);
    assert_eq!(cem.reads(&room), ["back again"]);
    assert_eq!(ben.state(&room), Some(ConversationState::Ready));
    assert_no_alarm(&[&ada, &ben, &cem]);
}

#[test]
fn a_revocation_survives_crashes_of_the_device_that_makes_it() {
    for steps in 0..12 {
        let world = World::seeded(9_500 + steps);
        let [ada, ben] = world.people(["ada", "ben"]);
        let room = ada.opens_room_with(&ben);
        let phone = ada.links_device("ada");
        world.settle();

        ada.revokes(&phone);
        world.pass(steps * 15);
        ada.crashes();
        world.settle();
        hours_pass(&world, 8);
        ada.says(&room, "alive");
        world.settle();

        assert_eq!(ben.devices_in(&room)[&ada.account()], 1, "{steps}");
        assert!(ben.reads(&room).contains(&"alive".to_owned()), "{steps}");
        assert_eq!(ben.core().person(&ada.account()).unwrap().key, key(&ada));
        assert_no_alarm(&[&ada, &ben]);
    }
}

#[test]
fn only_the_device_with_the_recovery_secret_revokes_and_never_itself() {
    let world = World::seeded(96);
    let [ada] = world.people(["ada"]);
    let phone = ada.links_device("ada");
    world.settle();

    phone.revokes(&ada);
    ada.revokes(&ada);
    world.settle();

    let refused = |notice: &Notice| matches!(notice, Notice::Refused { .. });
    assert!(phone.notices().iter().any(refused));
    assert!(ada.notices().iter().any(refused));
    ada.wishes(Command::RefreshDevices);
    world.settle();
    assert_eq!(ada.core().devices().len(), 2);
}

fn key(person: &Person) -> roost_wire::AccountKey {
    person.core().me().expect("joined").key
}

fn has(person: &Person, wanted: &Notice) -> bool {
    person.notices().contains(wanted)
}

fn assert_no_alarm(people: &[&Person]) {
    for person in people {
        let alarm = |notice: &Notice| matches!(notice, Notice::KeyChanged(_));
        assert!(!person.notices().iter().any(alarm), "{}", person.name());
        for other in person.core().people() {
            assert_ne!(other.trust, Trust::KeyChanged, "{}", person.name());
        }
    }
}

fn minutes_pass(world: &World, minutes: u64) {
    world.leap(minutes * 60_000);
    world.settle();
}

fn hours_pass(world: &World, hours: u64) {
    for _ in 0..hours {
        world.leap(3_600_000);
        world.settle();
    }
}
