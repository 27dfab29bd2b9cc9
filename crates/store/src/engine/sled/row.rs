//! The values inside sled's tree: `[format, version(8), crc32(4), payload]`.
//!
//! The checksum covers the key, the format, the version and the payload, so that neither rot nor
//! a row in the wrong place goes unseen. A value that fits is the payload of format 1; of a longer
//! one the head (format 2) holds its length and first piece, and the further pieces (format 3)
//! stand in rows of their own. No row is longer than 4 KiB: sled keeps long ones in files that it
//! never syncs.

use crate::engine::sled::layout::kind_of;
use crate::error::{Error, Result};
use crate::limit::VALUE_BYTES_MAX;
use crate::record::Version;

const ROW_BYTES_MAX: usize = 4096;
const HEADER_BYTES: usize = 1 + 8 + 4;
const LENGTH_BYTES: usize = 4;
const INLINE_BYTES_MAX: usize = ROW_BYTES_MAX - HEADER_BYTES;
const FIRST_PIECE_BYTES: usize = INLINE_BYTES_MAX - LENGTH_BYTES;
const PIECE_BYTES: usize = INLINE_BYTES_MAX;

const WHOLE: u8 = 1;
const FIRST: u8 = 2;
const FURTHER: u8 = 3;

/// What stands at the key of a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub(super) version: Version,
    /// How long the value is.
    pub(super) bytes: usize,
    /// Its beginning, or all of it.
    pub(super) start: &'a [u8],
}

impl<'a> Head<'a> {
    pub(super) fn parse(key: &[u8], raw: &'a [u8]) -> Result<Self> {
        let (format, version, payload) = open(key, raw)?;
        let (bytes, start) = match format {
            WHOLE => (payload.len(), payload),
            FIRST => first_piece(payload).ok_or_else(|| damaged(key))?,
            _ => return Err(damaged(key)),
        };
        Ok(Self {
            version,
            bytes,
            start,
        })
    }

    /// How many further pieces there are.
    pub(super) fn pieces(&self) -> u16 {
        let rest = self.bytes.saturating_sub(self.start.len());
        u16::try_from(rest.div_ceil(PIECE_BYTES)).expect("4 MiB are 1,027 pieces")
    }
}

/// A value as rows: the head, and the further pieces in order.
pub(super) fn split(value: &[u8]) -> (Draft<'_>, impl Iterator<Item = Draft<'_>>) {
    let (head, rest) = if value.len() <= INLINE_BYTES_MAX {
        (
            Draft {
                format: WHOLE,
                length: None,
                data: value,
            },
            &[][..],
        )
    } else {
        let (data, rest) = value.split_at(FIRST_PIECE_BYTES);
        let length = u32::try_from(value.len()).expect("values are at most 4 MiB");
        (
            Draft {
                format: FIRST,
                length: Some(length),
                data,
            },
            rest,
        )
    };
    let pieces = rest.chunks(PIECE_BYTES);
    (
        head,
        pieces.map(|data| Draft {
            format: FURTHER,
            length: None,
            data,
        }),
    )
}

/// A row that still needs its place and version.
pub(super) struct Draft<'a> {
    format: u8,
    length: Option<u32>,
    data: &'a [u8],
}

impl Draft<'_> {
    pub(super) fn seal(&self, key: &[u8], version: Version) -> Vec<u8> {
        let length = self.length.map(u32::to_be_bytes);
        let length = length.as_ref().map_or(&[][..], |bytes| bytes);
        let payload = [length, self.data].concat();
        let mut raw = Vec::with_capacity(HEADER_BYTES + payload.len());
        raw.push(self.format);
        raw.extend_from_slice(&version.as_u64().to_be_bytes());
        raw.extend_from_slice(&checksum(key, self.format, version, &payload).to_be_bytes());
        raw.extend_from_slice(&payload);
        raw
    }
}

/// Appends a further piece of the value written by this version.
pub(super) fn append_piece(
    key: &[u8],
    raw: &[u8],
    version: Version,
    value: &mut Vec<u8>,
) -> Result<()> {
    match open(key, raw)? {
        (FURTHER, found, payload) if found == version => value.extend_from_slice(payload),
        _ => return Err(damaged(key)),
    }
    Ok(())
}

