//! The seal of a connection that is up (RFC 3711, RFC 7714), for bytes that its owner would not send.
//!
//! Owns what is overheard of a device's own ciphers: keys and salts. With them anything can be sealed
//! so that the server takes it for the device's.

use roost_sfu::crypto_provider;
use std::cell::RefCell;
use str0m::config::CryptoProvider;
use str0m_proto::crypto::{
    AeadAes128GcmCipher, AeadAes256GcmCipher, CryptoError, SrtpProvider, SupportedAeadAes128Gcm,
    SupportedAeadAes256Gcm, SupportedAes128CmSha1_80,
};

const TAG_BYTES: usize = 16;
const RTP_HEADER: usize = 12;
const RTCP_HEADER: usize = 8;
/// Of RTCP packets of ours: beyond all that the device itself numbers.
const FIRST_INDEX: u32 = 1 << 20;
/// Says that a packet of RTCP is encrypted.
const ENCRYPTED: u32 = 1 << 31;

thread_local! {
    static HEARD: RefCell<Heard> = const { RefCell::new(Heard::NOTHING) };
}

struct Heard {
    rtp: Option<Seal>,
    rtcp: Option<Seal>,
    index: u32,
}

impl Heard {
    const NOTHING: Self = Self {
        rtp: None,
        rtcp: None,
        index: FIRST_INDEX,
    };
}

#[derive(Clone)]
struct Seal {
    key: Vec<u8>,
    salt: [u8; 12],
}

/// The server's own provider, with ears at one device. What was heard before on this thread is forgotten.
pub fn provider() -> CryptoProvider {
    HEARD.set(Heard::NOTHING);
    CryptoProvider {
        srtp_provider: &Ears,
        ..crypto_provider()
    }
}

/// Whether all is known.
pub fn is_known() -> bool {
    HEARD.with_borrow(|heard| heard.rtp.is_some() && heard.rtcp.is_some())
}

/// A packet of RTP; nothing of what is too short for one.
pub fn rtp(packet: &[u8]) -> Option<Vec<u8>> {
    let seal = HEARD.with_borrow(|heard| heard.rtp.clone())?;
    let (header, payload) = packet.split_at(rtp_header(packet)?);
    let sealed = seal.closes(rtp_numbers(header), header, payload);
    Some([header, &sealed].concat())
}

/// Packets of RTCP in one; nothing of what is too short.
pub fn rtcp(packet: &[u8]) -> Option<Vec<u8>> {
    let (seal, index) = HEARD.with_borrow_mut(|heard| {
        heard.index += 1;
        Some((heard.rtcp.clone()?, heard.index))
    })?;
    let (header, rest) = packet.split_at_checked(RTCP_HEADER)?;
    let index = (index | ENCRYPTED).to_be_bytes();
    let authenticated = [header, &index].concat();
    let sealed = seal.closes(rtcp_numbers(&authenticated), &authenticated, rest);
    Some([header, &sealed, &index].concat())
}

impl Seal {
    fn closes(&self, numbers: [u8; 12], header: &[u8], text: &[u8]) -> Vec<u8> {
        let nonce = xor(self.salt, numbers);
        let mut sealed = vec![0; text.len() + TAG_BYTES];
        let suites = crypto_provider().srtp_provider;
        let done = if let Ok(key) = <[u8; 16]>::try_from(self.key.as_slice()) {
            let mut cipher = suites.aead_aes_128_gcm().create_cipher(key, true);
            cipher.encrypt(&nonce, header, text, &mut sealed)
        } else {
            let key = <[u8; 32]>::try_from(self.key.as_slice());
            let key = key.unwrap_or_else(|_| panic!("a key of neither suite"));
            let mut cipher = suites.aead_aes_256_gcm().create_cipher(key, true);
            cipher.encrypt(&nonce, header, text, &mut sealed)
        };
        done.unwrap_or_else(|error| panic!("{error}"));
        sealed
    }
}

