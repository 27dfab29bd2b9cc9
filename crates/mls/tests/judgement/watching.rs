//! The server's view: of one epoch, restorable, never ahead of what it was told.

use crate::commit::{ObservedGroupFromStore, room_of_three};
use crate::kit::*;
use mls_rs::MlsMessage;
use mls_rs::mls_rs_codec::MlsEncode;
use proptest::prelude::*;
use roost_mls::{ObservedGroup, Observer, RuleError, admit_application, read_handshake};
use roost_wire::Epoch;

#[test]
fn a_stale_commit_is_refused_and_names_the_epoch() {
    let mut room = room_of_three();
    let late = bytes(&room.members[1].group.commit(vec![]).unwrap().commit_message);
    room.members[1].group.clear_pending_commit();
    let first = room.members[0].group.commit(vec![]).unwrap();
    room.accepts(&bytes(&first.commit_message));

    let refusal = room.server.judge_commit(&late, NOW);

    let current = room.server.epoch();
    assert!(matches!(
        refusal,
        Err(RuleError::Epoch { got, current: at }) if at == current && got.next() == current
    ));
}

#[test]
fn judging_changes_nothing_until_the_next_state_is_taken() {
    let mut room = room_of_three();
    let before = room.server.snapshot().unwrap();
    let commit = bytes(&room.members[0].group.commit(vec![]).unwrap().commit_message);

    let judged = room.server.judge_commit(&commit, NOW).unwrap();

    assert_eq!(room.server.snapshot().unwrap(), before);
    assert_eq!(judged.epoch, room.server.epoch().next());
    assert_eq!(judged.next.epoch(), judged.epoch);
}

#[test]
fn a_restored_server_continues() {
    let mut room = room_of_three();

    room.server = ObservedGroupFromStore::again(&room.server);
    room.add(Person::new(4).device(1));

    assert_eq!(room.server.epoch(), Epoch::new(3));
    assert_eq!(room.server.roster().unwrap().len(), 4);
}

#[test]
fn a_snapshot_that_was_cut_is_refused() {
    let snapshot = room_of_three().server.snapshot().unwrap();

    let refusal = ObservedGroup::from_snapshot(&snapshot[..snapshot.len() / 2]);

    assert!(matches!(refusal.map(drop), Err(RuleError::Snapshot)));
}

#[test]
fn a_message_for_another_group_is_refused() {
    let (mut room, mut other) = (room_of_three(), room_of_three());
    let commit = bytes(&room.members[0].group.commit(vec![]).unwrap().commit_message);
    let id = commit
        .windows(16)
        .position(|window| window == GROUP)
        .unwrap();
    let mut moved = commit.clone();
    moved[id] ^= 1;

    assert!(matches!(
        room.server.judge_commit(&moved, NOW),
        Err(RuleError::OtherGroup)
    ));
    assert!(
        other.server.judge_commit(&commit, NOW).is_err(),
        "signed in another context"
    );
    other.members[0].group.commit(vec![]).unwrap();
}

#[test]
fn an_application_message_is_no_handshake() {
    let mut room = room_of_three();
    let message = room.members[0]
        .group
        .encrypt_application_message(b"hello", vec![])
        .unwrap();

    assert!(read_handshake(&bytes(&message)).is_err());
    admit_application(&message).unwrap();
}

#[test]
fn an_encrypted_handshake_is_refused_as_either() {
    let ada = Person::new(1);
    let mut room = Room::founded(&ada, ada.device(1));
    let device = Person::new(99).device(1);
    let secretive = device.encrypting_client();
    let mut mallory = room.add_client(&secretive);

    let commit = mallory.commit(vec![]).unwrap().commit_message;

    assert!(matches!(
        read_handshake(&bytes(&commit)),
        Err(RuleError::NotAHandshake)
    ));
    assert!(matches!(
        admit_application(&commit),
        Err(RuleError::NotAnApplicationMessage)
    ));
}

#[test]
fn a_second_encoding_of_a_commit_is_refused() {
    let mut room = room_of_three();
    let mut commit = bytes(&room.members[0].group.commit(vec![]).unwrap().commit_message);

    commit.push(0);

    assert!(matches!(
        read_handshake(&commit),
        Err(RuleError::Malformed(_))
    ));
}

