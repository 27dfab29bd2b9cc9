//! What is checked before anything of a group or a device is stored.

use crate::kit::*;
use mls_rs::extension::built_in::ExternalSendersExt;
use mls_rs::extension::recommended::LastResortKeyPackageExt;
use mls_rs::{ExtensionList, Group, MlsMessage};
use roost_mls::error::Leaf;
use roost_mls::policy::PolicyError;
use roost_mls::{GroupKind, Observer, RuleError, SUITE_CLASSIC, SUITE_DEFAULT, check_group, limit};
use roost_wire::Seconds;

#[test]
fn a_group_that_lists_external_senders_is_refused_by_server_and_joiner() {
    let ada = Person::new(1);
    let device = ada.device(1);
    let mut extensions = policy_for(GroupKind::Group, &[&ada], SUITE_DEFAULT).to_extensions();
    extensions
        .set_from(ExternalSendersExt::new(vec![device.identity()]))
        .unwrap();

    let group = founding(&device, extensions);

    assert!(matches!(found(&group), Err(RuleError::ExternalSenders)));
    let own = check_group(group.context(), &group.roster());
    assert!(matches!(own, Err(RuleError::ExternalSenders)));
}

#[test]
fn a_group_without_policy_or_required_capabilities_is_refused() {
    let ada = Person::new(1);
    let policy = policy_for(GroupKind::Group, &[&ada], SUITE_DEFAULT).to_extensions();
    let mut bare = ExtensionList::default();
    bare.set(policy.get(roost_mls::policy::POLICY_TYPE).unwrap());

    let none_at_all = founding(&ada.device(1), ExtensionList::default());
    let only_policy = founding(&ada.device(1), bare);

    assert!(matches!(
        found(&none_at_all),
        Err(RuleError::Policy(PolicyError::Missing))
    ));
    assert!(matches!(
        found(&only_policy),
        Err(RuleError::RequiredCapabilities)
    ));
}

#[test]
fn a_group_with_an_unknown_extension_is_refused() {
    let ada = Person::new(1);
    let mut extensions = policy_for(GroupKind::Group, &[&ada], SUITE_DEFAULT).to_extensions();
    let unknown = mls_rs::extension::ExtensionType::LAST_RESORT_KEY_PACKAGE;
    extensions.set(mls_rs::Extension::new(unknown, vec![]));

    let group = founding(&ada.device(1), extensions);

    assert!(matches!(found(&group), Err(RuleError::Extension)));
}

#[test]
fn a_founder_with_a_forged_credential_is_refused() {
    let (ada, ben) = (Person::new(1), Person::new(2).device(1));
    let mut identity = ada.device(1).identity();
    identity.signature_key = ben.identity().signature_key;
    let policy = policy_for(GroupKind::Group, &[&ada], SUITE_DEFAULT).to_extensions();
    let client = ben.lax_client_as(identity);
    let group = client.create_group_with_id(GROUP.to_vec(), policy, none(), Some(time(NOW)));

    let refusal = found(&group.unwrap()).map(drop).unwrap_err();

    let expected = Leaf::Credential(roost_mls::CredentialError::Signature);
    assert!(
        matches!(refusal, RuleError::Leaf(leaf) if leaf == expected),
        "{refusal}"
    );
}

#[test]
fn a_key_package_without_the_required_capabilities_is_refused() {
    let package = bytes(&key_package(&Person::new(1).device(1).bare_client()));

    let refusal = Observer::new().validate_key_package(&package, NOW);

    assert!(matches!(refusal, Err(RuleError::Leaf(Leaf::Capabilities))));
}

#[test]
fn a_group_below_its_own_floor_is_refused() {
    let ada = Person::new(1);
    let device = Device::made(&ada, 1, NOW, SUITE_CLASSIC);
    let policy = policy_for(GroupKind::Group, &[&ada], SUITE_DEFAULT);

    let group = founding(&device, policy.to_extensions());

    assert!(matches!(found(&group), Err(RuleError::Suite)));
    assert!(matches!(
        check_group(group.context(), &group.roster()),
        Err(RuleError::Suite)
    ));
}

#[test]
fn a_group_on_another_servers_key_is_refused() {
    let ada = Person::new(1);
    let mut policy = policy_for(GroupKind::Group, &[&ada], SUITE_DEFAULT);
    policy.server_key = roost_wire::ServerKey::new([3; 32]);

    let group = founding(&ada.device(1), policy.to_extensions());

    assert!(matches!(
        found(&group),
        Err(RuleError::Leaf(Leaf::OtherServer))
    ));
}

