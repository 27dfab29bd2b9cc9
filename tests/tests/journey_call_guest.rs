//! Guests of calls: by a link, under a name that the server does not learn, into the call and into
//! nothing else.

use roost_client::room::{Decision, RoomState};
use roost_client::{Command, Notice};
use roost_tests::world::{Person, World};
use roost_wire::frame::ServerFrame;
use roost_wire::link::CallLink;
use roost_wire::log::{EntryKind, LogEntry};
use roost_wire::{Blob, EntryHash, Epoch, GroupId, Seconds, Seq, limit};

/// Time enough for what follows at once.
const SOON_MS: u64 = 2_000;
/// Between two knocks, and the answer to one.
const KNOCK_MS: u64 = 7_000;

#[test]
fn a_guest_knocks_is_let_in_by_anybody_in_the_call_and_reads_nothing() {
    let (world, [ada, ben], room) = two_in_call(500);
    let link = ada.call_link(&room);
    let mia = world.device("mia");

    mia.visits(&link);
    world.pass(KNOCK_MS);

    assert_eq!(mia.call_state(), Some(RoomState::Waiting));
    assert!(mia.core().room_keys().is_none());
    for host in [&ada, &ben] {
        assert_eq!(host.at_the_door(), ["mia"], "{}", host.name());
        assert_eq!(host.roster(), ["ada", "ben"], "not before she is let in");
    }
    ben.wishes(Command::AdmitGuest {
        account: mia.account(),
    });
    world.pass(2 * SOON_MS);
    ada.says(&room, "among ourselves");
    world.pass(SOON_MS);

    for person in [&ada, &ben, &mia] {
        assert_eq!(person.roster(), ["ada", "ben", "mia"], "{}", person.name());
        assert_eq!(person.guests(), ["mia"], "{}", person.name());
    }
    assert_eq!(mia.call_state(), Some(RoomState::Live));
    assert!(mia.core().room_keys().is_some());
    assert!(ada.at_the_door().is_empty() && ben.at_the_door().is_empty());
    assert!(mia.core().conversations().is_empty());
    assert!(
        mia.core().people().is_empty(),
        "who else is here is not hers"
    );
    assert_eq!(ada.core().people().len(), 2, "a guest is nobody to call");
}

#[test]
fn a_guest_who_comes_first_waits_until_there_is_a_call() {
    let world = World::seeded(501);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.founds("two", &[&ben]);
    world.settle();
    let link = ada.call_link(&room);
    let mia = guest_at_door(&world, "mia", &link);
    assert_eq!(mia.core().room().and_then(|room| room.call), None);

    ada.enters(&room);
    world.pass(2 * KNOCK_MS);
    assert_eq!(ada.at_the_door(), ["mia"]);
    ada.lets_in(&mia);
    world.pass(2 * SOON_MS);

    assert_eq!(mia.roster(), ["ada", "mia"]);
}

#[test]
fn who_knows_the_link_and_is_not_in_the_call_sees_in_the_conversation_who_waits() {
    let (world, [ada, ben], room) = two_in_call(514);
    let mia = world.device("mia");
    mia.visits(&ada.call_link(&room));
    ada.wishes(Command::LeaveCall);
    world.pass(KNOCK_MS);
    assert_eq!(ada.sees_waiting(&room), ["mia"]);
    assert!(
        ben.sees_waiting(&room).is_empty(),
        "he is asked in the call"
    );

    ben.wishes(Command::LeaveCall);
    world.pass(2 * KNOCK_MS);
    assert_eq!(ben.sees_waiting(&room), ["mia"], "he learned of the link");
    ada.enters(&room);
    world.pass(KNOCK_MS);
    assert!(ada.sees_waiting(&room).is_empty());
    assert_eq!(ada.at_the_door(), ["mia"]);

    ada.lets_in(&mia);
    world.pass(4 * KNOCK_MS);
    assert!(ben.sees_waiting(&room).is_empty());
}

#[test]
fn who_was_turned_away_is_not_shown_in_the_conversation_either() {
    let (world, [ada, ben], room) = two_in_call(515);
    let mia = world.device("mia");
    mia.visits(&ada.call_link(&room));
    world.pass(KNOCK_MS);
    ada.wishes(Command::TurnAway {
        account: mia.account(),
    });
    for person in [&ada, &ben] {
        person.wishes(Command::LeaveCall);
    }
    world.pass(2 * KNOCK_MS);

    assert!(ada.sees_waiting(&room).is_empty());
    assert_eq!(ben.sees_waiting(&room), ["mia"]);
    mia.disconnects();
    world.pass(3 * KNOCK_MS);
    assert!(ben.sees_waiting(&room).is_empty(), "she has gone");
}