/// The length of the header (RFC 3550, section 5.1), as far as there are bytes.
fn rtp_header(packet: &[u8]) -> Option<usize> {
    let first = packet.get(..RTP_HEADER)?[0];
    let mut length = RTP_HEADER + 4 * usize::from(first & 15);
    if first & 0x10 != 0 {
        let words = packet.get(length + 2..length + 4);
        let words = words.map_or(0, |words| u16::from_be_bytes([words[0], words[1]]));
        length += 4 + 4 * usize::from(words);
    }
    Some(length.min(packet.len()))
}

/// What an RTP packet puts into its nonce (RFC 7714, section 8.1), in the first round of its numbers.
fn rtp_numbers(header: &[u8]) -> [u8; 12] {
    let mut numbers = [0; 12];
    numbers[2..6].copy_from_slice(&header[8..12]);
    numbers[10..].copy_from_slice(&header[2..4]);
    numbers
}

/// The same of RTCP (section 9.1): its header, then the index.
fn rtcp_numbers(authenticated: &[u8]) -> [u8; 12] {
    let mut numbers = [0; 12];
    numbers[2..6].copy_from_slice(&authenticated[4..8]);
    numbers[8..].copy_from_slice(&authenticated[8..12]);
    numbers[8] &= 0x7f;
    numbers
}

fn xor(one: [u8; 12], other: [u8; 12]) -> [u8; 12] {
    std::array::from_fn(|at| one[at] ^ other[at])
}

/// Notes what something was sealed with.
fn hear(key: &[u8], nonce: [u8; 12], header: &[u8]) {
    HEARD.with_borrow_mut(|heard| {
        let is_rtcp = matches!(header, [_, 192..=223, ..]);
        let (known, numbers) = if is_rtcp {
            (&mut heard.rtcp, rtcp_numbers(header))
        } else {
            (&mut heard.rtp, rtp_numbers(header))
        };
        known.get_or_insert_with(|| Seal {
            key: key.to_vec(),
            salt: xor(nonce, numbers),
        });
    });
}

#[derive(Debug)]
struct Ears;

impl SrtpProvider for Ears {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        crypto_provider().srtp_provider.aes_128_cm_sha1_80()
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        &Self
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        &Self
    }

    fn srtp_aes_128_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        let own = crypto_provider().srtp_provider;
        own.srtp_aes_128_ecb_round(key, input, output);
    }

    fn srtp_aes_256_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        let own = crypto_provider().srtp_provider;
        own.srtp_aes_256_ecb_round(key, input, output);
    }
}

/// A cipher, and an ear at it.
#[derive(Debug)]
struct Ear<C: ?Sized> {
    key: Vec<u8>,
    cipher: Box<C>,
}

macro_rules! ears {
    ($($suite:ident, $cipher:ident, $factory:ident, $length:literal;)*) => {$(
        impl $suite for Ears {
            fn create_cipher(&self, key: [u8; $length], encrypt: bool) -> Box<dyn $cipher> {
                let own = crypto_provider().srtp_provider.$factory();
                Box::new(Ear {
                    key: key.to_vec(),
                    cipher: own.create_cipher(key, encrypt),
                })
            }
        }

        impl $cipher for Ear<dyn $cipher> {
            fn encrypt(
                &mut self,
                iv: &[u8; 12],
                aad: &[u8],
                input: &[u8],
                output: &mut [u8],
            ) -> Result<(), CryptoError> {
                hear(&self.key, *iv, aad);
                self.cipher.encrypt(iv, aad, input, output)
            }

            fn decrypt(
                &mut self,
                iv: &[u8; 12],
                aads: &[&[u8]],
                input: &[u8],
                output: &mut [u8],
            ) -> Result<usize, CryptoError> {
                self.cipher.decrypt(iv, aads, input, output)
            }
        }
    )*};
}

ears! {
    SupportedAeadAes128Gcm, AeadAes128GcmCipher, aead_aes_128_gcm, 16;
    SupportedAeadAes256Gcm, AeadAes256GcmCipher, aead_aes_256_gcm, 32;
}
