//! Two and three people talk through a relay.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests may panic"
)]

mod relay;

use relay::World;
use roost_client::view::{
    ConversationKind, ConversationState, EventKind, MessageState, ThreadItem, Trust,
};
use roost_client::{Command, Notice};

#[test]
fn two_people_talk_in_a_direct_conversation() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);

    world.say(0, group, "hello");
    world.settle();
    world.say(1, group, "hi there");
    world.settle();

    assert_eq!(world.texts(0, group), ["hello", "hi there"]);
    assert_eq!(world.texts(1, group), ["hello", "hi there"]);
    assert_eq!(world.troubles(0), []);
    assert_eq!(world.troubles(1), []);
}

#[test]
fn what_is_said_before_the_other_is_in_reaches_them() {
    let mut world = World::with(&["Ada", "Ben"]);
    let ben = world.people[1].account();

    world.tell(0, Command::StartDirect(ben));
    let group = world.people[0].opened();
    world.say(0, group, "first");
    world.settle();

    assert_eq!(world.texts(1, group), ["first"]);
}

#[test]
fn a_direct_conversation_is_opened_again_not_made_twice() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    let (ada, ben) = (world.people[0].account(), world.people[1].account());

    world.tell(0, Command::StartDirect(ben));
    let again = world.people[0].opened();
    world.tell(1, Command::StartDirect(ada));
    let from_ben = world.people[1].opened();

    assert_eq!((again, from_ben), (group, group));
    let view = world.people[1].core.conversation(&group).unwrap();
    assert_eq!(view.kind, ConversationKind::Direct(ada));
    assert_eq!(view.title, "Ada");
}

#[test]
fn replies_quote_any_message_and_reactions_come_and_go() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    let first = world.say(0, group, "shall we go?");
    world.say(0, group, "it rains");
    world.settle();

    let (text, reply_to) = ("yes".to_owned(), Some(first));
    world.tell(
        1,
        Command::Send {
            group,
            text,
            reply_to,
        },
    );
    let emoji = "👍🏽".to_owned();
    world.tell(
        1,
        Command::React {
            group,
            message: first,
            emoji: emoji.clone(),
        },
    );
    world.settle();

    let messages = world.messages(0, group);
    let quote = messages[2].reply_to.clone().unwrap();
    assert_eq!(
        (quote.id, quote.text.as_deref()),
        (first, Some("shall we go?"))
    );
    assert_eq!(messages[0].reactions[0].emoji, "👍🏽");
    assert_eq!(messages[0].reactions[0].who, [world.people[1].account()]);

    world.items(1, group);
    world.tell(
        1,
        Command::Unreact {
            group,
            message: first,
            emoji,
        },
    );
    world.settle();

    assert_eq!(world.messages(0, group)[0].reactions, []);
    assert_eq!(world.messages(1, group)[0].reactions, []);
}

#[test]
fn only_the_author_edits_and_deletes() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    let message = world.say(0, group, "tomorow");
    let other = world.say(0, group, "never mind");
    world.settle();
    world.items(0, group);
    world.items(1, group);

    world.tell(1, Command::Delete { group, message });
    let text = "tomorrow".to_owned();
    world.tell(
        0,
        Command::Edit {
            group,
            message,
            text,
        },
    );
    world.tell(
        0,
        Command::Delete {
            group,
            message: other,
        },
    );
    world.settle();

    let messages = world.messages(1, group);
    assert_eq!(messages[0].text, "tomorrow");
    assert!(messages[0].edited && !messages[0].deleted);
    assert!(messages[1].deleted && messages[1].text.is_empty());
    let refused = |notice: &Notice| matches!(notice, Notice::Refused { .. });
    assert!(world.people[1].notices.iter().any(refused));
}

#[test]
fn states_go_from_sending_to_stored_to_delivered() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.people[0].offline = true;

    world.say(0, group, "hello");
    let sending = world.messages(0, group)[0].state.clone();
    world.people[0].offline = false;
    world.sync(0);
    let stored = world.messages(0, group)[0].state.clone();
    world.settle();
    let delivered = world.messages(0, group)[0].state.clone();

    assert_eq!(sending, MessageState::Sending);
    assert_eq!(stored, MessageState::Stored);
    assert_eq!(delivered, MessageState::Delivered);
}

