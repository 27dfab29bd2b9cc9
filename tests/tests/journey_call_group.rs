//! Group calls: who is in one, who is out of it, and whose keys open what.

use roost_client::content::CallOutcome;
use roost_client::room::{MediaOffer, RoomKeys, RoomState};
use roost_client::{Command, Notice};
use roost_sfu::{Ask, Queue};
use roost_tests::world::{Person, World};
use roost_wire::api::{MediaConnected, MediaConnection, Sdp, Track, TrackId, TrackKind, Tracks};
use roost_wire::frame::ServerFrame;
use roost_wire::{Blob, DeviceId, GroupId, List};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Time enough for what follows at once.
const SOON_MS: u64 = 2_000;

#[test]
fn two_of_three_are_in_the_call_and_share_keys_and_the_third_has_none() {
    let (world, [ada, ben, cem], room) = three(401);

    ada.enters(&room);
    world.pass(SOON_MS);
    ben.enters(&room);
    world.pass(SOON_MS);

    for person in [&ada, &ben] {
        assert_eq!(person.roster(), ["ada", "ben"], "{}", person.name());
        assert_eq!(person.call_state(), Some(RoomState::Live));
    }
    assert_eq!(ada.frame_keys_of(&ben), ben.frame_keys_of(&ben));
    assert_eq!(ben.frame_keys_of(&ada), ada.frame_keys_of(&ada));
    assert_ne!(ada.frame_keys_of(&ada), ada.frame_keys_of(&ben));
    assert!(cem.core().room_keys().is_none());
    assert_eq!(cem.core().call_on(&room), ada.call());
    let is_call = |id: GroupId| Some(id) == ada.call();
    for person in [&ada, &cem] {
        assert!(
            !person
                .core()
                .conversations()
                .iter()
                .any(|one| is_call(one.id))
        );
    }
}

#[test]
fn two_who_begin_at_once_end_up_in_one_call() {
    for seed in 0..5 {
        let (world, [ada, ben, cem], room) = three(410 + seed);

        ada.enters(&room);
        ben.enters(&room);
        cem.enters(&room);
        world.pass(3 * SOON_MS);

        for person in [&ada, &ben, &cem] {
            assert_eq!(person.roster(), ["ada", "ben", "cem"], "{}", person.name());
            assert_eq!(person.call(), ada.call());
            assert_eq!(person.frame_keys_of(&ada), ada.frame_keys_of(&ada));
        }
    }
}

#[test]
fn who_leaves_is_out_at_once_and_has_no_key_of_the_next_epoch() {
    let (world, [ada, ben, cem], room) = three_in_call(420);
    let before = cem.keys();

    cem.wishes(Command::LeaveCall);
    assert!(
        cem.core().room_keys().is_none(),
        "wiped before anybody knows"
    );
    world.pass(1_000);

    assert_eq!(ada.roster(), ["ada", "ben"]);
    assert_eq!(ben.roster(), ["ada", "ben"]);
    assert!(cem.core().room().is_none());
    assert_opens_nothing(&before, &ada.keys());
    assert_eq!(ada.frame_keys_of(&ben), ben.frame_keys_of(&ben));
    assert_eq!(
        cem.core().call_on(&room),
        ada.call(),
        "it goes on without her"
    );
}

#[test]
fn whoever_is_removed_from_the_call_is_out_within_a_second_and_may_come_back() {
    let (world, [ada, ben, cem], room) = three_in_call(421);
    let before = cem.keys();

    ben.wishes(Command::RemoveFromCall {
        account: cem.account(),
    });
    world.pass(1_000);

    assert_eq!(ada.roster(), ["ada", "ben"]);
    assert!(cem.core().room().is_none());
    assert_opens_nothing(&before, &ada.keys());
    assert_eq!(cem.members(&room), ["ada", "ben", "cem"]);

    cem.enters(&room);
    world.pass(10_000);
    for person in [&ada, &ben, &cem] {
        assert_eq!(person.roster(), ["ada", "ben", "cem"], "{}", person.name());
    }
}

#[test]
fn whoever_is_removed_from_the_conversation_is_out_of_the_call_too() {
    let (world, [ada, ben, cem], room) = three_in_call(422);
    let before = cem.keys();

    ada.removes(&room, &cem);
    world.pass(2 * SOON_MS);

    assert_eq!(ada.roster(), ["ada", "ben"]);
    assert_eq!(ben.roster(), ["ada", "ben"]);
    assert!(cem.core().room().is_none());
    assert_opens_nothing(&before, &ada.keys());

    cem.enters(&room);
    world.pass(SOON_MS);

    assert!(cem.core().room().is_none());
    assert_eq!(ada.roster(), ["ada", "ben"]);
}

