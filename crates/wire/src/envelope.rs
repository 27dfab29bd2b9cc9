//! The part of an encrypted message that travels in clear (RFC 9420, section 6.3): group, epoch
//! and content type. What follows is sealed, and nothing here can open it.

use crate::{EntryHash, Epoch, GroupId, Malformed, limit};

const WHAT: &str = "encrypted message";
const MLS_1_0: u16 = 1;
const PRIVATE_MESSAGE: u16 = 2;
const APPLICATION: u8 = 1;

/// An application message as the server handles it. If you hold one, its header is sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    group: GroupId,
    epoch: Epoch,
    hash: EntryHash,
    bytes: Vec<u8>,
}

impl Envelope {
    /// # Errors
    /// Refuses anything but one whole MLS 1.0 PrivateMessage with application content, a 16-byte
    /// group id and no authenticated data, of at most [`limit::MESSAGE_BYTES`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Malformed> {
        if bytes.len() > limit::MESSAGE_BYTES {
            return Err(Malformed::Long {
                what: WHAT,
                max: limit::MESSAGE_BYTES,
            });
        }
        let mut input = Reader(&bytes);
        if input.u16()? != MLS_1_0 || input.u16()? != PRIVATE_MESSAGE {
            return Err(Malformed::Invalid { what: WHAT });
        }
        let group = GroupId::try_from(input.vector()?)?;
        let epoch = Epoch::new(input.u64()?);
        let application = input.u8()? == APPLICATION;
        let no_authenticated_data = input.vector()?.is_empty();
        let sealed = !input.vector()?.is_empty() && !input.vector()?.is_empty();
        if !(application && no_authenticated_data && sealed) {
            return Err(Malformed::Invalid { what: WHAT });
        }
        if !input.0.is_empty() {
            return Err(Malformed::Trailing { what: WHAT });
        }
        Ok(Self {
            group,
            epoch,
            hash: EntryHash::of(&bytes),
            bytes,
        })
    }

    #[must_use]
    pub const fn group(&self) -> GroupId {
        self.group
    }

    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    #[must_use]
    pub const fn hash(&self) -> EntryHash {
        self.hash
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads TLS presentation language with the variable-size vectors of RFC 9420, section 2.1.2.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(Malformed::Short { what: WHAT })?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?
            .try_into()
            .map_err(|_| Malformed::Short { what: WHAT })
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    fn vector(&mut self) -> Result<&'a [u8], Malformed> {
        let first = self.u8()?;
        let low = u32::from(first & 0x3f);
        let (length, least) = match first >> 6 {
            0 => (low, 0),
            1 => ((low << 8) | u32::from(self.u8()?), 0x40),
            2 => {
                let [a, b, c] = self.array()?;
                (u32::from_be_bytes([first & 0x3f, a, b, c]), 0x4000)
            }
            _ => return Err(Malformed::Invalid { what: WHAT }),
        };
        if length < least {
            return Err(Malformed::Invalid { what: WHAT });
        }
        self.take(usize::try_from(length).map_err(|_| Malformed::Short { what: WHAT })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(group: [u8; 16], epoch: u64, content: u8, aad: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 2, 16];
        bytes.extend(group);
        bytes.extend(epoch.to_be_bytes());
        bytes.push(content);
        bytes.push(u8::try_from(aad.len()).unwrap());
        bytes.extend(aad);
        bytes.extend([2, 9, 9, 0x40, 0x41]);
        bytes.extend([7; 0x41]);
        bytes
    }

    #[test]
    fn the_clear_header_is_read() {
        let envelope = Envelope::parse(message([3; 16], 5, 1, &[])).unwrap();

        assert_eq!(envelope.group(), GroupId::new([3; 16]));
        assert_eq!(envelope.epoch(), Epoch::new(5));
        assert_eq!(envelope.hash(), EntryHash::of(envelope.as_bytes()));
    }

    #[test]
    fn handshakes_authenticated_data_and_trailing_bytes_are_refused() {
        let mut trailing = message([3; 16], 5, 1, &[]);
        trailing.push(0);

        assert!(Envelope::parse(message([3; 16], 5, 3, &[])).is_err());
        assert!(Envelope::parse(message([3; 16], 5, 1, &[1])).is_err());
        assert_eq!(
            Envelope::parse(trailing),
            Err(Malformed::Trailing { what: WHAT })
        );
    }

    #[test]
    fn every_truncation_is_refused() {
        let whole = message([3; 16], 5, 1, &[]);

        for length in 0..whole.len() {
            assert!(
                Envelope::parse(whole[..length].to_vec()).is_err(),
                "{length}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let _ = Envelope::parse(bytes);
        }
    }
}
