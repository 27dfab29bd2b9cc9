//! Hides how long a message is: encoded content comes in a few sizes only.

use super::{ContentError, ExtensionKey, MimiContent};
use minicbor::bytes::ByteVec;
use roost_wire::limit;

const SMALLEST: usize = 256;
/// From here on sizes are multiples of this: an extension's value may not exceed it.
const STEP: usize = 4096;

impl MimiContent {
    /// The bytes of this message, filled up by zero bytes to 256, 512, 1024, 2048 or a multiple of
    /// 4096. Earlier padding is replaced.
    ///
    /// # Errors
    /// Refuses what [`MimiContent::decode`] would refuse.
    pub fn encode_padded(&self) -> Result<Vec<u8>, ContentError> {
        let mut padded = self.clone();
        padded.extensions.remove(&ExtensionKey::PADDING);
        let bare = padded.encode()?;
        let (gap, size) = rungs_above(bare.len())
            .find_map(|rung| Some((Filling::of(rung.checked_sub(bare.len())?)?, rung)))
            .ok_or(ContentError::TooLarge)?;
        gap.fill(&mut padded);
        let bytes = padded.encode()?;
        debug_assert_eq!(bytes.len(), size, "padding misses its size");
        Ok(bytes)
    }
}

/// What fills a gap exactly.
#[derive(Debug, PartialEq, Eq)]
enum Filling {
    Nothing,
    Zeros(usize),
    /// One byte longer than the zeros alone: closes the gaps at which their length prefix grows.
    ZerosInArray(usize),
}

impl Filling {
    /// None for a gap of one byte, which nothing can fill.
    const fn of(gap: usize) -> Option<Self> {
        // One byte for the key, then the length prefix of a byte string (RFC 8949, section 3.1).
        match gap {
            0 => Some(Self::Nothing),
            1 => None,
            26 => Some(Self::ZerosInArray(23)),
            259 => Some(Self::ZerosInArray(255)),
            2..=25 => Some(Self::Zeros(gap - 2)),
            27..=258 => Some(Self::Zeros(gap - 3)),
            _ => Some(Self::Zeros(gap - 4)),
        }
    }

    fn fill(self, content: &mut MimiContent) {
        let key = ExtensionKey::PADDING;
        match self {
            Self::Nothing => {}
            Self::Zeros(length) => content
                .extensions
                .put(&key, &ByteVec::from(vec![0; length])),
            Self::ZerosInArray(length) => {
                content
                    .extensions
                    .put(&key, &[ByteVec::from(vec![0; length])]);
            }
        }
    }
}

fn rungs_above(length: usize) -> impl Iterator<Item = usize> {
    let small = std::iter::successors(Some(SMALLEST), |size| size.checked_mul(2))
        .take_while(|size| *size < STEP);
    let large = std::iter::successors(Some(STEP), |size| size.checked_add(STEP))
        .take_while(|size| *size <= limit::CONTENT_BYTES);
    small.chain(large).skip_while(move |size| *size < length)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{message, text_of};
    use super::*;

    #[test]
    fn every_length_is_padded_to_one_of_a_few_sizes() {
        let empty = text_of(0).encode().unwrap().len();

        for length in (0..5000).chain((5000..60_000).step_by(997)) {
            let content = text_of(length);
            let padded = content.encode_padded().unwrap();
            let size = padded.len();

            assert!(size >= empty + length);
            let is_rung = [256, 512, 1024, 2048].contains(&size) || size.is_multiple_of(4096);
            assert!(is_rung, "{length} bytes of text gave {size}");
        }
    }

    #[test]
    fn a_short_message_and_a_shorter_one_look_the_same() {
        let (yes, longer) = (message("yes"), message("no, rather not today"));

        assert_eq!(yes.encode_padded().unwrap().len(), 256);
        assert_eq!(longer.encode_padded().unwrap().len(), 256);
    }

    #[test]
    fn padding_is_zero_bytes_and_is_read_back() {
        let padded = message("hello").encode_padded().unwrap();
        let read = MimiContent::decode(&padded).unwrap();

        assert_eq!(read.encode().unwrap(), padded);
        assert_eq!(read.encode_padded().unwrap(), padded);
        let padding = read.extensions.value(&ExtensionKey::PADDING).unwrap();
        let zeros: Vec<u8> = minicbor::decode::<ByteVec>(padding).unwrap().into();
        assert!(!zeros.is_empty() && zeros.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn content_at_the_limit_is_padded_or_refused_never_over_it() {
        let room = limit::CONTENT_BYTES - text_of(50_000).encode().unwrap().len() + 50_000;

        assert_eq!(
            text_of(room).encode_padded().unwrap().len(),
            limit::CONTENT_BYTES
        );
        assert_eq!(
            text_of(room - 1).encode_padded(),
            Err(ContentError::TooLarge)
        );
        assert_eq!(
            text_of(room + 1).encode_padded(),
            Err(ContentError::TooLarge)
        );
    }
}
