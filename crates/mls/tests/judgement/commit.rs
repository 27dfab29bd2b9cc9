//! What members may commit.

use crate::kit::*;
use mls_rs::extension::built_in::{ExternalSendersExt, RequiredCapabilitiesExt};
use mls_rs::group::{CommitEffect, ReceivedMessage};
use mls_rs::psk::ExternalPskId;
use mls_rs::{CipherSuite, ExtensionList, MlsMessage, ProtocolVersion};
use roost_mls::error::Leaf;
use roost_mls::join_proof::JOIN_PROOF_TYPE;
use roost_mls::policy::PolicyError;
use roost_mls::{GroupKind, RuleError, SUITE_CLASSIC, SUITE_DEFAULT, limit, read_handshake};
use roost_wire::{DeviceId, Seconds};

#[test]
fn a_member_adds_another_by_value() {
    let (ada, ben) = (Person::new(1), Person::new(2));
    let mut room = Room::founded(&ada, ada.device(1));

    room.add(ben.device(1));
    let update = room.members[1].group.commit(vec![]).unwrap();
    let judged = room.accepts(&bytes(&update.commit_message));

    assert_eq!(judged.committer.leaf().account, ben.account);
    assert!(judged.has_path && judged.added.is_empty() && judged.removed.is_empty());
    assert_eq!(room.server.roster().unwrap().len(), 2);
}

#[test]
fn a_member_removes_another_and_the_server_knows_whom() {
    let mut room = room_of_three();

    let removal = room.members[0]
        .group
        .commit_builder()
        .remove_member(2)
        .unwrap()
        .build()
        .unwrap();
    let judged = room.accepts(&bytes(&removal.commit_message));

    assert_eq!(judged.removed[0].account, Person::new(3).account);
    assert_eq!(room.members.len(), 2);
}

#[test]
fn a_ghost_proposed_by_an_outsider_is_refused_at_the_door() {
    let mut room = room_of_three();
    let ghost = Person::new(66).device(6);
    let proposal = ghost.lax_client().external_add_proposal(
        &room.group_info(),
        Some(room.tree()),
        vec![],
        none(),
        none(),
        Some(time(NOW)),
    );
    let proposal = bytes(&proposal.unwrap());

    assert!(matches!(read_handshake(&proposal), Err(RuleError::Sender)));
    assert!(matches!(
        room.server.judge_proposal(&proposal, NOW),
        Err(RuleError::Sender)
    ));
    let next = room.members[0].group.commit(vec![]).unwrap();
    assert!(
        next.welcome_messages.is_empty(),
        "the next commit adds nobody"
    );
    room.accepts(&bytes(&next.commit_message));
}

#[test]
fn a_ghost_that_slipped_into_the_cache_is_left_out_of_the_next_commit() {
    let mut room = room_of_three();
    let ghost = Person::new(66).device(6);
    let proposal = ghost.lax_client().external_add_proposal(
        &room.group_info(),
        Some(room.tree()),
        vec![],
        none(),
        none(),
        Some(time(NOW)),
    );
    room.members[0]
        .group
        .process_incoming_message(proposal.unwrap())
        .unwrap();

    let next = room.members[0].group.commit(vec![]).unwrap();

    assert!(next.welcome_messages.is_empty());
    room.accepts(&bytes(&next.commit_message));
}

#[test]
fn an_add_by_reference_is_refused_at_the_door_and_in_the_commit() {
    let (mut room, mut mallory) = room_with_mallory();
    let ghost = Person::new(66).device(6);

    let proposal = mallory
        .propose_add(key_package(&ghost.client()), vec![])
        .unwrap();
    let refusal = read_handshake(&bytes(&proposal)).unwrap_err();
    assert!(matches!(refusal, RuleError::Proposal(1, _)), "{refusal}");

    // Members who cached it all the same refuse the commit that refers to it.
    room.members[0]
        .group
        .process_incoming_message(proposal)
        .unwrap();
    let commit = mallory
        .commit_builder()
        .commit_time(time(NOW))
        .build()
        .unwrap();
    let refusal = room.members[0]
        .receive(&bytes(&commit.commit_message), NOW)
        .unwrap_err();
    assert!(matches!(refusal, RuleError::Proposal(1, _)), "{refusal}");
    assert!(
        room.server
            .judge_commit(&bytes(&commit.commit_message), NOW)
            .is_err()
    );
}

