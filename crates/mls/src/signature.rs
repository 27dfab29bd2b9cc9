//! Ed25519 over labelled structures. Verification is strict (RFC 8032 with cofactorless equation,
//! small-order keys refused), so that no two parties can disagree about a signature.

use ed25519_dalek::{Signature, VerifyingKey};
use roost_wire::SignatureBytes;

/// Whether `signature` over `message` verifies under the Ed25519 public key `key`.
#[must_use]
pub fn verifies(key: &[u8; 32], message: &[u8], signature: &SignatureBytes) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(key) else {
        return false;
    };
    key.verify_strict(message, &Signature::from_bytes(signature.as_bytes()))
        .is_ok()
}
