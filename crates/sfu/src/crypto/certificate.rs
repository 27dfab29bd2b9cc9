//! The certificate that a server's connections show: made at every start, known by its fingerprint
//! in the answers.

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use str0m::config::DtlsCert;

/// A key and what names it.
#[derive(Clone)]
pub struct Certificate(DtlsCert);

/// The system has no randomness, or the library refuses its own name.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate for calls: {0}")]
pub struct CertificateError(#[from] rcgen::Error);

impl Certificate {
    /// A fresh one, by the system's generator.
    ///
    /// # Errors
    /// The library's.
    pub fn generate() -> Result<Self, CertificateError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        // It says nothing: what it is for, its fingerprint tells.
        let certificate = CertificateParams::default().self_signed(&key)?;
        Ok(Self(DtlsCert {
            certificate: certificate.der().to_vec(),
            private_key: key.serialize_der(),
        }))
    }

    /// As the media library takes it.
    #[must_use]
    pub fn dtls(&self) -> DtlsCert {
        self.0.clone()
    }
}
