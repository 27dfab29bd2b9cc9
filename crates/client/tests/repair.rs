//! What goes wrong is noticed, named and repaired.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests may panic"
)]

mod relay;

use relay::World;
use roost_client::view::{
    Connection, ConversationKind, ConversationState, EventKind, MessageState, ThreadItem,
};
use roost_client::{Command, Core, Input, Trouble};
use roost_wire::frame::ServerFrame;
use roost_wire::log::{EntryKind, InboxItem};
use roost_wire::{EntryHash, GroupId, InboxSeq, Seq};

#[test]
fn a_message_nobody_can_decrypt_is_told_and_the_next_one_is_read() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.say(0, group, "one");
    world.settle();
    let mut tampered = world.relay.last_body(&group);
    let last = tampered.last_mut().unwrap();
    *last ^= 1;

    world.relay.plant(&group, EntryKind::Message, tampered);
    world.say(0, group, "two");
    world.settle();

    assert_eq!(world.texts(1, group), ["one", "two"]);
    assert_eq!(world.troubles(1), [(Trouble::Undecryptable, 1)]);
    assert!(has_event(
        &mut world,
        1,
        group,
        &EventKind::MessagesMayBeMissing { from: None }
    ));
}

#[test]
fn a_tampered_copy_before_the_genuine_message_costs_nothing() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.people[1].offline = true;
    world.say(0, group, "genuine");
    world.sync(0);
    let body = world.relay.last_body(&group);
    let mut tampered = body.clone();
    *tampered.last_mut().unwrap() ^= 1;
    swap_last(&mut world, &group, tampered);
    world.relay.plant(&group, EntryKind::Message, body);

    world.people[1].offline = false;
    world.settle();

    assert_eq!(world.texts(1, group), ["genuine"]);
}

#[test]
fn a_message_that_comes_twice_is_shown_once() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.say(0, group, "once");
    world.settle();
    let body = world.relay.last_body(&group);

    world.relay.plant(&group, EntryKind::Message, body);
    world.say(0, group, "next");
    world.settle();

    assert_eq!(world.texts(1, group), ["once", "next"]);
    assert_eq!(world.troubles(1), []);
}

#[test]
fn a_broken_commit_is_refused_voided_and_everybody_goes_on() {
    let mut world = World::with(&["Ada", "Ben", "Cleo"]);
    let group = world.group(0, "Hikers", &[1, 2]);
    let cleo = world.people[2].account();
    // Ada's commit reaches the others with a broken confirmation tag; the relay took the good one.
    world.tell(
        0,
        Command::RemoveMember {
            group,
            account: cleo,
        },
    );
    world.people[1].offline = true;
    world.people[2].offline = true;
    world.sync(0);
    let mut broken = commit_body(&world, &group);
    let at = broken.len() - 60;
    broken[at] ^= 1;
    replace_commit(&mut world, &group, broken);

    world.people[1].offline = false;
    world.people[2].offline = false;
    world.settle();
    world.settle();
    world.say(1, group, "still here");
    world.settle();
    world.settle();

    assert!(world.texts(2, group).contains(&"still here".to_owned()));
    assert!(world.texts(0, group).contains(&"still here".to_owned()));
    for at in 0..3 {
        let view = world.people[at].core.conversation(&group).unwrap();
        assert_eq!(
            view.state,
            ConversationState::Ready,
            "{at}: {:?}",
            world.troubles(at)
        );
    }
    assert!(world.troubles(1).contains(&(Trouble::CommitRefused, 1)));
    assert!(world.troubles(0).contains(&(Trouble::CommitVoided, 1)));
}

#[test]
fn racing_commits_all_happen_in_the_end() {
    let mut world = World::with(&["Ada", "Ben", "Cleo", "Dora"]);
    let group = world.group(0, "Hikers", &[1]);
    let (cleo, dora) = (world.people[2].account(), world.people[3].account());

    world.tell(
        0,
        Command::AddMembers {
            group,
            accounts: vec![cleo],
        },
    );
    world.tell(
        1,
        Command::AddMembers {
            group,
            accounts: vec![dora],
        },
    );
    world.tell(0, Command::SyncOnce);
    world.tell(1, Command::SyncOnce);
    world.run();
    world.settle();
    world.settle();
    world.say(3, group, "all here?");
    world.settle();

    assert_eq!(world.relay.roster(&group).len(), 4);
    for at in 0..4 {
        assert_eq!(world.texts(at, group), ["all here?"], "{at}");
        assert_eq!(world.troubles(at), []);
    }
}

