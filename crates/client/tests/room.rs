//! Group calls through a relay that lets everybody in: what the members themselves hold to.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests may panic"
)]

mod relay;

use relay::World;
use roost_client::{Command, Notice, Trouble};
use roost_wire::api::Verdict;
use roost_wire::{ErrorCode, GroupId};
use std::collections::BTreeSet;

const ADA: usize = 0;
const BEN: usize = 1;
const CEM: usize = 2;

#[test]
fn three_meet_in_a_call_and_nothing_of_it_is_stored() {
    let (mut world, room) = three();
    enter(&mut world, ADA, room);
    world.live_for(10_000);
    // The line that says that there is a call is part of the conversation.
    let before = world.people[BEN].rows.clone();

    for at in [BEN, CEM] {
        enter(&mut world, at, room);
    }

    for at in [ADA, BEN, CEM] {
        assert_eq!(roster(&world, at), ["Ada", "Ben", "Cem"]);
        assert_eq!(world.troubles(at), []);
    }
    assert_eq!(keys(&world, ADA), keys(&world, CEM));
    assert_eq!(world.people[BEN].rows, before);
}

#[test]
fn a_removed_member_whom_the_server_lets_in_all_the_same_is_refused_by_the_others() {
    let (mut world, room) = three();
    enter(&mut world, ADA, room);
    enter(&mut world, BEN, room);
    removed_but_unaware(&mut world, room);

    enter_at_once(&mut world, CEM, room);
    let hers = keys(&world, CEM);
    world.run_without_time();

    let call = world.people[ADA].core.room().unwrap().call.unwrap();
    for at in [ADA, BEN] {
        assert_eq!(roster(&world, at), ["Ada", "Ben"]);
        assert_eq!(world.troubles(at), [(Trouble::CommitRefused, 1)]);
        assert!(keys(&world, at).is_disjoint(&hers));
    }
    let verdicts = world.relay.verdicts.iter();
    let refusals = verdicts.filter(|(_, _, verdict)| *verdict == Verdict::Refused);
    assert_eq!(refusals.count(), 2);
    assert_eq!(world.relay.roster(&call).len(), 2, "taken back");
    assert!(world.people[CEM].core.room_keys().is_none());
}

#[test]
fn keys_that_somebody_who_was_removed_has_open_nothing_six_seconds_later() {
    let mut world = cem_was_removed();
    world.people[BEN].notices.clear();
    pass(&mut world, 7);

    for at in [ADA, BEN] {
        let epoch = world.people[at].core.room().unwrap().epoch;
        assert_eq!(epochs(&world, at), BTreeSet::from([epoch]));
    }
    assert!(world.people[BEN].notices.contains(&Notice::RoomKeys));
}

#[test]
fn they_open_nothing_six_seconds_later_also_for_whoever_is_signed_out_or_cut_off() {
    for is_cut_off in [false, true] {
        they_open_nothing_to_whom_the_server_keeps_out(is_cut_off);
    }
}

fn they_open_nothing_to_whom_the_server_keeps_out(is_cut_off: bool) {
    let mut world = cem_was_removed();
    if is_cut_off {
        world.people[BEN].offline = true;
        world.drop_socket(BEN);
    } else {
        world.relay.refuse_next = vec![ErrorCode::NotSignedIn; 9];
        world.relay.refuse_sign_ins = 1_000;
    }
    world.tell(BEN, Command::RefreshPeople);
    world.run_without_time();
    pass(&mut world, 7);

    assert_eq!(epochs(&world, BEN).len(), 1);
}

#[test]
fn a_page_that_takes_over_a_call_gets_fresh_keys_and_connects() {
    let (mut world, room) = three();
    enter(&mut world, ADA, room);
    let before = keys(&world, ADA);
    world.people[ADA].notices.clear();

    world.tell(ADA, Command::EnterCall { conversation: room });
    world.tell(ADA, Command::RenewRoomSession);

    assert!(keys(&world, ADA).is_disjoint(&before));
    for told in [Notice::RoomKeys, Notice::MediaLost] {
        assert!(world.people[ADA].notices.contains(&told));
    }
}

#[test]
fn a_call_that_a_removed_member_began_is_not_entered() {
    let (mut world, room) = three();
    removed_but_unaware(&mut world, room);
    enter(&mut world, CEM, room);

    enter(&mut world, BEN, room);
    pass(&mut world, 20);

    assert!(world.people[BEN].core.room().is_none());
    let failed = world.people[BEN].notices.iter().any(|notice| match notice {
        Notice::Failed { group, reason } => {
            *group == Some(room) && reason.starts_with("The call could not be entered.")
        }
        _ => false,
    });
    assert!(failed);
}