#[test]
fn an_update_by_reference_is_refused() {
    let (room, mut mallory) = room_with_mallory();

    let proposal = mallory.propose_update(vec![]).unwrap();

    let refusal = read_handshake(&bytes(&proposal)).unwrap_err();
    assert!(matches!(refusal, RuleError::Proposal(2, _)), "{refusal}");
    assert!(room.server.judge_proposal(&bytes(&proposal), NOW).is_err());
}

#[test]
fn an_update_that_slipped_into_the_cache_is_left_out_of_the_next_commit() {
    let (mut room, mut mallory) = room_with_mallory();
    let proposal = mallory.propose_update(vec![]).unwrap();
    room.members[0]
        .group
        .process_incoming_message(proposal)
        .unwrap();

    let next = room.members[0].group.commit(vec![]).unwrap();

    room.accepts(&bytes(&next.commit_message));
}

#[test]
fn a_remove_by_reference_is_refused() {
    let (mut room, mut mallory) = room_with_mallory();
    let proposal = mallory.propose_remove(1, vec![]).unwrap();

    let refusal = read_handshake(&bytes(&proposal)).unwrap_err();
    assert!(matches!(refusal, RuleError::Proposal(3, _)), "{refusal}");

    room.members[0]
        .group
        .process_incoming_message(proposal)
        .unwrap();
    let commit = bytes(&mallory.commit(vec![]).unwrap().commit_message);
    let refusal = room.members[0].receive(&commit, NOW).unwrap_err();
    assert!(matches!(refusal, RuleError::Proposal(3, _)), "{refusal}");
}

#[test]
fn a_psk_is_refused() {
    let ada = Person::new(1);
    let mut room = Room::founded(&ada, ada.device(1));
    let device = Person::new(99).device(1);
    let mut mallory = room.add_lax(&device);
    let id = ExternalPskId::new(vec![1]);

    let commit = mallory
        .commit_builder()
        .add_external_psk(id)
        .unwrap()
        .build()
        .unwrap();

    let refusal = room.refuses(&bytes(&commit.commit_message));
    assert!(matches!(refusal, RuleError::Proposal(4, _)), "{refusal}");
}

#[test]
fn a_join_proof_in_a_members_commit_is_refused() {
    let (room, mut mallory) = room_with_mallory();
    let proof = mls_rs::group::proposal::CustomProposal::new(JOIN_PROOF_TYPE, vec![1]);

    let commit = mallory
        .commit_builder()
        .custom_proposal(proof)
        .build()
        .unwrap();

    let refusal = room.refuses(&bytes(&commit.commit_message));
    assert!(
        matches!(refusal, RuleError::Proposal(0xF010, _)),
        "{refusal}"
    );
}

#[test]
fn only_administrators_change_the_policy() {
    let (mut room, mut mallory) = room_with_mallory();
    let ada = Person::new(1);
    let mut policy = policy_for(GroupKind::Group, &[&ada], SUITE_DEFAULT);
    policy.max_devices = 10;

    let commit = changing(&mut mallory, policy.to_extensions());
    assert!(matches!(room.refuses(&bytes(&commit)), RuleError::NotAdmin));

    let commit = changing(&mut room.members[0].group, policy.to_extensions());
    room.accepts(&bytes(&commit));
    assert_eq!(room.server.policy().max_devices, 10);
}

