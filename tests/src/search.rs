//! Looking for words in bytes, in every spelling a program might have given them.
//!
//! Owns the list of spellings and the search over files and the memory of processes. A word is
//! found inside a longer text as well: base64 is searched in all three alignments, by the letters
//! that do not depend on the neighbours.

use aho_corasick::AhoCorasick;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Read at once; neighbours overlap by the longest pattern.
const CHUNK_BYTES: usize = 4 << 20;

/// Words, and the machine that finds all their spellings at once.
pub struct Search {
    machine: AhoCorasick,
    /// For each pattern: which word, and how it is spelled.
    patterns: Vec<(usize, &'static str)>,
    words: Vec<String>,
    longest: usize,
}

/// Where a word turned up, and how often.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    pub word: String,
    pub spelling: &'static str,
    pub place: String,
}

/// Hits and their counts.
pub type Hits = BTreeMap<Hit, u64>;

impl Search {
    /// # Errors
    /// None in practice: the patterns are few and short.
    pub fn for_words(words: &[String]) -> Result<Self> {
        Self::for_all(words, &[])
    }

    /// For words, and for bytes that are no text, which go by a name: keys, frames.
    ///
    /// # Errors
    /// None in practice: the patterns are few and short.
    pub fn for_all(words: &[String], secrets: &[(String, Vec<u8>)]) -> Result<Self> {
        let words = words.iter().map(|word| (word, spellings(word)));
        let secrets = secrets.iter().map(|(name, it)| (name, written(it)));
        let (mut names, mut patterns, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (name, spelled)) in words.chain(secrets).enumerate() {
            names.push(name.clone());
            for (spelling, pattern) in spelled {
                patterns.push((index, spelling));
                bytes.push(pattern);
            }
        }
        Ok(Self {
            longest: bytes.iter().map(Vec::len).max().unwrap_or(0),
            machine: AhoCorasick::new(&bytes)?,
            patterns,
            words: names,
        })
    }

    /// Adds what is found in `bytes` to `hits`.
    pub fn bytes(&self, bytes: &[u8], place: &str, hits: &mut Hits) {
        for found in self.machine.find_overlapping_iter(bytes) {
            let (word, spelling) = self.patterns[found.pattern().as_usize()];
            let hit = Hit {
                word: self.words[word].clone(),
                spelling,
                place: place.to_owned(),
            };
            *hits.entry(hit).or_default() += 1;
        }
    }

    /// Searches a file, or all files below a folder. Returns the bytes searched.
    ///
    /// # Errors
    /// What looking fails with. Passed over are a file that vanishes meanwhile, and what is neither
    /// a file nor a folder and so holds no bytes: sockets, and links, whose targets are looked at
    /// where they are.
    pub fn folder(&self, path: &Path, hits: &mut Hits) -> Result<u64> {
        let Some(about) = still_there(path, std::fs::symlink_metadata(path))? else {
            return Ok(0);
        };
        if about.is_dir() {
            let mut searched = 0;
            for entry in still_there(path, std::fs::read_dir(path))?
                .into_iter()
                .flatten()
            {
                searched += self.folder(&entry?.path(), hits)?;
            }
            return Ok(searched);
        }
        if !about.is_file() {
            return Ok(0);
        }
        let place = path.display().to_string();
        match still_there(path, File::open(path))? {
            Some(file) => self.reader(file, &place, hits).context(place),
            None => Ok(0),
        }
    }

    /// Searches all readable memory of a living process. Returns the bytes searched.
    ///
    /// # Errors
    /// If the process is not ours to read.
    pub fn memory(&self, process: u32, hits: &mut Hits) -> Result<u64> {
        let maps = std::fs::read_to_string(format!("/proc/{process}/maps"))?;
        let memory = File::open(format!("/proc/{process}/mem"))
            .with_context(|| format!("memory of process {process}"))?;
        let mut searched = 0;
        for (start, end, name) in maps.lines().filter_map(readable) {
            searched += self.region(&memory, start, end, &format!("memory {name}"), hits);
        }
        Ok(searched)
    }

    fn region(&self, memory: &File, start: u64, end: u64, place: &str, hits: &mut Hits) -> u64 {
        let mut buffer = vec![0; CHUNK_BYTES + self.longest];
        let mut at = start;
        let mut searched = 0;
        while at < end {
            let want = usize::try_from(end - at)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            // Pages that are mapped but cannot be read (guards, devices) are passed over.
            let Ok(count) = memory.read_at(&mut buffer[..want], at) else {
                break;
            };
            if count == 0 {
                break;
            }
            self.bytes(&buffer[..count], place, hits);
            searched += count as u64;
            if count < want || want < buffer.len() {
                at += count as u64;
            } else {
                at += CHUNK_BYTES as u64;
            }
        }
        searched
    }

    fn reader(&self, mut input: impl Read, place: &str, hits: &mut Hits) -> Result<u64> {
        let mut buffer = Vec::new();
        let mut searched = 0;
        loop {
            let kept = buffer.len().min(self.longest);
            buffer.drain(..buffer.len() - kept);
            let count = input
                .by_ref()
                .take(CHUNK_BYTES as u64)
                .read_to_end(&mut buffer)?;
            if count == 0 {
                return Ok(searched);
            }
            searched += count as u64;
            self.bytes(&buffer, place, hits);
        }
    }
}