#[test]
fn whoever_is_added_to_the_conversation_may_enter_the_call_that_is_on() {
    let world = World::seeded(423);
    let [ada, ben, cem, dov] = world.people(["ada", "ben", "cem", "dov"]);
    let room = ada.founds("four at last", &[&ben, &cem]);
    world.settle();
    ada.enters(&room);
    ben.enters(&room);
    world.pass(SOON_MS);

    cem.adds(&room, &dov);
    world.pass(2 * SOON_MS);
    dov.enters(&room);
    world.pass(SOON_MS);

    for person in [&ada, &ben, &dov] {
        assert_eq!(person.roster(), ["ada", "ben", "dov"], "{}", person.name());
        assert_eq!(person.frame_keys_of(&dov), dov.frame_keys_of(&dov));
    }
}

#[test]
fn a_stranger_to_the_conversation_does_not_enter_its_call() {
    let world = World::seeded(424);
    let [ada, ben, eve] = world.people(["ada", "ben", "eve"]);
    let room = ada.founds("two", &[&ben]);
    world.settle();
    ada.enters(&room);
    world.pass(SOON_MS);

    eve.enters(&room);
    world.pass(SOON_MS);

    assert!(eve.core().room().is_none());
    assert_eq!(ada.roster(), ["ada"]);
    assert_eq!(eve.core().call_on(&room), None);
}

#[test]
fn a_device_that_crashed_is_removed_after_a_while_and_its_keys_open_nothing() {
    let (world, [ada, ben, cem], _) = three_in_call(425);
    let before = cem.keys();

    cem.crashes();
    world.pass(40_000);

    assert_eq!(ada.roster(), ["ada", "ben"]);
    assert_eq!(ben.roster(), ["ada", "ben"]);
    assert_opens_nothing(&before, &ada.keys());
    assert!(cem.core().room().is_none(), "nothing of a call is stored");
}

#[test]
fn who_is_not_heard_is_cut_off_and_comes_back_by_itself() {
    let (world, [ada, ben, cem], _) = three_in_call(443);
    let epoch = ada.keys().epoch;

    cem.is_hoarse(true);
    world.pass(30_000);
    cem.is_hoarse(false);
    world.pass(10_000);

    assert!(ada.keys().epoch >= epoch + 2, "out, and in again");
    for person in [&ada, &ben, &cem] {
        assert_eq!(person.roster(), ["ada", "ben", "cem"], "{}", person.name());
    }
}

#[test]
fn what_somebody_said_before_they_came_in_anew_is_not_taken_for_new() {
    let (world, [ada, ben, _], room) = three_in_call(444);
    let group = ada.call().unwrap();
    let before = Blob::new(ada.last_signal().unwrap()).unwrap();
    ada.crashes();
    world.pass(SOON_MS);
    let epoch = ben.keys().epoch;
    ada.enters(&room);
    while ben.keys().epoch == epoch {
        world.pass(1);
    }

    ben.is_told(&ServerFrame::Ephemeral {
        group,
        sealed: before,
    });
    world.pass(SOON_MS);

    assert_eq!(ben.frame_keys_of(&ada), ada.frame_keys_of(&ada));
}

#[test]
fn who_left_may_come_back_whoever_removed_them_too_late() {
    let (world, [ada, ben, cem], room) = three_in_call(445);
    cem.wishes(Command::LeaveCall);
    world.pass(SOON_MS);

    ada.wishes(Command::RemoveFromCall {
        account: cem.account(),
    });
    cem.enters(&room);
    world.pass(10_000);

    for person in [&ada, &ben, &cem] {
        assert_eq!(person.roster(), ["ada", "ben", "cem"], "{}", person.name());
    }
}

