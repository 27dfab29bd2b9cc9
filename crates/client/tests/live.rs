//! Devices with a socket, and devices that crash between any two steps.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests may panic"
)]

mod relay;

use proptest::prelude::*;
use relay::World;
use roost_client::call::RingId;
use roost_client::view::{Connection, MessageState};
use roost_client::{CallId, Command, Core, HttpReply, Input, Moment, Notice, Unreachable};
use roost_wire::{ErrorCode, GroupId};

#[test]
fn messages_flow_over_the_socket_and_show_as_delivered() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.go_live();

    world.say(0, group, "one");
    world.say(0, group, "two");
    world.run();
    world.say(1, group, "three");
    world.run();

    assert_eq!(world.people[0].core.connection(), Connection::Online);
    for at in 0..2 {
        assert_eq!(world.texts(at, group), ["one", "two", "three"]);
        assert_eq!(world.troubles(at), []);
        assert_eq!(world.people[at].core.unsent(), 0);
    }
    assert_eq!(world.messages(0, group)[0].state, MessageState::Delivered);
}

#[test]
fn a_new_conversation_reaches_somebody_who_is_online() {
    let mut world = World::with(&["Ada", "Ben"]);
    world.go_live();
    let ben = world.people[1].account();

    world.tell(0, Command::StartDirect(ben));
    let group = world.people[0].opened();
    world.say(0, group, "surprise");
    world.run();
    world.say(1, group, "indeed");
    world.run();

    assert_eq!(world.texts(0, group), ["surprise", "indeed"]);
    assert_eq!(world.texts(1, group), ["surprise", "indeed"]);
}

#[test]
fn typing_shows_for_a_few_seconds_only_to_the_others() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.go_live();
    let ada = world.people[0].account();

    world.tell(0, Command::Typing(group));
    let sealed = world
        .people
        .iter()
        .map(|person| person.core.conversation(&group).unwrap());
    assert!(sealed.into_iter().all(|view| view.typing.is_empty()));
    world.run_without_time();
    let typing = world.people[1].core.conversation(&group).unwrap().typing;
    world.now = world.now.plus_millis(7_000);
    let now = world.now;
    world.people[1].feed(Input::Tick, now);

    assert_eq!(typing, [ada]);
    assert!(
        world.people[1]
            .core
            .conversation(&group)
            .unwrap()
            .typing
            .is_empty()
    );
    assert!(
        world.people[0]
            .core
            .conversation(&group)
            .unwrap()
            .typing
            .is_empty()
    );
}

#[test]
fn what_is_written_without_a_connection_is_sent_in_order_later() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.go_live();
    world.people[0].offline = true;
    world.drop_socket(0);

    for text in ["a", "b", "c"] {
        world.say(0, group, text);
        world.run();
    }
    assert_eq!(world.people[0].core.connection(), Connection::Waiting);
    world.people[0].offline = false;
    world.now = world.now.plus_millis(120_000);
    let now = world.now;
    world.people[0].feed(Input::Tick, now);
    world.run();

    assert_eq!(world.texts(1, group), ["a", "b", "c"]);
    assert_eq!(world.texts(0, group), ["a", "b", "c"]);
}

#[test]
fn an_update_commit_follows_within_a_day_and_talking_goes_on() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    let commits = |world: &World| {
        let entries = world.relay.entries(&group).iter();
        entries
            .filter(|entry| entry.kind == roost_wire::log::EntryKind::Commit)
            .count()
    };
    let before = commits(&world);

    for _ in 0..2 {
        world.pass(25 * 3_600);
        world.settle();
    }
    world.say(1, group, "fresh keys");
    world.settle();

    assert!(commits(&world) >= before + 2, "{}", commits(&world));
    assert_eq!(world.texts(0, group), ["fresh keys"]);
    assert_eq!(world.troubles(0), []);
}

/// A whole story in which Ada crashes once, at her n-th effect: before it is performed, or after
/// it was performed and before the answer came.
fn story_with_a_crash(nth: usize, after: bool) {
    let mut world = World::with(&["Ada", "Ben"]);
    let ben = world.people[1].account();
    world.crash_at(0, nth, after);

    world.tell(
        0,
        Command::CreateGroup {
            name: "Hikers".into(),
            members: vec![ben],
        },
    );
    let group = world.people[0].opened();
    world.say(0, group, "one");
    world.settle();
    world.say(0, group, "two");
    world.settle();
    world.say(1, group, "three");
    world.settle();
    world.settle();

    assert!(
        world.has_crashed(0),
        "the story is shorter than {nth} effects"
    );
    let said = ["one", "two", "three"];
    assert_eq!(
        world.texts(1, group),
        said,
        "crash at {nth}, after: {after}"
    );
    assert_eq!(
        world.texts(0, group),
        said,
        "crash at {nth}, after: {after}"
    );
    assert_eq!(world.troubles(1), [], "crash at {nth}, after: {after}");
    assert_eq!(
        world.people[1].core.conversation(&group).unwrap().title,
        "Hikers"
    );
}

