//! The groups of calls: who may enter, and what nobody may change.

use crate::commit::ObservedGroupFromStore;
use crate::kit::*;
use mls_rs::group::external_commit::ExternalCommitBuilder;
use mls_rs::{Group, MlsMessage};
use roost_mls::call_proof::CallProofError;
use roost_mls::{
    CallProof, CallSecret, GroupPolicy, InviteSecret, JoinProof, RuleError, SUITE_DEFAULT, limit,
};
use roost_wire::{Epoch, GroupId, ServerKey};

const CONVERSATION: GroupId = GroupId::new([77; 16]);

#[test]
fn a_joiner_with_a_call_proof_enters_and_takes_part() {
    let mut room = call();
    let ben = Person::new(2).device(1);
    let proof = proof(&ben, CONVERSATION, GroupId::new(GROUP));

    let (group, commit) = entering_honestly(&room, &ben, &proof);
    let judged = room.accepts(&commit);
    room.members.push(Member { device: ben, group });

    assert!(judged.join_grant.is_none());
    assert_eq!(judged.added[0].account, Person::new(2).account);
    room.server = ObservedGroupFromStore::again(&room.server);
    let update = room.members[1].group.commit(vec![]).unwrap();
    room.accepts(&bytes(&update.commit_message));
}

#[test]
fn an_outsider_without_a_proof_does_not_enter_a_call() {
    let room = call();
    let mallory = Person::new(99).device(1);

    let (_, commit) = entering(&room, &mallory, |builder| builder);

    assert!(matches!(room.refuses(&commit), RuleError::Uncalled));
}

#[test]
fn a_second_device_of_somebody_in_the_call_needs_a_proof_too() {
    let room = call();
    let tablet = Person::new(1).device(2);

    let (_, commit) = entering(&room, &tablet, |builder| builder);

    assert!(matches!(room.refuses(&commit), RuleError::Uncalled));
}

#[test]
fn an_invitation_to_a_group_does_not_open_a_call() {
    let room = call();
    let (dora, secret) = (Person::new(4).device(1), InviteSecret::new([7; 16]));
    let proof = JoinProof::new(room.grant(0, &secret), &dora.credential, &secret).unwrap();

    let (_, commit) = entering(&room, &dora, |builder| {
        builder.with_custom_proposal(proof.to_proposal())
    });

    assert!(matches!(
        room.refuses(&commit),
        RuleError::CallProof(CallProofError::Malformed(_))
    ));
}

#[test]
fn a_call_proof_does_not_open_an_ordinary_group() {
    let ada = Person::new(1);
    let room = Room::founded(&ada, ada.device(1));
    let dora = Person::new(4).device(1);
    let proof = proof(&dora, CONVERSATION, GroupId::new(GROUP));

    let (_, commit) = entering_with(&room, &dora, &proof);

    assert!(matches!(room.refuses(&commit), RuleError::JoinProof(_)));
}

#[test]
fn a_proof_for_another_conversation_is_refused() {
    let room = call();
    let dora = Person::new(4).device(1);
    let other = proof(&dora, GroupId::new([78; 16]), GroupId::new(GROUP));

    let (_, commit) = entering_with(&room, &dora, &other);

    assert_refused(&room, &commit, CallProofError::OtherConversation);
}

#[test]
fn a_proof_for_another_call_is_refused() {
    let room = call();
    let dora = Person::new(4).device(1);
    let earlier = proof(&dora, CONVERSATION, GroupId::new([41; 16]));

    let (_, commit) = entering_with(&room, &dora, &earlier);

    assert_refused(&room, &commit, CallProofError::Signature);
}

#[test]
fn a_proof_taken_from_another_device_is_refused() {
    let room = call();
    let (dora, mallory) = (Person::new(4).device(1), Person::new(99).device(1));
    let hers = proof(&dora, CONVERSATION, GroupId::new(GROUP));

    let (_, commit) = entering_with(&room, &mallory, &hers);

    assert_refused(&room, &commit, CallProofError::Signature);
}

#[test]
fn every_byte_of_a_proof_counts() {
    let dora = Person::new(4).device(1);
    let bytes = proof(&dora, CONVERSATION, GroupId::new(GROUP)).to_bytes();

    for at in 0..bytes.len() {
        let mut touched = bytes.clone();
        touched[at] ^= 1;
        let verified = CallProof::parse(&touched)
            .and_then(|proof| proof.verify(&GroupId::new(GROUP), &CONVERSATION, &dora.credential));
        assert!(verified.is_err(), "byte {at}");
    }
}