#[test]
fn a_call_with_nobody_of_the_conversation_gives_way_to_another_and_its_media_end() {
    let (world, [ada, ben, _], room) = three(446);
    let queue = Queue::default();
    world.forwards_to(queue.clone());
    ben.enters(&room);
    world.pass(SOON_MS);
    let (abandoned, device) = (ben.call().unwrap(), ben.device());

    ada.removes(&room, &ben);
    ben.crashes();
    world.pass(SOON_MS);
    let cuts = queue.take(Duration::ZERO).cuts;
    assert!(cuts.contains(&(abandoned, device)));
    ada.enters(&room);
    world.pass(SOON_MS);

    assert_eq!(ada.roster(), ["ada"]);
    assert_ne!(ada.call(), Some(abandoned));
    assert!(queue.take(Duration::ZERO).closed.contains(&abandoned));
}

#[test]
fn who_is_out_of_the_conversation_is_no_guest_of_who_comes_later() {
    let (world, [ada, ben, cem], room) = three(447);
    for person in [&ben, &ada] {
        person.enters(&room);
        world.pass(SOON_MS);
    }
    cem.removes(&room, &ben);
    for person in [&ben, &ada] {
        person.crashes();
    }
    world.pass(SOON_MS);

    cem.enters(&room);
    world.pass(SOON_MS);

    assert_eq!(cem.roster(), ["ada", "cem"]);
}

#[test]
fn a_short_break_of_the_line_changes_nothing() {
    let (world, [ada, ben, cem], _) = three_in_call(426);
    let epoch = ada.keys().epoch;

    world.kill_server(4_000);
    world.pass(30_000);

    for person in [&ada, &ben, &cem] {
        assert_eq!(person.roster(), ["ada", "ben", "cem"], "{}", person.name());
        assert_eq!(person.keys().epoch, epoch);
    }
}

#[test]
fn the_last_one_ends_the_call_and_the_next_one_begins_another() {
    let (world, [ada, ben, _], room) = three(427);
    ada.enters(&room);
    world.pass(SOON_MS);
    let first = ada.call();

    ada.wishes(Command::LeaveCall);
    world.pass(SOON_MS);

    assert!(ada.core().room().is_none());
    assert_eq!(ben.core().call_on(&room), None);

    ben.enters(&room);
    world.pass(SOON_MS);

    assert_eq!(ben.roster(), ["ben"]);
    assert_ne!(ben.call(), first);
}

#[test]
fn when_the_last_device_crashes_the_call_is_over_after_a_while() {
    let (world, [ada, ben, _], room) = three(428);
    ada.enters(&room);
    world.pass(SOON_MS);
    assert!(ben.core().call_on(&room).is_some());

    ada.disconnects();
    world.pass(200_000);

    assert_eq!(ben.core().call_on(&room), None);
    ben.enters(&room);
    world.pass(SOON_MS);
    assert_eq!(ben.roster(), ["ben"]);
}

#[test]
fn with_a_call_its_media_ends_whether_the_last_one_left_or_was_lost() {
    for is_lost in [false, true] {
        let (world, [ada, ..], room) = three(435);
        let queue = Queue::default();
        world.forwards_to(queue.clone());
        ada.enters(&room);
        world.pass(SOON_MS);
        let call = ada.call().unwrap();
        assert!(queue.take(Duration::ZERO).closed.is_empty());

        if is_lost {
            ada.disconnects();
            world.pass(200_000);
        } else {
            ada.wishes(Command::LeaveCall);
            world.pass(SOON_MS);
        }

        assert!(
            queue.take(Duration::ZERO).closed.contains(&call),
            "{is_lost}"
        );
    }
}

#[test]
fn a_second_device_of_one_person_enters_beside_the_first() {
    let (world, [ada, ben, _], room) = three(429);
    let tablet = ada.links_device("ada's tablet");
    world.settle();

    ada.enters(&room);
    ben.enters(&room);
    world.pass(SOON_MS);
    tablet.enters(&room);
    world.pass(SOON_MS);

    assert_eq!(ben.roster(), ["ada", "ada", "ben"]);
    assert_eq!(tablet.frame_keys_of(&ben), ben.frame_keys_of(&ben));
}

#[test]
fn a_revoked_device_is_out_of_the_call_and_stays_out() {
    let (world, [ada, ben, _], room) = three(430);
    let tablet = ada.links_device("ada's tablet");
    world.settle();
    ben.enters(&room);
    tablet.enters(&room);
    world.pass(SOON_MS);
    let before = tablet.keys();

    ada.revokes(&tablet);
    world.pass(60_000);

    assert_eq!(ben.roster(), ["ben"]);
    assert_opens_nothing(&before, &ben.keys());
}