#[test]
fn whoever_is_turned_away_waits_unseen_and_whoever_stops_knocking_is_forgotten() {
    let (world, [ada, ben], room) = two_in_call(502);
    let link = ada.call_link(&room);
    let mia = guest_at_door(&world, "mia", &link);

    ada.wishes(Command::TurnAway {
        account: mia.account(),
    });
    world.pass(KNOCK_MS);
    assert!(ada.at_the_door().is_empty());
    assert_eq!(ben.at_the_door(), ["mia"], "ben may decide otherwise");

    mia.disconnects();
    world.pass(3 * KNOCK_MS);
    assert!(ben.at_the_door().is_empty());
}

#[test]
fn whoever_was_turned_away_is_let_in_after_all_by_who_thinks_better_of_it() {
    let (world, [ada, ben], room) = two_in_call(516);
    let link = ada.call_link(&room);
    let mia = guest_at_door(&world, "mia", &link);
    ada.wishes(Command::TurnAway {
        account: mia.account(),
    });
    world.pass(2 * KNOCK_MS);
    assert_eq!(ada.turned_away(), ["mia"], "she asks still");
    assert_eq!(ben.roster(), ["ada", "ben"]);

    ada.lets_in(&mia);
    world.pass(2 * SOON_MS);
    assert_eq!(ben.roster(), ["ada", "ben", "mia"]);

    // Who was removed is listed too, and is not let in again by having been in.
    ada.wishes(Command::RemoveFromCall {
        account: mia.account(),
    });
    world.pass(2 * SOON_MS);
    mia.visits(&link);
    world.pass(2 * KNOCK_MS);
    assert_eq!(ben.roster(), ["ada", "ben"]);
    assert_eq!(ada.turned_away(), ["mia"]);
    assert!(ada.at_the_door().is_empty());
}

#[test]
fn a_guest_who_left_and_asks_again_at_once_waits_to_be_let_in() {
    let (world, [ada, _], room) = two_in_call(518);
    let link = ada.call_link(&room);
    let mia = guest_in_call(&world, &ada, &link);

    mia.wishes(Command::LeaveCall);
    mia.visits(&link);

    assert_eq!(mia.call_state(), Some(RoomState::Waiting));
    world.pass(SOON_MS);
    assert_eq!(
        mia.call_state(),
        Some(RoomState::Waiting),
        "her leave was answered meanwhile"
    );
    world.pass(60_000);
    assert_eq!(ada.at_the_door(), ["mia"]);
    ada.lets_in(&mia);
    world.pass(2 * SOON_MS);
    assert_eq!(mia.roster(), ["ada", "ben", "mia"]);
}

#[test]
fn a_guest_knows_whether_the_server_has_taken_its_knock() {
    let (world, [ada, _], room) = two_in_call(517);
    let mia = world.device("mia");
    let knows = || {
        let room = mia.core().room();
        room.map(|room| (room.has_knocked, room.call.is_some()))
    };
    mia.visits(&ada.call_link(&room));
    assert!(knows().is_none_or(|(has_knocked, _)| !has_knocked));
    world.pass(KNOCK_MS);

    assert_eq!(knows(), Some((true, true)));
}

#[test]
fn the_server_can_put_nobody_at_the_door() {
    let (world, [ada, _], room) = two_in_call(503);
    let link = CallLink::parse(&ada.call_link(&room)).unwrap();
    let mia = world.device("mia");
    mia.visits(&link.to_string());
    world.pass(KNOCK_MS);
    let knock = |account, sealed: &[u8]| ServerFrame::Knock {
        group: room,
        link: link.invite,
        account,
        device: mia.device(),
        sealed: Blob::new(sealed.to_vec()).unwrap(),
    };
    let ghost = roost_wire::AccountId::new([9; 16]);

    ada.is_told(&knock(ghost, &[7; 80]));
    ada.is_told(&knock(ghost, &[]));

    assert_eq!(ada.at_the_door(), ["mia"]);
}

