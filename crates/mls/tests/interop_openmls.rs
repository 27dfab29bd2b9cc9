//! An OpenMLS member in a Roost group, under Roost's credential, policy and rules.
//!
//! OpenMLS is the other implementation that pins what suite 0x004E means. The server's observer
//! watches all of it. Not covered: SelfRemove, whose code point differs between the two.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

#[expect(dead_code, reason = "the kit serves several tests")]
mod kit;
#[path = "kit/recording.rs"]
mod recording;

use kit::{Device, GROUP, HonestConfig, Person, bytes, none, policy_for, tree};
use mls_rs::group::ReceivedMessage;
use mls_rs::storage_provider::in_memory::InMemoryKeyPackageStorage;
use mls_rs::time::MlsTime;
use mls_rs::{CipherSuite, Group, MlsMessage};
use openmls::prelude::tls_codec::{Deserialize, Serialize};
use openmls::prelude::{
    Capabilities, Ciphersuite, Credential, CredentialType, CredentialWithKey, Extension,
    ExtensionType, Extensions, GroupId, KeyPackage, KeyPackageIn, LeafNodeParameters, MlsGroup,
    MlsGroupJoinConfig, MlsMessageBodyIn, MlsMessageIn, MlsMessageOut,
    PURE_PLAINTEXT_WIRE_FORMAT_POLICY, ProcessedMessageContent, ProposalType, ProtocolVersion,
    RatchetTreeIn, RequiredCapabilitiesExtension, StagedWelcome, UnknownExtension,
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::OpenMlsProvider;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::types::{HpkeAeadType, HpkeCiphertext, HpkeConfig, HpkeKdfType, HpkeKemType};
use recording::{Recording, unhex, waiting_client};
use roost_mls::{
    GroupKind, GroupPolicy, LeafCredential, ObservedGroup, Observer, SUITE_CLASSIC, SUITE_DEFAULT,
    check_group, limit, read_handshake,
};
use roost_wire::{Seconds, SignatureKey};

#[test]
fn an_openmls_member_lives_in_a_hybrid_roost_group() {
    member_lives_in(SUITE_DEFAULT);
}

#[test]
fn an_openmls_member_lives_in_a_classic_roost_group() {
    member_lives_in(SUITE_CLASSIC);
}

fn member_lives_in(suite: CipherSuite) {
    let mut room = Room::founded(suite);
    let mut bob = Guest::new(suite, &Person::new(2));

    // Roost adds OpenMLS by its own key package.
    room.adds(&mut bob);
    room.talks_with(&mut bob);

    // Commits with update paths, both ways.
    let update = bob.commits_update();
    room.follows(&update);
    let update = room.ada.commit(vec![]).unwrap().commit_message;
    room.follows(&bytes(&update));
    bob.follows(&update);
    room.talks_with(&mut bob);

    // OpenMLS adds a Roost device, and removes it.
    let carol = device(&Person::new(3), suite);
    let mut carols = room.guest_adds(&mut bob, &carol);
    let message = bob.says(b"to all");
    assert_eq!(read(&mut carols, &message), b"to all");
    assert_eq!(read(&mut room.ada, &message), b"to all");
    let removal = bob.removes(carols.current_member_index());
    let judged = room.follows(&removal);
    assert_eq!(judged.removed[0].account, Person::new(3).account);

    room.exports_as(&bob);
}

/// With `ROOST_WRITE_VECTORS=1` the hybrid group becomes `vectors/openmls_group.txt`, which
/// `suite_vectors.rs` plays again.
#[test]
fn a_group_founded_by_openmls_is_hosted_and_joined() {
    for suite in [SUITE_CLASSIC, SUITE_DEFAULT] {
        let recording = founded_by_openmls(suite);
        Recording::parse(&recording.to_text()).plays();
        if suite == SUITE_DEFAULT && std::env::var_os("ROOST_WRITE_VECTORS").is_some() {
            let path = concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/vectors/openmls_group.txt"
            );
            std::fs::write(path, recording.to_text()).unwrap();
        }
    }
}

