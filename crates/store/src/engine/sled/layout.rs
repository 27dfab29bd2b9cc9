//! The keys inside sled's one tree. The only place where they are built or taken apart.
//!
//! `00` + name: the engine's own rows. `01` + part + key: the head of a row, in the order of parts
//! and keys. `02` + part + length of key + key + number: the further pieces of a long value.
//! A part is kind, length of id, id. Numbers are big-endian.

use std::ops::Bound;

use crate::error::{Error, Result};
use crate::key::{Key, KeyRange, Part};

const OWN: u8 = 0;
const HEAD: u8 = 1;
const PIECE: u8 = 2;

/// Where the engine keeps the version of the last commit.
pub(super) const LAST_VERSION: &[u8] = &[OWN, b'v'];

/// A key of sled's tree.
pub(super) type RawKey = Vec<u8>;
/// A range of sled's tree.
pub(super) type RawRange = (Bound<RawKey>, Bound<RawKey>);

pub(super) fn head_key(part: &Part, key: &[u8]) -> RawKey {
    let mut raw = part_prefix(HEAD, part);
    raw.extend_from_slice(key);
    raw
}

/// The place of a further piece; the first piece is in the head.
pub(super) fn piece_key(part: &Part, key: &[u8], number: u16) -> RawKey {
    let key_len = u16::try_from(key.len()).expect("keys are at most 512 bytes");
    let mut raw = part_prefix(PIECE, part);
    raw.extend_from_slice(&key_len.to_be_bytes());
    raw.extend_from_slice(key);
    raw.extend_from_slice(&number.to_be_bytes());
    raw
}

/// All heads of the part whose key is in the range.
pub(super) fn head_range(part: &Part, range: &KeyRange) -> RawRange {
    let at = |key: &[u8]| head_key(part, key);
    let from = match range.lower() {
        Bound::Unbounded => Bound::Included(at(&[])),
        bound => bound.map(at),
    };
    let to = match range.upper() {
        Bound::Unbounded => Bound::Excluded(after_part(part)),
        bound => bound.map(at),
    };
    (from, to)
}

/// All heads of this kind in the parts after the one given.
pub(super) fn heads_after(kind: u8, after: Option<&Part>) -> RawRange {
    let from = match after {
        Some(part) if part.kind() > kind => vec![HEAD, kind, u8::MAX],
        Some(part) if part.kind() == kind => after_part(part),
        Some(_) | None => vec![HEAD, kind],
    };
    (
        Bound::Included(from),
        Bound::Excluded(vec![HEAD, kind, u8::MAX]),
    )
}

/// Takes the key of a head apart.
pub(super) fn parse_head(raw: &[u8]) -> Result<(Part, Key)> {
    parse(raw).ok_or_else(|| Error::damaged("the key of a row"))
}

/// The kind of a row's part and the first byte of its key, as they may be shown to anyone.
pub(super) fn kind_of(raw: &[u8]) -> String {
    let [HEAD, kind, len, rest @ ..] = raw else {
        return "unknown".to_owned();
    };
    let tag = rest.get(usize::from(*len)).copied().unwrap_or_default();
    format!("{}, {}", kind.escape_ascii(), tag.escape_ascii())
}

fn parse(raw: &[u8]) -> Option<(Part, Key)> {
    let [HEAD, kind, len, rest @ ..] = raw else {
        return None;
    };
    let (id, key) = rest.split_at_checked(usize::from(*len))?;
    Some((Part::try_new(*kind, id).ok()?, Key::from(key)))
}

fn part_prefix(space: u8, part: &Part) -> RawKey {
    let id = part.id();
    let len = u8::try_from(id.len()).expect("ids are at most 32 bytes");
    let mut raw = Vec::with_capacity(64);
    raw.extend_from_slice(&[space, part.kind(), len]);
    raw.extend_from_slice(id);
    raw
}

/// The smallest raw key behind all heads of the part.
fn after_part(part: &Part) -> RawKey {
    let mut raw = part_prefix(HEAD, part);
    // The length before the id is at most 32, so there is always a byte to count up.
    while let Some(last) = raw.pop() {
        if last < u8::MAX {
            raw.push(last + 1);
            break;
        }
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_reaches_into_another() {
        let parts = [
            Part::new(1, b""),
            Part::new(1, b"a"),
            Part::new(1, b"\xff"),
            Part::new(1, b"ab"),
            Part::new(1, b"\xff\xff"),
            Part::new(2, b""),
        ];
        for (index, part) in parts.iter().enumerate() {
            let range = head_range(part, &KeyRange::all());
            for (other_index, other) in parts.iter().enumerate() {
                for key in [&b""[..], b"\0", b"\xff\xff\xff"] {
                    let inside = std::ops::RangeBounds::contains(&range, &head_key(other, key));
                    assert_eq!(inside, index == other_index, "{part:?} {other:?}");
                }
            }
        }
    }

    #[test]
    fn raw_keys_keep_the_order_of_parts_and_keys() {
        let mut pairs: Vec<(Part, Key)> = Vec::new();
        for id in [&b""[..], b"a", b"\xff", b"aa", b"b\0"] {
            for key in [&b""[..], b"\0", b"a", b"a\0", b"\xff"] {
                pairs.push((Part::try_new(3, id).unwrap(), Key::from(key)));
            }
        }
        pairs.sort();

        let raw: Vec<_> = pairs
            .iter()
            .map(|(part, key)| head_key(part, key.as_bytes()))
            .collect();

        assert!(raw.is_sorted());
        for (pair, raw) in pairs.iter().zip(&raw) {
            assert_eq!(&parse_head(raw).unwrap(), pair);
        }
    }
}