#[test]
fn a_guest_enters_no_call_in_which_nobody_shows_that_they_have_its_link() {
    let (world, [ada, ben], room) = two_in_call(504);
    let link = ada.call_link(&room);
    let mia = world.device("mia");
    mia.visits(&link);
    mia.hears_no_signals();
    world.pass(KNOCK_MS);

    // As in a call of a server's own making: she is in its group, and nobody there has the link.
    ada.lets_in(&mia);
    world.pass(2 * SOON_MS);
    assert_eq!(ben.roster().len(), 3, "she is in that call's group");
    assert_eq!(mia.call_state(), Some(RoomState::Waiting));
    assert!(mia.roster().is_empty(), "nothing is shown of it");
    assert!(mia.core().room_keys().is_none());
    let names = ben.guests();
    world.pass(25_000);

    assert_eq!(names, ["Guest"], "nor does she say her name there");
    assert!(mia.core().room().is_none());
    assert!(mia.was_told("has your link"));
}

#[test]
fn nobody_is_let_in_who_has_not_knocked() {
    let (world, [ada, ben], room) = two_in_call(512);
    let link = ada.call_link(&room);
    let mia = guest_at_door(&world, "mia", &link);
    mia.disconnects();
    world.pass(3 * KNOCK_MS);

    ben.lets_in(&mia);
    world.pass(SOON_MS);

    assert!(ben.was_refused("Wait until they ask again"));
    assert_eq!(ben.roster(), ["ada", "ben"]);
}

#[test]
fn who_was_removed_by_one_is_not_let_in_again_by_another_unasked() {
    let (world, [ada, ben], room) = two_in_call(513);
    let link = ada.call_link(&room);
    let mia = guest_in_call(&world, &ada, &link);

    ben.wishes(Command::RemoveFromCall {
        account: mia.account(),
    });
    world.pass(SOON_MS);
    mia.visits(&link);
    world.pass(2 * KNOCK_MS);

    assert_eq!(ada.at_the_door(), ["mia"], "ada is asked again");
    assert_eq!(ada.roster(), ["ada", "ben"]);
}

#[test]
fn a_guest_that_lost_its_keys_is_back_without_being_asked_about() {
    let (world, [ada, ben], room) = two_in_call(505);
    let link = ada.call_link(&room);
    let mia = guest_in_call(&world, &ada, &link);
    let account = mia.account();

    mia.crashes();
    mia.starts();
    mia.visits(&link);
    world.pass(40_000);

    assert_eq!(mia.account(), account);
    for person in [&ada, &ben, &mia] {
        assert_eq!(person.roster(), ["ada", "ben", "mia"], "{}", person.name());
    }
    assert_eq!(mia.call_state(), Some(RoomState::Live));
}

#[test]
fn a_guest_who_was_removed_is_out_and_whoever_removed_it_is_not_asked_again() {
    let (world, [ada, ben], room) = two_in_call(506);
    let link = ada.call_link(&room);
    let mia = guest_in_call(&world, &ada, &link);

    ada.wishes(Command::RemoveFromCall {
        account: mia.account(),
    });
    world.pass(1_000);
    assert_eq!(ben.roster(), ["ada", "ben"]);
    assert!(mia.core().room_keys().is_none());
    mia.visits(&link);
    world.pass(2 * KNOCK_MS);

    assert!(ada.at_the_door().is_empty());
    assert_eq!(ben.at_the_door(), ["mia"]);
    assert_eq!(ada.roster(), ["ada", "ben"]);

    ben.lets_in(&mia);
    world.pass(10 * SOON_MS);
    assert_eq!(ada.roster(), ["ada", "ben", "mia"], "it is ben's guest now");
}

#[test]
fn who_is_removed_in_the_moment_in_which_they_were_let_in_is_out() {
    let (world, [ada, ben], room) = two_in_call(519);
    let link = ada.call_link(&room);
    let mia = guest_at_door(&world, "mia", &link);
    ada.lets_in(&mia);
    while ada.roster().len() < 3 {
        world.pass(1);
    }

    // The commit that let her in is in the log, and not answered yet.
    ada.wishes(Command::RemoveFromCall {
        account: mia.account(),
    });
    world.pass(2 * SOON_MS);

    for host in [&ada, &ben] {
        assert_eq!(host.roster(), ["ada", "ben"], "{}", host.name());
    }
    assert!(mia.core().room_keys().is_none());
}

