//! How devices enter by external commit: their own account's place, or an invitation.

use crate::commit::{ObservedGroupFromStore, SigningId, room_of_three};
use crate::kit::*;
use mls_rs::group::external_commit::ExternalCommitBuilder;
use mls_rs::psk::ExternalPskId;
use mls_rs::{Group, MlsMessage};
use roost_mls::error::Leaf;
use roost_mls::join_proof::JoinProofError;
use roost_mls::{GroupKind, InviteSecret, JoinProof, RuleError, SUITE_DEFAULT};
use roost_wire::{GroupId, InviteId, Seconds};

#[test]
fn an_outsider_with_the_group_info_is_refused() {
    let room = room_of_three();
    let mallory = Person::new(99).device(1);

    let (_, commit) = entering(&room, &mallory, |builder| builder);

    assert!(matches!(room.refuses(&commit), RuleError::Uninvited));
}

#[test]
fn a_joiner_with_an_invitation_enters_and_takes_part() {
    let mut room = room_of_three();
    let dora = Person::new(4).device(1);
    let proof = JoinProof::new(room.grant(1, &secret()), &dora.credential, &secret()).unwrap();

    let (group, commit) = entering_honestly(&room, &dora, |builder| {
        builder.with_custom_proposal(proof.to_proposal())
    });
    let judged = room.accepts(&commit);
    room.members.push(Member {
        device: dora,
        group,
    });

    assert_eq!(judged.join_grant.unwrap().invite, InviteId::new([5; 16]));
    assert_eq!(judged.added[0].account, Person::new(4).account);
    assert!(matches!(
        judged.committer,
        roost_mls::observer::Committer::Joiner(_)
    ));
    room.server = ObservedGroupFromStore::again(&room.server);
    let update = room.members[3].group.commit(vec![]).unwrap();
    room.accepts(&bytes(&update.commit_message));
}

#[test]
fn an_expired_invitation_is_refused() {
    let mut room = room_of_three();
    let dora = Person::new(4).device(1);
    let commit = entering_with(&room, &dora, room.grant(1, &secret()));

    room.now = NOW.plus(3_601);

    assert_refused(&room, &commit, JoinProofError::Expired);
}

#[test]
fn an_invitation_without_end_is_refused() {
    let room = room_of_three();
    let dora = Person::new(4).device(1);
    let inviter = &room.members[1].device;
    let forever = grant_by(
        inviter,
        GroupId::new(GROUP),
        &secret(),
        Seconds::new(u64::MAX),
    );

    let commit = entering_with(&room, &dora, forever);

    assert_refused(&room, &commit, JoinProofError::TooLong);
}

#[test]
fn an_invitation_to_another_group_is_refused() {
    let room = room_of_three();
    let dora = Person::new(4).device(1);
    let inviter = &room.members[1].device;
    let other = grant_by(inviter, GroupId::new([43; 16]), &secret(), NOW.plus(60));

    let commit = entering_with(&room, &dora, other);

    assert_refused(&room, &commit, JoinProofError::OtherGroup);
}

#[test]
fn an_invitation_by_somebody_who_is_not_a_member_is_refused() {
    let room = room_of_three();
    let dora = Person::new(4).device(1);
    let outsider = Person::new(98).device(1);
    let grant = grant_by(&outsider, GroupId::new(GROUP), &secret(), NOW.plus(60));

    let commit = entering_with(&room, &dora, grant);

    assert!(matches!(
        room.refuses(&commit),
        RuleError::InviterNotAMember
    ));
}

#[test]
fn the_invitation_of_a_removed_member_is_refused() {
    let mut room = room_of_three();
    let dora = Person::new(4).device(1);
    let grant = room.grant(2, &secret());
    let removal = room.members[0]
        .group
        .commit_builder()
        .remove_member(2)
        .unwrap()
        .build()
        .unwrap();
    room.accepts(&bytes(&removal.commit_message));

    let commit = entering_with(&room, &dora, grant);

    assert!(matches!(
        room.refuses(&commit),
        RuleError::InviterNotAMember
    ));
}

#[test]
fn a_proof_bound_to_another_joiner_is_refused() {
    let room = room_of_three();
    let (dora, mallory) = (Person::new(4).device(1), Person::new(99).device(1));
    let hers = JoinProof::new(room.grant(1, &secret()), &dora.credential, &secret()).unwrap();

    let (_, commit) = entering(&room, &mallory, |builder| {
        builder.with_custom_proposal(hers.to_proposal())
    });

    assert_refused(&room, &commit, JoinProofError::Binding);
}