#[test]
fn administrators_cannot_lower_the_floor_move_the_server_or_list_external_senders() {
    let ada = Person::new(1);
    let device = ada.device(1);
    let base = policy_for(GroupKind::Group, &[&ada], SUITE_DEFAULT);
    let (room, mut mallory) = room_administered_by_mallory();
    let admin = Person::new(99);
    let with = |change: fn(&mut roost_mls::GroupPolicy)| {
        let mut policy = policy_for(GroupKind::Group, &[&ada, &admin], SUITE_DEFAULT);
        change(&mut policy);
        policy.to_extensions()
    };
    let mut senders = base.to_extensions();
    senders
        .set_from(ExternalSendersExt::new(vec![device.identity()]))
        .unwrap();
    let mut weaker = base.to_extensions();
    weaker.set_from(RequiredCapabilitiesExt::default()).unwrap();

    for (extensions, expected) in [
        (
            with(|policy| policy.suite_floor = SUITE_CLASSIC.raw_value()),
            PolicyError::Change.to_string(),
        ),
        (
            with(|policy| policy.server_key = roost_wire::ServerKey::new([1; 32])),
            PolicyError::Change.to_string(),
        ),
        (
            with(|policy| policy.kind = GroupKind::Direct),
            PolicyError::Change.to_string(),
        ),
        (
            with(|policy| policy.max_devices = 1),
            RuleError::Full.to_string(),
        ),
        (senders, RuleError::ExternalSenders.to_string()),
        (weaker, RuleError::RequiredCapabilities.to_string()),
        (none(), RuleError::RequiredCapabilities.to_string()),
    ] {
        let commit = changing(&mut mallory, extensions);
        mallory.clear_pending_commit();
        assert_eq!(room.refuses(&bytes(&commit)).to_string(), expected);
    }
}

#[test]
fn only_administrators_move_the_group_and_only_upwards() {
    let (mut room, mut mallory) = room_with_mallory();
    let policy = policy_for(GroupKind::Group, &[&Person::new(1)], SUITE_DEFAULT).to_extensions();

    let commit = moving(&mut mallory, SUITE_DEFAULT, policy.clone());
    assert!(matches!(room.refuses(&bytes(&commit)), RuleError::NotAdmin));

    let commit = moving(&mut room.members[0].group, SUITE_DEFAULT, policy);
    let judged = room.server.judge_commit(&bytes(&commit), NOW).unwrap();
    assert!(judged.closes);
    for member in &mut room.members {
        let received = member.receive(&bytes(&commit), NOW).unwrap();
        let ReceivedMessage::Commit(commit) = received else {
            panic!("a commit")
        };
        assert!(matches!(commit.effect, CommitEffect::ReInit(_)));
    }
}

#[test]
fn moving_the_group_below_its_floor_is_refused() {
    let (room, mut mallory) = room_administered_by_mallory();
    let people = [&Person::new(1), &Person::new(99)];
    let policy = policy_for(GroupKind::Group, &people, SUITE_DEFAULT).to_extensions();

    let commit = moving(&mut mallory, SUITE_CLASSIC, policy);

    assert!(matches!(room.refuses(&bytes(&commit)), RuleError::Suite));
}

#[test]
fn a_member_removes_itself_and_any_other_commits_it() {
    let mut room = room_of_three();
    let leaving = room.members[2].index();
    let proposal = bytes(&room.members[2].group.propose_self_remove(vec![]).unwrap());

    let judged = room.server.judge_proposal(&proposal, NOW).unwrap();
    assert_eq!(judged.proposer.leaf, leaving);
    room.server = ObservedGroupFromStore::again(&judged.next);
    for member in &mut room.members[..2] {
        member.receive(&proposal, NOW).unwrap();
    }
    let commit = room.members[0].group.commit(vec![]).unwrap();
    let judged = room.accepts(&bytes(&commit.commit_message));

    assert_eq!(judged.removed[0].account, Person::new(3).account);
    assert_eq!(room.members.len(), 2);
}

#[test]
fn an_expired_credential_is_refused_when_added_and_kept_when_it_is_in() {
    let (ada, ben, eve) = (Person::new(1), Person::new(2), Person::new(3));
    let long_ago = Seconds::new(NOW.get() - 3 * 365 * 86_400);
    let mut room = Room::founded(&ada, ada.device(1));
    room.add(ben.device(1));
    let mut mallory = room.add_lax(&Person::new(99).device(1));

    let expired = Device::made(&eve, 1, long_ago, SUITE_DEFAULT);
    let commit = adding(&mut mallory, key_package(&expired.lax_client()));
    assert!(matches!(
        room.refuses(&bytes(&commit)),
        RuleError::Leaf(Leaf::Expired)
    ));

    room.now = NOW.plus(5 * 365 * 86_400);
    let update = room.members[1].group.commit(vec![]).unwrap();
    room.accepts(&bytes(&update.commit_message));
}

