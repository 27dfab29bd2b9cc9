//! The record of the shim, parsed. Its format is described in `tests/shim/record.c`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

pub enum Event<'a> {
    OpenFile {
        inode: u64,
        path: &'a Path,
    },
    OpenFolder {
        inode: u64,
    },
    Write {
        inode: u64,
        offset: usize,
        data: &'a [u8],
    },
    SetLength {
        inode: u64,
        length: usize,
    },
    Sync {
        inode: u64,
    },
    MakeFolder,
    Rename {
        from: &'a Path,
        to: &'a Path,
    },
    Unlink {
        path: &'a Path,
    },
}

pub struct Trace<'a> {
    events: Vec<Event<'a>>,
}

impl<'a> Trace<'a> {
    pub fn read(mut bytes: &'a [u8]) -> Result<Self> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            events.push(event(&mut bytes).context("the trace is cut short")?);
        }
        Ok(Self { events })
    }

    pub fn events(&self) -> &[Event<'a>] {
        &self.events
    }
}

fn event<'a>(bytes: &mut &'a [u8]) -> Result<Event<'a>> {
    let [op] = number(bytes)?;
    let inode = u64::from_ne_bytes(number(bytes)?);
    let offset = i64::from_ne_bytes(number(bytes)?);
    let data_len = usize::try_from(u32::from_ne_bytes(number(bytes)?))?;
    let path_len = usize::try_from(u32::from_ne_bytes(number(bytes)?))?;
    let path = path_of(take(bytes, path_len)?);
    let data = take(bytes, data_len)?;
    Ok(match op {
        b'O' => Event::OpenFile { inode, path },
        b'D' => Event::OpenFolder { inode },
        b'W' => Event::Write {
            inode,
            offset: usize::try_from(offset)?,
            data,
        },
        b'T' => Event::SetLength {
            inode,
            length: usize::try_from(offset)?,
        },
        b'F' => Event::Sync { inode },
        b'C' => Event::MakeFolder,
        b'N' => Event::Rename {
            from: path,
            to: path_of(data),
        },
        b'U' => Event::Unlink { path },
        other => bail!("the trace has an unknown operation {other}"),
    })
}

fn number<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N]> {
    let (number, rest) = bytes.split_first_chunk().context("a number")?;
    *bytes = rest;
    Ok(*number)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length).context("a path or data")?;
    *bytes = rest;
    Ok(taken)
}

fn path_of(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