#[test]
fn a_group_that_is_not_new_is_not_founded() {
    let ada = Person::new(1);
    let mut room = Room::founded(&ada, ada.device(1));
    room.add(Person::new(2).device(1));

    assert!(matches!(
        found(&room.members[0].group),
        Err(RuleError::NotNew)
    ));
}

#[test]
fn a_founder_may_have_committed_once() {
    let ada = Person::new(1);
    let policy = policy_for(GroupKind::Group, &[&ada], SUITE_DEFAULT);
    let mut group = founding(&ada.device(1), policy.to_extensions());
    group.commit(vec![]).unwrap();
    group.apply_pending_commit().unwrap();

    assert_eq!(found(&group).unwrap().epoch().get(), 1);
}

#[test]
fn a_group_with_a_long_id_is_refused() {
    let ada = Person::new(1);
    let policy = policy_for(GroupKind::Group, &[&ada], SUITE_DEFAULT).to_extensions();
    let client = ada.device(1).lax_client();
    let group = client
        .create_group_with_id(vec![1; 17], policy, none(), Some(time(NOW)))
        .unwrap();

    assert!(matches!(found(&group), Err(RuleError::GroupId)));
}

#[test]
fn a_tree_or_group_info_that_was_touched_is_refused() {
    let ada = Person::new(1);
    let policy = policy_for(GroupKind::Group, &[&ada], SUITE_DEFAULT).to_extensions();
    let group = founding(&ada.device(1), policy);
    let info = bytes(&group.group_info_message_allowing_ext_commit(false).unwrap());
    let tree = group.export_tree().to_bytes().unwrap();
    let touched = |bytes: &[u8], at: usize| {
        let mut touched = bytes.to_vec();
        touched[at] ^= 1;
        touched
    };

    for at in (0..info.len()).step_by(37) {
        assert!(
            Observer::new().found(&touched(&info, at), &tree).is_err(),
            "GroupInfo byte {at}"
        );
    }
    for at in (0..tree.len()).step_by(37) {
        assert!(
            Observer::new().found(&info, &touched(&tree, at)).is_err(),
            "tree byte {at}"
        );
    }
    assert!(Observer::new().found(&info, &tree).is_ok());
}

#[test]
fn a_group_info_that_forbids_entering_or_carries_the_tree_is_refused() {
    let ada = Person::new(1);
    let room = Room::founded(&ada, ada.device(1));
    let group = &room.members[0].group;

    let closed = group.group_info_message(false).unwrap();
    let open = group.group_info_message_allowing_ext_commit(false).unwrap();

    assert!(matches!(
        room.server.check_group_info(&bytes(&closed)),
        Err(RuleError::GroupInfo)
    ));
    assert!(room.server.check_group_info(&bytes(&open)).is_ok());
}

#[test]
fn a_group_info_of_another_epoch_is_refused() {
    let ada = Person::new(1);
    let mut room = Room::founded(&ada, ada.device(1));
    let old = bytes(&room.group_info());
    room.add(Person::new(2).device(1));

    assert!(room.server.check_group_info(&old).is_err());
    assert!(
        room.server
            .check_group_info(&bytes(&room.group_info()))
            .is_ok()
    );
}

#[test]
fn the_group_info_beside_a_commit_is_checked_against_the_next_epoch() {
    let ada = Person::new(1);
    let mut room = Room::founded(&ada, ada.device(1));
    let output = room.members[0].group.commit(vec![]).unwrap();
    let info = bytes(&output.external_commit_group_info.unwrap());

    let judged = room
        .server
        .judge_commit(&bytes(&output.commit_message), NOW)
        .unwrap();

    assert!(room.server.check_group_info(&info).is_err());
    assert!(judged.next.check_group_info(&info).is_ok());
}

#[test]
fn a_key_package_is_described() {
    let device = Person::new(1).device(3);
    let package = key_package(&device.client());

    let summary = Observer::new()
        .validate_key_package(&bytes(&package), NOW)
        .unwrap();

    assert_eq!(summary.account, Person::new(1).account);
    assert_eq!(summary.signature_key, *device.credential.device_key());
    assert_eq!(summary.suite, SUITE_DEFAULT);
    assert_eq!(summary.not_after, NOW.plus(limit::KEY_PACKAGE_SECONDS));
    assert!(!summary.last_resort);
}