#[test]
fn a_proof_bound_to_another_device_key_is_refused() {
    let room = room_of_three();
    let (before, after) = (Person::new(4).device(1), Person::new(4).device(1));
    let proof = JoinProof::new(room.grant(1, &secret()), &before.credential, &secret()).unwrap();

    let (_, commit) = entering(&room, &after, |builder| {
        builder.with_custom_proposal(proof.to_proposal())
    });

    assert_refused(&room, &commit, JoinProofError::Binding);
}

#[test]
fn a_forged_grant_is_refused() {
    let room = room_of_three();
    let dora = Person::new(4).device(1);
    let proof = JoinProof::new(room.grant(1, &secret()), &dora.credential, &secret()).unwrap();
    let mut forged = proof.to_bytes();
    forged[6] ^= 1; // within the invite id
    let proposal = mls_rs::group::proposal::CustomProposal::new(
        roost_mls::join_proof::JOIN_PROOF_TYPE,
        forged,
    );

    let (_, commit) = entering(&room, &dora, |builder| {
        builder.with_custom_proposal(proposal)
    });

    assert_refused(&room, &commit, JoinProofError::GrantSignature);
}

#[test]
fn another_secret_makes_no_proof() {
    let room = room_of_three();
    let dora = Person::new(4).device(1);
    let guessed = InviteSecret::new([8; 16]);

    let proof = JoinProof::new(room.grant(1, &secret()), &dora.credential, &guessed);

    assert_eq!(proof, Err(JoinProofError::Binding));
}

#[test]
fn two_proofs_in_one_commit_are_refused() {
    let room = room_of_three();
    let dora = Person::new(4).device(1);
    let proof = JoinProof::new(room.grant(1, &secret()), &dora.credential, &secret()).unwrap();

    let (_, commit) = entering(&room, &dora, |builder| {
        let builder = builder.with_custom_proposal(proof.to_proposal());
        builder.with_custom_proposal(proof.to_proposal())
    });

    assert!(matches!(room.refuses(&commit), RuleError::TooManyProposals));
}

#[test]
fn a_joiner_with_an_expired_credential_is_refused() {
    let room = room_of_three();
    let long_ago = Seconds::new(NOW.get() - 3 * 365 * 86_400);
    let dora = Device::made(&Person::new(4), 1, long_ago, SUITE_DEFAULT);

    let commit = entering_with(&room, &dora, room.grant(1, &secret()));

    assert!(matches!(
        room.refuses(&commit),
        RuleError::Leaf(Leaf::Expired)
    ));
}

#[test]
fn a_second_device_of_a_member_enters_without_invitation() {
    let mut room = room_of_three();
    let phone = Person::new(2).device(2);

    let (group, commit) = entering_honestly(&room, &phone, |builder| builder);
    let judged = room.accepts(&commit);
    room.members.push(Member {
        device: phone,
        group,
    });

    assert!(judged.join_grant.is_none() && judged.removed.is_empty());
    let update = room.members[3].group.commit(vec![]).unwrap();
    room.accepts(&bytes(&update.commit_message));
}

#[test]
fn a_device_that_claims_a_members_account_under_another_key_is_refused_even_if_invited() {
    let room = room_of_three();
    let impostor = Person {
        key: SigningId::new(77).0,
        ..Person::new(2)
    }
    .device(2);

    let (_, uninvited) = entering(&room, &impostor, |builder| builder);
    let invited = entering_with(&room, &impostor, room.grant(1, &secret()));

    assert!(matches!(
        room.refuses(&uninvited),
        RuleError::OtherAccountKey
    ));
    assert!(matches!(room.refuses(&invited), RuleError::OtherAccountKey));
}

#[test]
fn a_device_replaces_its_own_leaf() {
    let mut room = room_of_three();
    let again = Person::new(2).device(1);
    let old = room.members[1].index();

    let (group, commit) = entering_honestly(&room, &again, |builder| builder.with_removal(old));
    let judged = room.accepts(&commit);
    room.members.push(Member {
        device: again,
        group,
    });

    assert_eq!(judged.removed[0].leaf, old);
    assert_eq!(judged.added[0].device, judged.removed[0].device);
    assert_ne!(
        judged.added[0].signature_key,
        judged.removed[0].signature_key
    );
    assert_eq!(room.server.roster().unwrap().len(), 3);
}

#[test]
fn the_same_device_without_removing_its_leaf_is_refused() {
    let room = room_of_three();
    let again = Person::new(2).device(1);

    let (_, commit) = entering(&room, &again, |builder| builder);

    assert!(matches!(room.refuses(&commit), RuleError::Mls(_)));
}