/// Nothing if it has vanished.
fn still_there<T>(path: &Path, looked: std::io::Result<T>) -> Result<Option<T>> {
    match looked {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// The ways a word could be written, each at least eight bytes long.
fn spellings(word: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut all = written(word.as_bytes());
    all.push(("UTF-16LE", utf16(word, u16::to_le_bytes)));
    all.push(("UTF-16BE", utf16(word, u16::to_be_bytes)));
    all
}

/// The ways that bytes could be written.
fn written(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut all = vec![
        ("raw", bytes.to_vec()),
        ("hex", hex.clone().into_bytes()),
        ("HEX", hex.to_uppercase().into_bytes()),
    ];
    for offset in 0..3 {
        let standard = base64_core(bytes, offset, STANDARD);
        let url = base64_core(bytes, offset, URL);
        if url != standard {
            all.push(("base64url", url));
        }
        all.push(("base64", standard));
    }
    all
}

fn utf16(word: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    word.encode_utf16().flat_map(order).collect()
}

/// Base64 of the word as it would stand `offset` bytes into a group of three, without the letters
/// that its neighbours share.
fn base64_core(word: &[u8], offset: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let skipped = (3 - offset) % 3;
    let whole = (word.len() - skipped) / 3 * 3;
    word[skipped..skipped + whole]
        .chunks_exact(3)
        .flat_map(|group| {
            let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
            [18, 12, 6, 0].map(|shift| alphabet[(bits >> shift & 63) as usize])
        })
        .collect()
}

/// Start, end and name of a readable mapping.
fn readable(line: &str) -> Option<(u64, u64, &str)> {
    let mut parts = line.split_whitespace();
    let (start, end) = parts.next()?.split_once('-')?;
    if !parts.next()?.starts_with('r') {
        return None;
    }
    let name = parts.nth(3).unwrap_or("anonymous");
    if name == "[vvar]" || name == "[vsyscall]" {
        return None;
    }
    Some((
        u64::from_str_radix(start, 16).ok()?,
        u64::from_str_radix(end, 16).ok()?,
        name,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORD: &str = "canary-5f2e91c07ab3d84";

    fn found_in(bytes: &[u8]) -> Vec<&'static str> {
        let search = Search::for_words(&[WORD.into()]).unwrap();
        let mut hits = Hits::new();
        search.bytes(bytes, "here", &mut hits);
        hits.into_keys().map(|hit| hit.spelling).collect()
    }

    #[test]
    fn every_spelling_is_found_inside_a_longer_text() {
        // One more letter, and it would be there in the other order of bytes as well.
        let utf16: Vec<u8> = format!("x{WORD}")
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        let hex: String = format!("<{WORD}>")
            .bytes()
            .map(|byte| format!("{byte:02X}"))
            .collect();

        assert_eq!(found_in(format!("before {WORD} after").as_bytes()), ["raw"]);
        assert_eq!(found_in(&utf16), ["UTF-16BE"]);
        assert_eq!(found_in(hex.as_bytes()), ["HEX"]);
    }

    #[test]
    fn base64_is_found_in_all_three_alignments() {
        for before in ["", "a", "ab", "abc"] {
            let text = format!("{before}{WORD}~~");
            let encoded = roost_wire::text::base64url(text.as_bytes());

            assert!(!found_in(encoded.as_bytes()).is_empty(), "{before}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_found_by_their_name() {
        let key: Vec<u8> = (200..232).collect();
        let search = Search::for_all(&[WORD.into()], &[("a key".into(), key.clone())]).unwrap();
        let mut hits = Hits::new();

        search.bytes(&[b"before", key.as_slice()].concat(), "here", &mut hits);
        let encoded = roost_wire::text::base64url(&key);
        search.bytes(encoded.as_bytes(), "here", &mut hits);

        let found: Vec<_> = hits.keys().map(|hit| (&*hit.word, hit.spelling)).collect();
        assert_eq!(found, [("a key", "base64url"), ("a key", "raw")]);
    }

    #[test]
    fn other_text_is_not_found() {
        assert!(found_in(b"canary-5f2e91c07ab3d85 and more").is_empty());
    }

    #[test]
    fn every_file_is_searched_and_what_is_none_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("below");
        std::fs::create_dir(&below).unwrap();
        std::fs::write(below.join("file"), WORD).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        let search = Search::for_words(&[WORD.into()]).unwrap();
        let mut hits = Hits::new();

        let searched = search.folder(folder.path(), &mut hits).unwrap();

        assert_eq!(searched, WORD.len() as u64);
        assert_eq!(hits.len(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_and_one_that_vanished_is_none() {
        let search = Search::for_words(&[WORD.into()]).unwrap();
        let searched = |path: &str| search.folder(Path::new(path), &mut Hits::new());

        // Nothing is mapped where reading begins.
        assert!(searched("/proc/self/mem").is_err());
        // A file where a folder should be.
        assert!(searched("/proc/self/status/below").is_err());
        assert_eq!(searched("/proc/self/nothing").unwrap(), 0);
    }

    #[test]
    fn a_word_in_our_own_memory_is_found() {
        let secret = format!("in-memory-{}", WORD);
        let search = Search::for_words(std::slice::from_ref(&secret)).unwrap();
        let mut hits = Hits::new();

        search.memory(std::process::id(), &mut hits).unwrap();

        assert!(
            hits.keys()
                .any(|hit| hit.word == secret && hit.spelling == "raw")
        );
    }
}
