//! Export and import: a store as one file that any engine can read back.
//!
//! `roost export\n`, format version (2 bytes), then per row its length (4 bytes, never 0) and the
//! CBOR array `[kind, part id, key, value]`, then a length of 0, the number of rows (8 bytes) and
//! the SHA-256 of everything before it. Numbers are big-endian. Versions are not exported: they
//! belong to the store that gave them.
//!
//! Owns the format. Never reads a row's meaning.

use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use minicbor::{Decoder, Encoder};
use sha2::{Digest, Sha256};

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::key::{Key, KeyRange, Part};
use crate::limit::{KEY_BYTES_MAX, PART_ID_BYTES_MAX, PARTS_MAX, VALUE_BYTES_MAX};
use crate::store::{Direction, Limit, Store};

const MAGIC: &[u8; 13] = b"roost export\n";
const FORMAT: u16 = 1;
/// A row with its CBOR framing.
const ROW_BYTES_MAX: usize = VALUE_BYTES_MAX + KEY_BYTES_MAX + PART_ID_BYTES_MAX + 32;
/// What one commit of an import carries at most.
const IMPORT_ROWS: usize = 512;
const IMPORT_BYTES: usize = 2 * 1024 * 1024;
const PAGE: Limit = Limit {
    rows: 512,
    bytes: 2 * 1024 * 1024,
};

/// How much went over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transferred {
    /// Rows of all parts.
    pub rows: u64,
}

/// Writes all rows of the store. Nobody may be writing to it meanwhile: a row is read as it is
/// when its turn comes. The writer is called on this thread, and flushed.
///
/// # Errors
///
/// [`Error::Io`] of the writer, and what reading the store can say.
pub async fn export(store: &dyn Store, writer: impl Write + Send) -> Result<Transferred> {
    let mut out = Sealing {
        inner: BufWriter::new(writer),
        hash: Sha256::new(),
    };
    let mut rows = 0;
    out.put(MAGIC)?;
    out.put(&FORMAT.to_be_bytes())?;
    for kind in 0..=u8::MAX {
        let mut after = None;
        loop {
            let parts = store.parts(kind, after, PARTS_MAX).await?;
            let Some(last) = parts.last() else { break };
            after = Some(*last);
            for part in &parts {
                rows += export_part(store, part, &mut out).await?;
            }
        }
    }
    out.put(&0_u32.to_be_bytes())?;
    out.put(&rows.to_be_bytes())?;
    out.finish()?;
    Ok(Transferred { rows })
}

/// Reads an export into an empty store. All of it is checked before the first row is written. If
/// the process dies meanwhile, start again with an empty store.
///
/// # Errors
///
/// [`Error::NotEmpty`], [`Error::Damaged`] if it is no export, cut short, changed, or of a format
/// of later days, [`Error::Io`] of the reader, and what writing to the store can say.
pub async fn import(store: &dyn Store, reader: impl Read + Seek + Send) -> Result<Transferred> {
    require_empty(store).await?;
    let mut reader = BufReader::new(reader);
    let start = reader.stream_position().map_err(READING)?;
    let mut check = Opening::begin(&mut reader)?;
    while check.next()?.is_some() {}

    reader.seek(SeekFrom::Start(start)).map_err(READING)?;
    let mut rows = Opening::begin(&mut reader)?;
    let mut waiting = Waiting::default();
    while let Some((part, key, value)) = rows.next()? {
        if !waiting.fits(&part, value.len()) {
            waiting.commit(store).await?;
        }
        waiting.push(part, key, value);
    }
    waiting.commit(store).await?;
    Ok(Transferred { rows: rows.count })
}

const READING: fn(io::Error) -> Error = |source| Error::Io {
    during: "reading the export",
    source,
};
const WRITING: fn(io::Error) -> Error = |source| Error::Io {
    during: "writing the export",
    source,
};

async fn export_part<W: Write + Send>(
    store: &dyn Store,
    part: &Part,
    out: &mut Sealing<W>,
) -> Result<u64> {
    let mut rows = 0;
    let mut range = KeyRange::all();
    loop {
        let page = store
            .scan(part, range.clone(), PAGE, Direction::Forward)
            .await?;
        for row in &page.rows {
            let record = encode(part, row.key.as_bytes(), &row.value);
            let length = u32::try_from(record.len()).expect("rows are far below 4 GiB");
            out.put(&length.to_be_bytes())?;
            out.put(&record)?;
            rows += 1;
        }
        match page.rows.last() {
            Some(last) if page.more => range = range.rest_after(&last.key),
            Some(_) | None => return Ok(rows),
        }
    }
}

