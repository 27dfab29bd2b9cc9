//! Bytes as text for paths, links and scripts: lower-case hex and base64url without padding
//! (RFC 4648, section 5). Both decoders are strict: one text for one value.

use crate::Malformed;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [nibble(byte >> 4), nibble(byte & 15)])
        .collect()
}

/// Reads exactly `N` bytes of lower-case hexadecimal.
///
/// # Errors
/// Refuses another length and any character outside `0-9a-f`.
pub fn unhex<const N: usize>(text: &str) -> Result<[u8; N], Malformed> {
    const WHAT: Malformed = Malformed::Invalid {
        what: "hexadecimal text",
    };
    let digits = text.as_bytes();
    if digits.len() != N.saturating_mul(2) {
        return Err(WHAT);
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return Err(WHAT) };
        *byte = (unnibble(*high).ok_or(WHAT)? << 4) | unnibble(*low).ok_or(WHAT)?;
    }
    Ok(out)
}

/// base64url without padding.
#[must_use]
pub fn base64url(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3).saturating_mul(4));
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .fold(0u32, |word, byte| (word << 8) | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for index in 0..=chunk.len() {
            out.push(sextet((word >> (18 - 6 * index)) & 63));
        }
    }
    out
}

/// Reads base64url without padding, at most `max` bytes.
///
/// # Errors
/// Refuses other alphabets, padding, non-zero spare bits and more than `max` bytes.
pub fn unbase64url(text: &str, max: usize) -> Result<Vec<u8>, Malformed> {
    const WHAT: Malformed = Malformed::Invalid {
        what: "base64url text",
    };
    if text.len() > max.saturating_mul(4).div_ceil(3) {
        return Err(Malformed::Long {
            what: "base64url text",
            max,
        });
    }
    let mut out = Vec::with_capacity(text.len());
    for chunk in text.as_bytes().chunks(4) {
        if chunk.len() == 1 {
            return Err(WHAT);
        }
        let mut word = 0u32;
        for letter in chunk {
            word = (word << 6) | unsextet(*letter).ok_or(WHAT)?;
        }
        word <<= 6 * (4 - chunk.len());
        let [_, first, second, third] = word.to_be_bytes();
        let (bytes, spare): (&[u8], &[u8]) = match chunk.len() {
            2 => (&[first], &[second, third]),
            3 => (&[first, second], &[third]),
            _ => (&[first, second, third], &[]),
        };
        if spare.iter().any(|byte| *byte != 0) {
            return Err(WHAT);
        }
        out.extend_from_slice(bytes);
    }
    Ok(out)
}

fn nibble(value: u8) -> char {
    HEX.get(usize::from(value))
        .map_or('0', |digit| char::from(*digit))
}

fn unnibble(digit: u8) -> Option<u8> {
    HEX.iter()
        .position(|known| *known == digit)
        .and_then(|at| u8::try_from(at).ok())
}

fn sextet(value: u32) -> char {
    usize::try_from(value)
        .ok()
        .and_then(|at| ALPHABET.get(at))
        .map_or('A', |letter| char::from(*letter))
}

fn unsextet(letter: u8) -> Option<u32> {
    ALPHABET
        .iter()
        .position(|known| *known == letter)
        .and_then(|at| u32::try_from(at).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base64url_matches_rfc_4648_vectors() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
        ] {
            assert_eq!(base64url(plain.as_bytes()), text);
            assert_eq!(unbase64url(text, 16).unwrap(), plain.as_bytes());
        }
    }

    #[test]
    fn a_second_spelling_of_the_same_bytes_is_refused() {
        for text in ["Zh", "Zg==", "Z", "Zm8 ", "Zm9+"] {
            assert!(unbase64url(text, 16).is_err(), "{text}");
        }
        assert!(unhex::<1>("AB").is_err());
    }

    proptest! {
        #[test]
        fn both_texts_round_trip(bytes in prop::collection::vec(any::<u8>(), 0..64), id: [u8; 16]) {
            prop_assert_eq!(unbase64url(&base64url(&bytes), 64).unwrap(), bytes);
            prop_assert_eq!(unhex::<16>(&hex(&id)).unwrap(), id);
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = unbase64url(&text, 64);
            let _ = unhex::<16>(&text);
        }
    }
}
