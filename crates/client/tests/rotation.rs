//! Account keys that are replaced: the owner's doing is followed, anything else is a warning.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests may panic"
)]

mod relay;

use ed25519_dalek::SigningKey;
use relay::World;
use roost_client::view::{EventKind, ThreadItem, Trust};
use roost_client::{Command, Notice, Trouble};
use roost_mls::{KeyRotation, PinnedAccountKey};
use roost_wire::{AccountKey, Blob, DeviceId, GroupId, List};

#[test]
fn a_key_that_nothing_leads_to_is_a_warning_and_is_not_taken() {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    let ada = world.people[0].account();
    let genuine = world.people[0].core.me().unwrap().key;

    world.relay.people.get_mut(&ada).unwrap().key = AccountKey::new([66; 32]);
    world.tell(1, Command::RefreshPeople);
    world.sync(1);

    let seen = world.people[1].core.person(&ada).unwrap();
    assert_eq!((seen.trust, seen.key), (Trust::KeyChanged, genuine));
    assert!(world.people[1].notices.contains(&Notice::KeyChanged(ada)));
    assert!(shows_key_change(&mut world, 1, group));
}

#[test]
fn a_rotation_to_a_key_that_was_not_named_is_a_warning() {
    let mut world = World::with(&["Ada", "Ben"]);
    let _ = world.direct(0, 1);
    let ada = world.people[0].account();
    let me = world.people[0].core.me().unwrap();
    let thief = SigningKey::from_bytes(&[7; 32]);
    let pinned = PinnedAccountKey {
        server: me.server,
        account: ada,
        key: me.key,
        next_hash: [0; 32],
    };
    let forged = KeyRotation::sign(&pinned, &thief, [1; 32], List::default());

    let person = world.relay.people.get_mut(&ada).unwrap();
    person.key = AccountKey::new(thief.verifying_key().to_bytes());
    let forged = vec![Blob::new(forged.to_bytes()).unwrap()];
    world.relay.rotations.insert(ada, forged);
    world.tell(1, Command::RefreshPeople);
    world.sync(1);

    let seen = world.people[1].core.person(&ada).unwrap();
    assert_eq!((seen.trust, seen.key), (Trust::KeyChanged, me.key));
}

#[test]
fn the_server_cannot_name_the_next_key_of_somebody_whose_credential_was_seen() {
    let mut world = World::with(&["Ada", "Ben"]);
    let _ = world.direct(0, 1);
    let ada = world.people[0].account();
    let me = world.people[0].core.me().unwrap();
    let thief = SigningKey::from_bytes(&[7; 32]);
    let stolen = AccountKey::new(thief.verifying_key().to_bytes());
    let next_hash = roost_mls::account_key_hash(&stolen);

    world.relay.people.get_mut(&ada).unwrap().next_key_hash = Some(next_hash);
    world.tell(1, Command::RefreshPeople);
    world.sync(1);
    let pinned = PinnedAccountKey {
        server: me.server,
        account: ada,
        key: me.key,
        next_hash,
    };
    let forged = KeyRotation::sign(&pinned, &thief, [1; 32], List::default());
    let forged = vec![Blob::new(forged.to_bytes()).unwrap()];
    world.relay.rotations.insert(ada, forged);
    world.relay.people.get_mut(&ada).unwrap().key = stolen;
    world.tell(1, Command::RefreshPeople);
    world.sync(1);

    let seen = world.people[1].core.person(&ada).unwrap();
    assert_eq!((seen.trust, seen.key), (Trust::KeyChanged, me.key));
}

#[test]
fn another_member_removes_a_revoked_leaf_when_the_owner_cannot() {
    let (mut world, group, phone) = with_phone();
    let (laptop, phone_id) = (world.people[0].device(), world.people[phone].device());

    world.relay.holds_back.insert(laptop);
    world.tell(0, Command::RevokeDevice(phone_id));
    world.sync(0);
    let before = has_leaf(&world, &group, &phone_id);
    world.tell(1, Command::RefreshPeople);
    world.sync(1);
    world.pass(120);
    world.sync(1);

    assert!(before);
    assert!(!has_leaf(&world, &group, &phone_id));
    assert_eq!(world.relay.roster(&group).len(), 2);
    let ada = world.people[0].account();
    let seen = world.people[1].core.person(&ada).unwrap();
    assert_eq!(seen.trust, Trust::FirstSight);
    assert_eq!(seen.key, world.people[0].core.me().unwrap().key);
}

#[test]
fn a_revoked_device_that_the_server_lets_in_again_is_refused_by_the_members() {
    let (mut world, group, phone) = with_phone();
    let (laptop, phone_id) = (world.people[0].device(), world.people[phone].device());
    world.people[phone].offline = true;
    // The owner's leaf stays under the old key, so that the rules of the group see nothing wrong.
    world.relay.holds_back.insert(laptop);

    world.tell(0, Command::RevokeDevice(phone_id));
    world.sync(0);
    world.tell(1, Command::RefreshPeople);
    world.sync(1);
    world.pass(120);
    world.sync(1);
    assert!(!has_leaf(&world, &group, &phone_id));
    world.people[phone].offline = false;
    world.pass(1);
    world.sync(phone);
    let was_let_in = has_leaf(&world, &group, &phone_id);
    world.sync(1);
    world.people[phone].offline = true;
    world.relay.holds_back.clear();
    world.settle();

    assert!(was_let_in, "else this test shows nothing");
    let troubles = world.troubles(1);
    assert!(
        troubles.contains(&(Trouble::CommitRefused, 1)),
        "{troubles:?}"
    );
    assert!(!has_leaf(&world, &group, &phone_id));
    world.say(1, group, "without the phone");
    world.settle();
    assert!(world.texts(0, group).contains(&"without the phone".into()));
}

fn with_phone() -> (World, GroupId, usize) {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    let phone = world.link(0);
    assert_eq!(world.relay.roster(&group).len(), 3);
    (world, group, phone)
}

fn has_leaf(world: &World, group: &GroupId, device: &DeviceId) -> bool {
    let roster = world.relay.roster(group);
    roster.iter().any(|leaf| leaf.device == *device)
}

fn shows_key_change(world: &mut World, at: usize, group: GroupId) -> bool {
    let items = world.items(at, group);
    items.iter().any(|item| match item {
        ThreadItem::Event(event) => matches!(event.kind, EventKind::KeyChanged { .. }),
        ThreadItem::Message(_) => false,
    })
}