#[test]
fn a_guest_who_was_removed_while_its_host_was_cut_off_is_asked_about_again() {
    let (world, [ada, ben], room) = two_in_call(521);
    let link = ada.call_link(&room);
    let mia = guest_in_call(&world, &ada, &link);
    ada.is_hoarse(true);
    while ben.roster().contains(&"ada".to_owned()) {
        world.pass(1);
    }
    ada.is_hoarse(false);

    ben.wishes(Command::RemoveFromCall {
        account: mia.account(),
    });
    world.pass(2 * SOON_MS);
    assert_eq!(ada.roster(), ["ada", "ben"]);
    mia.visits(&link);
    world.pass(2 * KNOCK_MS);

    assert_eq!(ada.roster(), ["ada", "ben"]);
    assert_eq!(ada.at_the_door(), ["mia"]);
}

#[test]
fn who_enters_after_a_guest_knows_it_for_one() {
    let (world, [ada, ben], room) = two_in_call(523);
    let link = ada.call_link(&room);
    let mia = guest_in_call(&world, &ada, &link);

    ben.wishes(Command::LeaveCall);
    world.pass(SOON_MS);
    ben.enters(&room);
    world.pass(10 * SOON_MS);

    for person in [&ada, &ben, &mia] {
        assert_eq!(person.roster(), ["ada", "ben", "mia"], "{}", person.name());
        assert_eq!(person.guests(), ["mia"], "{}", person.name());
    }
}

#[test]
fn a_guest_who_followed_a_commit_that_was_taken_back_comes_back_unasked() {
    let (world, [ada, ben], room) = two_in_call(522);
    let link = ada.call_link(&room);
    let mia = guest_in_call(&world, &ada, &link);
    let group = mia.core().room().unwrap().call.unwrap();

    for seq in 1..100 {
        mia.is_told(&ServerFrame::Event {
            group,
            entry: taken_back(Seq::new(seq)),
        });
    }
    assert_eq!(mia.call_state(), Some(RoomState::Waiting));
    world.pass(10 * KNOCK_MS);

    for person in [&ada, &ben, &mia] {
        assert_eq!(person.roster(), ["ada", "ben", "mia"], "{}", person.name());
    }
}

/// The entry by which the server takes back all commits there were.
fn taken_back(seq: Seq) -> LogEntry {
    LogEntry {
        seq,
        kind: EntryKind::Void,
        epoch: Epoch::new(0),
        time: Seconds::new(0),
        hash: EntryHash::of(&[]),
        size_bytes: 0,
        body: None,
        voids: Some(Seq::new(1)),
    }
}

#[test]
fn guests_remove_nobody_and_are_alone_in_no_call() {
    let (world, [ada, ben], room) = two_in_call(507);
    let link = ada.call_link(&room);
    let mia = guest_in_call(&world, &ada, &link);

    mia.wishes(Command::RemoveFromCall {
        account: ben.account(),
    });
    world.pass(2 * SOON_MS);
    assert_eq!(ada.roster(), ["ada", "ben", "mia"]);

    ben.wishes(Command::LeaveCall);
    world.pass(SOON_MS);
    assert_eq!(ada.roster(), ["ada", "mia"]);
    ada.wishes(Command::LeaveCall);
    world.pass(2 * SOON_MS);

    assert!(mia.core().room().is_none());
    assert_eq!(
        ben.core().call_on(&room),
        None,
        "it ended with its last host"
    );
}

#[test]
fn a_guest_goes_when_its_hosts_are_gone_without_a_word() {
    let (world, [ada, ben], room) = two_in_call(508);
    let link = ada.call_link(&room);
    let mia = guest_in_call(&world, &ada, &link);

    ada.disconnects();
    ben.disconnects();
    world.pass(40_000);

    assert!(mia.core().room().is_none());
    assert!(mia.was_told("The call is over."));
}

#[test]
fn everybody_has_one_link_of_their_own_until_that_is_nearly_over() {
    let (world, [ada, ben], room) = two_in_call(509);

    let first = ada.call_link(&room);
    assert_eq!(ada.call_link(&room), first);
    world.pass(10_000);
    assert_ne!(ben.call_link(&room), first, "each gives away their own");
    assert_eq!(ada.call_link(&room), first);

    for person in [&ada, &ben] {
        person.wishes(Command::LeaveCall);
    }
    world.pass(7 * 86_400_000 - 1_800_000);
    let second = ada.call_link(&room);
    assert_ne!(second, first);
    let is_new = ada.new_call_link(&room) != second;
    assert!(is_new, "another one is wanted");
}

