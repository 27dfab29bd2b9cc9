//! Bytes and lists that carry their bound in their type, checked while decoding.

use crate::Malformed;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

/// At most `MAX` opaque bytes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Blob<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Blob<MAX> {
    /// # Errors
    /// Refuses more than `MAX` bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, Malformed> {
        if bytes.len() > MAX {
            Err(Malformed::Long {
                what: "data",
                max: MAX,
            })
        } else {
            Ok(Self(bytes))
        }
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl<const MAX: usize> std::fmt::Debug for Blob<MAX> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl<C, const MAX: usize> Encode<C> for Blob<MAX> {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C, const MAX: usize> Decode<'b, C> for Blob<MAX> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let bytes = d.bytes()?;
        Self::new(bytes.to_vec()).map_err(|_| decode::Error::message("data beyond its bound"))
    }
}

/// At most `MAX` items.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// # Errors
    /// Refuses more than `MAX` items.
    pub fn new(items: Vec<T>) -> Result<Self, Malformed> {
        if items.len() > MAX {
            Err(Malformed::Long {
                what: "list",
                max: MAX,
            })
        } else {
            Ok(Self(items))
        }
    }

    /// The first `MAX` items.
    #[must_use]
    pub fn capped(mut items: Vec<T>) -> Self {
        items.truncate(MAX);
        Self(items)
    }

    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<C, T: Encode<C>, const MAX: usize> Encode<C> for List<T, MAX> {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        self.0.encode(e, ctx)
    }
}

impl<'b, C, T: Decode<'b, C>, const MAX: usize> Decode<'b, C> for List<T, MAX> {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, decode::Error> {
        const OVER: &str = "list beyond its bound";
        let len = d
            .array()?
            .ok_or_else(|| decode::Error::message("list of unstated length"))?;
        let len = usize::try_from(len).map_err(|_| decode::Error::message(OVER))?;
        if len > MAX {
            return Err(decode::Error::message(OVER));
        }
        let mut items = Vec::new();
        for _ in 0..len {
            items.push(T::decode(d, ctx)?);
        }
        Ok(Self(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exceeds_the_bound_is_refused_before_it_is_copied() {
        let bytes = minicbor::to_vec(Blob::<8>::new(vec![1; 8]).unwrap()).unwrap();
        let list = minicbor::to_vec(vec![1u8, 2, 3]).unwrap();

        assert!(minicbor::decode::<Blob<8>>(&bytes).is_ok());
        assert!(minicbor::decode::<Blob<7>>(&bytes).is_err());
        assert!(minicbor::decode::<List<u8, 3>>(&list).is_ok());
        assert!(minicbor::decode::<List<u8, 2>>(&list).is_err());
        assert!(
            minicbor::decode::<List<u8, 2>>(&[0x9f, 0xff]).is_err(),
            "indefinite length"
        );
    }

    #[test]
    fn a_huge_claimed_length_allocates_nothing() {
        assert!(
            minicbor::decode::<List<u8, 10>>(&[
                0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
            ])
            .is_err()
        );
    }
}
