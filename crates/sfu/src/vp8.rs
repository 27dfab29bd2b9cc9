//! What a packet of VP8 says of its frame in clear, for devices that send no Dependency Descriptor: the
//! payload descriptor (RFC 7741, section 4.2) and the first byte of the frame behind it, which clients
//! leave in clear before what they seal.

/// Bits of the payload descriptor's first byte, and of the one that may follow.
const EXTENDED: u8 = 0x80;
const BEGINS: u8 = 0x10;
const PARTITION: u8 = 0x07;
const PICTURE_ID: u8 = 0x80;
const BASE_ID: u8 = 0x40;
const LAYER_OR_KEY_ID: u8 = 0x30;
/// Of a picture id's first byte: a second one follows.
const LONG: u8 = 0x80;
/// Of a frame's first byte: it needs frames before it (RFC 6386, section 9.1).
const NEEDS_OTHERS: u8 = 0x01;

/// Whether pictures can begin with this packet: the first one of a key frame.
pub fn is_key(payload: &[u8]) -> bool {
    first_of_frame(payload).is_some_and(|byte| byte & NEEDS_OTHERS == 0)
}

/// The first byte of a frame, if the packet has it.
fn first_of_frame(payload: &[u8]) -> Option<u8> {
    let mut rest = payload.iter().copied();
    let first = rest.next()?;
    if first & (BEGINS | PARTITION) != BEGINS {
        return None;
    }
    if first & EXTENDED != 0 {
        let follows = rest.next()?;
        if follows & PICTURE_ID != 0 && rest.next()? & LONG != 0 {
            rest.next()?;
        }
        for part in [BASE_ID, LAYER_OR_KEY_ID] {
            if follows & part != 0 {
                rest.next()?;
            }
        }
    }
    rest.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: u8 = 0x10;
    const DELTA: u8 = 0x11;

    #[test]
    fn the_first_packet_of_a_key_frame_is_told_from_all_others() {
        assert!(is_key(&[0x10, KEY]));
        assert!(!is_key(&[0x10, DELTA]));
        assert!(!is_key(&[0x00, KEY]), "in the middle of the frame");
        assert!(!is_key(&[0x11, KEY]), "of another partition");
        assert!(!is_key(&[0x10]), "there is none of it");
        assert!(!is_key(&[]));
    }

    #[test]
    fn whatever_stands_in_the_payload_descriptor_is_passed_over() {
        assert!(is_key(&[0x90, 0x00, KEY]));
        assert!(is_key(&[0x90, 0x80, 0x7f, KEY]), "a short picture id");
        assert!(is_key(&[0x90, 0x80, 0xff, 0x01, KEY]), "a long one");
        assert!(is_key(&[0x90, 0xe0, 0x81, 0x01, 0x01, 0x01, KEY]));
        assert!(is_key(&[0xb0, 0x30, 0x01, KEY]), "layer and key id are one");
        assert!(!is_key(&[0x90, 0xf0, 0x80, 0x00, 0x00, 0x00]), "cut off");
        assert!(!is_key(&[0x90, 0xe0, 0x81, 0x01, 0x01, 0x01, DELTA]));
    }
}