#[test]
fn a_call_of_another_conversation_is_not_entered() {
    let (mut world, room) = three();
    let other = world.group(ADA, "other", &[BEN]);
    go_live(&mut world);
    enter(&mut world, ADA, other);
    let call = world.relay.calls[&other];
    world.relay.calls.insert(room, call);

    enter(&mut world, CEM, room);
    pass(&mut world, 20);

    assert!(world.people[CEM].core.room().is_none());
    assert_eq!(roster(&world, ADA), ["Ada"]);
}

#[test]
fn a_joiner_who_is_ahead_of_somebody_in_the_conversation_is_waited_for() {
    let (mut world, room) = three();
    enter(&mut world, ADA, room);
    enter(&mut world, BEN, room);
    let (ada, dora) = (world.people[ADA].device(), add_dora(&mut world));
    world.relay.withhold(ada, room);
    let account = world.people[dora].account();
    world.tell(
        BEN,
        Command::AddMembers {
            group: room,
            accounts: vec![account],
        },
    );
    pass(&mut world, 3);

    enter(&mut world, dora, room);
    assert_eq!(roster(&world, ADA), ["Ada", "Ben"]);
    world.relay.withholds.clear();
    pass(&mut world, 3);

    assert_eq!(roster(&world, ADA), ["Ada", "Ben", "Dora"]);
    assert_eq!(world.troubles(ADA), []);
}

#[test]
fn a_call_needs_a_connection_and_a_conversation() {
    let mut world = World::with(&["Ada", "Ben"]);
    let room = world.direct(ADA, BEN);

    world.tell(ADA, Command::EnterCall { conversation: room });
    assert!(was_refused(&mut world));
    go_live(&mut world);
    let unknown = GroupId::new([9; 16]);
    world.tell(
        ADA,
        Command::EnterCall {
            conversation: unknown,
        },
    );
    assert!(was_refused(&mut world));
    world.tell(ADA, Command::EnterCall { conversation: room });
    assert!(!was_refused(&mut world));
}

#[test]
fn one_call_at_a_time() {
    let (mut world, room) = three();
    let other = world.group(ADA, "other", &[BEN]);
    go_live(&mut world);
    enter(&mut world, ADA, room);

    world.tell(
        ADA,
        Command::EnterCall {
            conversation: other,
        },
    );

    assert!(was_refused(&mut world));
    assert_eq!(world.people[ADA].core.room().unwrap().conversation, room);
}

#[test]
fn entering_takes_two_round_trips_and_founding_one() {
    let (mut world, room) = three();
    let before = world.people[ADA].steps;
    enter_at_once(&mut world, ADA, room);
    assert!(world.people[ADA].core.room_keys().is_some());
    let founding = world.people[ADA].steps - before;

    let before = world.people[BEN].steps;
    enter_at_once(&mut world, BEN, room);
    assert!(world.people[BEN].core.room_keys().is_some());
    let entering = world.people[BEN].steps - before;

    assert_eq!(
        founding, 3,
        "the command and one answer, beside the relay's"
    );
    assert_eq!(
        entering, 4,
        "the command and two answers, beside the relay's"
    );
}

#[test]
fn a_guest_whom_a_member_admits_is_in_the_call_and_reads_nothing_of_the_conversation() {
    let (mut world, room) = three();
    let dora = add_dora(&mut world);
    let call = call_with_guest(&mut world, room, dora);

    for at in [ADA, BEN, dora] {
        assert_eq!(roster(&world, at), ["Ada", "Ben", "Dora"]);
        assert_eq!(keys(&world, at), keys(&world, ADA));
        assert_eq!(world.troubles(at), []);
        let seen = world.people[at].core.room().unwrap().members;
        let guests = seen.iter().filter(|member| member.is_guest);
        assert_eq!(guests.count(), 1);
    }
    world.say(ADA, room, "not for guests");
    pass(&mut world, 2);
    assert!(world.people[dora].core.conversations().is_empty());
    let stored = world.people[dora].rows.values().flatten().copied();
    let stored: Vec<u8> = stored.collect();
    assert!(!stored.windows(16).any(|bytes| bytes == call.as_bytes()));
}

#[test]
fn a_guest_who_left_has_no_key_of_what_follows() {
    let (mut world, room) = three();
    let dora = add_dora(&mut world);
    enter(&mut world, CEM, room);
    call_with_guest(&mut world, room, dora);
    assert_eq!(roster(&world, dora), ["Ada", "Ben", "Cem", "Dora"]);
    assert_eq!(keys(&world, dora), keys(&world, CEM));
    let before = keys(&world, dora);
    world.tell(dora, Command::LeaveCall);
    pass(&mut world, 2);

    for at in [ADA, BEN, CEM] {
        assert_eq!(roster(&world, at), ["Ada", "Ben", "Cem"]);
        assert!(keys(&world, at).is_disjoint(&before));
    }
}