fn founded_by_openmls(suite: CipherSuite) -> Recording {
    let mut recording = Recording::default();
    let mut joiner = device(&Person::new(1), suite);
    joiner.offered = vec![suite];
    let storage = InMemoryKeyPackageStorage::new();
    let from = kit::time(limit::key_package_from(now(), false));
    let client = waiting_client(&joiner, storage.clone());
    let package = client
        .generate_key_package_message(none(), none(), Some(from))
        .unwrap();
    recording.note_joiner(&joiner, &storage, now());

    let founder = Person::new(2);
    let mut bob = Guest::new(suite, &founder);
    let policy = policy_for(GroupKind::Group, &[&founder], suite);
    bob.founds(&policy);
    recording.note("info", bob.group_info());
    recording.note("tree", bob.tree());
    let (add, welcome) = bob.adds(&package);
    recording.note("add", add);
    recording.note("welcome", welcome);
    recording.note("tree_after", bob.tree());
    recording.note("first", bytes(&bob.says(b"before the update")));
    recording.note("update", bob.commits_update());
    recording.note("second", bytes(&bob.says(b"after the update")));
    recording
}

#[test]
fn openmls_derives_and_opens_as_our_vectors_say() {
    let text = include_str!("vectors/suite_4e.txt");
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(unhex)
        .collect::<Vec<_>>();
    let config = HpkeConfig(
        HpkeKemType::XWingKemDraft6,
        HpkeKdfType::HkdfSha384,
        HpkeAeadType::AesGcm256,
    );
    let provider = OpenMlsRustCrypto::default();

    let keys = provider
        .crypto()
        .derive_hpke_keypair(config, b"roost vector")
        .unwrap();
    let private: &[u8] = keys.private.as_ref();
    assert_eq!(private, lines[0]);
    assert_eq!(keys.public, lines[1]);

    let config = HpkeConfig(
        HpkeKemType::XWingKemDraft6,
        HpkeKdfType::HkdfSha384,
        HpkeAeadType::AesGcm256,
    );
    let sealed = HpkeCiphertext {
        kem_output: lines[2].clone().into(),
        ciphertext: lines[3].clone().into(),
    };
    let opened = provider
        .crypto()
        .hpke_open(config, &sealed, &lines[0], b"info", b"aad")
        .unwrap();
    assert_eq!(opened, lines[4]);
}

/// Ada's group and the server's view of it.
struct Room {
    server: ObservedGroup,
    ada: Group<HonestConfig>,
    device: Device,
}

impl Room {
    fn founded(suite: CipherSuite) -> Self {
        let person = Person::new(1);
        let device = device(&person, suite);
        let policy = policy_for(GroupKind::Group, &[&person], suite).to_extensions();
        let client = device.client();
        let ada = client
            .create_group_with_id(GROUP.to_vec(), policy, none(), None)
            .unwrap();
        let info = bytes(&ada.group_info_message_allowing_ext_commit(false).unwrap());
        let server = Observer::new()
            .found(&info, &ada.export_tree().to_bytes().unwrap())
            .unwrap();
        Self {
            server,
            ada,
            device,
        }
    }

    /// Server and Ada judge and apply a commit, Ada's own among them.
    #[track_caller]
    fn follows(&mut self, commit: &[u8]) -> roost_mls::JudgedCommit {
        let judged = self.server.judge_commit(commit, now()).unwrap();
        let handshake = read_handshake(commit).unwrap();
        self.device.time.set(now());
        self.ada
            .process_incoming_message(handshake.into_message())
            .unwrap();
        self.server = judged.next.clone();
        assert_eq!(self.ada.current_epoch(), self.server.epoch().get());
        assert_eq!(self.ada.context().tree_hash, self.server.tree_hash());
        judged
    }

    fn adds(&mut self, guest: &mut Guest) {
        let package = guest.key_package();
        Observer::new()
            .validate_key_package(&package, now())
            .unwrap();
        self.device.time.set(now());
        let package = MlsMessage::from_bytes(&package).unwrap();
        let output = self
            .ada
            .commit_builder()
            .add_member(package)
            .unwrap()
            .build()
            .unwrap();
        let judged = self.follows(&bytes(&output.commit_message));
        assert_eq!(judged.added[0].account, Person::new(2).account);
        guest.joins(
            &output.welcome_messages[0],
            &self.server.export_tree().unwrap(),
        );
    }

