//! Hashes by ring. SHA-1 is for STUN and SRTP, which have no other (RFC 8489, RFC 3711).

use ring::{digest, hmac};
use str0m_proto::crypto::{Sha1HmacProvider, Sha1Provider, Sha256Provider};

#[derive(Debug)]
pub struct Hashes;

impl Sha1HmacProvider for Hashes {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
        let mut context = hmac::Context::with_key(&key);
        for payload in payloads {
            context.update(payload);
        }
        fixed(context.sign().as_ref())
    }
}

impl Sha1Provider for Hashes {
    fn sha1(&self, data: &[u8]) -> [u8; 20] {
        fixed(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, data).as_ref())
    }
}

impl Sha256Provider for Hashes {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        fixed(digest::digest(&digest::SHA256, data).as_ref())
    }
}

fn fixed<const N: usize>(tag: &[u8]) -> [u8; N] {
    tag.try_into().expect("the algorithm gives as many bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_in_pieces_have_the_tag_of_rfc_2202() {
        let tag = Hashes.sha1_hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]);

        assert_eq!(tag[..4], [0xef, 0xfc, 0xdf, 0x6a]);
    }
}
