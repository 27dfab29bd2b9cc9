//! The first look at a handshake message, before mls-rs may cache or apply anything.
//!
//! Owns the allow-list of message shapes: commits by members and joiners, and a member's own
//! SelfRemove. What a shape may contain in this group is judged by `rules`. Never needs the group.

use crate::error::{Place, RuleError};
use crate::join_proof::JOIN_PROOF_TYPE;
use crate::limit;
use mls_rs::group::{ContentType, Sender};
use mls_rs::mls_rs_codec::MlsSize;
use mls_rs::{MlsMessage, MlsMessageDescription};
use mls_rs_core::group::ProposalType;
use roost_wire::{Epoch, GroupId, Malformed};

const WHAT: &str = "handshake message";
const VERSION_MLS10: u16 = 1;
const WIRE_FORMAT_PUBLIC: u16 = 1;
const SENDER_MEMBER: u8 = 1;
const CONTENT_PROPOSAL: u8 = 2;

/// The shapes that are admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeKind {
    /// A commit by the member at this leaf.
    Commit { leaf: u32 },
    /// A commit by which its author enters, or replaces its own leaf.
    ExternalCommit,
    /// The member at this leaf asks to be removed.
    SelfRemove { leaf: u32 },
}

/// An admitted handshake message and what it says in clear.
#[derive(Debug)]
pub struct Handshake {
    pub kind: HandshakeKind,
    pub group: GroupId,
    pub epoch: Epoch,
    /// Whether a commit replaces its author's keys.
    pub has_path: bool,
    message: MlsMessage,
}

impl Handshake {
    #[must_use]
    pub fn message(&self) -> &MlsMessage {
        &self.message
    }

    #[must_use]
    pub fn into_message(self) -> MlsMessage {
        self.message
    }
}

/// Reads a handshake message from the network: bounded, one encoding, of an admitted shape.
///
/// # Errors
/// Refuses bytes that are no MLSMessage or have a second encoding, a group id of another length,
/// and whatever `admit_handshake` refuses.
pub fn read_handshake(bytes: &[u8]) -> Result<Handshake, RuleError> {
    if bytes.len() > limit::COMMIT_BYTES {
        return Err(Malformed::Long {
            what: WHAT,
            max: limit::COMMIT_BYTES,
        }
        .into());
    }
    let message = MlsMessage::from_bytes(bytes).map_err(|_| Malformed::Invalid { what: WHAT })?;
    if message.to_bytes().ok().as_deref() != Some(bytes) {
        return Err(Malformed::Invalid { what: WHAT }.into());
    }
    let kind = admit_handshake(&message)?;
    let group = message.group_id().and_then(|id| GroupId::try_from(id).ok());
    Ok(Handshake {
        kind,
        group: group.ok_or(RuleError::GroupId)?,
        epoch: Epoch::new(message.epoch().ok_or(RuleError::NotAHandshake)?),
        has_path: message.commit_path_leaf_node().is_some(),
        message,
    })
}

/// Whether a message has an admitted shape. Call this before `process_incoming_message`: mls-rs
/// keeps proposals it has seen and puts them into the next commit.
///
/// # Errors
/// Refuses everything but PublicMessages; proposals that are not a member's own SelfRemove;
/// senders that are neither member nor joiner; proposals outside the allow-list; long commits.
pub fn admit_handshake(message: &MlsMessage) -> Result<HandshakeKind, RuleError> {
    let MlsMessageDescription::PublicProtocolMessage {
        content_type,
        sender,
        authenticated_data,
        ..
    } = message.description()
    else {
        return Err(RuleError::NotAHandshake);
    };
    if authenticated_data.len() > limit::AUTHENTICATED_DATA_BYTES {
        let max = limit::AUTHENTICATED_DATA_BYTES;
        return Err(Malformed::Long {
            what: "authenticated data",
            max,
        }
        .into());
    }
    if let Some(leaf) = message.commit_path_leaf_node()
        && leaf.mls_encoded_len() > limit::LEAF_BYTES
    {
        return Err(Malformed::Long {
            what: "leaf",
            max: limit::LEAF_BYTES,
        }
        .into());
    }
    let commits = content_type == ContentType::Commit;
    match sender {
        Sender::Member(leaf) if commits => {
            admit_proposals(message, Place::ByValue)?;
            Ok(HandshakeKind::Commit { leaf })
        }
        Sender::NewMemberCommit if commits => {
            admit_proposals(message, Place::InExternalCommit)?;
            Ok(HandshakeKind::ExternalCommit)
        }
        Sender::Member(leaf) if content_type == ContentType::Proposal => {
            admit_self_remove(message)?;
            Ok(HandshakeKind::SelfRemove { leaf })
        }
        _ => Err(RuleError::Sender),
    }
}

/// Whether a message is what it is taken for before decryption: an application message. mls-rs
/// would apply an encrypted commit or cache an encrypted proposal just as well.
///
/// # Errors
/// Refuses everything but PrivateMessages with application content.
pub fn admit_application(message: &MlsMessage) -> Result<(), RuleError> {
    match message.description() {
        MlsMessageDescription::PrivateProtocolMessage { content_type, .. }
            if !matches!(content_type, ContentType::Commit | ContentType::Proposal) =>
        {
            Ok(())
        }
        _ => Err(RuleError::NotAnApplicationMessage),
    }
}

/// Proposal types a member's commit may carry by value.
pub(crate) fn allowed_by_value(kind: ProposalType) -> bool {
    matches!(
        kind,
        ProposalType::ADD
            | ProposalType::REMOVE
            | ProposalType::GROUP_CONTEXT_EXTENSIONS
            | ProposalType::RE_INIT
    )
}