#[test]
fn a_crash_before_any_effect_loses_and_doubles_nothing() {
    for nth in 0..14 {
        story_with_a_crash(nth, false);
    }
}

#[test]
fn a_crash_after_any_effect_loses_and_doubles_nothing() {
    for nth in 0..14 {
        story_with_a_crash(nth, true);
    }
}

#[test]
fn a_core_read_back_from_storage_equals_the_one_that_wrote_it_after_every_step() {
    let mut world = World::new();
    for name in ["Ada", "Ben"] {
        let at = world.device();
        let link = world.setup_link();
        world.tell(
            at,
            Command::Join {
                link,
                name: name.into(),
            },
        );
        world.run();
    }
    world.tell(0, Command::RefreshPeople);
    world.run();
    let group = world.direct(0, 1);
    let message = world.say(0, group, "hello");
    world.settle();
    world.tell(
        1,
        Command::React {
            group,
            message,
            emoji: "🎉".into(),
        },
    );
    world.tell(
        1,
        Command::SetDraft {
            group,
            text: "half a".into(),
        },
    );
    world.settle();

    assert!(world.people[0].steps > 40, "{}", world.people[0].steps);
    assert_eq!(
        world.people[1].core.conversation(&group).unwrap().draft,
        "half a"
    );
}

#[test]
fn every_refusal_of_the_server_is_survived() {
    for code in [
        ErrorCode::Malformed,
        ErrorCode::NotSignedIn,
        ErrorCode::TooMany,
        ErrorCode::ReadOnly,
        ErrorCode::Unknown,
        ErrorCode::Internal,
    ] {
        let mut world = World::with(&["Ada", "Ben"]);
        let group = world.direct(0, 1);
        world.say(0, group, "one");
        world.relay.refuse_next = vec![code];
        world.settle();
        world.say(0, group, "two");
        world.settle();
        world.settle();

        assert_eq!(world.texts(1, group), ["one", "two"], "{code:?}");
    }
}

#[test]
fn a_refused_message_fails_visibly_and_is_sent_when_retried() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.go_live();
    world.drop_socket(0);
    world.tell(0, Command::Disconnect);
    world.tell(0, Command::SyncOnce);
    world.run();
    let message = world.say(0, group, "too much");
    world.relay.refuse_message = Some(ErrorCode::TooLarge);
    world.sync(0);

    let state = world.messages(0, group)[0].state.clone();
    assert!(matches!(state, MessageState::Failed(_)), "{state:?}");

    world.tell(0, Command::Retry { group, message });
    world.sync(0);
    world.settle();
    assert_eq!(world.texts(1, group), ["too much"]);
    assert_eq!(world.texts(0, group), ["too much"]);
}

#[test]
fn messages_behind_a_refused_one_follow_it_in_order() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.go_live();
    world.relay.refuse_submit = Some(ErrorCode::TooMany);

    for text in ["one", "two", "three"] {
        world.say(0, group, text);
    }
    for _ in 0..6 {
        world.run();
        world.pass(30);
    }

    assert_eq!(world.texts(0, group), ["one", "two", "three"]);
    assert_eq!(world.texts(1, group), ["one", "two", "three"]);
}

#[test]
fn what_waits_behind_a_stale_message_is_encrypted_for_whoever_came_meanwhile() {
    let mut world = World::with(&["Ada", "Ben", "Cem"]);
    let group = world.group(0, "Hikers", &[1]);
    world.go_live();
    for text in ["one", "two", "three"] {
        world.say(0, group, text);
    }
    let cem = world.people[2].account();
    let accounts = vec![cem];
    world.tell(1, Command::AddMembers { group, accounts });
    while world.perform_next(1) || world.deliver(1) {}
    assert_eq!(world.relay.roster(&group).len(), 3, "in between");

    world.relay.refuse_submit = Some(ErrorCode::Stale);
    for _ in 0..6 {
        world.run();
        world.pass(30);
    }

    for at in 0..3 {
        assert_eq!(world.texts(at, group), ["one", "two", "three"], "{at}");
        assert_eq!(world.troubles(at), [], "{at}");
    }
}

#[test]
fn a_sync_that_is_asked_for_on_a_lasting_connection_ends_too() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.go_live();
    world.say(1, group, "before");
    world.people[0].notices.clear();

    world.tell(0, Command::SyncOnce);
    world.run();

    assert_eq!(settled(&world, 0), 1);
    assert_eq!(world.people[0].core.connection(), Connection::Online);
    world.say(1, group, "and after");
    world.run();
    assert_eq!(world.texts(0, group), ["before", "and after"]);
    assert_eq!(settled(&world, 0), 1);
}

#[test]
fn a_sync_on_a_lasting_connection_that_breaks_ends_and_the_connection_comes_back() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.go_live();
    world.people[0].offline = true;
    world.drop_socket(0);
    world.people[0].notices.clear();

    world.tell(0, Command::SyncOnce);
    world.run();
    assert_eq!(settled(&world, 0), 1);

    world.people[0].offline = false;
    world.pass(70);
    world.people[0].feed(Input::Tick, world.now);
    world.run();
    world.say(1, group, "still there?");
    world.run();
    assert_eq!(world.texts(0, group), ["still there?"]);
}