#[test]
fn unread_messages_are_counted_until_they_are_read() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    world.say(0, group, "one");
    world.say(0, group, "two");
    world.settle();

    let view = world.people[1].core.conversation(&group).unwrap();
    let preview = view.preview.unwrap();
    assert_eq!((view.unread, preview.text.as_str()), (2, "two"));

    let upto = world.messages(1, group)[0].seq.unwrap();
    world.tell(1, Command::MarkRead { group, upto });
    assert_eq!(world.people[1].core.conversation(&group).unwrap().unread, 1);
    assert_eq!(world.people[0].core.conversation(&group).unwrap().unread, 0);
}

#[test]
fn a_group_of_three_has_a_name_and_tells_who_came_and_went() {
    let mut world = World::with(&["Ada", "Ben", "Cleo"]);
    let group = world.group(0, "Hikers", &[1]);
    world.say(1, group, "before Cleo");
    world.settle();
    let (ada, cleo) = (world.people[0].account(), world.people[2].account());

    world.tell(
        1,
        Command::AddMembers {
            group,
            accounts: vec![cleo],
        },
    );
    world.settle();
    world.say(0, group, "welcome");
    world.settle();
    world.tell(
        0,
        Command::RemoveMember {
            group,
            account: cleo,
        },
    );
    world.settle();
    world.say(0, group, "after Cleo");
    world.settle();

    assert_eq!(world.texts(2, group), ["welcome"]);
    let view = world.people[2].core.conversation(&group).unwrap();
    assert_eq!(view.title, "Hikers");
    assert_eq!(view.state, ConversationState::Removed);
    assert_eq!(
        world.texts(1, group),
        ["before Cleo", "welcome", "after Cleo"]
    );
    let ben = world.people[1].account();
    let events = events(&mut world, 1, group);
    assert!(events.contains(&EventKind::Entered { by: Some(ada) }));
    assert!(events.contains(&EventKind::Added { who: cleo, by: ben }));
    assert!(events.contains(&EventKind::Removed { who: cleo, by: ada }));
    assert_eq!(world.people[1].core.members(&group).len(), 2);
    for at in 0..3 {
        assert_eq!(world.troubles(at), []);
    }
}

#[test]
fn a_member_leaves_and_somebody_else_lets_them_go() {
    let mut world = World::with(&["Ada", "Ben", "Cleo"]);
    let group = world.group(0, "Hikers", &[1, 2]);
    let cleo = world.people[2].account();

    world.tell(2, Command::Leave(group));
    world.settle();
    world.settle();
    world.say(0, group, "gone?");
    world.settle();

    let view = world.people[2].core.conversation(&group).unwrap();
    assert_eq!(view.state, ConversationState::Left);
    assert!(events(&mut world, 1, group).contains(&EventKind::Left { who: cleo }));
    assert_eq!(world.texts(2, group), [] as [&str; 0]);
    assert_eq!(world.relay.roster(&group).len(), 2);
    for at in 0..3 {
        assert_eq!(world.troubles(at), []);
    }
}

#[test]
fn a_new_name_reaches_everybody_and_is_told_once() {
    let mut world = World::with(&["Ada", "Ben", "Cleo"]);
    let group = world.group(0, "Hikers", &[1, 2]);

    let name = "Sunday hikers".to_owned();
    world.tell(1, Command::Rename { group, name });
    world.settle();

    for at in 0..3 {
        let view = world.people[at].core.conversation(&group).unwrap();
        assert_eq!(view.title, "Sunday hikers");
        let renamed = events(&mut world, at, group);
        let renamed = renamed
            .iter()
            .filter(|event| matches!(event, EventKind::Renamed { .. }));
        assert_eq!(renamed.count(), 1, "{at}");
    }
}

#[test]
fn an_invite_link_leads_into_the_group_and_verifies_the_inviter() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.group(0, "Hikers", &[1]);
    world.tell(
        0,
        Command::CreateInvite {
            group: Some(group),
            uses: 3,
            days: 7,
        },
    );
    world.run();
    let link = created_link(&world, 0);
    let dora = world.device();

    world.tell(
        dora,
        Command::Join {
            link,
            name: "Dora".into(),
        },
    );
    world.run();
    world.settle();
    world.say(dora, group, "here I am");
    world.settle();

    assert_eq!(world.texts(1, group), ["here I am"]);
    let view = world.people[dora].core.conversation(&group).unwrap();
    assert_eq!(view.title, "Hikers");
    let (ada, who) = (world.people[0].account(), world.people[dora].account());
    let ada = world.people[dora].core.person(&ada).unwrap();
    assert_eq!(ada.trust, Trust::VerifiedByLink);
    assert!(events(&mut world, 1, group).contains(&EventKind::JoinedByLink { who }));
    for at in 0..3 {
        assert_eq!(world.troubles(at), []);
    }
}

