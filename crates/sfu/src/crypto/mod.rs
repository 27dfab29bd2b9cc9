//! The cryptography that the media library asks for: ring where the packets are, RustCrypto for
//! what ring does not have, the handshake by dimpl.
//!
//! Owns no keys. Concerns the transport between a device and this server only; what is inside is
//! encrypted between the devices.

mod certificate;
mod dtls;
mod hash;
mod srtp;

pub use certificate::{Certificate, CertificateError};

use str0m::config::CryptoProvider;

/// All of it.
pub fn provider() -> CryptoProvider {
    CryptoProvider {
        srtp_provider: &srtp::Srtp,
        sha1_hmac_provider: &hash::Hashes,
        sha1_provider: &hash::Hashes,
        sha256_provider: &hash::Hashes,
        dtls_provider: &dtls::Handshakes,
    }
}