#[test]
fn a_new_session_gives_fresh_keys_to_everybody_and_no_new_epoch() {
    let (world, [ada, ben, _], _) = three_in_call(431);
    let before = ben.frame_keys_of(&ada);
    let epoch = ada.keys().epoch;

    ada.wishes(Command::RenewRoomSession);
    world.pass(SOON_MS);

    assert_eq!(ada.keys().epoch, epoch);
    assert_ne!(ben.frame_keys_of(&ada), before);
    assert_eq!(ben.frame_keys_of(&ada), ada.frame_keys_of(&ada));
}

#[test]
fn what_a_page_says_of_itself_reaches_the_others() {
    let (world, [ada, ben, _], _) = three_in_call(432);

    ada.wishes(Command::SetRoomFlags(5));
    world.pass(SOON_MS);

    let room = ben.core().room().unwrap();
    let seen = room
        .members
        .iter()
        .find(|member| member.device == ada.device());
    assert_eq!(seen.unwrap().flags, 5);
}

#[test]
fn a_commit_that_nobody_can_follow_is_taken_back_and_the_call_goes_on() {
    let (world, [ada, ben, cem], _) = three_in_call(433);

    cem.spoils_commits(1);
    cem.wishes(Command::RemoveFromCall {
        account: ben.account(),
    });
    world.pass(10 * SOON_MS);

    let call = ada.call().unwrap();
    assert!(!world.stage().spoiled_entries(&call).is_empty());
    for person in [&ada, &ben, &cem] {
        assert_eq!(person.roster(), ada.roster(), "{}", person.name());
        assert_eq!(person.frame_keys_of(&ada), ada.frame_keys_of(&ada));
    }
    assert_eq!(ada.call_state(), Some(RoomState::Live));
}

#[test]
fn who_is_not_in_the_roster_sends_nothing_whatever_the_server_says_and_nobody_watches_themselves() {
    let (_, [ada, ben, _], _) = three_in_call(440);
    let group = ada.call().unwrap();
    let track = |id: u64, device: DeviceId| Track {
        track: TrackId::new(id),
        device,
        kind: TrackKind::Audio,
    };
    let ghost = DeviceId::new([9; 16]);

    ada.is_told(&ServerFrame::Tracks {
        group,
        tracks: List::capped(vec![
            track(1, ghost),
            track(2, ben.device()),
            track(3, ada.device()),
        ]),
    });
    ada.is_told(&ServerFrame::Speaking {
        group,
        devices: List::capped(vec![ghost, ben.device()]),
    });

    let room = ada.core().room().unwrap();
    let ids: Vec<u64> = room.tracks.iter().map(|track| track.id.get()).collect();
    assert_eq!(ids, [2]);
    assert_eq!(room.speaking, [room.tracks[0].leaf]);
}

#[test]
fn what_was_told_of_tracks_while_an_offer_was_under_way_is_not_taken_back_by_its_answer() {
    let (world, [ada, ben, _], _) = three_in_call(443);
    let group = ada.call().unwrap();
    let queue = Queue::default();
    world.forwards_to(queue.clone());
    let answers = std::thread::spawn(move || answer_that_nobody_sends(&queue));
    ada.wishes(Command::ConnectMedia(MediaOffer {
        sdp: Sdp::new("v=0\r\n".into()).unwrap(),
        sent: List::default(),
        is_new: true,
    }));

    ada.is_told(&ServerFrame::Tracks {
        group,
        tracks: List::capped(vec![Track {
            track: TrackId::new(2),
            device: ben.device(),
            kind: TrackKind::Audio,
        }]),
    });
    world.pass(SOON_MS);
    answers.join().unwrap();

    let answered = |it: &Notice| matches!(it, Notice::MediaAnswer(_));
    assert!(ada.notices().iter().any(answered));
    assert_eq!(ada.core().room().unwrap().tracks.len(), 1);
}

fn answer_that_nobody_sends(queue: &Queue) {
    let mut asks = queue.take(Duration::from_secs(60)).asks;
    let Some(Ask::Connect { reply, .. }) = asks.pop() else {
        panic!("nobody asked to be connected");
    };
    reply(Ok(MediaConnected {
        connection: MediaConnection::new(1),
        answer: Sdp::new("v=0\r\n".into()).unwrap(),
        tracks: Tracks::default(),
    }));
}

