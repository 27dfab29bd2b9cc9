//! Names of things: parts, row keys, ranges of row keys.
//!
//! Owns their order, which is the order of the bytes. Never builds keys for a service: those are
//! big-endian and built in the service's own `key.rs`.

use std::fmt;
use std::ops::Bound;

use crate::error::{Error, Result};
use crate::limit::PART_ID_BYTES_MAX;

/// A partition: what one commit may touch, such as a group, a device or an account.
///
/// Ordered by kind, then length of the id, then id. No part's name is the beginning of another's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    kind: u8,
    len: u8,
    id: [u8; PART_ID_BYTES_MAX],
}

impl Part {
    /// The part of this kind and id. An id longer than [`PART_ID_BYTES_MAX`] does not compile.
    #[must_use]
    pub const fn new<const N: usize>(kind: u8, id: &[u8; N]) -> Self {
        const {
            assert!(
                N <= PART_ID_BYTES_MAX,
                "the id of a part is at most 32 bytes"
            )
        };
        match Self::from_slice(kind, id) {
            Some(part) => part,
            None => panic!("unreachable: the length was checked when this was compiled"),
        }
    }

    /// As [`Part::new`], for an id whose length is known only at run time.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] if the id is longer than [`PART_ID_BYTES_MAX`].
    pub const fn try_new(kind: u8, id: &[u8]) -> Result<Self> {
        match Self::from_slice(kind, id) {
            Some(part) => Ok(part),
            None => Err(Error::TooLarge {
                what: "part id bytes",
                got: id.len(),
                max: PART_ID_BYTES_MAX,
            }),
        }
    }

    /// What sort of thing this is a part for.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        self.kind
    }

    /// Which one of its kind it is.
    #[must_use]
    pub fn id(&self) -> &[u8] {
        self.id
            .get(..usize::from(self.len))
            .expect("the length is at most that of the array")
    }

    const fn from_slice(kind: u8, id: &[u8]) -> Option<Self> {
        let mut padded = [0; PART_ID_BYTES_MAX];
        let Some((start, _)) = padded.split_at_mut_checked(id.len()) else {
            return None;
        };
        start.copy_from_slice(id);
        // Lossless: the split has shown that it is at most 32.
        let [len, ..] = id.len().to_le_bytes();
        Some(Self {
            kind,
            len,
            id: padded,
        })
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({:#04x}/", self.kind)?;
        self.id()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// The key of a row inside its part: at most [`KEY_BYTES_MAX`](crate::limit::KEY_BYTES_MAX)
/// bytes, ordered as bytes. The length is judged when it is used.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// The bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes of the key, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::borrow::Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Key {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<&Key> for Key {
    fn from(key: &Key) -> Self {
        key.clone()
    }
}

impl<const N: usize> From<[u8; N]> for Key {
    fn from(bytes: [u8; N]) -> Self {
        Self(bytes.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Key {
    fn from(bytes: &[u8; N]) -> Self {
        Self(bytes.to_vec())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.0.escape_ascii())
    }
}

/// A range of row keys inside one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    from: Bound<Key>,
    to: Bound<Key>,
}

impl KeyRange {
    /// Every row of the part.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            from: Bound::Unbounded,
            to: Bound::Unbounded,
        }
    }

    /// The rows whose key begins with these bytes.
    #[must_use]
    pub fn prefix(prefix: impl Into<Key>) -> Self {
        let from = prefix.into();
        let to = successor_of_prefix(from.as_bytes()).map_or(Bound::Unbounded, Bound::Excluded);
        Self {
            from: Bound::Included(from),
            to,
        }
    }

    /// From this key on, the key included.
    #[must_use]
    pub fn from(key: impl Into<Key>) -> Self {
        Self {
            from: Bound::Included(key.into()),
            to: Bound::Unbounded,
        }
    }

    /// The keys larger than this one.
    #[must_use]
    pub fn after(key: impl Into<Key>) -> Self {
        Self {
            from: Bound::Excluded(key.into()),
            to: Bound::Unbounded,
        }
    }

    /// The keys smaller than this one.
    #[must_use]
    pub fn before(key: impl Into<Key>) -> Self {
        Self {
            from: Bound::Unbounded,
            to: Bound::Excluded(key.into()),
        }
    }

    /// From the first key, included, to the second, excluded; empty if they stand the wrong way
    /// round.
    #[must_use]
    pub fn between(from: impl Into<Key>, to: impl Into<Key>) -> Self {
        Self {
            from: Bound::Included(from.into()),
            to: Bound::Excluded(to.into()),
        }
    }

    /// Any two bounds.
    #[must_use]
    pub const fn bounds(from: Bound<Key>, to: Bound<Key>) -> Self {
        Self { from, to }
    }

    /// This range without the keys up to and including `key`: where a forward scan goes on.
    #[must_use]
    pub fn rest_after(self, key: impl Into<Key>) -> Self {
        Self {
            from: Bound::Excluded(key.into()),
            to: self.to,
        }
    }

    /// This range without the keys from `key` on: where a backward scan goes on.
    #[must_use]
    pub fn rest_before(self, key: impl Into<Key>) -> Self {
        Self {
            from: self.from,
            to: Bound::Excluded(key.into()),
        }
    }

    /// Whether the key lies inside.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        std::ops::RangeBounds::<[u8]>::contains(&(self.lower(), self.upper()), key)
    }

    /// Where the range begins.
    #[must_use]
    pub fn lower(&self) -> Bound<&[u8]> {
        bound_bytes(&self.from)
    }

    /// Where the range ends.
    #[must_use]
    pub fn upper(&self) -> Bound<&[u8]> {
        bound_bytes(&self.to)
    }

    /// Whether no key can lie inside, whatever is stored.
    pub(crate) fn is_empty(&self) -> bool {
        match (&self.from, &self.to) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (
                Bound::Included(from) | Bound::Excluded(from),
                Bound::Included(to) | Bound::Excluded(to),
            ) => from >= to,
        }
    }
}

