//! What of a shared UDP port is for calls through this server (RFC 7983, RFC 8489).
//!
//! Owns the form of the names in STUN requests. Never decides whether somebody may come in.

/// Every name of ours begins so; a relay's begin with a digit.
const UFRAG_BEGINS: &str = "roostsfu";
const UFRAG_BYTES: usize = 12;
const PASSWORD_BYTES: usize = 20;

const HEADER_BYTES: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0, 1];
const USERNAME: u16 = 6;
/// Attributes of a request looked at; it has about eight.
const ATTRIBUTES_MAX: usize = 16;

/// Name and password of one connection (RFC 8839, section 5.4).
pub struct Pass {
    pub ufrag: String,
    pub password: String,
}

impl Pass {
    /// Of fresh random bytes.
    #[must_use]
    pub fn new(dice: &[u8; UFRAG_BYTES + PASSWORD_BYTES]) -> Self {
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
        let (name, password) = dice.split_at(UFRAG_BYTES);
        Self {
            ufrag: format!("{UFRAG_BEGINS}{}", hex(name)),
            password: hex(password),
        }
    }
}

/// Whether this machine is to have a datagram that came in where STUN and TURN come in too.
#[must_use]
pub fn is_ours(datagram: &[u8]) -> bool {
    match datagram.first() {
        Some(20..=63 | 128..=191) => true,
        Some(_) => ufrag(datagram).is_some(),
        None => false,
    }
}

/// Whom a STUN request names, if it is one and names one of ours.
pub fn ufrag(datagram: &[u8]) -> Option<&str> {
    let header = datagram.first_chunk::<HEADER_BYTES>()?;
    if !header.starts_with(&BINDING_REQUEST) || header.get(4..8)? != COOKIE {
        return None;
    }
    let mut rest = datagram.get(HEADER_BYTES..)?;
    for _ in 0..ATTRIBUTES_MAX {
        let (&[kind_high, kind_low, high, low], behind) = rest.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let value = behind.get(..length)?;
        if u16::from_be_bytes([kind_high, kind_low]) == USERNAME {
            let (local, _) = std::str::from_utf8(value).ok()?.split_once(':')?;
            return local.starts_with(UFRAG_BEGINS).then_some(local);
        }
        rest = behind.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(username: &str) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 0];
        bytes.extend(COOKIE);
        bytes.extend([9; 12]);
        // A priority before it.
        bytes.extend([0, 0x24, 0, 4, 1, 2, 3, 4]);
        bytes.extend([0, 6]);
        bytes.extend(u16::try_from(username.len()).unwrap().to_be_bytes());
        bytes.extend(username.bytes());
        bytes
    }

    #[test]
    fn requests_for_the_relay_are_left_to_it() {
        let ours = Pass::new(&[7; 32]).ufrag;

        assert_eq!(ufrag(&request(&format!("{ours}:x"))), Some(ours.as_str()));
        assert!(!is_ours(&request("1795800000:0123456789abcdef")));
        assert!(!is_ours(&request(&ours)), "without the other's name");
        assert!(!is_ours(&[0x40, 0, 0, 4, 1, 2, 3, 4]), "ChannelData");
    }

    #[test]
    fn handshakes_and_media_are_ours() {
        for first in [20, 22, 63, 128, 144, 191] {
            assert!(is_ours(&[first]));
        }
        for first in [0, 3, 64, 79, 192] {
            assert!(!is_ours(&[first]));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), cut in 0..40_usize) {
            let _ = is_ours(&bytes);
            let whole = request("roostsfu1:2");
            let _ = is_ours(&whole[..cut.min(whole.len())]);
        }
    }
}
