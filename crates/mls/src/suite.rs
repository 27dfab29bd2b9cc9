//! The cipher suites of Roost, over RustCrypto: X-Wing hybrid by default, one classic.
//!
//! Owns the X-Wing KEM wrapper and which suites are offered. 0x004E means "as OpenMLS 0.9.2 does
//! it in 2026": the code points are provisional, the bytes are pinned by `tests/vectors`, and a
//! changed derivation gets a new code point (docs/decision/0002). Only randomness is read here.

use getrandom::SysRng;
use getrandom::rand_core::TryRng;
use mls_rs_core::crypto::{
    CipherSuite, CipherSuiteProvider, CryptoProvider, HpkeCiphertext, HpkePsk, HpkePublicKey,
    HpkeSecretKey, SignaturePublicKey, SignatureSecretKey,
};
use mls_rs_core::error::IntoAnyError;
use mls_rs_crypto_rustcrypto::aead::Aead;
use mls_rs_crypto_rustcrypto::ec_signer::EcSigner;
use mls_rs_crypto_rustcrypto::kdf::Kdf;
use mls_rs_crypto_rustcrypto::{RustCryptoCipherSuite, RustCryptoError, RustCryptoProvider};
use mls_rs_crypto_traits::{Curve, KemResult, KemType};
use x_wing::{
    Ciphertext, Decapsulate, DecapsulationKey, Decapsulator, EncapsulationKey, KeyExport,
};
use zeroize::Zeroizing;

/// X-Wing, AES-256-GCM, SHA-384, Ed25519.
pub const SUITE_DEFAULT: CipherSuite = CipherSuite::new(0x004E);
/// X25519, AES-128-GCM, SHA-256, Ed25519 (RFC 9420, section 17.1).
pub const SUITE_CLASSIC: CipherSuite = CipherSuite::CURVE25519_AES128;
/// X-Wing, AES-128-GCM, SHA-256, Ed25519. For interoperability tests; never offered by default.
pub const SUITE_HYBRID_128: CipherSuite = CipherSuite::new(0x004F);
/// Revision of the provisional derivations behind `SUITE_DEFAULT`, named in the group policy.
pub const SUITE_REVISION: u16 = 1;

/// HPKE identifier of X-Wing.
const XWING_KEM_ID: u16 = 0x647a;

/// How strong a suite is, for floors: more is stronger. None for a suite Roost does not know.
#[must_use]
pub fn rank(suite: CipherSuite) -> Option<u8> {
    match suite {
        SUITE_CLASSIC => Some(1),
        SUITE_HYBRID_128 => Some(2),
        SUITE_DEFAULT => Some(3),
        _ => None,
    }
}

/// The crypto provider of server and clients.
#[derive(Clone, Debug)]
pub struct HybridProvider {
    offered: Vec<CipherSuite>,
}

impl HybridProvider {
    /// Offers the default suite and the classic one.
    #[must_use]
    pub fn new() -> Self {
        Self::offering(&[SUITE_DEFAULT, SUITE_CLASSIC])
    }

    /// Offers these of the known suites, strongest first: the order of preference.
    #[must_use]
    pub fn offering(suites: &[CipherSuite]) -> Self {
        let offered = suites
            .iter()
            .copied()
            .filter(|suite| rank(*suite).is_some())
            .collect();
        Self { offered }
    }

    /// The provider of a known suite, offered or not.
    #[must_use]
    pub fn suite(suite: CipherSuite) -> Option<Suite> {
        match suite {
            SUITE_CLASSIC => RustCryptoProvider::new()
                .cipher_suite_provider(suite)
                .map(Suite::Classic),
            // The AEAD, KDF and hash are those of a registered suite.
            SUITE_DEFAULT => Suite::hybrid(suite, CipherSuite::P384_AES256),
            SUITE_HYBRID_128 => Suite::hybrid(suite, CipherSuite::CURVE25519_AES128),
            _ => None,
        }
    }
}

