//! Signed structures as CBOR with exactly one encoding each.

use minicbor::{Decode, Encode};
use roost_wire::Malformed;

/// Encodes a value; encoding into memory cannot fail for the types of this crate.
pub(crate) fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    match minicbor::encode(value, &mut bytes) {
        Ok(()) => bytes,
        Err(_) => Vec::new(),
    }
}

/// Decodes a value that fills `bytes` and is encoded the one way we encode it: no other array
/// form, integer width or order, no unknown fields, nothing after it.
pub(crate) fn decode<T>(bytes: &[u8], max: usize, what: &'static str) -> Result<T, Malformed>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    if bytes.len() > max {
        return Err(Malformed::Long { what, max });
    }
    let value: T = minicbor::decode(bytes).map_err(|_| Malformed::Invalid { what })?;
    if encode(&value) != bytes {
        return Err(Malformed::Invalid { what });
    }
    Ok(value)
}