    fn guest_adds(&mut self, guest: &mut Guest, device: &Device) -> Group<HonestConfig> {
        let client = device.client();
        let from = limit::key_package_from(now(), false);
        let package = client.generate_key_package_message(none(), none(), Some(kit::time(from)));
        let (commit, welcome) = guest.adds(&package.unwrap());
        let judged = self.follows(&commit);
        assert_eq!(judged.added[0].account, Person::new(3).account);
        let welcome = MlsMessage::from_bytes(&welcome).unwrap();
        let (group, _) = client
            .join_group(Some(tree(&self.ada)), &welcome, None)
            .unwrap();
        check_group(group.context(), &group.roster()).unwrap();
        group
    }

    fn talks_with(&mut self, guest: &mut Guest) {
        let message = self
            .ada
            .encrypt_application_message(b"hello from Roost", vec![])
            .unwrap();
        assert_eq!(guest.reads(&message), b"hello from Roost");
        let message = guest.says(b"hello from OpenMLS");
        assert_eq!(read(&mut self.ada, &message), b"hello from OpenMLS");
    }

    fn exports_as(&self, guest: &Guest) {
        let own = self.ada.export_secret(b"roost", b"context", 32).unwrap();
        assert_eq!(own.as_bytes(), guest.exports());
    }
}

/// An OpenMLS client under a Roost account.
struct Guest {
    provider: OpenMlsRustCrypto,
    keys: SignatureKeyPair,
    suite: Ciphersuite,
    credential: CredentialWithKey,
    group: Option<MlsGroup>,
}