#[test]
fn a_request_to_be_linked_that_waits_for_a_person_keeps_no_sync_waiting() {
    let mut world = World::new();
    let phone = world.device();
    let origin = "https://relay:8443".to_owned();
    world.tell(phone, Command::RequestLink { origin });

    world.sync(phone);

    assert_eq!(settled(&world, phone), 1);
    assert!(world.people[phone].core.is_joining(), "the request stands");
}

#[test]
fn a_line_that_died_without_a_word_is_found_out_and_replaced() {
    let (mut world, group) = with_a_dead_line();
    world.pass(46);
    world.tick(0);
    world.run();
    world.pass(16);
    world.tick(0);
    world.run();

    assert_eq!(world.people[0].core.connection(), Connection::Online);
    assert_eq!(world.texts(0, group), ["are you there?"]);
}

#[test]
fn whoever_wants_a_connection_does_not_trust_a_silent_one() {
    let (mut world, group) = with_a_dead_line();
    world.tell(0, Command::Connect);
    world.run();

    assert_eq!(world.people[0].core.connection(), Connection::Online);
    assert_eq!(world.texts(0, group), ["are you there?"]);
}

#[test]
fn a_call_that_breaks_has_a_silent_line_replaced_within_five_seconds() {
    let (mut world, group) = with_a_dead_line();
    let call = RingId::new([5; 16]);

    world.tell(0, Command::CallLost { call });
    world.live_for(5_000);

    assert_eq!(world.people[0].core.connection(), Connection::Online);
    assert_eq!(world.texts(0, group), ["are you there?"]);
}

#[test]
fn a_quiet_line_stays() {
    let mut world = World::with(&["Ada"]);
    world.go_live();
    let changes = |world: &World| {
        let notices = world.people[0].notices.iter();
        let changed = |notice: &&Notice| **notice == Notice::ConnectionChanged;
        notices.filter(changed).count()
    };
    let before = changes(&world);

    for _ in 0..50 {
        world.pass(20);
        world.tick(0);
        world.run();
    }

    assert_eq!(world.people[0].core.connection(), Connection::Online);
    assert_eq!(changes(&world), before);
}

/// The first person's line died, and something was said since.
fn with_a_dead_line() -> (World, GroupId) {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.tell(0, Command::Connect);
    world.run();
    let ada = world.people[0].device();
    world.relay.cut.insert(ada);
    world.say(1, group, "are you there?");
    world.tell(1, Command::SyncOnce);
    world.run_without_time();
    assert_eq!(world.people[0].core.connection(), Connection::Online);
    assert!(world.texts(0, group).is_empty());
    (world, group)
}

fn settled(world: &World, at: usize) -> usize {
    let notices = world.people[at].notices.iter();
    notices.filter(|notice| **notice == Notice::Settled).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_answer_and_no_frame_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        status in prop::sample::select(vec![200_u16, 401, 403, 404, 409, 410, 500, 599]),
        calls in 0_u64..40,
    ) {
        let mut dice = |bytes: &mut [u8]| bytes.fill(7);
        let now = Moment::from_millis(1_800_000_000_000);
        let mut core = Core::fresh();
        let link = World::new().setup_link();
        let join = Command::Join { link, name: "Ada".into() };
        let _ = core.handle(Input::Command(join), now, &mut dice);
        let _ = core.handle(Input::Command(Command::Connect), now, &mut dice);
        for call in 0..calls {
            let reply = HttpReply { status, body: bytes.clone() };
            let call = CallId::new(call);
            let later = now.plus_millis(call.get() * 10_000);
            let _ = core.handle(Input::Reply { call, result: Ok(reply) }, later, &mut dice);
            let _ = core.handle(Input::Frame(bytes.clone()), later, &mut dice);
            let result = Err(Unreachable);
            let _ = core.handle(Input::Reply { call, result }, later, &mut dice);
        }
        let _ = core.handle(Input::SocketOpened, now, &mut dice);
        let _ = core.handle(Input::SocketClosed, now, &mut dice);
    }
}

#[test]
fn no_damaged_answer_or_frame_panics_a_core_that_is_in_use() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.go_live();
    world.damage = Some(5);

    for round in 0..30 {
        world.say(round % 2, group, "hello");
        world.run();
        world.now = world.now.plus_millis(30_000);
    }
    world.damage = None;
    world.pass(3_600);
    for at in 0..2 {
        world.drop_socket(at);
        world.tell(at, Command::Disconnect);
    }
    world.settle();
    world.settle();
    let last = world.say(0, group, "after all that");
    world.settle();
    world.settle();

    let heard = world
        .messages(1, group)
        .iter()
        .any(|message| message.id == last);
    assert!(heard, "{:?}", world.troubles(1));
    let settled = |notice: &Notice| matches!(notice, Notice::Settled);
    assert!(world.people[0].notices.iter().any(settled));
}
