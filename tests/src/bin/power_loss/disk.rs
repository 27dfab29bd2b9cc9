//! A disk as the record leaves it: what is durable, and what the power could take.
//!
//! The rules, each at least as hard as a real disk's. A sync of a file makes its content durable,
//! not its name. A sync of a folder makes all names durable that were given before. Names become
//! durable in their order. Each page of 4 KiB is as some prefix of the unsynced writes to it left
//! it, the last of them perhaps torn at a sector, and pages know nothing of each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::dice::Dice;
use super::trace::Event;

const PAGE: usize = 4096;
const SECTOR: usize = 512;

type FileId = usize;
type Names = BTreeMap<PathBuf, FileId>;

#[derive(Default)]
pub struct Disk {
    files: Vec<File>,
    by_inode: BTreeMap<u64, FileId>,
    folders: BTreeSet<u64>,
    /// Names as the running system sees them, and as the disk knows them.
    names: Names,
    durable_names: Names,
    pending_names: Vec<NameChange>,
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

enum Change {
    Write { offset: usize, data: Vec<u8> },
    SetLength(usize),
}

enum NameChange {
    Create(PathBuf, FileId),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Disk {
    pub fn apply(&mut self, event: &Event<'_>) {
        match event {
            Event::OpenFile { inode, path } => self.open(*inode, path),
            Event::OpenFolder { inode } => {
                self.by_inode.remove(inode);
                self.folders.insert(*inode);
            }
            Event::Write {
                inode,
                offset,
                data,
            } => {
                self.change(
                    *inode,
                    Change::Write {
                        offset: *offset,
                        data: data.to_vec(),
                    },
                );
            }
            Event::SetLength { inode, length } => self.change(*inode, Change::SetLength(*length)),
            Event::Sync { inode } => self.sync(*inode),
            // A folder is there when a name in it is.
            Event::MakeFolder => (),
            Event::Rename { from, to } => {
                self.rename(NameChange::Rename(from.to_path_buf(), to.to_path_buf()));
            }
            Event::Unlink { path } => self.rename(NameChange::Remove(path.to_path_buf())),
        }
    }

    /// Whether the file with this inode has this name.
    pub fn is_at(&self, inode: u64, path: &Path) -> bool {
        let named = self.names.get(path);
        named.is_some() && named == self.by_inode.get(&inode)
    }

    /// The files of a disk whose power went now.
    pub fn after_a_cut(&self, dice: &mut Dice) -> BTreeMap<PathBuf, Vec<u8>> {
        let kept = [0, 0, 50, 90, 100].get(dice.below(5)).copied().unwrap_or(0);
        let all = self.pending_names.len();
        let named = [0, all, dice.below(all + 1)]
            .get(dice.below(3))
            .copied()
            .unwrap_or(0);
        let mut names = self.durable_names.clone();
        for change in self.pending_names.iter().take(named) {
            change.apply(&mut names);
        }
        let content = |id: FileId| self.files.get(id).map(|file| file.after_a_cut(kept, dice));
        let mut content = content;
        names
            .into_iter()
            .filter_map(|(path, id)| Some((path, content(id)?)))
            .collect()
    }

    fn open(&mut self, inode: u64, path: &Path) {
        self.folders.remove(&inode);
        let id = if let Some(id) = self.names.get(path) {
            *id
        } else {
            let id = self.files.len();
            self.files.push(File::default());
            self.rename(NameChange::Create(path.to_path_buf(), id));
            id
        };
        self.by_inode.insert(inode, id);
    }

    fn change(&mut self, inode: u64, change: Change) {
        if let Some(file) = self
            .by_inode
            .get(&inode)
            .and_then(|id| self.files.get_mut(*id))
        {
            file.pending.push(change);
        }
    }

    fn rename(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending_names.push(change);
    }

    fn sync(&mut self, inode: u64) {
        if self.folders.contains(&inode) {
            for change in self.pending_names.drain(..) {
                change.apply(&mut self.durable_names);
            }
        } else if let Some(file) = self
            .by_inode
            .get(&inode)
            .and_then(|id| self.files.get_mut(*id))
        {
            for change in std::mem::take(&mut file.pending) {
                change.apply(&mut file.durable);
            }
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Create(path, id) => {
                names.insert(path.clone(), *id);
            }
            // A folder takes along what is in it.
            Self::Rename(from, to) => {
                let moved: Names = names
                    .extract_if(.., |path, _| path.starts_with(from))
                    .collect();
                names.extend(moved.into_iter().map(|(path, id)| {
                    let below = path.strip_prefix(from).unwrap_or(Path::new(""));
                    let joined = if below.as_os_str().is_empty() {
                        to.clone()
                    } else {
                        to.join(below)
                    };
                    (joined, id)
                }));
            }
            Self::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => write(content, *offset, data),
            Self::SetLength(length) => content.resize(*length, 0),
        }
    }
}

/// How far the unsynced writes to a page got.
struct Reached {
    /// The last write that is there, by its place among the pending.
    last: usize,
    /// Where in the page that one was torn.
    torn_at: usize,
}

impl File {
    fn after_a_cut(&self, kept_percent: usize, dice: &mut Dice) -> Vec<u8> {
        let reached = self.reached(kept_percent, dice);
        let lengths = dice.percent(kept_percent);
        let mut content = self.durable.clone();
        for (index, change) in self.pending.iter().enumerate() {
            match change {
                Change::SetLength(length) if lengths => content.resize(*length, 0),
                Change::SetLength(_) => (),
                Change::Write { offset, data } => {
                    for (place, piece) in pages(*offset, data) {
                        let Some(reached) = reached.get(&(place / PAGE)) else {
                            continue;
                        };
                        if index < reached.last {
                            write(&mut content, place, piece);
                        } else if index == reached.last {
                            let room = reached.torn_at.saturating_sub(place % PAGE);
                            let piece = piece.get(..room).unwrap_or(piece);
                            write(&mut content, place, piece);
                        }
                    }
                }
            }
        }
        content
    }

    fn reached(&self, kept_percent: usize, dice: &mut Dice) -> BTreeMap<usize, Reached> {
        let mut writes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, change) in self.pending.iter().enumerate() {
            if let Change::Write { offset, data } = change {
                for (place, _) in pages(*offset, data) {
                    writes.entry(place / PAGE).or_default().push(index);
                }
            }
        }
        let fate = |(page, indexes): (usize, Vec<usize>)| {
            let whole = dice.percent(kept_percent);
            if !whole && dice.percent(50) {
                return None;
            }
            let pick = if whole {
                indexes.len() - 1
            } else {
                dice.below(indexes.len())
            };
            let torn = !whole && dice.percent(20);
            let torn_at = if torn {
                dice.below(PAGE / SECTOR) * SECTOR
            } else {
                PAGE
            };
            Some((
                page,
                Reached {
                    last: *indexes.get(pick)?,
                    torn_at,
                },
            ))
        };
        writes.into_iter().filter_map(fate).collect()
    }
}

/// The data cut at the borders of pages, each piece with its place in the file.
fn pages(offset: usize, data: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let to_border = (PAGE - offset % PAGE).min(data.len());
    let (first, rest) = data.split_at(to_border);
    let places = (offset + to_border..).step_by(PAGE);
    std::iter::once((offset, first))
        .chain(places.zip(rest.chunks(PAGE)))
        .filter(|(_, piece)| !piece.is_empty())
}

fn write(content: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(offset..end) {
        place.copy_from_slice(data);
    }
}