#[test]
fn two_proofs_are_one_too_many() {
    let room = call();
    let dora = Person::new(4).device(1);
    let proof = proof(&dora, CONVERSATION, GroupId::new(GROUP));

    let (_, commit) = entering(&room, &dora, |builder| {
        builder
            .with_custom_proposal(proof.to_proposal())
            .with_custom_proposal(proof.to_proposal())
    });

    assert!(matches!(room.refuses(&commit), RuleError::TooManyProposals));
}

#[test]
fn nobody_changes_the_policy_of_a_call() {
    let mut room = call();
    let eve = Person::new(3).device(1);
    let mut eve = room.add_lax(&eve);
    let other = policy(GroupId::new([78; 16])).to_extensions();

    let commit = eve
        .commit_builder()
        .set_group_context_ext(other)
        .unwrap()
        .build()
        .unwrap();

    let refusal = room.refuses(&bytes(&commit.commit_message));
    assert!(matches!(refusal, RuleError::NotAdmin));
}

#[test]
fn any_member_admits_a_guest_and_removes_one() {
    let mut room = call();
    let ben = Person::new(2).device(1);
    room.add(ben);
    let removal = room.members[1]
        .group
        .commit_builder()
        .remove_member(0)
        .unwrap()
        .build()
        .unwrap();

    let judged = room.accepts(&bytes(&removal.commit_message));

    assert_eq!(judged.removed[0].account, Person::new(1).account);
}

#[test]
fn a_call_has_room_for_so_many_people_and_no_more() {
    let mut room = call();
    let client = |number: u8| Person::new(number).device(1).client();
    let max = u8::try_from(limit::CALL_PEOPLE_MAX).unwrap();
    for number in 2..=max {
        room.add_client(&client(number));
    }
    let one_more = Person::new(max + 1).device(1);
    let proof = proof(&one_more, CONVERSATION, GroupId::new(GROUP));

    let (_, commit) = entering_with(&room, &one_more, &proof);

    assert!(matches!(room.refuses(&commit), RuleError::CallFull));
    let tablet = Person::new(1).device(2);
    let proof = self::proof(&tablet, CONVERSATION, GroupId::new(GROUP));
    let (_, commit) = entering_with(&room, &tablet, &proof);
    room.accepts(&commit);
}

fn policy(conversation: GroupId) -> GroupPolicy {
    let mut policy = GroupPolicy::for_call(ServerKey::new(SERVER), conversation).unwrap();
    policy.suite_floor = SUITE_DEFAULT.raw_value();
    policy
}

fn call() -> Room {
    Room::with_policy(Person::new(1).device(1), &policy(CONVERSATION))
}

fn proof(joiner: &Device, conversation: GroupId, call: GroupId) -> CallProof {
    let secret = CallSecret::new(&[9; 32], &call);
    CallProof::new(
        conversation,
        Epoch::new(3),
        &call,
        &joiner.credential,
        &secret,
    )
}

#[track_caller]
fn assert_refused(room: &Room, commit: &[u8], expected: CallProofError) {
    let refusal = room.refuses(commit);
    assert!(
        matches!(refusal, RuleError::CallProof(error) if error == expected),
        "{refusal}"
    );
}

fn entering_with(room: &Room, device: &Device, proof: &CallProof) -> (Group<LaxConfig>, Vec<u8>) {
    entering(room, device, |builder| {
        builder.with_custom_proposal(proof.to_proposal())
    })
}

fn entering(
    room: &Room,
    device: &Device,
    change: impl FnOnce(ExternalCommitBuilder<LaxConfig>) -> ExternalCommitBuilder<LaxConfig>,
) -> (Group<LaxConfig>, Vec<u8>) {
    let builder = device.lax_client().external_commit_builder().unwrap();
    let (group, commit) = change(builder.with_tree_data(room.tree()))
        .build(room.group_info())
        .unwrap();
    (group, sent(&commit))
}

fn entering_honestly(
    room: &Room,
    device: &Device,
    proof: &CallProof,
) -> (Group<HonestConfig>, Vec<u8>) {
    let builder = device.client().external_commit_builder().unwrap();
    let (group, commit) = builder
        .with_tree_data(room.tree())
        .with_custom_proposal(proof.to_proposal())
        .build(room.group_info())
        .unwrap();
    (group, sent(&commit))
}

fn sent(commit: &MlsMessage) -> Vec<u8> {
    bytes(commit)
}