#[test]
fn a_guest_lets_nobody_in_and_cannot_enter_by_itself() {
    let (mut world, room) = three();
    let dora = add_dora(&mut world);
    call_with_guest(&mut world, room, dora);
    let account = world.people[CEM].account();

    world.tell(dora, Command::AdmitGuest { account });
    pass(&mut world, 2);
    assert_eq!(roster(&world, ADA), ["Ada", "Ben", "Dora"]);
    let account = world.people[dora].account();
    world.tell(BEN, Command::RemoveFromCall { account });
    pass(&mut world, 2);
    assert!(world.people[dora].core.room().is_none());

    world.tell(dora, Command::EnterCall { conversation: room });
    pass(&mut world, 2);

    assert!(world.people[dora].core.room().is_none());
    assert_eq!(roster(&world, ADA), ["Ada", "Ben"]);
}

/// Ada and Ben in a call, and a guest whom Ben let in.
fn call_with_guest(world: &mut World, room: GroupId, guest: usize) -> GroupId {
    enter(world, ADA, room);
    enter(world, BEN, room);
    let call = world.relay.calls[&room];
    let conversation = room;
    world.tell(guest, Command::WaitForCall { conversation, call });
    pass(world, 1);
    let account = world.people[guest].account();
    world.tell(BEN, Command::AdmitGuest { account });
    pass(world, 4);
    call
}

/// A conversation of three, all connected.
fn three() -> (World, GroupId) {
    let mut world = World::with(&["Ada", "Ben", "Cem"]);
    let room = world.group(ADA, "three", &[BEN, CEM]);
    go_live(&mut world);
    (world, room)
}

fn go_live(world: &mut World) {
    for at in 0..world.people.len() {
        world.tell(at, Command::Connect);
    }
    world.run();
}

fn add_dora(world: &mut World) -> usize {
    let at = world.device();
    let link = world.setup_link();
    let name = "Dora".to_owned();
    world.tell(at, Command::Join { link, name });
    world.tell(at, Command::Connect);
    pass(world, 3);
    world.tell(BEN, Command::RefreshPeople);
    pass(world, 3);
    at
}

/// Ada removes Cem from the conversation; the relay keeps that from Cem.
fn removed_but_unaware(world: &mut World, room: GroupId) {
    let (cem, account) = (world.people[CEM].device(), world.people[CEM].account());
    world.relay.withhold(cem, room);
    world.tell(
        ADA,
        Command::RemoveMember {
            group: room,
            account,
        },
    );
    pass(world, 3);
    assert_eq!(world.people[ADA].core.members(&room).len(), 2);
    assert_eq!(world.people[CEM].core.members(&room).len(), 3);
}

/// A moment after: the keys of the epoch before are there still.
fn cem_was_removed() -> World {
    let (mut world, room) = three();
    for at in [ADA, BEN, CEM] {
        enter(&mut world, at, room);
    }
    pass(&mut world, 7);
    let account = world.people[CEM].account();
    world.tell(ADA, Command::RemoveFromCall { account });
    world.run_without_time();
    assert_eq!(epochs(&world, BEN).len(), 2, "for what is on its way");
    world
}

fn enter(world: &mut World, at: usize, conversation: GroupId) {
    world.tell(at, Command::EnterCall { conversation });
    pass(world, 3);
}

/// Until the device has its keys, and no further.
fn enter_at_once(world: &mut World, at: usize, conversation: GroupId) {
    world.tell(at, Command::EnterCall { conversation });
    while world.people[at].core.room_keys().is_none() && world.perform_next(at) {}
}

/// Lets so many seconds pass, and everything happen in each of them.
fn pass(world: &mut World, seconds: u64) {
    for _ in 0..seconds {
        world.run_without_time();
        world.pass(1);
        for at in 0..world.people.len() {
            world.tick(at);
        }
        world.run_without_time();
    }
}

fn roster(world: &World, at: usize) -> Vec<String> {
    let room = world.people[at].core.room().expect("in a call");
    let names = room.members.iter().map(|member| member.name.to_string());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// The epochs whose frames can be opened.
fn epochs(world: &World, at: usize) -> BTreeSet<u64> {
    let keys = world.people[at].core.room_keys().expect("in a call");
    keys.senders.iter().map(|sender| sender.epoch).collect()
}

/// Everything that opens a frame of the current epoch.
fn keys(world: &World, at: usize) -> BTreeSet<[u8; 32]> {
    let keys = world.people[at].core.room_keys().expect("in a call");
    let current = keys.senders.iter().filter(|one| one.epoch == keys.epoch);
    current
        .flat_map(|sender| &sender.keys)
        .map(|key| *key.key())
        .collect()
}

fn was_refused(world: &mut World) -> bool {
    let notices = std::mem::take(&mut world.people[ADA].notices);
    let refused = |notice: &Notice| matches!(notice, Notice::Refused { .. });
    notices.iter().any(refused)
}