/// The engine's own row with the last version.
pub(super) fn seal_version(key: &[u8], version: Version) -> Vec<u8> {
    Draft {
        format: WHOLE,
        length: None,
        data: &[],
    }
    .seal(key, version)
}

/// What [`seal_version`] wrote.
pub(super) fn parse_version(key: &[u8], raw: &[u8]) -> Result<Version> {
    Ok(Head::parse(key, raw)?.version)
}

/// Names the kind of the row alone: its key may hold whose it is.
pub(super) fn damaged(key: &[u8]) -> Error {
    Error::damaged(format!("a row of kind {}", kind_of(key)))
}

fn first_piece(payload: &[u8]) -> Option<(usize, &[u8])> {
    let (length, start) = payload.split_first_chunk::<LENGTH_BYTES>()?;
    let bytes = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    (bytes > start.len() && bytes <= VALUE_BYTES_MAX).then_some((bytes, start))
}

fn open<'a>(key: &[u8], raw: &'a [u8]) -> Result<(u8, Version, &'a [u8])> {
    let parts = raw.split_first_chunk::<HEADER_BYTES>();
    let Some((&[format, a, b, c, d, e, f, g, h, w, x, y, z], payload)) = parts else {
        return Err(damaged(key));
    };
    let version = Version::from_u64(u64::from_be_bytes([a, b, c, d, e, f, g, h]));
    if checksum(key, format, version, payload) != u32::from_be_bytes([w, x, y, z]) {
        return Err(damaged(key));
    }
    Ok((format, version, payload))
}

fn checksum(key: &[u8], format: u8, version: Version, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(&[format]);
    hasher.update(&version.as_u64().to_be_bytes());
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const V: Version = Version::from_u64(7);

    #[test]
    fn a_value_is_whole_up_to_one_row_and_split_beyond() {
        for (bytes, pieces) in [
            (0, 0),
            (INLINE_BYTES_MAX, 0),
            (INLINE_BYTES_MAX + 1, 1),
            (VALUE_BYTES_MAX, 1027),
        ] {
            let value: Vec<u8> = (0..=250).cycle().take(bytes).collect();

            let (draft, further) = split(&value);
            let raw = draft.seal(b"k", V);
            let further: Vec<_> = further.map(|piece| piece.seal(b"p", V)).collect();

            let head = Head::parse(b"k", &raw).unwrap();
            let mut joined = head.start.to_vec();
            for piece in &further {
                assert!(piece.len() <= ROW_BYTES_MAX);
                append_piece(b"p", piece, V, &mut joined).unwrap();
            }
            assert!(raw.len() <= ROW_BYTES_MAX);
            assert_eq!((head.bytes, head.pieces()), (bytes, pieces));
            assert_eq!(further.len(), usize::from(pieces));
            assert!(joined == value);
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (draft, _) = split(b"value");
        let raw = draft.seal(b"key", V);
        for index in 0..raw.len() {
            for bit in 0..8 {
                let mut rotten = raw.clone();
                rotten[index] ^= 1 << bit;
                assert!(matches!(
                    Head::parse(b"key", &rotten),
                    Err(Error::Damaged { .. })
                ));
            }
        }
    }

    #[test]
    fn a_row_in_the_wrong_place_is_noticed() {
        let (draft, _) = split(b"value");
        let raw = draft.seal(b"key", V);

        assert!(matches!(
            Head::parse(b"kex", &raw),
            Err(Error::Damaged { .. })
        ));
    }

    #[test]
    fn a_piece_of_another_version_is_noticed() {
        let value = vec![1; 5000];
        let (_, mut further) = split(&value);
        let piece = further.next().unwrap().seal(b"p", Version::from_u64(6));

        assert!(append_piece(b"p", &piece, V, &mut Vec::new()).is_err());
    }

    #[test]
    fn cut_rows_are_damaged() {
        for length in 0..HEADER_BYTES {
            assert!(Head::parse(b"k", &vec![0; length]).is_err());
        }
    }
}