#[test]
fn the_same_wish_of_two_members_is_done_once() {
    let mut world = World::with(&["Ada", "Ben", "Cleo"]);
    let group = world.group(0, "Hikers", &[1, 2]);
    let account = world.people[2].account();

    world.tell(0, Command::RemoveMember { group, account });
    world.tell(1, Command::RemoveMember { group, account });
    world.tell(0, Command::SyncOnce);
    world.tell(1, Command::SyncOnce);
    world.run();
    world.settle();
    world.settle();

    let removals = events(&mut world, 0, group);
    let removals = removals
        .iter()
        .filter(|event| matches!(event, EventKind::Removed { .. }));
    assert_eq!(removals.count(), 1);
    assert_eq!(world.relay.roster(&group).len(), 2);
}

#[test]
fn a_restored_copy_of_a_profile_enters_anew_before_it_sends() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    let backup = world.people[0].rows.clone();
    world.say(0, group, "not in the backup");
    world.settle();

    world.people[0].rows = backup;
    world.people[0].restart();
    world.say(0, group, "from the copy");
    world.settle();
    world.settle();

    assert_eq!(
        world.texts(1, group),
        ["not in the backup", "from the copy"]
    );
    assert!(world.troubles(0).contains(&(Trouble::ProfileCopied, 1)));
    assert!(has_event(&mut world, 0, group, &EventKind::Rejoined));
    assert_eq!(world.troubles(1), []);
}

#[test]
fn a_message_that_had_arrived_keeps_its_place_when_its_device_enters_anew() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.say(0, group, "arrived");
    assert!(world.sync_until(0, "/messages"), "it is encrypted");
    let backup = world.people[0].rows.clone();
    world.settle();
    world.say(0, group, "not in the backup");
    world.settle();

    world.people[0].rows = backup;
    world.people[0].restart();
    world.settle();
    world.say(0, group, "from the copy");
    world.settle();

    assert_eq!(world.texts(0, group), ["arrived", "from the copy"]);
    assert_eq!(
        world.texts(1, group),
        ["arrived", "not in the backup", "from the copy"]
    );
    let here = world.messages(0, group)[0].seq;
    assert!(here.is_some());
    assert_eq!(here, world.messages(1, group)[0].seq);
}

#[test]
fn whoever_leaves_takes_all_their_devices_along_and_stays_away() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.group(0, "Hikers", &[1]);
    let phone = link_phone(&mut world);
    assert_eq!(world.relay.roster(&group).len(), 3);
    let before = world.relay.entries(&group).len();

    world.tell(0, Command::Leave(group));
    world.settle();
    world.settle();
    world.people[phone].restart();
    world.settle();

    for at in [0, phone] {
        let view = world.people[at].core.conversation(&group).unwrap();
        assert_eq!(view.state, ConversationState::Left);
    }
    assert_eq!(world.relay.roster(&group).len(), 1);
    // The other device removed, the wish to leave, and its fulfilment.
    assert_eq!(world.relay.entries(&group).len(), before + 3);
}

#[test]
fn an_answer_from_an_epoch_that_is_over_does_not_end_the_wish_to_leave() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.group(0, "Hikers", &[1]);
    world.relay.late_leaves = 1;

    world.tell(1, Command::Leave(group));
    world.settle();
    world.settle();

    let view = world.people[1].core.conversation(&group).unwrap();
    assert_eq!(view.state, ConversationState::Left);
    assert_eq!(world.relay.roster(&group).len(), 1);
}

#[test]
fn whoever_leaves_as_the_last_one_stays_away() {
    let mut world = World::with(&["Ada"]);
    let group = world.group(0, "Alone", &[]);
    let phone = link_phone(&mut world);

    world.tell(0, Command::Leave(group));
    world.settle();
    for at in [0, phone] {
        world.people[at].restart();
    }
    world.settle();

    for at in [0, phone] {
        let view = world.people[at].core.conversation(&group).unwrap();
        assert_eq!(view.state, ConversationState::Left);
    }
}

#[test]
fn a_direct_conversation_entered_while_the_other_is_out_is_a_direct_one() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    let ben = world.people[1].account();
    world.tell(1, Command::Leave(group));
    world.settle();
    world.settle();
    assert_eq!(world.relay.roster(&group).len(), 1);

    let phone = link_phone(&mut world);

    let view = world.people[phone].core.conversation(&group).unwrap();
    assert_eq!(view.state, ConversationState::Ready);
    assert_eq!(view.kind, ConversationKind::Direct(ben));
}