#[test]
fn an_expired_key_package_is_refused() {
    let (mut room, mut mallory) = room_with_mallory();
    let package = key_package(&Person::new(3).device(1).client());

    let commit = adding(&mut mallory, package);
    room.now = NOW.plus(91 * 86_400);

    assert!(matches!(
        room.refuses(&bytes(&commit)),
        RuleError::KeyPackageLifetime
    ));
}

#[test]
fn without_a_time_of_judgement_nobody_is_added() {
    let ada = Person::new(1);
    let mut room = Room::founded(&ada, ada.device(1));
    let package = key_package(&Person::new(2).device(1).client());
    room.members[0].device.time.set(Seconds::new(0));

    let builder = room.members[0]
        .group
        .commit_builder()
        .commit_time(time(NOW));
    let refusal = builder
        .add_member(package)
        .unwrap()
        .build()
        .map(drop)
        .unwrap_err();

    assert!(matches!(RuleError::from(refusal), RuleError::NoTime));
}

#[test]
fn a_device_with_the_accounts_rotated_key_is_added() {
    let (mut room, _) = room_with_mallory();
    let ada = Person::new(1);

    room.add(ada.rotated().device(2));

    assert_eq!(room.server.roster().unwrap().len(), 4);
}

#[test]
fn a_device_under_another_account_key_is_refused() {
    let (room, mut mallory) = room_with_mallory();
    let ada = Person::new(1);
    let thief = SigningId::new(77);
    let other_key = Person {
        key: thief.0.clone(),
        ..ada.clone()
    };
    let other_successor = Person {
        next: thief.0,
        ..ada
    };

    for impostor in [other_key, other_successor] {
        let commit = adding(&mut mallory, key_package(&impostor.device(2).client()));
        mallory.clear_pending_commit();
        assert!(matches!(
            room.refuses(&bytes(&commit)),
            RuleError::OtherAccountKey
        ));
    }
}

#[test]
fn after_a_rotation_the_old_key_adds_no_device() {
    let (mut room, mut mallory) = room_with_mallory();
    let ada = Person::new(1);
    room.members[0].device.time.set(NOW);
    let rotated = ada.rotated().device(2);
    let package = key_package(&rotated.client());
    let builder = room.members[0]
        .group
        .commit_builder()
        .commit_time(time(NOW));
    let output = builder.add_member(package).unwrap().build().unwrap();
    mallory
        .process_incoming_message(output.commit_message.clone())
        .unwrap();
    room.accepts(&bytes(&output.commit_message));

    let commit = adding(&mut mallory, key_package(&ada.device(3).client()));

    assert!(matches!(
        room.refuses(&bytes(&commit)),
        RuleError::OtherAccountKey
    ));
}

#[test]
fn a_leaf_two_keys_behind_blocks_new_devices_until_it_is_removed() {
    let mut room = room_of_three();
    let ada = Person::new(1);
    let twice = ada.rotated().rotated();
    let second = ada.rotated().device(2);
    room.add(second.clone());
    let key = *second.credential.device_key();
    let renewed = roost_mls::LeafCredential::sign(twice.claims(2, NOW), key, &twice.key).unwrap();
    let builder = room.members[3].group.commit_builder();
    let builder = builder.set_new_signing_identity(second.secret, renewed.signing_identity());
    let commit = bytes(&builder.build().unwrap().commit_message);
    room.accepts(&commit);

    let package = key_package(&twice.device(3).client());
    room.members[1].device.time.set(NOW);
    let mut ben = room.members[1].group.clone();
    let builder = ben
        .commit_builder()
        .commit_time(time(NOW))
        .add_member(package)
        .unwrap();
    let refusal = RuleError::from(builder.build().map(drop).unwrap_err());
    assert!(
        matches!(refusal, RuleError::AccountKeysDisagree),
        "{refusal}"
    );

    let removal = room.members[1]
        .group
        .commit_builder()
        .remove_member(0)
        .unwrap()
        .build()
        .unwrap();
    room.accepts(&bytes(&removal.commit_message));
    room.add(twice.device(3));
}