async fn require_empty(store: &dyn Store) -> Result<()> {
    for kind in 0..=u8::MAX {
        if !store.parts(kind, None, 1).await?.is_empty() {
            return Err(Error::NotEmpty);
        }
    }
    Ok(())
}

fn encode(part: &Part, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    let written = encoder
        .array(4)
        .and_then(|e| e.u8(part.kind()))
        .and_then(|e| e.bytes(part.id()))
        .and_then(|e| e.bytes(key))
        .and_then(|e| e.bytes(value));
    match written {
        Ok(_) => encoder.into_writer(),
        Err(_) => unreachable!("writing to a vector cannot fail"),
    }
}

fn decode(record: &[u8]) -> Option<(Part, Key, Vec<u8>)> {
    let mut decoder = Decoder::new(record);
    if decoder.array().ok()? != Some(4) {
        return None;
    }
    let kind = decoder.u8().ok()?;
    let part = Part::try_new(kind, decoder.bytes().ok()?).ok()?;
    let key = decoder.bytes().ok()?;
    let value = decoder.bytes().ok()?;
    let fits = key.len() <= KEY_BYTES_MAX && value.len() <= VALUE_BYTES_MAX;
    let whole = decoder.position() == record.len();
    (fits && whole).then(|| (part, Key::from(key), value.to_vec()))
}

/// Hashes what it writes.
struct Sealing<W: Write> {
    inner: BufWriter<W>,
    hash: Sha256,
}

impl<W: Write> Sealing<W> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.inner.write_all(bytes).map_err(WRITING)
    }

    fn finish(mut self) -> Result<()> {
        let digest = self.hash.finalize();
        self.inner.write_all(&digest).map_err(WRITING)?;
        self.inner.flush().map_err(WRITING)
    }
}

/// Hashes what it reads, and judges it at the end.
struct Opening<'a, R: Read> {
    inner: &'a mut BufReader<R>,
    hash: Sha256,
    count: u64,
}

impl<'a, R: Read> Opening<'a, R> {
    fn begin(inner: &'a mut BufReader<R>) -> Result<Self> {
        let mut opening = Self {
            inner,
            hash: Sha256::new(),
            count: 0,
        };
        if opening.take::<13>()? != *MAGIC {
            return Err(Error::damaged("this is not an export of a store"));
        }
        let format = u16::from_be_bytes(opening.take()?);
        if format != FORMAT {
            let what = format!("the export has format {format}, this program reads {FORMAT}");
            return Err(Error::damaged(what));
        }
        Ok(opening)
    }

    fn next(&mut self) -> Result<Option<(Part, Key, Vec<u8>)>> {
        let length = u32::from_be_bytes(self.take()?);
        if length == 0 {
            self.end()?;
            return Ok(None);
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > ROW_BYTES_MAX {
            return Err(self.damaged());
        }
        let mut record = vec![0; length];
        self.fill(&mut record)?;
        let row = decode(&record).ok_or_else(|| self.damaged())?;
        self.count += 1;
        Ok(Some(row))
    }

    fn end(&mut self) -> Result<()> {
        let count = u64::from_be_bytes(self.take()?);
        let expected = self.hash.clone().finalize();
        let found: [u8; 32] = self.take()?;
        let more = self.inner.read(&mut [0]).map_err(READING)?;
        if count != self.count || found != *expected || more != 0 {
            return Err(self.damaged());
        }
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.inner
            .read_exact(bytes)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    Error::damaged(format!("the export is cut short after {} rows", self.count))
                }
                _ => READING(error),
            })?;
        self.hash.update(&*bytes);
        Ok(())
    }

    fn damaged(&self) -> Error {
        Error::damaged(format!("the export, after {} rows", self.count))
    }
}

/// Rows of one part that wait to be committed together.
#[derive(Default)]
struct Waiting {
    part: Option<Part>,
    rows: Vec<(Key, Vec<u8>)>,
    bytes: usize,
}

impl Waiting {
    fn fits(&self, part: &Part, bytes: usize) -> bool {
        self.part.is_none_or(|waiting| waiting == *part)
            && self.rows.len() < IMPORT_ROWS
            && self.bytes.saturating_add(bytes) <= IMPORT_BYTES
    }

    fn push(&mut self, part: Part, key: Key, value: Vec<u8>) {
        self.part = Some(part);
        self.bytes = self.bytes.saturating_add(value.len());
        self.rows.push((key, value));
    }

    async fn commit(&mut self, store: &dyn Store) -> Result<()> {
        let Self { part, rows, .. } = std::mem::take(self);
        let Some(part) = part else { return Ok(()) };
        let batch = rows
            .into_iter()
            .fold(Batch::new(), |batch, (key, value)| batch.put(key, value));
        store.commit(&part, batch).await?;
        Ok(())
    }
}