#[test]
fn whoever_cannot_enter_anew_says_that_messages_may_be_missing() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    let backup = world.relay.clone();
    world.say(0, group, "not in the backup");
    world.settle();
    world.relay.restore(backup);
    world.relay.hides_groups = u32::MAX;

    world.people[1].restart();
    world.settle();

    let view = world.people[1].core.conversation(&group).unwrap();
    assert_eq!(view.state, ConversationState::Gone);
    let missing = EventKind::MessagesMayBeMissing { from: None };
    assert!(has_event(&mut world, 1, group, &missing));
}

#[test]
fn a_call_to_enter_outweighs_an_older_refusal() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.tell(1, Command::Connect);
    world.run();
    world.relay.hides_groups = 1;
    let frames = [
        ServerFrame::Gap {
            group,
            tail: Seq::new(9),
        },
        ServerFrame::Inbox {
            seq: InboxSeq::new(99),
            item: InboxItem::JoinGroup { group },
        },
    ];

    for frame in frames {
        let now = world.now;
        world.people[1].feed(Input::Frame(frame.to_bytes()), now);
    }
    world.run();

    let view = world.people[1].core.conversation(&group).unwrap();
    assert_eq!(view.state, ConversationState::Ready);
    let missing = EventKind::MessagesMayBeMissing { from: None };
    assert!(!has_event(&mut world, 1, group, &missing));
}

#[test]
fn a_device_signs_in_however_often_it_was_refused_before() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.people[0].restart();
    world.relay.refuse_sign_ins = 7;
    world.say(0, group, "at last");

    for _ in 0..40 {
        world.pass(60);
        world.settle();
    }

    assert_eq!(world.texts(1, group), ["at last"]);
}

#[test]
fn a_restored_server_leads_to_new_leaves_and_talking_goes_on() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    let backup = world.relay.clone();
    let kept = backup.entries(&group).len();
    for text in ["one", "two", "three"] {
        world.say(0, group, text);
    }
    world.settle();
    let upto = world.messages(1, group)[2].seq.unwrap();
    world.tell(1, Command::MarkRead { group, upto });

    world.relay.restore(backup);
    for person in &mut world.people {
        person.restart();
    }
    world.settle();
    world.settle();
    let since = &world.relay.entries(&group)[kept..];
    let anew = since.iter().filter(|entry| entry.kind == EntryKind::Commit);
    assert_eq!(anew.count(), 2, "each of the two has a new leaf");

    world.say(0, group, "after");
    world.sync(0);
    assert_eq!(state_of(&mut world, "after"), MessageState::Stored);
    world.settle();
    for text in ["one", "two", "three", "after"] {
        assert_eq!(
            state_of(&mut world, text),
            MessageState::Delivered,
            "{text}"
        );
    }
    for at in 0..2 {
        assert_eq!(world.texts(at, group), ["one", "two", "three", "after"]);
    }
    let after = world.messages(1, group)[3].seq.unwrap();
    assert!(after <= upto, "its number was another's before");
    let unread = |world: &World| world.people[1].core.conversation(&group).unwrap().unread;
    assert_eq!(unread(&world), 1);
    world.tell(1, Command::MarkRead { group, upto: after });
    assert_eq!(unread(&world), 0);
}

#[test]
fn what_was_accepted_and_not_read_back_is_sent_again_to_a_restored_server() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.say(0, group, "in the backup");
    world.settle();
    let backup = world.relay.clone();
    world.say(0, group, "accepted");
    assert!(world.sync_until(0, "/messages"));
    assert!(world.perform_next(0));
    assert_eq!(state_of(&mut world, "accepted"), MessageState::Stored);

    world.relay.restore(backup);
    world.settle();

    for at in 0..2 {
        assert_eq!(world.texts(at, group), ["in the backup", "accepted"]);
    }
}

#[test]
fn a_commit_that_was_accepted_and_not_read_back_is_sent_again_to_a_restored_server() {
    let mut world = World::with(&["Ada", "Ben", "Cleo"]);
    let group = world.group(0, "Hikers", &[1]);
    world.settle();
    let backup = world.relay.clone();
    let cleo = world.people[2].account();
    let accounts = vec![cleo];
    world.tell(0, Command::AddMembers { group, accounts });
    assert!(world.sync_until(0, "/commits"));
    assert!(world.perform_next(0));
    world.relay.restore(backup);
    world.settle();
    world.say(0, group, "welcome");
    world.settle();

    assert_eq!(world.texts(2, group), ["welcome"]);
    assert_eq!(world.texts(1, group), ["welcome"]);
}

