//! Ciphers of SRTP: AES-GCM by ring (RFC 7714), AES in counter mode for clients without it (RFC
//! 3711).

use aes::cipher::{BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, Tag, UnboundKey};
use str0m_proto::crypto::{
    AeadAes128GcmCipher, AeadAes256GcmCipher, Aes128CmSha1_80Cipher, CryptoError, SrtpProvider,
    SupportedAeadAes128Gcm, SupportedAeadAes256Gcm, SupportedAes128CmSha1_80,
};

const TAG_BYTES: usize = 16;
const BLOCK_BYTES: usize = 16;

#[derive(Debug)]
pub struct Srtp;

impl SrtpProvider for Srtp {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        &Self
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        &Self
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        &Self
    }

    fn srtp_aes_128_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        one_block::<aes::Aes128>(key, input, output);
    }

    fn srtp_aes_256_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        one_block::<aes::Aes256>(key, input, output);
    }
}

/// One block of the key derivation (RFC 3711, section 4.3.3); what is behind it is not looked at.
fn one_block<C: KeyInit + BlockCipherEncrypt>(key: &[u8], input: &[u8], output: &mut [u8]) {
    let cipher = C::new_from_slice(key).expect("the library's keys are of the cipher's length");
    let mut block =
        aes::cipher::Block::<C>::try_from(input).expect("the library derives keys from one block");
    cipher.encrypt_block(&mut block);
    if let Some(place) = output.get_mut(..BLOCK_BYTES) {
        place.copy_from_slice(&block);
    }
}

impl SupportedAes128CmSha1_80 for Srtp {
    fn create_cipher(&self, key: [u8; 16], _encrypt: bool) -> Box<dyn Aes128CmSha1_80Cipher> {
        Box::new(Counter { key })
    }
}

impl SupportedAeadAes128Gcm for Srtp {
    fn create_cipher(&self, key: [u8; 16], _encrypt: bool) -> Box<dyn AeadAes128GcmCipher> {
        Box::new(Gcm::new(&AES_128_GCM, &key))
    }
}

impl SupportedAeadAes256Gcm for Srtp {
    fn create_cipher(&self, key: [u8; 32], _encrypt: bool) -> Box<dyn AeadAes256GcmCipher> {
        Box::new(Gcm::new(&AES_256_GCM, &key))
    }
}

struct Counter {
    key: [u8; 16],
}

impl std::fmt::Debug for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counter(…)")
    }
}

impl Aes128CmSha1_80Cipher for Counter {
    fn encrypt(
        &mut self,
        iv: &[u8; 16],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        let place = output.get_mut(..input.len()).ok_or_else(short)?;
        let mut stream = ctr::Ctr128BE::<aes::Aes128>::new(&self.key.into(), &(*iv).into());
        stream.apply_keystream_b2b(input, place);
        Ok(())
    }

    fn decrypt(
        &mut self,
        iv: &[u8; 16],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.encrypt(iv, input, output)
    }
}

struct Gcm(LessSafeKey);

impl std::fmt::Debug for Gcm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gcm(…)")
    }
}

impl Gcm {
    fn new(algorithm: &'static Algorithm, key: &[u8]) -> Self {
        let key = UnboundKey::new(algorithm, key).expect("the key is of the algorithm's length");
        Self(LessSafeKey::new(key))
    }