#[test]
fn by_a_link_that_was_withdrawn_nobody_comes_any_more() {
    let (world, [ada, ben], room) = two_in_call(516);
    let link = ada.call_link(&room);
    let mia = guest_at_door(&world, "mia", &link);
    assert_eq!(ada.own_links(&room), [link.as_str()]);

    assert_eq!(ada.at_the_door(), ["mia"]);

    ada.withdraws(&room, &link);
    assert!(ada.at_the_door().is_empty(), "at once");
    world.pass(2 * KNOCK_MS);

    assert!(ada.own_links(&room).is_empty());
    assert!(mia.was_told("This link is over"));
    assert!(mia.core().room().is_none());
    let noor = world.device("noor");
    noor.visits(&link);
    world.pass(3 * KNOCK_MS);
    for person in [&ada, &ben] {
        assert!(person.at_the_door().is_empty(), "{}", person.name());
    }
    assert!(noor.core().room().is_none());
    assert_ne!(ada.call_link(&room), link, "another one is made");
}

#[test]
fn an_earlier_link_is_withdrawn_alone_and_its_guests_in_the_call_stay() {
    let (world, [ada, _], room) = two_in_call(517);
    let first = ada.call_link(&room);
    let mia = guest_in_call(&world, &ada, &first);
    let second = ada.new_call_link(&room);

    ada.withdraws(&room, &first);
    world.pass(30_000);

    assert_eq!(ada.own_links(&room), [second.as_str()]);
    assert_eq!(ada.roster(), ["ada", "ben", "mia"]);
    assert_eq!(mia.call_state(), Some(RoomState::Live));
    let noor = guest_in_call_as(&world, "noor", &ada, &second);
    assert_eq!(noor.roster().len(), 4);
}

#[test]
fn a_link_is_withdrawn_although_the_device_crashes_before_the_server_hears_of_it() {
    let (world, [ada, _], room) = two_in_call(518);
    let link = ada.call_link(&room);
    world.kill_server(20_000);

    ada.withdraws(&room, &link);
    assert_eq!(ada.own_links(&room).len(), 1, "the server has not said so");
    ada.crashes();
    ada.starts();
    world.pass(60_000);
    let mia = world.device("mia");
    mia.visits(&link);
    world.pass(2 * KNOCK_MS);

    assert!(ada.own_links(&room).is_empty());
    assert!(mia.core().room().is_none());
}

#[test]
fn only_whoever_made_a_link_withdraws_it() {
    let (world, [ada, ben], room) = two_in_call(519);
    let link = ada.call_link(&room);
    world.pass(10_000);

    ben.withdraws(&room, &link);
    world.pass(SOON_MS);

    assert!(ben.was_refused("somebody else"));
    assert_eq!(ada.own_links(&room), [link.as_str()]);
    let mia = guest_in_call(&world, &ben, &link);
    assert_eq!(mia.roster().len(), 3);
}

#[test]
fn with_more_links_than_are_kept_the_oldest_ends() {
    let (world, [ada, _], room) = two_in_call(520);
    let first = ada.call_link(&room);
    for _ in 0..limit::CALL_LINKS {
        world.pass(2_000);
        let _ = ada.new_call_link(&room);
    }
    world.pass(SOON_MS);

    assert_eq!(ada.own_links(&room).len(), limit::CALL_LINKS);
    assert!(!ada.own_links(&room).contains(&first));
    let mia = world.device("mia");
    mia.visits(&first);
    world.pass(2 * KNOCK_MS);
    assert!(mia.core().room().is_none(), "nobody could let her in");
}

#[test]
fn a_link_that_is_none_is_refused_with_a_sentence() {
    let world = World::seeded(510);
    let [ada] = world.people(["ada"]);
    let mia = world.device("mia");

    mia.visits(&ada.invites(None));
    assert!(mia.was_refused("not the whole link of a call"));
    ada.visits("https://roost.test/c/AQEBAQEBAQEBAQEBAQEBAQ#AgICAgICAgICAgICAgICAg");
    assert!(ada.was_refused("private window"));
}

