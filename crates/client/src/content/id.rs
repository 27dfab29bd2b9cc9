//! The name of a message.

use roost_wire::{Malformed, text};
use sha2::{Digest, Sha256};

/// First byte of every id made with SHA-256.
const SHA_256: u8 = 1;

/// Names a message for replies, reactions, edits and deletions (draft-ietf-mimi-content-08,
/// section 3.3). As text: 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId([u8; 32]);

impl MessageId {
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The id of `message`, the encoded content as sent, padding included.
    #[must_use]
    pub fn of(sender_uri: &str, room_uri: &str, message: &[u8], salt: &[u8; 16]) -> Self {
        let mut hash = Sha256::new();
        for uri in [sender_uri, room_uri] {
            // Longer ones cannot be encoded in content; this only keeps the function total.
            let length = u16::try_from(uri.len()).unwrap_or(u16::MAX);
            hash.update(length.to_be_bytes());
            hash.update(uri);
        }
        hash.update(message);
        hash.update(salt);
        let digest: [u8; 32] = hash.finalize().into();
        let mut id = [SHA_256; 32];
        id.iter_mut()
            .skip(1)
            .zip(digest)
            .for_each(|(to, from)| *to = from);
        Self(id)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TryFrom<&[u8]> for MessageId {
    type Error = Malformed;

    fn try_from(bytes: &[u8]) -> Result<Self, Malformed> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| Malformed::Invalid { what: "message id" })
    }
}

impl std::str::FromStr for MessageId {
    type Err = Malformed;

    fn from_str(hex: &str) -> Result<Self, Malformed> {
        text::unhex(hex).map(Self)
    }
}

impl std::fmt::Display for MessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&text::hex(&self.0))
    }
}

impl std::fmt::Debug for MessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MessageId({self})")
    }
}

impl<C> minicbor::Encode<C> for MessageId {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for MessageId {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::try_from(d.bytes()?).map_err(|_| minicbor::decode::Error::message("message id"))
    }
}
