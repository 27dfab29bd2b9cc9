//! Two people and what they say to each other.

use roost_client::view::{ConversationState, MessageState, Trust};
use roost_tests::world::{Person, World};

#[test]
fn two_people_join_by_links_and_talk() {
    let world = World::seeded(1);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.opens_room_with(&ben);
    world.settle();

    world.drop_next(3);
    ada.says(&room, "hello");
    world.settle();
    ben.says(&room, "hello yourself");
    world.settle();

    assert_eq!(ben.reads(&room), ["hello", "hello yourself"]);
    assert_eq!(ada.reads(&room), ["hello", "hello yourself"]);
    assert_eq!(ada.message(&room, "hello").state, MessageState::Delivered);
}

#[test]
fn a_set_up_link_works_once() {
    let world = World::seeded(2);
    let link = world.setup_link();
    let [ada, eve] = ["ada", "eve"].map(|name| world.device(name));

    ada.joins(&link);
    world.settle();
    eve.joins(&link);
    world.settle();

    assert!(ada.has_account());
    assert!(!eve.has_account());
}

#[test]
fn the_one_who_invited_is_verified_by_the_link() {
    let world = World::seeded(3);
    let [ada, ben] = world.people(["ada", "ben"]);

    let trust = ben
        .core()
        .people()
        .iter()
        .find(|person| person.account == ada.account())
        .map(|person| person.trust);

    assert_eq!(trust, Some(Trust::VerifiedByLink));
}

#[test]
fn both_opening_the_conversation_at_once_read_each_other_in_the_two() {
    let world = World::seeded(4);
    let [ada, ben] = world.people(["ada", "ben"]);
    let of_ada = ada.opens_room_with(&ben);
    let of_ben = ben.opens_room_with(&ada);
    world.settle();
    ada.says(&of_ada, "from ada");
    ben.says(&of_ben, "from ben");
    world.settle();

    let all: Vec<String> = ada
        .rooms()
        .iter()
        .flat_map(|room| ada.reads(room))
        .collect();
    assert!(all.contains(&"from ben".to_owned()), "{all:?}");
    let all: Vec<String> = ben
        .rooms()
        .iter()
        .flat_map(|room| ben.reads(room))
        .collect();
    assert!(all.contains(&"from ada".to_owned()), "{all:?}");
}

#[test]
fn any_message_can_be_answered_and_shows_its_quote() {
    let world = World::seeded(5);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.opens_room_with(&ben);
    world.settle();
    for number in 0..150 {
        ada.says(&room, &format!("line {number}"));
    }
    world.settle();

    ben.replies(&room, "line 3", "about the third");
    world.settle();

    let quote = ada.message(&room, "about the third").reply_to.unwrap();
    assert_eq!(quote.text.as_deref(), Some("line 3"));
    assert_eq!(quote.id, ada.message(&room, "line 3").id);
}

#[test]
fn a_reaction_is_seen_and_taken_back() {
    let world = World::seeded(6);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.opens_room_with(&ben);
    world.settle();
    ada.says(&room, "look");
    world.settle();

    ben.reacts(&room, "look", "🦜");
    world.settle();
    let seen = ada.message(&room, "look").reactions;
    ben.takes_back(&room, "look", "🦜");
    world.settle();

    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].emoji.as_str(), seen[0].mine), ("🦜", false));
    assert!(ada.message(&room, "look").reactions.is_empty());
    assert!(ben.message(&room, "look").reactions.is_empty());
}

#[test]
fn what_is_written_offline_is_sent_on_return_and_once() {
    let world = World::seeded(7);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.opens_room_with(&ben);
    world.settle();

    ada.disconnects();
    ada.says(&room, "first");
    ada.says(&room, "second");
    world.settle();
    let waiting = ada.message(&room, "first").state;
    ada.crashes();
    world.settle();
    ada.connects();
    world.settle();

    assert_eq!(waiting, MessageState::Sending);
    assert_eq!(ben.reads(&room), ["first", "second"]);
    assert_eq!(ada.reads(&room), ["first", "second"]);
}

#[test]
fn a_server_killed_in_any_commit_of_a_message_loses_and_doubles_nothing() {
    use roost_tests::world::fragile_store::Death;
    let world = World::seeded(8);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.opens_room_with(&ben);
    world.settle();
    let mut expected = Vec::new();

    for death in [Death::BeforeTheCommit, Death::AfterTheCommit] {
        for commits in 0.. {
            world.kill_server_in_commit(commits, death);
            let text = format!("{death:?} {commits}");
            ada.says(&room, &text);
            expected.push(text);
            world.settle();
            if world.spare_server() {
                assert!(commits > 0);
                break;
            }
        }
    }

    assert_eq!(ben.reads(&room), expected);
    assert_eq!(ada.reads(&room), expected);
}

#[test]
fn a_server_that_restarts_keeps_people_conversations_and_messages() {
    let world = World::seeded(9);
    let [ada, ben] = world.people(["ada", "ben"]);
    let room = ada.opens_room_with(&ben);
    ada.says(&room, "before");
    world.settle();

    world.kill_server(60_000);
    ben.says(&room, "during");
    world.settle();
    ada.says(&room, "after");
    world.settle();

    assert_eq!(ada.reads(&room), ["before", "during", "after"]);
    assert_eq!(ben.reads(&room), ["before", "during", "after"]);
    assert_eq!(ben.state(&room), Some(ConversationState::Ready));
}

#[test]
fn an_invite_that_is_used_up_or_expired_admits_nobody() {
    let world = World::seeded(10);
    let [ada] = world.people(["ada"]);
    let once = ada.invites_with(None, 1, 7);
    let short = ada.invites_with(None, 9, 1);
    let [ben, cem, dov] = ["ben", "cem", "dov"].map(|name| world.device(name));

    ben.joins(&once);
    world.settle();
    cem.joins(&once);
    world.settle();
    world.pass(25 * 3_600_000);
    dov.joins(&short);
    world.settle();

    assert!(ben.has_account());
    assert!(!cem.has_account());
    assert!(!dov.has_account());
}

#[test]
fn two_people_see_the_same_safety_number_and_with_somebody_else_another() {
    let world = World::seeded(19);
    let [ada, ben, cem] = world.people(["ada", "ben", "cem"]);
    let number = |one: &Person, other: &Person| {
        let core = one.core();
        core.safety_number(&other.account()).map(|n| n.to_string())
    };

    let hers = number(&ada, &ben);

    assert!(hers.is_some());
    assert_eq!(hers, number(&ben, &ada));
    assert_ne!(hers, number(&ada, &cem));
    assert_eq!(number(&ada, &ada), None);
}
