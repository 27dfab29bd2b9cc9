//! What a device does unasked, and what it keeps over a crash until it is done.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests may panic"
)]

mod relay;

use relay::World;
use roost_client::view::{ConversationState, MessageState};
use roost_client::{Command, Notice, Trouble};
use roost_mls::limit;
use roost_wire::api::Verdict;
use roost_wire::link::InviteLink;
use roost_wire::log::{EntryKind, InboxItem};
use roost_wire::{Blob, Epoch, ErrorCode, GroupId, Seq};

#[test]
fn a_welcome_for_a_group_that_is_there_is_refused_and_the_group_goes_on() {
    let mut world = World::with(&["Ada", "Ben", "Cleo"]);
    let group = world.direct(0, 1);
    let other = world.direct(2, 1);
    let (ben, genuine) = (world.people[1].device(), welcome_of(&world, 1, &other));

    for welcome in [genuine, vec![1, 2, 3]] {
        let item = InboxItem::Welcome {
            group,
            epoch: Epoch::new(1),
            seq: Seq::new(1),
            welcome: Blob::new(welcome).unwrap(),
        };
        world.relay.put_inbox(ben, item);
    }
    world.sync(1);
    world.say(0, group, "still you and me?");
    world.settle();
    world.say(1, group, "still");
    world.settle();

    assert_eq!(world.troubles(1), [(Trouble::WelcomeRefused, 2)]);
    assert_eq!(world.texts(0, group), ["still you and me?", "still"]);
    let view = world.people[1].core.conversation(&group).unwrap();
    assert_eq!(view.state, ConversationState::Ready);
}

#[test]
fn a_credential_is_renewed_at_two_thirds_of_its_life_and_not_before() {
    let mut world = World::with(&["Ada"]);
    let ada = world.people[0].device();
    let first = world.relay.credential_of(&ada);
    let two_thirds = limit::CREDENTIAL_SECONDS / 3 * 2;

    world.pass(two_thirds - 86_400);
    world.sync(0);
    assert_eq!(world.relay.credential_of(&ada), first);

    world.pass(2 * 86_400);
    world.sync(0);
    let second = world.relay.credential_of(&ada);
    assert!(second.not_after > first.not_after);
    assert_eq!(second.account_key, first.account_key);
    assert_eq!(second.device_key(), first.device_key());
}

#[test]
fn a_renewed_credential_reaches_the_leaf_with_the_next_update() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    let ada = world.people[0].device();
    let first = world.relay.leaf_credential(&group, &ada);

    // All the time somebody keeps the group alive, or both would be silent.
    for _ in 0..40 {
        world.pass(7 * 86_400);
        world.settle();
    }
    world.say(0, group, "under the new credential");
    world.settle();

    let second = world.relay.leaf_credential(&group, &ada);
    assert!(second.not_after > first.not_after);
    assert_eq!(second, world.relay.credential_of(&ada));
    assert_eq!(world.relay.roster(&group).len(), 2);
    assert_eq!(world.texts(1, group), ["under the new credential"]);
    assert_eq!(world.troubles(1), []);
}

#[test]
fn joining_by_a_last_resort_leads_to_fresh_keys_at_once() {
    let mut world = World::with(&["Ada", "Ben", "Cleo"]);
    let usual = world.direct(0, 1);
    assert_eq!(commits_in(&world, &usual), 1, "the update has its time");

    let cleo = world.people[2].device();
    world.relay.use_up_packages(&cleo);
    let group = world.direct(0, 2);

    assert_eq!(commits_in(&world, &group), 2);
    world.say(2, group, "with keys of my own");
    world.settle();
    assert_eq!(world.texts(0, group), ["with keys of my own"]);
}

#[test]
fn what_is_sent_without_a_socket_is_for_those_who_are_there_now() {
    let mut world = World::with(&["Ada", "Ben", "Cleo"]);
    let group = world.group(0, "Hikers", &[1]);
    let accounts = vec![world.people[2].account()];
    world.tell(0, Command::AddMembers { group, accounts });
    world.sync(0);

    // Ben has not heard of Cleo yet.
    world.say(1, group, "to everybody");
    world.sync(1);
    world.settle();

    assert_eq!(world.texts(2, group), ["to everybody"]);
}

#[test]
fn an_invite_that_the_server_has_not_confirmed_survives_a_crash() {
    let mut world = World::with(&["Ada"]);
    world.people[0].offline = true;
    let (uses, days) = (3, 7);
    let group = None;
    world.tell(0, Command::CreateInvite { group, uses, days });
    world.run();
    assert!(invite_link(&world, 0).is_none());

    world.people[0].restart();
    world.people[0].offline = false;
    world.sync(0);

    let link = InviteLink::parse(&invite_link(&world, 0).unwrap()).unwrap();
    assert!(world.relay.has_invite(&link.invite));
    world.people[0].notices.clear();
    world.people[0].restart();
    world.sync(0);
    assert!(invite_link(&world, 0).is_none(), "it is told once");
}

#[test]
fn what_became_of_a_commit_is_reported_after_a_crash_too() {
    let mut world = World::with(&["Ada", "Ben", "Cleo"]);
    let group = world.group(0, "Hikers", &[1, 2]);
    world.relay.verdicts.clear();
    let (ben, cleo) = (world.people[1].account(), world.people[2].account());

    let account = cleo;
    world.tell(0, Command::RemoveMember { group, account });
    world.sync(0);
    // Ben reads the log, and dies before his report is out.
    let reads_the_commit = world.sync_until(1, "/verdicts");
    world.people[1].restart();
    world.settle();

    assert!(reads_the_commit, "else this test shows nothing");
    let reports = world.relay.verdicts.iter();
    let of_ben: Vec<_> = reports.filter(|(who, ..)| *who == ben).collect();
    assert_eq!(of_ben.len(), 1, "{of_ben:?}");
    assert_eq!(of_ben[0].2, Verdict::Merged);
}

