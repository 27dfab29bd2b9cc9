//! Bodies of the HTTP endpoints: CBOR maps with integer keys, unknown keys ignored.
//! A flat list of types, one request and its answer after the other.

mod account;
mod call;
mod group;
mod invite;
mod media;
mod relay;
mod session;

pub use account::*;
pub use call::*;
pub use group::*;
pub use invite::*;
pub use media::*;
pub use relay::*;
pub use session::*;

use crate::Malformed;
use minicbor::{Decode, Encode};

/// Encodes one value of this crate.
#[must_use]
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    match minicbor::encode(value, &mut bytes) {
        Ok(()) => bytes,
        // Writing to a Vec cannot fail, and no encoder here refuses a value.
        Err(_) => Vec::new(),
    }
}

/// Decodes one whole value.
///
/// # Errors
/// Refuses more than `max` bytes, anything that is not a `T`, and bytes after it.
pub fn decode<T: for<'b> Decode<'b, ()>>(
    bytes: &[u8],
    what: &'static str,
    max: usize,
) -> Result<T, Malformed> {
    if bytes.len() > max {
        return Err(Malformed::Long { what, max });
    }
    let mut decoder = minicbor::Decoder::new(bytes);
    let value = decoder.decode().map_err(|_| Malformed::Invalid { what })?;
    if decoder.position() == bytes.len() {
        Ok(value)
    } else {
        Err(Malformed::Trailing { what })
    }
}

/// An empty answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct Done {}

/// Joins labelled fields for a signature: every field has its length before it, so that no two
/// different lists of fields give the same bytes.
#[must_use]
pub fn to_be_signed(label: &str, fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in std::iter::once(label.as_bytes()).chain(fields.iter().copied()) {
        let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
        bytes.extend(length.to_be_bytes());
        bytes.extend(field);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_fields_never_give_the_same_bytes_to_sign() {
        assert_ne!(
            to_be_signed("a", &[b"bc", b""]),
            to_be_signed("a", &[b"b", b"c"])
        );
        assert_ne!(to_be_signed("ab", &[b"c"]), to_be_signed("a", &[b"bc"]));
    }

    #[test]
    fn unknown_fields_of_a_newer_peer_are_ignored() {
        let newer = [0xa1, 0x18, 0x63, 0x01]; // {99: 1}

        assert_eq!(decode::<Done>(&newer, "answer", 64).unwrap(), Done {});
    }
}