#[test]
fn a_device_renews_its_credential_under_the_rotated_key() {
    let mut room = room_of_three();
    let ben = Person::new(2);
    let device = room.members[1].device.clone();

    let renewed = renewed(&device, &ben.rotated());
    let builder = room.members[1].group.commit_builder();
    let commit = builder
        .set_new_signing_identity(device.secret, renewed)
        .build()
        .unwrap();
    let judged = room.accepts(&bytes(&commit.commit_message));

    assert_eq!(judged.committer.leaf().account, ben.account);
    assert_ne!(
        judged.committer.leaf().account_key,
        room_of_three().server.roster().unwrap()[1].account_key
    );
}

#[test]
fn a_device_cannot_renew_its_credential_under_another_key() {
    let (ada, ben) = (Person::new(1), Person::new(99));
    let mut room = Room::founded(&ada, ada.device(1));
    let device = ben.device(1);
    let mut mallory = room.add_lax(&device);
    let stolen = Person {
        key: SigningId::new(77).0,
        ..ben.clone()
    };
    let steered = Person {
        next: SigningId::new(77).0,
        ..ben
    };

    for thief in [stolen, steered] {
        let builder = mallory.commit_builder();
        let renewed = renewed(&device, &thief);
        let commit = builder
            .set_new_signing_identity(device.secret.clone(), renewed)
            .build();
        mallory.clear_pending_commit();
        let refusal = room.refuses(&bytes(&commit.unwrap().commit_message));
        assert!(matches!(refusal, RuleError::Mls(_)), "{refusal}");
    }
}

#[test]
fn a_member_cannot_become_somebody_else_or_another_device() {
    let (room, mut mallory) = room_with_mallory();

    for other in [Person::new(51).device(1), Person::new(99).device(2)] {
        let builder = mallory.commit_builder();
        let commit = builder.set_new_signing_identity(other.secret.clone(), other.identity());
        let commit = bytes(&commit.build().unwrap().commit_message);
        mallory.clear_pending_commit();
        assert!(matches!(room.refuses(&commit), RuleError::Mls(_)));
    }
}

#[test]
fn a_direct_conversation_has_no_third_account() {
    let (ada, ben) = (Person::new(1), Person::new(99));
    let policy = policy_for(GroupKind::Direct, &[&ada], SUITE_DEFAULT);
    let mut room = Room::with_policy(ada.device(1), &policy);
    let mut mallory = room.add_lax(&ben.device(1));

    let third = key_package(&Person::new(3).device(1).client());
    let commit = adding(&mut mallory, third.clone());
    mallory.clear_pending_commit();
    assert!(matches!(
        room.refuses(&bytes(&commit)),
        RuleError::DirectIsForTwo
    ));

    // Nor in exchange for one of the two.
    let builder = mallory
        .commit_builder()
        .commit_time(time(NOW))
        .remove_member(0)
        .unwrap();
    let commit = builder.add_member(third).unwrap().build().unwrap();
    assert!(matches!(
        room.refuses(&bytes(&commit.commit_message)),
        RuleError::DirectIsForTwo
    ));

    room.add(ben.device(2));
    assert_eq!(
        room.server.roster().unwrap().len(),
        3,
        "further devices of the two are welcome"
    );
}

#[test]
fn a_direct_conversation_that_names_its_two_has_no_other() {
    let (ada, ben) = (Person::new(1), Person::new(2));
    let policy = policy_for(GroupKind::Direct, &[&ada, &ben], SUITE_DEFAULT);
    let mut room = Room::with_policy(ada.device(1), &policy);
    let stranger = key_package(&Person::new(3).device(1).client());

    let builder = room.members[0]
        .group
        .commit_builder()
        .commit_time(time(NOW));
    let refused = builder
        .add_member(stranger)
        .unwrap()
        .build()
        .map(drop)
        .unwrap_err();
    assert!(matches!(
        RuleError::from(refused),
        RuleError::DirectIsForTwo
    ));

    room.add(ben.device(1));
}

#[test]
fn a_leaf_of_another_server_is_refused() {
    let (room, mut mallory) = room_with_mallory();
    let foreign = Person {
        server: roost_wire::ServerId::new([9; 16]),
        ..Person::new(3)
    };

    let commit = adding(&mut mallory, key_package(&foreign.device(1).client()));

    assert!(matches!(
        room.refuses(&bytes(&commit)),
        RuleError::Leaf(Leaf::OtherServer)
    ));
}