#[test]
fn where_no_calls_are_forwarded_the_page_is_told_why() {
    let (world, [ada, _, _], _) = three_in_call(441);

    ada.wishes(Command::ConnectMedia(MediaOffer {
        sdp: Sdp::new("v=0\r\n".into()).unwrap(),
        sent: List::default(),
        is_new: true,
    }));
    world.pass(SOON_MS);

    let refused = |notice: &Notice| match notice {
        Notice::MediaRefused(reason) => Some(reason.clone()),
        _ => None,
    };
    let reason = ada.notices().iter().find_map(refused).unwrap();
    assert!(reason.contains("forwards no calls"), "{reason}");
    assert_eq!(ada.roster(), ["ada", "ben", "cem"], "it is in the call");
}

#[test]
fn a_call_leaves_a_line_that_says_who_began_it() {
    let (_, [ada, ben, cem], room) = three_in_call(442);

    for person in [&ada, &ben, &cem] {
        let lines = person.messages(&room);
        let begun = lines
            .iter()
            .filter_map(|line| Some((line.sender, line.call?)));
        let begun: Vec<_> = begun.collect();
        assert_eq!(begun.len(), 1, "{}", person.name());
        assert_eq!(begun[0].0, ada.account());
        assert_eq!(begun[0].1.outcome, CallOutcome::Begun);
    }
}

fn three(seed: u64) -> (World, [Person; 3], GroupId) {
    let world = World::seeded(seed);
    let people = world.people(["ada", "ben", "cem"]);
    let [ada, ben, cem] = &people;
    let room = ada.founds("three", &[ben, cem]);
    world.settle();
    (world, people, room)
}

fn three_in_call(seed: u64) -> (World, [Person; 3], GroupId) {
    let (world, people, room) = three(seed);
    for person in &people {
        person.enters(&room);
        world.pass(SOON_MS);
    }
    for person in &people {
        assert_eq!(person.roster(), ["ada", "ben", "cem"], "{}", person.name());
    }
    (world, people, room)
}

/// No key of the earlier ones opens anything that is sent now.
#[track_caller]
fn assert_opens_nothing(earlier: &RoomKeys, now: &RoomKeys) {
    let known: BTreeSet<[u8; 32]> = all(earlier).collect();
    let sent = now
        .senders
        .iter()
        .filter(|sender| sender.epoch == now.epoch);
    let mut sent = sent.flat_map(|sender| &sender.keys).peekable();

    assert!(sent.peek().is_some(), "somebody sends");
    assert!(sent.all(|key| !known.contains(key.key())));
    assert!(now.epoch > earlier.epoch);
}

fn all(keys: &RoomKeys) -> impl Iterator<Item = [u8; 32]> + '_ {
    let keys = keys.senders.iter().flat_map(|sender| &sender.keys);
    keys.map(|key| *key.key())
}

/// What people do and see in calls.
trait InCall {
    fn enters(&self, room: &GroupId);
    fn roster(&self) -> Vec<String>;
    fn call(&self) -> Option<GroupId>;
    fn call_state(&self) -> Option<RoomState>;
    fn keys(&self) -> RoomKeys;
    /// By KID, what opens the frames that somebody sends in the current epoch.
    fn frame_keys_of(&self, other: &Person) -> BTreeMap<u64, [u8; 32]>;
}

impl InCall for Person {
    fn enters(&self, room: &GroupId) {
        self.wishes(Command::EnterCall {
            conversation: *room,
        });
    }

    fn roster(&self) -> Vec<String> {
        let room = self.core().room().expect("in a call");
        let names = room.members.iter().map(|member| member.name.to_string());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    fn call(&self) -> Option<GroupId> {
        self.core().room()?.call
    }

    fn call_state(&self) -> Option<RoomState> {
        Some(self.core().room()?.state)
    }

    fn keys(&self) -> RoomKeys {
        let keys = self.core().room_keys();
        keys.unwrap_or_else(|| panic!("{} is not in a call", self.name()))
    }

    fn frame_keys_of(&self, other: &Person) -> BTreeMap<u64, [u8; 32]> {
        let keys = self.keys();
        let device: DeviceId = other.device();
        let current = keys
            .senders
            .iter()
            .filter(|sender| sender.epoch == keys.epoch && sender.device == device);
        let found: BTreeMap<_, _> = current
            .flat_map(|sender| &sender.keys)
            .map(|key| (key.kid, *key.key()))
            .collect();
        assert_eq!(found.len(), 4, "{} hears {}", self.name(), other.name());
        found
    }
}
