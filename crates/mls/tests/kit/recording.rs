//! A group founded by OpenMLS, as bytes that can be played again: what suite 0x004E meant when
//! they were written.

use crate::kit::{Device, tree_from};
use mls_rs::client_builder::PaddingMode;
use mls_rs::group::ReceivedMessage;
use mls_rs::identity::SigningIdentity;
use mls_rs::mls_rs_codec::{MlsDecode, MlsEncode};
use mls_rs::mls_rules::EncryptionOptions;
use mls_rs::storage_provider::in_memory::InMemoryKeyPackageStorage;
use mls_rs::{CipherSuite, Client, MlsMessage};
use mls_rs_core::key_package::KeyPackageData;
use roost_mls::{
    HybridProvider, JudgementTime, LeafCredential, Observer, RoostIdentity, RoostRules, capability,
    check_group, read_handshake,
};
use roost_wire::{Seconds, text};
use std::collections::BTreeMap;

/// Named byte strings, one a line.
#[derive(Default)]
pub struct Recording(BTreeMap<String, Vec<u8>>);

impl Recording {
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let entries = lines.filter_map(|line| line.split_once(' '));
        Self(
            entries
                .map(|(name, hex)| (name.to_owned(), unhex(hex)))
                .collect(),
        )
    }

    pub fn note(&mut self, name: &str, bytes: Vec<u8>) {
        self.0.insert(name.to_owned(), bytes);
    }

    pub fn to_text(&self) -> String {
        let lines = self
            .0
            .iter()
            .map(|(name, bytes)| format!("{name} {}\n", text::hex(bytes)));
        std::iter::once("# A group founded by OpenMLS 0.9.2 and joined by Roost.\n".to_owned())
            .chain(lines)
            .collect()
    }

    fn bytes(&self, name: &str) -> &[u8] {
        &self.0[name]
    }

    /// Notes a joiner and the key package it waits with.
    pub fn note_joiner(
        &mut self,
        device: &Device,
        storage: &InMemoryKeyPackageStorage,
        at: Seconds,
    ) {
        let (id, data) = storage.key_packages().remove(0);
        self.note("at", at.get().to_be_bytes().to_vec());
        self.note("suite", device.suite.raw_value().to_be_bytes().to_vec());
        self.note("identity", device.identity().mls_encode_to_vec().unwrap());
        self.note("secret", device.secret.to_vec());
        self.note("key_package_id", id);
        self.note("key_package", data.mls_encode_to_vec().unwrap());
    }

    /// The server hosts the group, the joiner joins it by Welcome, reads a message, follows an
    /// update and reads another.
    #[track_caller]
    pub fn plays(&self) {
        let at = Seconds::new(u64::from_be_bytes(self.bytes("at").try_into().unwrap()));
        let mut server = Observer::new()
            .found(self.bytes("info"), self.bytes("tree"))
            .unwrap();
        server = server.judge_commit(self.bytes("add"), at).unwrap().next;
        assert_eq!(server.export_tree().unwrap(), self.bytes("tree_after"));

        let welcome = MlsMessage::from_bytes(self.bytes("welcome")).unwrap();
        let client = self.joiner(at);
        let tree = tree_from(self.bytes("tree_after"));
        let (mut group, _) = client.join_group(Some(tree), &welcome, None).unwrap();
        check_group(group.context(), &group.roster()).unwrap();

        assert_eq!(read(&mut group, self.bytes("first")), b"before the update");
        let update = read_handshake(self.bytes("update")).unwrap();
        group
            .process_incoming_message(update.into_message())
            .unwrap();
        assert_eq!(read(&mut group, self.bytes("second")), b"after the update");
        server = server.judge_commit(self.bytes("update"), at).unwrap().next;
        assert_eq!(server.tree_hash(), group.context().tree_hash);
    }

    fn joiner(&self, at: Seconds) -> Client<impl mls_rs::client_builder::MlsConfig> {
        let suite = u16::from_be_bytes(self.bytes("suite").try_into().unwrap());
        let identity = SigningIdentity::mls_decode(&mut self.bytes("identity")).unwrap();
        let storage = InMemoryKeyPackageStorage::new();
        let data = KeyPackageData::mls_decode(&mut self.bytes("key_package")).unwrap();
        storage.insert(self.bytes("key_package_id").to_vec(), data);
        let device = Device {
            credential: LeafCredential::parse(&identity).unwrap(),
            secret: self.bytes("secret").to_vec().into(),
            suite: CipherSuite::new(suite),
            offered: vec![CipherSuite::new(suite)],
            time: JudgementTime::new(),
        };
        device.time.set(at);
        waiting_client(&device, storage)
    }
}

/// A client that keeps its key packages in this storage.
pub fn waiting_client(
    device: &Device,
    storage: InMemoryKeyPackageStorage,
) -> Client<impl mls_rs::client_builder::MlsConfig + use<>> {
    let encryption = EncryptionOptions::new(false, PaddingMode::None);
    Client::builder()
        .key_package_repo(storage)
        .identity_provider(RoostIdentity)
        .crypto_provider(HybridProvider::offering(&device.offered))
        .mls_rules(RoostRules::new(encryption, device.time.clone()))
        .custom_proposal_types(capability::PROPOSAL_TYPES)
        .extension_types(capability::EXTENSION_TYPES)
        .signing_identity(device.identity(), device.secret.clone(), device.suite)
        .build()
}

fn read<C: mls_rs::client_builder::MlsConfig>(
    group: &mut mls_rs::Group<C>,
    bytes: &[u8],
) -> Vec<u8> {
    match group
        .process_incoming_message(MlsMessage::from_bytes(bytes).unwrap())
        .unwrap()
    {
        ReceivedMessage::ApplicationMessage(message) => message.data().to_vec(),
        _ => panic!("an application message"),
    }
}

pub fn unhex(line: &str) -> Vec<u8> {
    let pairs = line.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