#[test]
fn the_server_sees_less_than_members_do() {
    let mut room = room_of_three();
    let commit = bytes(&room.members[0].group.commit(vec![]).unwrap().commit_message);
    let mut tampered = commit.clone();
    let last = tampered.len() - 1;
    tampered[last] ^= 1; // the membership tag

    assert!(
        room.server.judge_commit(&tampered, NOW).is_ok(),
        "it has no key to check the tag"
    );
    assert!(room.members[1].receive(&tampered, NOW).is_err());
    assert!(room.members[1].receive(&commit, NOW).is_ok());
}

#[test]
fn a_commit_that_would_wedge_the_group_with_a_broken_key_is_refused() {
    let mut room = room_of_three();
    let author = &mut room.members[1];
    let commit = author.group.commit(vec![]).unwrap().commit_message;

    let broken = with_broken_leaf_key(&commit, author);

    assert!(room.server.judge_commit(&bytes(&commit), NOW).is_ok());
    let refusal = room
        .server
        .judge_commit(&broken, NOW)
        .map(drop)
        .unwrap_err();
    assert!(matches!(refusal, RuleError::EncryptionKey), "{refusal}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_panic_the_server(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        feed(&bytes);
    }

    #[test]
    fn no_bytes_after_a_plausible_header_panic_the_server(
        format in 1u8..6,
        rest in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut bytes = vec![0, 1, 0, format];
        bytes.extend(rest);
        feed(&bytes);
    }
}

#[test]
fn no_damaged_message_panics_the_server() {
    let mut room = room_of_three();
    let package = key_package(&Person::new(9).device(1).client());
    let builder = room.members[0]
        .group
        .commit_builder()
        .commit_time(time(NOW));
    let output = builder
        .add_member(package.clone())
        .unwrap()
        .build()
        .unwrap();
    let messages = [
        bytes(&output.commit_message),
        bytes(&output.welcome_messages[0]),
        bytes(&package),
        bytes(&room.group_info()),
        room.server.snapshot().unwrap(),
        room.server.export_tree().unwrap(),
    ];

    for message in messages {
        for at in (0..message.len()).step_by(message.len() / 60 + 1) {
            let mut damaged = message.clone();
            damaged[at] = damaged[at].wrapping_add(0x40);
            feed(&damaged);
            feed(&message[..at]);
            let _ = room.server.judge_commit(&damaged, NOW);
            let _ = room.server.check_group_info(&damaged);
        }
    }
}

fn feed(bytes: &[u8]) {
    let observer = Observer::new();
    let _ = read_handshake(bytes);
    let _ = observer.validate_key_package(bytes, NOW);
    let _ = observer.welcome_references(bytes);
    let _ = observer.found(bytes, bytes);
    let _ = ObservedGroup::from_snapshot(bytes);
}

/// The author's commit with bytes that are no ML-KEM key in its leaf, signed anew (RFC 9420,
/// sections 5.1.2, 6.1 and 7.2).
fn with_broken_leaf_key(commit: &MlsMessage, author: &Member) -> Vec<u8> {
    const SIGNATURE: usize = 2 + 64;
    const TAGS: usize = 2 * (1 + 48);
    let original = bytes(commit);
    let mut leaf = commit.commit_path_leaf_node().unwrap().clone();
    let before = leaf.mls_encode_to_vec().unwrap();

    leaf.public_key = vec![0xff; leaf.public_key.len()].into();
    let mut signed = leaf.mls_encode_to_vec().unwrap();
    signed.truncate(signed.len() - SIGNATURE);
    signed.extend(vector(&GROUP));
    signed.extend(author.index().to_be_bytes());
    leaf.signature = sign(author, "LeafNodeTBS", &signed);

    let at = original
        .windows(before.len())
        .position(|window| window == before)
        .unwrap();
    let mut broken = original[..at].to_vec();
    broken.extend(leaf.mls_encode_to_vec().unwrap());
    broken.extend(&original[at + before.len()..]);
    let end = broken.len() - SIGNATURE - TAGS;
    let mut signed = broken[..end].to_vec();
    signed.extend(author.group.context().mls_encode_to_vec().unwrap());
    let signature = vector(&sign(author, "FramedContentTBS", &signed));
    broken.splice(end..end + SIGNATURE, signature);
    broken
}

fn sign(author: &Member, label: &str, content: &[u8]) -> Vec<u8> {
    let mut message = vector(format!("MLS 1.0 {label}").as_bytes());
    message.extend(vector(content));
    author.device.sign(&message).as_bytes().to_vec()
}

fn vector(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    mls_rs::mls_rs_codec::byte_vec::mls_encode(&bytes, &mut encoded).unwrap();
    encoded
}