#[test]
fn the_inbox_of_a_restored_server_is_read_from_its_beginning() {
    let mut world = World::with(&["Ada", "Ben"]);
    let backup = world.relay.clone();
    let ben = world.people[1].device();
    for name in ["a", "b", "c"] {
        world.group(0, name, &[1]);
    }
    assert_eq!(world.relay.inbox_of(&ben).len(), 3);
    world.tell(1, Command::Connect);
    world.run();

    world.relay.restore(backup);
    world.drop_socket(1);
    world.run();
    assert_eq!(world.people[1].core.connection(), Connection::Online);
    world.relay.use_up_packages(&ben);
    let refill = InboxItem::RefillKeyPackages { left: 0 };
    world.relay.put_inbox(ben, refill);
    world.run();

    assert_eq!(world.relay.inbox_of(&ben).len(), 1);
    assert_eq!(world.relay.packages_of(&ben), 32);
}

#[test]
fn messages_of_a_device_that_was_away_for_long_are_encrypted_again_and_shown_once() {
    let mut world = World::with(&["Ada", "Ben", "Cleo"]);
    let group = world.group(0, "Hikers", &[1]);
    let cleo = world.people[2].account();
    world.people[1].offline = true;
    world.say(1, group, "from the tunnel");
    for _ in 0..3 {
        world.tell(
            0,
            Command::AddMembers {
                group,
                accounts: vec![cleo],
            },
        );
        world.sync(0);
        world.tell(
            0,
            Command::RemoveMember {
                group,
                account: cleo,
            },
        );
        world.sync(0);
    }

    world.people[1].offline = false;
    world.settle();
    world.settle();

    assert_eq!(world.texts(0, group), ["from the tunnel"]);
    assert_eq!(world.texts(1, group), ["from the tunnel"]);
    assert_eq!(world.troubles(0), []);
}

#[test]
fn a_withheld_message_shows() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.say(0, group, "first");
    world.settle();
    world.people[1].offline = true;
    world.say(0, group, "withheld");
    world.settle();
    // The server gives Ben something else in its place, and then the next message.
    let filler = world.relay.entries(&group)[0].clone();
    let mut filler_entry = world.relay.entries_mut(&group).pop().unwrap();
    filler_entry.hash = filler.hash;
    filler_entry.body = filler.body;
    world.relay.entries_mut(&group).push(filler_entry);
    world.say(0, group, "third");
    world.sync(0);

    world.people[1].offline = false;
    world.settle();

    assert_eq!(world.texts(1, group), ["first", "third"]);
    let from = Some(world.people[0].account());
    assert!(has_event(
        &mut world,
        1,
        group,
        &EventKind::MessagesMayBeMissing { from }
    ));
    assert!(world.troubles(1).contains(&(Trouble::TrailBroken, 1)));
}

#[test]
fn a_linked_device_enters_all_groups_and_speaks_for_the_account() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.say(0, group, "from the laptop");
    world.settle();

    let phone = link_phone(&mut world);
    world.say(phone, group, "from the phone");
    world.settle();
    world.say(1, group, "to both");
    world.settle();

    assert_eq!(world.people[phone].account(), world.people[0].account());
    assert_ne!(world.people[phone].device(), world.people[0].device());
    assert_eq!(
        world.texts(0, group),
        ["from the laptop", "from the phone", "to both"]
    );
    assert_eq!(world.texts(phone, group), ["from the phone", "to both"]);
    assert!(world.messages(0, group)[1].mine);
    assert_eq!(world.people[0].core.conversation(&group).unwrap().unread, 1);
    assert_eq!(world.relay.roster(&group).len(), 3);
}

#[test]
fn a_link_grant_opens_on_no_other_device() {
    let mut world = World::with(&["Ada"]);
    let (phone, thief) = (world.device(), world.device());
    let origin = "https://relay:8443".to_owned();
    world.tell(
        phone,
        Command::RequestLink {
            origin: origin.clone(),
        },
    );
    world.tell(thief, Command::RequestLink { origin });
    let request = link_text(&world, phone);
    world.tell(0, Command::GrantLink { request });
    let grant = link_text(&world, 0);

    world.tell(thief, Command::AcceptLink { grant });
    world.run();

    assert!(world.people[thief].core.me().is_none());
}

#[test]
fn a_profile_of_a_newer_version_is_refused_and_an_empty_one_is_fresh() {
    let mut world = World::with(&["Ada"]);
    let mut rows = world.people[0].stored();
    let version = rows.iter_mut().find(|row| row.key == b"version").unwrap();
    version.value = vec![0x19, 0xff, 0xff];

    assert_eq!(Core::open(rows).err(), Some(roost_client::OpenError::Newer));
    assert!(Core::open([]).unwrap().me().is_none());
    world.people[0].restart();
    assert!(world.people[0].core.me().is_some());
}

