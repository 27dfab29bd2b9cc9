//! Messages inside a stream of bytes: TURN over TCP and TLS (RFC 8656, section 12.5).

use crate::message::{HEADER_BYTES, MAGIC_COOKIE};

/// Nothing longer is accumulated: a relayed packet is at most 64 KiB, and browsers send far less.
pub const FRAME_BYTES_MAX: usize = 16_384;
const CHANNEL_HEADER_BYTES: usize = 4;

/// The next thing in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The first bytes are a message of `bytes`, and take up `padded` with their padding.
    Frame { bytes: usize, padded: usize },
    /// More bytes have to come.
    More,
}

/// A stream that speaks something else; close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither STUN nor channel data")]
pub struct NotTurn;

/// Whether a stream that begins like this may be TURN: its first message is a request of STUN. None
/// while too little has come.
#[must_use]
pub fn begins(buffer: &[u8]) -> Option<bool> {
    let cookie = MAGIC_COOKIE.iter().enumerate();
    let mut seen = cookie.map(|(at, byte)| buffer.get(at + 4).map(|found| found == byte));
    match buffer.first() {
        None => None,
        Some(0x00..=0x03) => seen.try_fold(true, |all, fits| fits.map(|fits| all && fits)),
        Some(_) => Some(false),
    }
}

/// Looks at the start of a stream, as far as it has come. The first thing a client says is never
/// channel data: whether a stream is TURN at all is told by [`begins`].
///
/// # Errors
/// What begins here is no message of TURN, or is longer than [`FRAME_BYTES_MAX`].
pub fn next(buffer: &[u8]) -> Result<Next, NotTurn> {
    let Some(&first) = buffer.first() else {
        return Ok(Next::More);
    };
    let is_channel = match first {
        0x00..=0x03 => false,
        0x40..=0x7f => true,
        _ => return Err(NotTurn),
    };
    let Some(&[_, _, l0, l1]) = buffer.first_chunk::<4>() else {
        return Ok(Next::More);
    };
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let bytes = if is_channel {
        CHANNEL_HEADER_BYTES + length
    } else {
        let cookie = buffer.get(4..).unwrap_or_default();
        let seen = cookie.len().min(MAGIC_COOKIE.len());
        if cookie.get(..seen) != MAGIC_COOKIE.get(..seen) || length % 4 != 0 {
            return Err(NotTurn);
        }
        HEADER_BYTES + length
    };
    let padded = bytes.next_multiple_of(4);
    if padded > FRAME_BYTES_MAX {
        return Err(NotTurn);
    }
    Ok(if buffer.len() < padded {
        Next::More
    } else {
        Next::Frame { bytes, padded }
    })
}

/// What follows a message of so many bytes in a stream, so that the next one begins at a multiple of
/// four (RFC 8656, section 12.5).
#[must_use]
pub fn padding(bytes: usize) -> &'static [u8] {
    match bytes % 4 {
        1 => &[0; 3],
        2 => &[0; 2],
        3 => &[0; 1],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn channel_data_is_padded_and_stun_is_not() {
        assert_eq!(
            next(&[0x40, 1, 0, 1, 9, 0, 0, 0, 0x40]),
            Ok(Next::Frame {
                bytes: 5,
                padded: 8
            })
        );
        let mut stun = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        assert_eq!(next(&stun), Ok(Next::More));
        stun.extend([7; 12]);
        assert_eq!(
            next(&stun),
            Ok(Next::Frame {
                bytes: 20,
                padded: 20
            })
        );
    }

    #[test]
    fn a_stream_is_told_from_http_by_its_first_message() {
        assert_eq!(begins(b""), None);
        assert_eq!(begins(b"GET / HTTP/1.1"), Some(false));
        assert_eq!(begins(b"P"), Some(false));
        assert_eq!(begins(&[0, 3, 0, 8, 0x21, 0x12, 0xa4]), None);
        assert_eq!(begins(&[0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x42]), Some(true));
        assert_eq!(begins(&[0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x43]), Some(false));
    }

    #[test]
    fn another_protocol_is_told_apart_by_its_first_bytes() {
        assert_eq!(next(b"GET / HTTP/1.1"), Err(NotTurn));
        assert_eq!(next(b"PRI * HTTP/2.0"), Err(NotTurn));
        assert_eq!(next(&[0, 1, 0, 0, 0x21, 0x13]), Err(NotTurn));
        assert_eq!(next(&[0x40, 0, 0xff, 0xff]), Err(NotTurn));
    }

    proptest! {
        #[test]
        fn a_frame_lies_inside_what_came(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(Next::Frame { bytes: inside, padded }) = next(&bytes) {
                prop_assert_eq!(inside + padding(inside).len(), padded);
                prop_assert!(inside <= padded && padded <= bytes.len() && inside > 0);
            }
        }
    }
}