#[test]
fn an_invite_without_a_group_leads_to_the_inviter() {
    let mut world = World::with(&["Ada"]);
    world.tell(
        0,
        Command::CreateInvite {
            group: None,
            uses: 1,
            days: 7,
        },
    );
    world.run();
    let link = created_link(&world, 0);
    let dora = world.device();

    world.tell(
        dora,
        Command::Join {
            link,
            name: "Dora".into(),
        },
    );
    world.run();
    let group = world.people[dora].opened();
    world.say(dora, group, "found you");
    world.settle();

    assert_eq!(world.texts(0, group), ["found you"]);
}

#[test]
fn somebody_with_an_account_uses_a_groups_link() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.group(0, "Hikers", &[]);
    world.tell(
        0,
        Command::CreateInvite {
            group: Some(group),
            uses: 3,
            days: 7,
        },
    );
    world.run();
    let link = created_link(&world, 0);

    world.tell(
        1,
        Command::Join {
            link,
            name: String::new(),
        },
    );
    world.settle();
    world.say(1, group, "hello");
    world.settle();

    assert_eq!(world.texts(0, group), ["hello"]);
}

#[test]
fn a_link_changed_on_its_way_is_refused() {
    let mut world = World::with(&["Ada", "Ben"]);
    let link = |world: &mut World, at: usize| {
        world.tell(
            at,
            Command::CreateInvite {
                group: None,
                uses: 1,
                days: 7,
            },
        );
        world.run();
        created_link(world, at)
    };
    let (of_ada, of_ben) = (link(&mut world, 0), link(&mut world, 1));
    let (place, _) = of_ada.split_once('#').unwrap();
    let (_, fragment) = of_ben.split_once('#').unwrap();
    let dora = world.device();

    let link = format!("{place}#{fragment}");
    world.tell(
        dora,
        Command::Join {
            link,
            name: "Dora".into(),
        },
    );
    world.run();

    assert!(world.people[dora].core.me().is_none());
    let failed = |notice: &Notice| matches!(notice, Notice::Failed { .. });
    assert!(world.people[dora].notices.iter().any(failed));
}

#[test]
fn a_taken_name_is_told_and_another_one_works() {
    let mut world = World::with(&["Ada"]);
    let link = world.setup_link();
    let dora = world.device();

    world.tell(
        dora,
        Command::Join {
            link: link.clone(),
            name: "Ada".into(),
        },
    );
    world.run();
    assert!(world.people[dora].core.me().is_none());
    world.tell(
        dora,
        Command::Join {
            link,
            name: "Dora".into(),
        },
    );
    world.run();

    assert_eq!(world.people[dora].core.me().unwrap().name.as_str(), "Dora");
}

#[test]
fn names_that_look_alike_are_flagged() {
    let world = World::with(&["Paul", "Раul", "Ben"]);
    let (paul, copy) = (world.people[0].account(), world.people[1].account());

    let people = world.people[2].core.people();
    let flagged = |account| {
        people
            .iter()
            .find(|person| person.account == account)
            .unwrap()
    };

    assert_eq!(flagged(paul).looks_like, Some(copy));
    assert_eq!(flagged(copy).looks_like, Some(paul));
    assert_eq!(flagged(world.people[2].account()).looks_like, None);
}

fn events(world: &mut World, at: usize, group: roost_wire::GroupId) -> Vec<EventKind> {
    let items = world.items(at, group).into_iter();
    items
        .filter_map(|item| match item {
            ThreadItem::Event(event) => Some(event.kind),
            ThreadItem::Message(_) => None,
        })
        .collect()
}

fn created_link(world: &World, at: usize) -> String {
    let links = world.people[at].notices.iter().rev();
    let mut links = links.filter_map(|notice| match notice {
        Notice::InviteCreated { link, .. } => Some(link.clone()),
        _ => None,
    });
    links.next().expect("an invite was made")
}