impl Default for HybridProvider {
    fn default() -> Self {
        Self::new()
    }
}

impl CryptoProvider for HybridProvider {
    type CipherSuiteProvider = Suite;

    fn supported_cipher_suites(&self) -> Vec<CipherSuite> {
        self.offered.clone()
    }

    fn cipher_suite_provider(&self, suite: CipherSuite) -> Option<Suite> {
        if self.offered.contains(&suite) {
            Self::suite(suite)
        } else {
            None
        }
    }
}

type Hybrid = RustCryptoCipherSuite<XWing, Kdf, Aead>;
type Classic = <RustCryptoProvider as CryptoProvider>::CipherSuiteProvider;

/// One cipher suite, ready for use.
#[derive(Clone)]
pub enum Suite {
    /// A suite of RFC 9420.
    Classic(Classic),
    /// X-Wing with the symmetric half of a registered suite, signing with Ed25519.
    Hybrid(CipherSuite, Hybrid, EcSigner),
}

impl Suite {
    fn hybrid(suite: CipherSuite, symmetric: CipherSuite) -> Option<Self> {
        let inner = RustCryptoCipherSuite::new(
            symmetric,
            XWing,
            Kdf::new(symmetric)?,
            Aead::new(symmetric)?,
        )?;
        Some(Self::Hybrid(
            suite,
            inner,
            EcSigner::new_from_curve(Curve::Ed25519),
        ))
    }
}

/// X-Wing (draft-connolly-cfrg-xwing-kem, final label order) as a KEM for HPKE.
#[derive(Clone, Copy, Debug)]
pub struct XWing;

/// A key or ciphertext that is none, or a machine without randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XWingError {
    #[error("not an X-Wing key or ciphertext")]
    Malformed,
    #[error("the system gives no randomness")]
    NoRandomness,
}

impl IntoAnyError for XWingError {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(Box::new(self))
    }
}

impl XWing {
    /// DeriveKeyPair: the seed is SHAKE256(ikm), 32 bytes.
    #[must_use]
    pub fn derive(ikm: &[u8]) -> (HpkeSecretKey, HpkePublicKey) {
        let mut seed = Zeroizing::new([0; x_wing::DECAPSULATION_KEY_SIZE]);
        shake256(ikm, seed.as_mut());
        Self::pair(*seed)
    }

    /// Encapsulates with chosen randomness. For vectors; a value used twice breaks both secrets.
    ///
    /// # Errors
    /// Refuses bytes that are no X-Wing public key.
    pub fn encapsulate_with(
        key: &HpkePublicKey,
        randomness: [u8; x_wing::ENCAPSULATION_RANDOMNESS_SIZE],
    ) -> Result<KemResult, XWingError> {
        let key = EncapsulationKey::try_from(key.as_ref()).map_err(|_| XWingError::Malformed)?;
        let randomness = Zeroizing::new(randomness);
        let (ciphertext, shared) = key.encapsulate_deterministic(&(*randomness).into());
        Ok(KemResult::new(shared.to_vec(), ciphertext.to_vec()))
    }

    fn pair(seed: [u8; x_wing::DECAPSULATION_KEY_SIZE]) -> (HpkeSecretKey, HpkePublicKey) {
        let key = DecapsulationKey::from(seed);
        let public = key.encapsulation_key().to_bytes().to_vec();
        (key.as_bytes().to_vec().into(), public.into())
    }
}

impl KemType for XWing {
    type Error = XWingError;

    fn kem_id(&self) -> u16 {
        XWING_KEM_ID
    }

    fn generate_deterministic(
        &self,
        seed: &[u8],
    ) -> Result<(HpkeSecretKey, HpkePublicKey), XWingError> {
        Ok(Self::derive(seed))
    }

