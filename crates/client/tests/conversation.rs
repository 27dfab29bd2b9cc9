//! Two and three people talk through a relay.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests may panic"
)]

mod relay;

use relay::World;
use roost_client::view::{ConversationState, EventKind, MessageState, ThreadItem};
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
