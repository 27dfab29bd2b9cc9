//! Encrypting and decrypting application messages and droppable signals, and building commits.

use super::roster::SILENCE_MARK;
use super::{GroupError, Leaf, Mls, parse};
use crate::port::Dice;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use mls_rs::MlsMessage;
use mls_rs::group::{CommitOutput, ReceivedMessage};
use mls_rs::time::MlsTime;
use roost_mls::{HybridProvider, RuleError};
use roost_wire::envelope::Envelope;
use roost_wire::{DeviceId, Epoch, GroupId, Malformed, Seconds, api, limit};
use zeroize::Zeroizing;

const SIGNAL_LABEL: &[u8] = b"Roost 1.0 ephemeral";
const WHAT: Malformed = Malformed::Invalid { what: "signal" };

/// An encrypted message, ready to be stored and then sent.
pub(crate) struct Sealed {
    pub bytes: Vec<u8>,
    pub epoch: Epoch,
}

/// A decrypted message.
pub(crate) struct Opened {
    pub sender: Leaf,
    pub content: Zeroizing<Vec<u8>>,
}

/// A member to be added.
pub(crate) struct Addition {
    pub device: DeviceId,
    pub package: Vec<u8>,
}

/// What a commit is to do. Proposals of others that are waiting are always included.
#[derive(Default)]
pub(crate) struct Changes {
    pub add: Vec<Addition>,
    pub remove: Vec<u32>,
    /// Those removed were silent for long: the commit says so.
    pub for_silence: bool,
    /// Put the current credential into the leaf.
    pub renew_credential: bool,
}

/// A commit, pending in the group and ready to be sent.
pub(crate) struct Commit {
    pub bytes: Vec<u8>,
    pub group_info: Vec<u8>,
    pub welcomes: Vec<(Vec<DeviceId>, Vec<u8>)>,
}

impl Mls {
    /// Encrypts; saved, since the generation is used up.
    pub(crate) fn seal(&mut self, group: &GroupId, content: &[u8]) -> Result<Sealed, GroupError> {
        let loaded = self.group(group)?;
        let epoch = Epoch::new(loaded.current_epoch());
        let message = loaded.encrypt_application_message(content, Vec::new())?;
        let bytes = message.to_bytes()?;
        self.save(group)?;
        Ok(Sealed { bytes, epoch })
    }

    /// Decrypts and saves.
    pub(crate) fn open(&mut self, group: &GroupId, bytes: &[u8]) -> Result<Opened, GroupError> {
        let envelope = Envelope::parse(bytes.to_vec())?;
        if envelope.group() != *group {
            return Err(RuleError::OtherGroup.into());
        }
        let message = parse(bytes, limit::MESSAGE_BYTES, "message")?;
        let loaded = self.group(group)?;
        let received = loaded.process_incoming_message(message)?;
        let ReceivedMessage::ApplicationMessage(message) = received else {
            return Err(GroupError::Unexpected);
        };
        // Also for an earlier epoch: mls-rs has checked that this leaf has the same key still.
        let sender = self.leaf_at(group, message.sender_index)?;
        self.save(group)?;
        Ok(Opened {
            sender,
            content: Zeroizing::new(message.data().to_vec()),
        })
    }

    /// Builds a commit, pending and saved. It is applied when it comes back from the log.
    pub(crate) fn commit(
        &mut self,
        group: &GroupId,
        changes: Changes,
        now: Seconds,
    ) -> Result<Commit, GroupError> {
        let new_identity = self.renewal(&changes)?;
        self.judge_as_of(now);
        let loaded = self.group(group)?;
        loaded.clear_pending_commit();
        let mut builder = loaded
            .commit_builder()
            .commit_time(MlsTime::from(now.get()));
        let mut packages = Vec::new();
        for addition in changes.add {
            let message = parse(&addition.package, limit::KEY_PACKAGE_BYTES, "key package")?;
            packages.push((addition.device, message.clone()));
            builder = builder.add_member(message)?;
        }
        for index in changes.remove {
            builder = builder.remove_member(index)?;
        }
        if changes.for_silence {
            builder = builder.authenticated_data(SILENCE_MARK.to_vec());
        }
        if let Some((signer, identity)) = new_identity {
            builder = builder.set_new_signing_identity(signer, identity);
        }
        let output = builder.build()?;
        let commit = in_parts(&output, &packages)?;
        self.save(group)?;
        Ok(commit)
    }

    /// Drops a commit that lost.
    pub(crate) fn drop_pending(&mut self, group: &GroupId) -> Result<(), GroupError> {
        self.group(group)?.clear_pending_commit();
        self.save(group)
    }

    /// Asks to be removed; saved.
    pub(crate) fn propose_to_leave(&mut self, group: &GroupId) -> Result<Vec<u8>, GroupError> {
        let message = self.group(group)?.propose_self_remove(Vec::new())?;
        let bytes = message.to_bytes()?;
        self.save(group)?;
        Ok(bytes)
    }