fn two_in_call(seed: u64) -> (World, [Person; 2], GroupId) {
    let world = World::seeded(seed);
    let people = world.people(["ada", "ben"]);
    let [ada, ben] = &people;
    let room = ada.founds("two", &[ben]);
    world.settle();
    for person in &people {
        person.enters(&room);
        world.pass(SOON_MS);
    }
    (world, people, room)
}

fn guest_at_door(world: &World, name: &str, link: &str) -> Person {
    let guest = world.device(name);
    guest.visits(link);
    world.pass(KNOCK_MS);
    guest
}

fn guest_in_call(world: &World, host: &Person, link: &str) -> Person {
    guest_in_call_as(world, "mia", host, link)
}

fn guest_in_call_as(world: &World, name: &str, host: &Person, link: &str) -> Person {
    let mia = guest_at_door(world, name, link);
    host.lets_in(&mia);
    world.pass(2 * SOON_MS);
    assert_eq!(mia.call_state(), Some(RoomState::Live));
    mia
}

/// What people do and see at the door.
trait AtTheDoor {
    fn enters(&self, room: &GroupId);
    fn lets_in(&self, guest: &Person);
    /// Whom it is asked about, and whom it lets in.
    fn at_the_door(&self) -> Vec<String>;
    fn turned_away(&self) -> Vec<String>;
    /// In the conversation, outside its call.
    fn sees_waiting(&self, room: &GroupId) -> Vec<String>;
    fn own_links(&self, room: &GroupId) -> Vec<String>;
    fn withdraws(&self, room: &GroupId, link: &str);
    fn roster(&self) -> Vec<String>;
    fn guests(&self) -> Vec<String>;
    fn call_state(&self) -> Option<RoomState>;
    fn was_told(&self, words: &str) -> bool;
    fn was_refused(&self, words: &str) -> bool;
}

impl AtTheDoor for Person {
    fn enters(&self, room: &GroupId) {
        self.wishes(Command::EnterCall {
            conversation: *room,
        });
    }

    fn lets_in(&self, guest: &Person) {
        self.wishes(Command::AdmitGuest {
            account: guest.account(),
        });
    }

    fn at_the_door(&self) -> Vec<String> {
        names_at_door(self, |decision| decision != Decision::TurnedAway)
    }

    fn turned_away(&self) -> Vec<String> {
        names_at_door(self, |decision| decision == Decision::TurnedAway)
    }

    fn sees_waiting(&self, room: &GroupId) -> Vec<String> {
        let conversation = self.core().conversation(room).expect("in it");
        let waiting = conversation.waiting.iter();
        waiting.map(ToString::to_string).collect()
    }

    fn own_links(&self, room: &GroupId) -> Vec<String> {
        let links = self.core().own_call_links(room);
        links.into_iter().map(|link| link.link).collect()
    }

    fn withdraws(&self, room: &GroupId, link: &str) {
        self.wishes(Command::WithdrawCallLink {
            conversation: *room,
            invite: CallLink::parse(link).unwrap().invite,
        });
    }

    fn roster(&self) -> Vec<String> {
        let room = self.core().room().expect("in a call");
        let names = room.members.iter().map(|member| member.name.to_string());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    fn guests(&self) -> Vec<String> {
        let room = self.core().room().expect("in a call");
        let guests = room.members.iter().filter(|member| member.is_guest);
        guests.map(|member| member.name.to_string()).collect()
    }

    fn call_state(&self) -> Option<RoomState> {
        Some(self.core().room()?.state)
    }

    fn was_told(&self, words: &str) -> bool {
        self.notices()
            .iter()
            .any(|notice| matches!(notice, Notice::Failed { reason, .. } if reason.contains(words)))
    }

    fn was_refused(&self, words: &str) -> bool {
        self.notices()
            .iter()
            .any(|notice| matches!(notice, Notice::Refused { reason } if reason.contains(words)))
    }
}

fn names_at_door(host: &Person, wanted: impl Fn(Decision) -> bool) -> Vec<String> {
    let room = host.core().room().expect("in a call");
    let visitors = room.visitors.iter();
    let wanted = visitors.filter(|visitor| wanted(visitor.decision));
    wanted.map(|visitor| visitor.name.to_string()).collect()
}