#[test]
fn a_device_that_nobody_adds_can_be_added_at_any_time() {
    let mut world = World::with(&["Ada"]);
    let ada = world.people[0].device();

    for _ in 0..9 {
        world.pass(7 * 86_400);
        world.sync(0);
        assert!(world.relay.has_last_resort(&ada));
        assert_eq!(world.relay.packages_of(&ada), 32, "none was asked for");
    }
}

#[test]
fn key_packages_that_the_server_refuses_are_put_anew() {
    let mut world = World::with(&["Ada"]);
    let ada = world.people[0].device();
    let asked = InboxItem::RefillKeyPackages { left: 0 };
    for _ in 0..2 {
        world.relay.put_inbox(ada, asked.clone());
        world.settle();
    }
    assert!(world.relay.has_last_resort(&ada));
    assert_eq!(world.relay.packages_of(&ada), 32);
}

#[test]
fn who_was_added_by_somebody_else_meanwhile_is_no_hindrance_to_adding_the_others() {
    let mut world = World::with(&["Ada", "Ben", "Cleo", "Dora"]);
    let group = world.group(0, "Hikers", &[1]);
    let (cleo, dora) = (world.people[2].account(), world.people[3].account());
    world.tell(0, Command::Connect);
    world.run();

    let accounts = vec![cleo, dora];
    world.tell(0, Command::AddMembers { group, accounts });
    assert!(world.perform_until(0, "/claim"));
    world.perform_next(0);
    assert!(
        world.perform_until(0, "/claim"),
        "one is claimed, one is not"
    );
    let accounts = vec![cleo];
    world.tell(1, Command::AddMembers { group, accounts });
    world.sync_until(1, "/nowhere");
    world.deliver(0);
    world.run();
    world.settle();

    assert_eq!(world.relay.roster(&group).len(), 4);
    let failed = |notice: &Notice| matches!(notice, Notice::Failed { .. });
    assert!(!world.people[0].notices.iter().any(failed));
}

#[test]
fn the_server_cannot_exchange_the_names_of_people_who_were_met() {
    let mut world = World::with(&["Ada", "Ben", "Cleo"]);
    let (ben, cleo) = (world.people[1].account(), world.people[2].account());
    let with_ben = world.direct(0, 1);
    world.group(0, "Hikers", &[1, 2]);
    let names = [ben, cleo].map(|account| world.relay.people[&account].name.clone());
    world.relay.people.get_mut(&ben).unwrap().name = names[1].clone();
    world.relay.people.get_mut(&cleo).unwrap().name = names[0].clone();

    world.tell(0, Command::RefreshPeople);
    world.sync(0);

    let core = &world.people[0].core;
    assert_eq!(core.conversation(&with_ben).unwrap().title, "Ben");
    for (account, name) in [ben, cleo].iter().zip(&names) {
        assert_eq!(core.person(account).unwrap().name, *name);
    }
}

#[test]
fn an_acknowledgement_that_failed_is_said_again() {
    for code in [ErrorCode::Internal, ErrorCode::NotSignedIn] {
        let mut world = World::with(&["Ada", "Ben"]);
        let group = world.direct(0, 1);
        world.say(0, group, "heard?");
        world.sync(0);
        assert!(world.sync_until(1, "/acks"));
        world.relay.refuse_next.push(code);
        world.run();

        world.settle();

        let state = world.messages(0, group)[0].state.clone();
        assert_eq!(state, MessageState::Delivered, "{code:?}");
    }
}

#[test]
fn a_deletion_and_a_name_that_the_server_refuses_are_undone_and_told() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.group(0, "Hikers", &[1]);
    let message = world.say(0, group, "stays");
    world.settle();
    world.items(0, group);
    let title = |world: &World| world.people[0].core.conversation(&group).unwrap().title;
    let failures = |world: &World| {
        let notices = world.people[0].notices.iter();
        let failed = |notice: &&Notice| matches!(notice, Notice::Failed { .. });
        notices.filter(failed).count()
    };

    world.tell(0, Command::Delete { group, message });
    world.relay.refuse_message = Some(ErrorCode::Refused);
    world.sync(0);
    assert_eq!(world.texts(0, group), ["stays"]);
    assert_eq!(failures(&world), 1);

    let name = "Bikers".to_owned();
    world.tell(0, Command::Rename { group, name });
    assert_eq!(title(&world), "Bikers");
    world.relay.refuse_message = Some(ErrorCode::Refused);
    world.sync(0);
    assert_eq!(title(&world), "Hikers");
    assert_eq!(failures(&world), 2);
}

fn commits_in(world: &World, group: &GroupId) -> usize {
    let entries = world.relay.entries(group).iter();
    entries
        .filter(|entry| entry.kind == EntryKind::Commit)
        .count()
}

/// A Welcome that this person got for a group.
fn welcome_of(world: &World, at: usize, wanted: &GroupId) -> Vec<u8> {
    let device = world.people[at].device();
    let found = world
        .relay
        .inbox_of(&device)
        .iter()
        .find_map(|row| match &row.item {
            InboxItem::Welcome { group, welcome, .. } if group == wanted => Some(welcome.clone()),
            _ => None,
        });
    found.unwrap().into_bytes()
}

fn invite_link(world: &World, at: usize) -> Option<String> {
    let mut notices = world.people[at].notices.iter().rev();
    notices.find_map(|notice| match notice {
        Notice::InviteCreated { link, .. } => Some(link.clone()),
        _ => None,
    })
}