    /// The key for droppable signals of the current epoch.
    pub(crate) fn signal_key(&mut self, group: &GroupId) -> Result<SignalKey, GroupError> {
        let loaded = self.group(group)?;
        let secret = loaded.export_secret(SIGNAL_LABEL, group.as_bytes(), 32)?;
        let key = secret
            .as_bytes()
            .try_into()
            .map_err(|_| GroupError::Unexpected)?;
        Ok(SignalKey {
            epoch: loaded.current_epoch(),
            key: Zeroizing::new(key),
        })
    }

    fn renewal(
        &self,
        changes: &Changes,
    ) -> Result<
        Option<(
            mls_rs_core::crypto::SignatureSecretKey,
            mls_rs_core::identity::SigningIdentity,
        )>,
        GroupError,
    > {
        if !changes.renew_credential {
            return Ok(None);
        }
        let identity = self.identity()?;
        let credential = identity.credential().map_err(RuleError::from)?;
        Ok(Some((identity.mls_signer(), credential.signing_identity())))
    }
}

fn in_parts(
    output: &CommitOutput,
    packages: &[(DeviceId, MlsMessage)],
) -> Result<Commit, GroupError> {
    let info = output.external_commit_group_info();
    let mut welcomes = Vec::new();
    for welcome in output.welcome_messages() {
        let references = welcome.welcome_key_package_references();
        let mut devices = Vec::new();
        for (device, package) in packages {
            let suite = mls_rs_core::crypto::CryptoProvider::cipher_suite_provider(
                &HybridProvider::new(),
                package.cipher_suite().ok_or(GroupError::Unexpected)?,
            );
            let reference = package.key_package_reference(&suite.ok_or(GroupError::Unexpected)?)?;
            if reference.is_some_and(|reference| references.contains(&&reference)) {
                devices.push(*device);
            }
        }
        welcomes.push((devices, welcome.to_bytes()?));
    }
    Ok(Commit {
        bytes: output.commit_message().to_bytes()?,
        group_info: info.ok_or(GroupError::Unexpected)?.to_bytes()?,
        welcomes,
    })
}

/// An epoch's key for signals that may be lost. They must not use the message ratchet: dropped
/// generations would add up.
#[derive(Clone)]
pub(crate) struct SignalKey {
    pub epoch: u64,
    key: Zeroizing<[u8; 32]>,
}

/// A droppable signal in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signal {
    pub sender: u32,
    pub kind: u8,
}

impl SignalKey {
    /// AES-256-GCM under a random nonce; bound to group, epoch, sender and kind. Every member has
    /// this key: what must be of one device carries its signature inside.
    pub(crate) fn seal(
        &self,
        group: &GroupId,
        signal: Signal,
        content: &[u8],
        dice: &mut dyn Dice,
    ) -> Vec<u8> {
        let mut nonce = [0; 12];
        dice.fill(&mut nonce);
        let header = self.header(signal);
        let payload = Payload {
            msg: content,
            aad: &authenticated(group, &header),
        };
        let sealed = Aes256Gcm::new((&*self.key).into()).encrypt(&Nonce::from(nonce), payload);
        // What fits a signal cannot exceed the cipher's limits.
        let sealed = sealed.unwrap_or_default();
        [&header[..], &nonce, &sealed].concat()
    }

    /// # Errors
    /// Refuses what was not sealed with this key for this group.
    pub(crate) fn open(
        &self,
        group: &GroupId,
        bytes: &[u8],
    ) -> Result<(Signal, Vec<u8>), Malformed> {
        let (header, rest) = bytes.split_first_chunk::<13>().ok_or(WHAT)?;
        let (nonce, sealed) = rest.split_first_chunk::<12>().ok_or(WHAT)?;
        let payload = Payload {
            msg: sealed,
            aad: &authenticated(group, header),
        };
        let content = Aes256Gcm::new((&*self.key).into())
            .decrypt(&Nonce::from(*nonce), payload)
            .map_err(|_| WHAT)?;
        let [_, _, _, _, _, _, _, _, a, b, c, d, kind] = *header;
        let signal = Signal {
            sender: u32::from_be_bytes([a, b, c, d]),
            kind,
        };
        Ok((signal, content))
    }

    fn header(&self, signal: Signal) -> [u8; 13] {
        let mut header = [0; 13];
        let bytes = self
            .epoch
            .to_be_bytes()
            .into_iter()
            .chain(signal.sender.to_be_bytes())
            .chain([signal.kind]);
        header
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, from)| *to = from);
        header
    }
}

/// The epoch a signal claims.
pub(crate) fn signal_epoch(bytes: &[u8]) -> Option<u64> {
    bytes
        .first_chunk::<8>()
        .map(|epoch| u64::from_be_bytes(*epoch))
}

fn authenticated(group: &GroupId, header: &[u8]) -> Vec<u8> {
    api::to_be_signed("roost signal v1", &[group.as_bytes(), header])
}