/// How far a text of the first person has got.
fn state_of(world: &mut World, text: &str) -> MessageState {
    let group = world.people[0].opened();
    let mut messages = world.messages(0, group).into_iter();
    let message = messages.find(|message| message.text == text);
    message.unwrap().state
}

fn swap_last(world: &mut World, group: &GroupId, body: Vec<u8>) {
    let entry = world.relay.entries_mut(group).last_mut().unwrap();
    entry.hash = EntryHash::of(&body);
    entry.body = Some(roost_wire::Blob::new(body).unwrap());
}

fn commit_body(world: &World, group: &GroupId) -> Vec<u8> {
    let mut commits = world.relay.entries(group).iter().rev();
    let commit = commits
        .find(|entry| entry.kind == EntryKind::Commit)
        .unwrap();
    commit.body.clone().unwrap().into_bytes()
}

fn replace_commit(world: &mut World, group: &GroupId, body: Vec<u8>) {
    let mut commits = world.relay.entries_mut(group).iter_mut().rev();
    let commit = commits
        .find(|entry| entry.kind == EntryKind::Commit)
        .unwrap();
    commit.hash = EntryHash::of(&body);
    commit.body = Some(roost_wire::Blob::new(body).unwrap());
}

fn events(world: &mut World, at: usize, group: GroupId) -> Vec<EventKind> {
    let items = world.items(at, group).into_iter();
    items
        .filter_map(|item| match item {
            ThreadItem::Event(event) => Some(event.kind),
            ThreadItem::Message(_) => None,
        })
        .collect()
}

fn has_event(world: &mut World, at: usize, group: GroupId, event: &EventKind) -> bool {
    events(world, at, group).contains(event)
}

/// Another device of the first person.
fn link_phone(world: &mut World) -> usize {
    let phone = world.device();
    world.tell(
        phone,
        Command::RequestLink {
            origin: "https://relay:8443".into(),
        },
    );
    let request = link_text(world, phone);
    world.tell(0, Command::GrantLink { request });
    let grant = link_text(world, 0);
    world.tell(phone, Command::AcceptLink { grant });
    world.run();
    world.settle();
    world.settle();
    phone
}

fn link_text(world: &World, at: usize) -> String {
    use roost_client::Notice::{LinkGrant, LinkRequest};
    let mut notices = world.people[at].notices.iter().rev();
    let text = notices.find_map(|notice| match notice {
        LinkRequest { text } | LinkGrant { text } => Some(text.clone()),
        _ => None,
    });
    text.expect("a text to carry over")
}

#[test]
fn garbage_that_any_member_can_send_leads_to_one_repair_and_then_to_a_pause() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.say(0, group, "genuine");
    world.settle();
    let genuine = world.relay.last_body(&group);

    for mark in 1..=9 {
        let mut garbage = genuine.clone();
        *garbage.last_mut().unwrap() ^= mark;
        world.relay.plant(&group, EntryKind::Message, garbage);
        world.settle();
        world.settle();
    }
    world.say(0, group, "still talking");
    world.settle();
    world.settle();

    let repairs = world.troubles(1);
    assert!(repairs.contains(&(Trouble::StateLost, 1)), "{repairs:?}");
    assert_eq!(world.texts(1, group).last().unwrap(), "still talking");
}

#[test]
fn who_is_new_after_entering_anew_is_shown_and_gets_nothing_unasked() {
    let mut world = World::with(&["Ada", "Ben", "Cleo"]);
    let group = world.group(0, "Hikers", &[1]);
    let cleo = world.people[2].account();
    let backup = world.relay.clone();
    world.say(0, group, "not in the backup");
    world.settle();
    world.people[1].offline = true;
    let secret = world.say(1, group, "for Ada alone");
    world.relay.restore(backup);
    world.people[0].restart();
    world.settle();
    world.tell(
        0,
        Command::AddMembers {
            group,
            accounts: vec![cleo],
        },
    );
    world.settle();

    world.people[1].offline = false;
    for person in &mut world.people {
        person.restart();
    }
    world.settle();
    world.settle();

    let found = EventKind::FoundHere { who: cleo };
    assert!(has_event(&mut world, 1, group, &found));
    assert!(world.texts(2, group).is_empty());

    let message = secret;
    world.tell(1, Command::Retry { group, message });
    world.settle();
    assert_eq!(world.texts(2, group), ["for Ada alone"]);
}