#[test]
fn a_last_resort_key_package_lives_thirty_days_at_most() {
    let device = Person::new(1).device(3);

    let good = last_resort(&device, limit::key_package_from(NOW, true));
    let long = last_resort(&device, limit::key_package_from(NOW, false));

    let summary = Observer::new()
        .validate_key_package(&bytes(&good), NOW)
        .unwrap();
    assert!(summary.last_resort);
    assert_eq!(summary.not_after, NOW.plus(limit::LAST_RESORT_SECONDS));
    let refusal = Observer::new()
        .validate_key_package(&bytes(&long), NOW)
        .unwrap_err();
    assert!(matches!(refusal, RuleError::KeyPackageLifetime));
}

#[test]
fn a_key_package_out_of_its_time_is_refused() {
    let package = bytes(&key_package(&Person::new(1).device(1).client()));
    let validate = |now| Observer::new().validate_key_package(&package, now);

    assert!(
        validate(Seconds::new(NOW.get() - 2 * 86_400)).is_err(),
        "before it begins"
    );
    assert!(validate(NOW.plus(91 * 86_400)).is_err(), "after it ended");
    assert!(
        validate(Seconds::new(NOW.get() - 3_600)).is_ok(),
        "a maker's clock may run ahead"
    );
}

#[test]
fn a_key_package_of_an_expired_device_is_refused() {
    let long_ago = Seconds::new(NOW.get() - 3 * 365 * 86_400);
    let device = Device::made(&Person::new(1), 1, long_ago, SUITE_DEFAULT);

    let refusal =
        Observer::new().validate_key_package(&bytes(&key_package(&device.lax_client())), NOW);

    assert!(matches!(refusal, Err(RuleError::Leaf(Leaf::Expired))));
}

#[test]
fn a_classic_key_package_of_a_hybrid_device_is_refused() {
    let mut device = Device::made(&Person::new(1), 1, NOW, SUITE_CLASSIC);
    let classic = bytes(&key_package(&device.client()));
    device.offered = vec![SUITE_DEFAULT, SUITE_CLASSIC];
    let modern = bytes(&key_package(&device.client()));

    assert!(Observer::new().validate_key_package(&classic, NOW).is_ok());
    let refusal = Observer::new().validate_key_package(&modern, NOW);
    assert!(matches!(refusal, Err(RuleError::Leaf(Leaf::Downgraded))));
}

#[test]
fn a_key_package_that_was_touched_is_refused() {
    let package = bytes(&key_package(&Person::new(1).device(1).client()));

    for at in (0..package.len()).step_by(53) {
        let mut touched = package.clone();
        touched[at] ^= 1;
        assert!(
            Observer::new().validate_key_package(&touched, NOW).is_err(),
            "byte {at}"
        );
    }
}

#[test]
fn a_welcome_names_the_key_packages_it_is_for() {
    let ada = Person::new(1);
    let mut room = Room::founded(&ada, ada.device(1));
    let package = key_package(&Person::new(2).device(1).client());
    let summary = Observer::new()
        .validate_key_package(&bytes(&package), NOW)
        .unwrap();
    let builder = room.members[0]
        .group
        .commit_builder()
        .commit_time(time(NOW));
    let output = builder.add_member(package).unwrap().build().unwrap();

    let references = Observer::new().welcome_references(&bytes(&output.welcome_messages[0]));

    assert_eq!(references.unwrap(), [summary.reference]);
    assert!(
        Observer::new()
            .welcome_references(&bytes(&output.commit_message))
            .is_err()
    );
}

// Helpers

fn founding(device: &Device, extensions: ExtensionList) -> Group<LaxConfig> {
    let client = device.lax_client();
    client
        .create_group_with_id(GROUP.to_vec(), extensions, none(), Some(time(NOW)))
        .unwrap()
}

fn found<C: mls_rs::client_builder::MlsConfig>(
    group: &Group<C>,
) -> Result<roost_mls::ObservedGroup, RuleError> {
    let info = group.group_info_message_allowing_ext_commit(false).unwrap();
    Observer::new().found(&bytes(&info), &group.export_tree().to_bytes().unwrap())
}

fn last_resort(device: &Device, from: Seconds) -> MlsMessage {
    let mut extensions = ExtensionList::default();
    extensions.set_from(LastResortKeyPackageExt).unwrap();
    device
        .client()
        .generate_key_package_message(extensions, none(), Some(time(from)))
        .unwrap()
}