    fn seal(
        &self,
        iv: &[u8; 12],
        aad: &[u8],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        let (text, rest) = output.split_at_mut_checked(input.len()).ok_or_else(short)?;
        let tag_place = rest.get_mut(..TAG_BYTES).ok_or_else(short)?;
        text.copy_from_slice(input);
        let nonce = Nonce::assume_unique_for_key(*iv);
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(aad), text)
            .map_err(|_| CryptoError::Other("a packet beyond AES-GCM".into()))?;
        tag_place.copy_from_slice(tag.as_ref());
        Ok(())
    }

    fn open(
        &self,
        iv: &[u8; 12],
        aads: &[&[u8]],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize, CryptoError> {
        let (text, tag) = input.split_last_chunk::<TAG_BYTES>().ok_or_else(short)?;
        let place = output.get_mut(..text.len()).ok_or_else(short)?;
        place.copy_from_slice(text);
        let joined;
        let aad: &[u8] = match aads {
            [one] => one,
            several => {
                joined = several.concat();
                &joined
            }
        };
        let nonce = Nonce::assume_unique_for_key(*iv);
        let opened =
            self.0
                .open_in_place_separate_tag(nonce, Aad::from(aad), Tag::from(*tag), place, 0..);
        match opened {
            Ok(text) => Ok(text.len()),
            Err(_) => Err(CryptoError::Other("a packet that is not authentic".into())),
        }
    }
}

macro_rules! gcm {
    ($($cipher:ident),*) => {$(
        impl $cipher for Gcm {
            fn encrypt(
                &mut self,
                iv: &[u8; 12],
                aad: &[u8],
                input: &[u8],
                output: &mut [u8],
            ) -> Result<(), CryptoError> {
                self.seal(iv, aad, input, output)
            }

            fn decrypt(
                &mut self,
                iv: &[u8; 12],
                aads: &[&[u8]],
                input: &[u8],
                output: &mut [u8],
            ) -> Result<usize, CryptoError> {
                self.open(iv, aads, input, output)
            }
        }
    )*};
}

gcm!(AeadAes128GcmCipher, AeadAes256GcmCipher);

fn short() -> CryptoError {
    CryptoError::Other("a packet that is too short".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_derive_as_in_rfc_3711() {
        // Appendix B.3: the cipher key of master key and salt there.
        let key = [
            0xe1, 0xf9, 0x7a, 0x0d, 0x3e, 0x01, 0x8b, 0xe0, 0xd6, 0x4f, 0xa3, 0x2c, 0x06, 0xde,
            0x41, 0x39,
        ];
        let input = [
            0x0e, 0xc6, 0x75, 0xad, 0x49, 0x8a, 0xfe, 0xeb, 0xb6, 0x96, 0x0b, 0x3a, 0xab, 0xe6, 0,
            0,
        ];
        let mut output = [0; 32];

        Srtp.srtp_aes_128_ecb_round(&key, &input, &mut output);

        assert_eq!(output[..4], [0xc6, 0x1e, 0x7a, 0x93]);
    }

    #[test]
    fn what_was_changed_on_the_way_does_not_open() {
        let gcm = Gcm::new(&AES_256_GCM, &[7; 32]);
        let mut sealed = [0; 3 + TAG_BYTES];
        gcm.seal(&[1; 12], b"header", b"abc", &mut sealed).unwrap();
        let mut opened = [0; 3];

        let halves: [&[u8]; 2] = [b"hea", b"der"];
        assert_eq!(
            gcm.open(&[1; 12], &halves, &sealed, &mut opened).unwrap(),
            3
        );
        assert_eq!(&opened, b"abc");
        assert!(
            gcm.open(&[1; 12], &[b"Header"], &sealed, &mut opened)
                .is_err()
        );
        assert!(
            gcm.open(&[1; 12], &[b"header"], &sealed[..9], &mut opened)
                .is_err()
        );
    }

    #[test]
    fn counter_mode_undoes_itself() {
        let mut cipher = Counter { key: [3; 16] };
        let (mut sealed, mut opened) = ([0; 40], [0; 20]);

        cipher.encrypt(&[9; 16], &[5; 20], &mut sealed).unwrap();
        cipher
            .decrypt(&[9; 16], &sealed[..20], &mut opened)
            .unwrap();

        assert_eq!(opened, [5; 20]);
        assert!(cipher.encrypt(&[9; 16], &[5; 41], &mut sealed).is_err());
    }
}