    fn generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), XWingError> {
        let seed: Zeroizing<[u8; x_wing::DECAPSULATION_KEY_SIZE]> = dice()?;
        Ok(Self::pair(*seed))
    }

    fn public_key_validate(&self, key: &HpkePublicKey) -> Result<(), XWingError> {
        EncapsulationKey::try_from(key.as_ref())
            .map(drop)
            .map_err(|_| XWingError::Malformed)
    }

    fn encap(&self, key: &HpkePublicKey) -> Result<KemResult, XWingError> {
        let randomness: Zeroizing<[u8; x_wing::ENCAPSULATION_RANDOMNESS_SIZE]> = dice()?;
        Self::encapsulate_with(key, *randomness)
    }

    fn decap(
        &self,
        enc: &[u8],
        secret: &HpkeSecretKey,
        _public: &HpkePublicKey,
    ) -> Result<Vec<u8>, XWingError> {
        let seed: [u8; x_wing::DECAPSULATION_KEY_SIZE] = secret
            .as_ref()
            .try_into()
            .map_err(|_| XWingError::Malformed)?;
        let ciphertext = Ciphertext::try_from(enc).map_err(|_| XWingError::Malformed)?;
        Ok(DecapsulationKey::from(*Zeroizing::new(seed))
            .decapsulate(&ciphertext)
            .to_vec())
    }

    fn seed_length_for_derive(&self) -> usize {
        x_wing::DECAPSULATION_KEY_SIZE
    }
}

fn dice<const N: usize>() -> Result<Zeroizing<[u8; N]>, XWingError> {
    let mut bytes = Zeroizing::new([0; N]);
    SysRng
        .try_fill_bytes(bytes.as_mut())
        .map_err(|_| XWingError::NoRandomness)?;
    Ok(bytes)
}

fn shake256(input: &[u8], out: &mut [u8]) {
    use shake::{ExtendableOutput, Shake256, Update, XofReader};
    let mut state = Shake256::default();
    state.update(input);
    state.finalize_xof().read(out);
}

macro_rules! delegate {
    ($suite:ident.$method:ident($($argument:expr),*)) => {
        match $suite {
            Suite::Classic(inner) => inner.$method($($argument),*),
            Suite::Hybrid(_, inner, _) => inner.$method($($argument),*),
        }
    };
}

// Both arms share the contexts: they are generic over KDF and AEAD only.
impl CipherSuiteProvider for Suite {
    type Error = RustCryptoError;
    type HpkeContextS = <Classic as CipherSuiteProvider>::HpkeContextS;
    type HpkeContextR = <Classic as CipherSuiteProvider>::HpkeContextR;

    fn cipher_suite(&self) -> CipherSuite {
        match self {
            Self::Classic(inner) => inner.cipher_suite(),
            Self::Hybrid(suite, ..) => *suite,
        }
    }

    fn hash(&self, data: &[u8]) -> Result<Vec<u8>, Self::Error> {
        delegate!(self.hash(data))
    }

    fn mac(&self, key: &[u8], data: &[u8]) -> Result<Vec<u8>, Self::Error> {
        delegate!(self.mac(key, data))
    }