#[test]
fn a_joiner_does_not_take_the_place_of_its_accounts_other_device() {
    let room = room_of_three();
    let phone = Person::new(2).device(2);
    let other = room.members[1].index();

    let (_, commit) = entering(&room, &phone, |builder| builder.with_removal(other));

    assert!(matches!(room.refuses(&commit), RuleError::Mls(_)));
}

#[test]
fn a_joiner_cannot_remove_somebody_elses_leaf() {
    let room = room_of_three();
    let dora = Person::new(4).device(1);
    let victim = room.members[1].index();
    let proof = JoinProof::new(room.grant(0, &secret()), &dora.credential, &secret()).unwrap();

    let (_, commit) = entering(&room, &dora, |builder| {
        builder
            .with_custom_proposal(proof.to_proposal())
            .with_removal(victim)
    });

    assert!(matches!(room.refuses(&commit), RuleError::RemovesAnother));
}

#[test]
fn an_invitation_does_not_make_a_third_in_a_direct_conversation() {
    let (ada, ben) = (Person::new(1), Person::new(2));
    let policy = policy_for(GroupKind::Direct, &[&ada], SUITE_DEFAULT);
    let mut room = Room::with_policy(ada.device(1), &policy);
    room.add(ben.device(1));

    let commit = entering_with(&room, &Person::new(4).device(1), room.grant(1, &secret()));

    assert!(matches!(room.refuses(&commit), RuleError::DirectIsForTwo));
}

#[test]
fn a_joiner_without_the_required_capabilities_is_refused() {
    let room = room_of_three();
    let bare = Person::new(2).device(2).bare_client();

    let builder = bare
        .external_commit_builder()
        .unwrap()
        .with_tree_data(room.tree());
    let (_, commit) = builder
        .commit_time(time(NOW))
        .build(room.group_info())
        .unwrap();

    assert!(matches!(room.refuses(&bytes(&commit)), RuleError::Mls(_)));
}

#[test]
fn without_a_time_of_judgement_nobody_enters() {
    let room = room_of_three();
    let phone = Person::new(2).device(2);
    phone.time.set(Seconds::new(0));
    let client = phone.client();

    let builder = client
        .external_commit_builder()
        .unwrap()
        .with_tree_data(room.tree());
    let refusal = builder.build(room.group_info()).map(drop).unwrap_err();

    assert!(matches!(RuleError::from(refusal), RuleError::NoTime));
}

#[test]
fn an_external_commit_with_a_psk_is_refused() {
    let room = room_of_three();
    let phone = Person::new(2).device(2);

    let (_, commit) = entering(&room, &phone, |builder| {
        builder.with_external_psk(ExternalPskId::new(vec![1]))
    });

    let refusal = room.refuses(&commit);
    assert!(matches!(refusal, RuleError::Proposal(4, _)), "{refusal}");
}

// Helpers

fn secret() -> InviteSecret {
    InviteSecret::new([7; 16])
}

fn assert_refused(room: &Room, commit: &[u8], expected: JoinProofError) {
    match room.refuses(commit) {
        RuleError::JoinProof(reason) => assert_eq!(reason, expected),
        other => panic!("{other}"),
    }
}

type LaxBuilder = ExternalCommitBuilder<LaxConfig>;
type HonestBuilder = ExternalCommitBuilder<HonestConfig>;

/// A commit by a client that keeps no rules.
fn entering(
    room: &Room,
    device: &Device,
    with: impl FnOnce(LaxBuilder) -> LaxBuilder,
) -> (Group<LaxConfig>, Vec<u8>) {
    let client = device.lax_client();
    let builder = client
        .external_commit_builder()
        .unwrap()
        .with_tree_data(room.tree());
    finish(
        with(builder.commit_time(time(NOW)))
            .build(room.group_info())
            .unwrap(),
    )
}

fn entering_honestly(
    room: &Room,
    device: &Device,
    with: impl FnOnce(HonestBuilder) -> HonestBuilder,
) -> (Group<HonestConfig>, Vec<u8>) {
    let client = device.client();
    let builder = client
        .external_commit_builder()
        .unwrap()
        .with_tree_data(room.tree());
    finish(
        with(builder.commit_time(time(NOW)))
            .build(room.group_info())
            .unwrap(),
    )
}

fn finish<G>((group, commit): (G, MlsMessage)) -> (G, Vec<u8>) {
    (group, bytes(&commit))
}

fn entering_with(room: &Room, device: &Device, grant: roost_mls::JoinGrant) -> Vec<u8> {
    let proof = JoinProof::new(grant, &device.credential, &secret()).unwrap();
    entering(room, device, |builder| {
        builder.with_custom_proposal(proof.to_proposal())
    })
    .1
}