impl Guest {
    fn new(suite: CipherSuite, person: &Person) -> Self {
        let suite = Ciphersuite::try_from(suite.raw_value()).unwrap();
        let provider = OpenMlsRustCrypto::default();
        let keys = SignatureKeyPair::new(suite.signature_algorithm()).unwrap();
        keys.store(provider.storage()).unwrap();
        let key = SignatureKey::try_from(keys.public()).unwrap();
        let leaf = LeafCredential::sign(person.claims(1, now()), key, &person.key).unwrap();
        let credential = CredentialWithKey {
            credential: Credential::new(CredentialType::Other(0xF001), leaf.to_bytes()),
            signature_key: keys.public().into(),
        };
        Self {
            provider,
            keys,
            suite,
            credential,
            group: None,
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(
            None,
            Some(&[self.suite]),
            Some(&[ExtensionType::Unknown(0xF020), ExtensionType::LastResort]),
            Some(&[ProposalType::Custom(0xF010), ProposalType::Custom(0xF003)]),
            Some(&[CredentialType::Other(0xF001)]),
        )
    }

    fn founds(&mut self, policy: &GroupPolicy) {
        let required = RequiredCapabilitiesExtension::new(
            &[ExtensionType::Unknown(0xF020)],
            &[ProposalType::Custom(0xF010), ProposalType::Custom(0xF003)],
            &[CredentialType::Other(0xF001)],
        );
        let extensions = Extensions::from_vec(vec![
            Extension::Unknown(0xF020, UnknownExtension(policy.to_bytes())),
            Extension::RequiredCapabilities(required),
        ]);
        let group = MlsGroup::builder()
            .with_group_id(GroupId::from_slice(&GROUP))
            .ciphersuite(self.suite)
            .with_capabilities(self.capabilities())
            .with_group_context_extensions(extensions.unwrap())
            .with_wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .use_ratchet_tree_extension(false)
            .build(&self.provider, &self.keys, self.credential.clone());
        self.group = Some(group.unwrap());
    }

    fn group_info(&self) -> Vec<u8> {
        let group = self.group.as_ref().unwrap();
        outgoing(
            &group
                .export_group_info(self.provider.crypto(), &self.keys, false)
                .unwrap(),
        )
    }

    fn tree(&self) -> Vec<u8> {
        self.group
            .as_ref()
            .unwrap()
            .export_ratchet_tree()
            .tls_serialize_detached()
            .unwrap()
    }

    fn key_package(&self) -> Vec<u8> {
        let builder = KeyPackage::builder().leaf_node_capabilities(self.capabilities());
        let bundle = builder.build(
            self.suite,
            &self.provider,
            &self.keys,
            self.credential.clone(),
        );
        let message = MlsMessageOut::from(bundle.unwrap().key_package().clone());
        message.tls_serialize_detached().unwrap()
    }

    fn joins(&mut self, welcome: &MlsMessage, tree: &[u8]) {
        let MlsMessageBodyIn::Welcome(welcome) = incoming(welcome).extract() else {
            panic!("a Welcome")
        };
        let config = MlsGroupJoinConfig::builder()
            .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .use_ratchet_tree_extension(false)
            .build();
        let tree = RatchetTreeIn::tls_deserialize_exact(tree).unwrap();
        let staged = StagedWelcome::new_from_welcome(&self.provider, &config, welcome, Some(tree));
        self.group = Some(staged.unwrap().into_group(&self.provider).unwrap());
    }

    fn reads(&mut self, message: &MlsMessage) -> Vec<u8> {
        match self.process(message) {
            ProcessedMessageContent::ApplicationMessage(message) => message.into_bytes(),
            _ => panic!("an application message"),
        }
    }

    fn follows(&mut self, commit: &MlsMessage) {
        let ProcessedMessageContent::StagedCommitMessage(staged) = self.process(commit) else {
            panic!("a commit")
        };
        let group = self.group.as_mut().unwrap();
        group.merge_staged_commit(&self.provider, *staged).unwrap();
    }

    fn process(&mut self, message: &MlsMessage) -> ProcessedMessageContent {
        let message = incoming(message).try_into_protocol_message().unwrap();
        let group = self.group.as_mut().unwrap();
        group
            .process_message(&self.provider, message)
            .unwrap()
            .into_content()
    }

    fn says(&mut self, text: &[u8]) -> MlsMessage {
        let group = self.group.as_mut().unwrap();
        let message = group
            .create_message(&self.provider, &self.keys, text)
            .unwrap();
        MlsMessage::from_bytes(&outgoing(&message)).unwrap()
    }

    fn commits_update(&mut self) -> Vec<u8> {
        let group = self.group.as_mut().unwrap();
        let bundle = group.self_update(&self.provider, &self.keys, LeafNodeParameters::default());
        let (commit, _, _) = bundle.unwrap().into_contents();
        group.merge_pending_commit(&self.provider).unwrap();
        outgoing(&commit)
    }

    fn adds(&mut self, package: &MlsMessage) -> (Vec<u8>, Vec<u8>) {
        let MlsMessageBodyIn::KeyPackage(package) = incoming(package).extract() else {
            panic!("a key package")
        };
        let package: KeyPackageIn = package;
        let package = package
            .validate(self.provider.crypto(), ProtocolVersion::Mls10)
            .unwrap();
        let group = self.group.as_mut().unwrap();
        let (commit, welcome, _) = group
            .add_members(&self.provider, &self.keys, &[package])
            .unwrap();
        group.merge_pending_commit(&self.provider).unwrap();
        (outgoing(&commit), outgoing(&welcome))
    }

    fn removes(&mut self, leaf: u32) -> Vec<u8> {
        let group = self.group.as_mut().unwrap();
        let leaf = openmls::prelude::LeafNodeIndex::new(leaf);
        let (commit, _, _) = group
            .remove_members(&self.provider, &self.keys, &[leaf])
            .unwrap();
        group.merge_pending_commit(&self.provider).unwrap();
        outgoing(&commit)
    }

    fn exports(&self) -> Vec<u8> {
        let group = self.group.as_ref().unwrap();
        group
            .export_secret(self.provider.crypto(), "roost", b"context", 32)
            .unwrap()
    }
}

/// OpenMLS judges lifetimes by the clock, so this test does too.
fn now() -> Seconds {
    Seconds::new(MlsTime::now().seconds_since_epoch())
}

fn device(person: &Person, suite: CipherSuite) -> Device {
    Device::made(person, 1, now(), suite)
}

fn read(group: &mut Group<HonestConfig>, message: &MlsMessage) -> Vec<u8> {
    match group.process_incoming_message(message.clone()).unwrap() {
        ReceivedMessage::ApplicationMessage(message) => message.data().to_vec(),
        _ => panic!("an application message"),
    }
}

fn incoming(message: &MlsMessage) -> MlsMessageIn {
    MlsMessageIn::tls_deserialize_exact(bytes(message)).unwrap()
}

fn outgoing(message: &MlsMessageOut) -> Vec<u8> {
    message.tls_serialize_detached().unwrap()
}