    fn aead_seal(
        &self,
        key: &[u8],
        data: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Vec<u8>, Self::Error> {
        delegate!(self.aead_seal(key, data, aad, nonce))
    }

    fn aead_open(
        &self,
        key: &[u8],
        sealed: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Self::Error> {
        delegate!(self.aead_open(key, sealed, aad, nonce))
    }

    fn aead_key_size(&self) -> usize {
        delegate!(self.aead_key_size())
    }

    fn aead_nonce_size(&self) -> usize {
        delegate!(self.aead_nonce_size())
    }

    fn kdf_extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Zeroizing<Vec<u8>>, Self::Error> {
        delegate!(self.kdf_extract(salt, ikm))
    }

    fn kdf_expand(
        &self,
        prk: &[u8],
        info: &[u8],
        len: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Self::Error> {
        delegate!(self.kdf_expand(prk, info, len))
    }

    fn kdf_extract_size(&self) -> usize {
        delegate!(self.kdf_extract_size())
    }

    fn hpke_seal(
        &self,
        key: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        plain: &[u8],
    ) -> Result<HpkeCiphertext, Self::Error> {
        delegate!(self.hpke_seal(key, info, aad, plain))
    }

    fn hpke_seal_psk(
        &self,
        key: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        plain: &[u8],
        psk: HpkePsk<'_>,
    ) -> Result<HpkeCiphertext, Self::Error> {
        delegate!(self.hpke_seal_psk(key, info, aad, plain, psk))
    }

    fn hpke_open(
        &self,
        sealed: &HpkeCiphertext,
        secret: &HpkeSecretKey,
        public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
    ) -> Result<Zeroizing<Vec<u8>>, Self::Error> {
        delegate!(self.hpke_open(sealed, secret, public, info, aad))
    }

    fn hpke_open_psk(
        &self,
        sealed: &HpkeCiphertext,
        secret: &HpkeSecretKey,
        public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        psk: HpkePsk<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, Self::Error> {
        delegate!(self.hpke_open_psk(sealed, secret, public, info, aad, psk))
    }

    fn hpke_setup_s(
        &self,
        key: &HpkePublicKey,
        info: &[u8],
    ) -> Result<(Vec<u8>, Self::HpkeContextS), Self::Error> {
        delegate!(self.hpke_setup_s(key, info))
    }

    fn hpke_setup_r(
        &self,
        enc: &[u8],
        secret: &HpkeSecretKey,
        public: &HpkePublicKey,
        info: &[u8],
    ) -> Result<Self::HpkeContextR, Self::Error> {
        delegate!(self.hpke_setup_r(enc, secret, public, info))
    }

    fn kem_derive(&self, ikm: &[u8]) -> Result<(HpkeSecretKey, HpkePublicKey), Self::Error> {
        match self {
            Self::Classic(inner) => inner.kem_derive(ikm),
            // Past the HPKE wrapper, which would extract from the ikm first.
            Self::Hybrid(..) => Ok(XWing::derive(ikm)),
        }
    }

    fn kem_generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), Self::Error> {
        delegate!(self.kem_generate())
    }

    fn kem_public_key_validate(&self, key: &HpkePublicKey) -> Result<(), Self::Error> {
        delegate!(self.kem_public_key_validate(key))
    }

    fn random_bytes(&self, out: &mut [u8]) -> Result<(), Self::Error> {
        delegate!(self.random_bytes(out))
    }

    fn signature_key_generate(
        &self,
    ) -> Result<(SignatureSecretKey, SignaturePublicKey), Self::Error> {
        match self {
            Self::Classic(inner) => inner.signature_key_generate(),
            Self::Hybrid(_, _, signer) => Ok(signer.signature_key_generate()?),
        }
    }

    fn signature_key_derive_public(
        &self,
        secret: &SignatureSecretKey,
    ) -> Result<SignaturePublicKey, Self::Error> {
        match self {
            Self::Classic(inner) => inner.signature_key_derive_public(secret),
            Self::Hybrid(_, _, signer) => Ok(signer.signature_key_derive_public(secret)?),
        }
    }

    fn sign(&self, secret: &SignatureSecretKey, data: &[u8]) -> Result<Vec<u8>, Self::Error> {
        match self {
            Self::Classic(inner) => inner.sign(secret, data),
            Self::Hybrid(_, _, signer) => Ok(signer.sign(secret, data)?),
        }
    }

    fn verify(
        &self,
        key: &SignaturePublicKey,
        signature: &[u8],
        data: &[u8],
    ) -> Result<(), Self::Error> {
        match self {
            Self::Classic(inner) => inner.verify(key, signature, data),
            Self::Hybrid(_, _, signer) => Ok(signer.verify(key, signature, data)?),
        }
    }
}