#[test]
fn a_leaf_without_the_required_capabilities_is_refused() {
    let (room, mut mallory) = room_with_mallory();
    let bare = Person::new(3).device(1).bare_client();

    let mut honest = room.members[0].group.clone();
    let refused = honest
        .commit_builder()
        .add_member(key_package(&bare))
        .unwrap()
        .build();

    assert!(refused.is_err());
    let builder = mallory.commit_builder().commit_time(time(NOW));
    let sent = builder.add_member(key_package(&bare)).unwrap().build();
    assert!(
        sent.is_err(),
        "the group requires them, so not even a lax client can"
    );
}

#[test]
fn a_device_that_supports_the_hybrid_suite_is_not_added_to_a_classic_group() {
    let ada = Person::new(1);
    let founder = Device::made(&ada, 1, NOW, SUITE_CLASSIC);
    let mut room = Room::founded(&ada, founder);
    let mut mallory = room.add_lax(&Device::made(&Person::new(99), 1, NOW, SUITE_CLASSIC));
    let mut modern = Device::made(&Person::new(3), 1, NOW, SUITE_CLASSIC);
    modern.offered = vec![SUITE_DEFAULT, SUITE_CLASSIC];

    let commit = adding(&mut mallory, key_package(&modern.client()));

    assert!(matches!(
        room.refuses(&bytes(&commit)),
        RuleError::Leaf(Leaf::Downgraded)
    ));
}

#[test]
fn a_full_group_takes_no_more_until_somebody_leaves() {
    let ada = Person::new(1);
    let mut policy = policy_for(GroupKind::Group, &[&ada], SUITE_DEFAULT);
    policy.max_devices = 3;
    let mut room = Room::with_policy(ada.device(1), &policy);
    room.add(Person::new(2).device(1));
    let mut mallory = room.add_lax(&Person::new(99).device(1));
    let package = key_package(&Person::new(4).device(1).client());

    let commit = adding(&mut mallory, package.clone());
    mallory.clear_pending_commit();
    assert!(matches!(room.refuses(&bytes(&commit)), RuleError::Full));

    let builder = mallory
        .commit_builder()
        .commit_time(time(NOW))
        .remove_member(1)
        .unwrap();
    let commit = builder.add_member(package).unwrap().build().unwrap();
    let judged = room.accepts(&bytes(&commit.commit_message));
    assert_eq!((judged.added.len(), judged.removed.len()), (1, 1));
    assert_eq!(judged.added[0].device, DeviceId::new([1; 16]));
}

#[test]
fn two_leaves_of_one_device_are_refused() {
    let (room, mut mallory) = room_with_mallory();
    let twin = Person::new(1).device(1);

    let commit = adding(&mut mallory, key_package(&twin.client()));

    assert!(matches!(room.refuses(&bytes(&commit)), RuleError::Mls(_)));
}

#[test]
fn at_most_sixty_four_devices_are_added_at_once() {
    let ada = Person::new(1);
    let mut room = Room::founded(&ada, ada.device(1));
    let mut mallory = room.add_lax(&Person::new(99).device(1));

    let mut builder = mallory.commit_builder().commit_time(time(NOW));
    for number in 0..65 {
        let package = key_package(&Person::new(2).device(number).client());
        builder = builder.add_member(package).unwrap();
    }
    let commit = builder.build().unwrap();

    assert!(matches!(
        room.refuses(&bytes(&commit.commit_message)),
        RuleError::TooManyProposals
    ));
}

#[test]
fn a_leaf_with_a_forged_credential_is_refused() {
    let (room, mut mallory) = room_with_mallory();
    let (ada, ben) = (Person::new(3).device(1), Person::new(4).device(1));
    // Ada's credential over Ben's device key.
    let mut identity = ada.identity();
    identity.signature_key = ben.identity().signature_key;
    let forger = ben.lax_client_as(identity);

    let commit = adding(&mut mallory, key_package(&forger));

    let refusal = room.refuses(&bytes(&commit));
    let expected = Leaf::Credential(roost_mls::CredentialError::Signature);
    assert!(
        matches!(refusal, RuleError::Leaf(leaf) if leaf == expected),
        "{refusal}"
    );
}