/// Proposal types a joiner's commit may carry.
pub(crate) fn allowed_in_external_commit(kind: ProposalType) -> bool {
    matches!(
        kind,
        ProposalType::EXTERNAL_INIT | ProposalType::REMOVE | JOIN_PROOF_TYPE
    )
}

fn admit_proposals(message: &MlsMessage, place: Place) -> Result<(), RuleError> {
    let by_value = message.proposals_by_value();
    let by_reference = message.proposals_by_reference().len();
    if by_value.len().saturating_add(by_reference) > limit::PROPOSALS_PER_COMMIT {
        return Err(RuleError::TooManyProposals);
    }
    let external = place == Place::InExternalCommit;
    if external && by_reference > 0 {
        return Err(RuleError::proposal(ProposalType::SELF_REMOVE, place));
    }
    let allowed = if external {
        allowed_in_external_commit
    } else {
        allowed_by_value
    };
    let refused = by_value
        .iter()
        .map(|proposal| proposal.proposal_type())
        .find(|kind| !allowed(*kind));
    refused.map_or(Ok(()), |kind| Err(RuleError::proposal(kind, place)))
}

fn admit_self_remove(message: &MlsMessage) -> Result<(), RuleError> {
    let bytes = message
        .to_bytes()
        .map_err(|_| Malformed::Invalid { what: WHAT })?;
    if bytes.len() > limit::PROPOSAL_BYTES {
        return Err(Malformed::Long {
            what: WHAT,
            max: limit::PROPOSAL_BYTES,
        }
        .into());
    }
    match proposal_type(&bytes)? {
        ProposalType::SELF_REMOVE => Ok(()),
        other => Err(RuleError::proposal(other, Place::Alone)),
    }
}

/// The type of the proposal in a member's PublicMessage, which mls-rs does not tell
/// (RFC 9420, sections 6 and 6.2).
fn proposal_type(bytes: &[u8]) -> Result<ProposalType, Malformed> {
    let mut input = Reader(bytes);
    input.expect(&VERSION_MLS10.to_be_bytes())?;
    input.expect(&WIRE_FORMAT_PUBLIC.to_be_bytes())?;
    input.skip_vector()?; // group id
    input.take::<8>()?; // epoch
    input.expect(&[SENDER_MEMBER])?;
    input.take::<4>()?; // leaf index
    input.skip_vector()?; // authenticated data
    input.expect(&[CONTENT_PROPOSAL])?;
    Ok(ProposalType::new(u16::from_be_bytes(input.take()?)))
}

/// Reads TLS presentation language with the variable-size vectors of RFC 9420, section 2.1.2.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self
            .0
            .split_first_chunk()
            .ok_or(Malformed::Short { what: WHAT })?;
        self.0 = rest;
        Ok(*head)
    }

    fn expect(&mut self, expected: &[u8]) -> Result<(), Malformed> {
        self.0 = self
            .0
            .strip_prefix(expected)
            .ok_or(Malformed::Invalid { what: WHAT })?;
        Ok(())
    }

    fn skip_vector(&mut self) -> Result<(), Malformed> {
        let length = self.length()?;
        self.0 = self
            .0
            .get(length..)
            .ok_or(Malformed::Short { what: WHAT })?;
        Ok(())
    }

    fn length(&mut self) -> Result<usize, Malformed> {
        let [first] = self.take()?;
        let (extra, smallest) = match first >> 6 {
            0 => (0, 0),
            1 => (1, 1 << 6),
            2 => (3, 1 << 14),
            _ => return Err(Malformed::Invalid { what: WHAT }),
        };
        let mut length = usize::from(first & 0x3f);
        for _ in 0..extra {
            let [byte] = self.take()?;
            length = (length << 8) | usize::from(byte);
        }
        if length < smallest {
            Err(Malformed::Invalid { what: WHAT })
        } else {
            Ok(length)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_type_of_a_proposal_is_found_behind_the_header() {
        let mut bytes = vec![0, 1, 0, 1, 3, 9, 9, 9]; // version, format, a group id of 3 bytes
        bytes.extend(7u64.to_be_bytes());
        bytes.extend([1, 0, 0, 0, 2]); // member 2
        bytes.extend([0x40, 70]); // 70 bytes of authenticated data
        bytes.extend([5; 70]);
        bytes.extend([2, 0xf0, 0x03]); // a proposal: SelfRemove

        assert_eq!(proposal_type(&bytes), Ok(ProposalType::SELF_REMOVE));
        assert!((0..bytes.len()).all(|end| proposal_type(&bytes[..end]).is_err()));
    }

    #[test]
    fn a_length_in_more_bytes_than_it_needs_is_refused() {
        assert_eq!(Reader(&[0x3f]).length(), Ok(63));
        assert!(Reader(&[0x40, 63]).length().is_err());
        assert_eq!(Reader(&[0x40, 64]).length(), Ok(64));
        assert!(Reader(&[0x80, 0, 0x3f, 0xff]).length().is_err());
        assert_eq!(Reader(&[0x80, 0, 0x40, 0]).length(), Ok(1 << 14));
        assert!(Reader(&[0xc0, 0, 0, 0, 0, 0, 0, 0]).length().is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = proposal_type(&bytes);
            let mut header = vec![0, 1, 0, 1];
            header.extend(bytes);
            let _ = proposal_type(&header);
        }
    }
}
