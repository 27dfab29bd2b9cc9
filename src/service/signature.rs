//! Checks Ed25519 signatures of devices and invites.

use ed25519_dalek::{Signature, VerifyingKey};
use roost_wire::SignatureBytes;

/// Whether `key` made `signature` over `message`; false for a key that is none.
pub fn verifies(key: &[u8; 32], message: &[u8], signature: &SignatureBytes) -> bool {
    let signature = Signature::from_bytes(signature.as_bytes());
    VerifyingKey::from_bytes(key).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}