#[test]
fn a_bloated_leaf_or_key_package_is_refused() {
    let (room, mut mallory) = room_with_mallory();
    let mut bloated = ExtensionList::default();
    let ballast = vec![0; limit::KEY_PACKAGE_BYTES];
    bloated.set(mls_rs::Extension::new(
        roost_mls::policy::POLICY_TYPE,
        ballast,
    ));

    let builder = mallory
        .commit_builder()
        .set_leaf_node_extensions(bloated.clone());
    let commit = builder.build().unwrap();
    mallory.clear_pending_commit();
    assert!(matches!(
        room.refuses(&bytes(&commit.commit_message)),
        RuleError::Malformed(_)
    ));

    let client = Person::new(3).device(1).client();
    let from = time(limit::key_package_from(NOW, false));
    let package = client
        .generate_key_package_message(none(), bloated, Some(from))
        .unwrap();
    let commit = adding(&mut mallory, package);
    assert!(matches!(
        room.refuses(&bytes(&commit)),
        RuleError::Malformed(_)
    ));
}

#[test]
fn long_authenticated_data_is_refused() {
    let (room, mut mallory) = room_with_mallory();

    let builder = mallory.commit_builder().authenticated_data(vec![0; 257]);
    let commit = builder.build().unwrap();

    assert!(matches!(
        room.refuses(&bytes(&commit.commit_message)),
        RuleError::Malformed(_)
    ));
}

// Helpers

pub struct SigningId(pub ed25519_dalek::SigningKey);

impl SigningId {
    pub fn new(seed: u8) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(&[seed; 32]))
    }
}

fn renewed(device: &Device, person: &Person) -> mls_rs::identity::SigningIdentity {
    let key = *device.credential.device_key();
    let renewed = roost_mls::LeafCredential::sign(person.claims(1, NOW), key, &person.key);
    renewed.unwrap().signing_identity()
}

/// The observed group as the server finds it after a restart.
pub struct ObservedGroupFromStore;

impl ObservedGroupFromStore {
    pub fn again(group: &roost_mls::ObservedGroup) -> roost_mls::ObservedGroup {
        roost_mls::ObservedGroup::from_snapshot(&group.snapshot().unwrap()).unwrap()
    }
}

pub fn room_of_three() -> Room {
    let ada = Person::new(1);
    let mut room = Room::founded(&ada, ada.device(1));
    room.add(Person::new(2).device(1));
    room.add(Person::new(3).device(1));
    room
}

/// Ada and Ben, and Mallory, who keeps no rules.
pub fn room_with_mallory() -> (Room, mls_rs::Group<LaxConfig>) {
    let ada = Person::new(1);
    let mut room = Room::founded(&ada, ada.device(1));
    room.add(Person::new(50).device(1));
    let mallory = room.add_lax(&Person::new(99).device(1));
    (room, mallory)
}

fn room_administered_by_mallory() -> (Room, mls_rs::Group<LaxConfig>) {
    let (ada, admin) = (Person::new(1), Person::new(99));
    let policy = policy_for(GroupKind::Group, &[&ada, &admin], SUITE_DEFAULT);
    let mut room = Room::with_policy(ada.device(1), &policy);
    let mallory = room.add_lax(&admin.device(1));
    (room, mallory)
}

pub fn adding<C: mls_rs::client_builder::MlsConfig>(
    group: &mut mls_rs::Group<C>,
    package: MlsMessage,
) -> MlsMessage {
    let builder = group.commit_builder().commit_time(time(NOW));
    builder
        .add_member(package)
        .unwrap()
        .build()
        .unwrap()
        .commit_message
}

fn changing<C: mls_rs::client_builder::MlsConfig>(
    group: &mut mls_rs::Group<C>,
    extensions: ExtensionList,
) -> MlsMessage {
    let builder = group
        .commit_builder()
        .set_group_context_ext(extensions)
        .unwrap();
    builder.build().unwrap().commit_message
}

fn moving<C: mls_rs::client_builder::MlsConfig>(
    group: &mut mls_rs::Group<C>,
    suite: CipherSuite,
    extensions: ExtensionList,
) -> MlsMessage {
    let to = Some(vec![43; 16]);
    let builder = group
        .commit_builder()
        .reinit(to, ProtocolVersion::MLS_10, suite, extensions);
    builder.unwrap().build().unwrap().commit_message
}