fn bound_bytes(bound: &Bound<Key>) -> Bound<&[u8]> {
    bound.as_ref().map(Key::as_bytes)
}

/// The smallest key larger than all keys with this prefix; none if the prefix is all `0xff`.
fn successor_of_prefix(prefix: &[u8]) -> Option<Key> {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut key = prefix.get(..=kept)?.to_vec();
    *key.last_mut()? += 1;
    Some(Key(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_holds_exactly_the_keys_that_begin_with_it() {
        let range = KeyRange::prefix([1, 0xff]);

        assert!(range.contains(&[1, 0xff]));
        assert!(range.contains(&[1, 0xff, 0xff, 0xff]));
        assert!(!range.contains(&[1, 0xfe, 0xff]));
        assert!(!range.contains(&[2]));
        assert!(KeyRange::prefix([0xff]).contains(&[0xff, 0xff]));
        assert!(!KeyRange::prefix([0xff]).contains(&[0xfe]));
    }

    #[test]
    fn a_range_the_wrong_way_round_is_empty() {
        assert!(KeyRange::between("b", "a").is_empty());
        assert!(KeyRange::between("a", "a").is_empty());
        assert!(!KeyRange::between("a", "b").is_empty());
        assert!(!KeyRange::from("a").is_empty());
    }

    #[test]
    fn an_id_beyond_the_limit_is_refused() {
        assert!(Part::try_new(1, &[0; 32]).is_ok());
        assert!(matches!(
            Part::try_new(1, &[0; 33]),
            Err(Error::TooLarge {
                what: "part id bytes",
                got: 33,
                max: 32
            })
        ));
    }

    #[test]
    fn parts_are_ordered_by_kind_then_length_then_id() {
        let mut parts = [
            Part::new(2, b"a"),
            Part::new(1, b"bb"),
            Part::new(1, b"c"),
            Part::new(1, b"b"),
        ];

        parts.sort();

        let names: Vec<_> = parts
            .iter()
            .map(|part| (part.kind(), part.id().to_vec()))
            .collect();
        assert_eq!(
            names,
            [
                (1, b"b".to_vec()),
                (1, b"c".to_vec()),
                (1, b"bb".to_vec()),
                (2, b"a".to_vec())
            ]
        );
    }
}
