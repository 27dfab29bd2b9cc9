//! Words that stand nowhere else in the world.

use anyhow::Result;
use roost_wire::text::hex;
use std::fs::File;
use std::io::Read;

/// The words planted so far.
pub struct Canaries {
    words: Vec<String>,
    /// Words that are replaced later and need not be shown at the end.
    passing: Vec<String>,
    /// Bytes that are no text, and what they are.
    secrets: Vec<(String, Vec<u8>)>,
}

impl Canaries {
    /// None yet.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn fresh() -> Result<Self> {
        random::<1>()?;
        Ok(Self {
            words: Vec::new(),
            passing: Vec::new(),
            secrets: Vec::new(),
        })
    }

    /// All words, each to be found nowhere.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// All bytes, each to be found nowhere.
    #[must_use]
    pub fn secrets(&self) -> &[(String, Vec<u8>)] {
        &self.secrets
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.words.len() + self.secrets.len()
    }

    /// A name that the server is meant to know.
    #[must_use]
    pub fn control(&self) -> String {
        format!("control-{}", secret())
    }

    /// A new word.
    pub fn word(&mut self, kind: &str) -> String {
        let word = format!("{} {}", kind.trim(), secret());
        self.words.push(word.clone());
        word
    }

    /// A new word that will be replaced.
    pub fn passing(&mut self, kind: &str) -> String {
        let word = self.word(kind);
        self.passing.push(word.clone());
        word
    }

    /// A word that a browser chose, by chance, and tells only the other end of a call.
    pub fn overhear(&mut self, word: String) {
        if !self.words.contains(&word) {
            self.passing.push(word.clone());
            self.words.push(word);
        }
    }

    /// Bytes that only clients have.
    pub fn keep(&mut self, kind: &str, bytes: Vec<u8>) {
        if !self.secrets.iter().any(|(_, known)| *known == bytes) {
            self.secrets.push((kind.to_owned(), bytes));
        }
    }

    /// A new emoji: a flag of a region nobody has heard of.
    pub fn emoji(&mut self) -> String {
        let tags = secret();
        let tags = tags
            .chars()
            .take(13)
            .filter_map(|letter| char::from_u32(0xe0000 + u32::from(letter)));
        let emoji: String = ['\u{1f3f4}']
            .into_iter()
            .chain(tags)
            .chain(['\u{e007f}'])
            .collect();
        self.words.push(emoji.clone());
        emoji
    }

    /// The words that must be shown at the end.
    pub fn lasting(&self) -> impl Iterator<Item = &str> {
        let lasting = |word: &&String| !self.passing.contains(word);
        self.words.iter().filter(lasting).map(String::as_str)
    }
}

fn secret() -> String {
    hex(&random::<10>().unwrap_or_else(|error| panic!("the system has randomness: {error}")))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emoji_canary_is_an_emoji_to_clients() {
        let emoji = Canaries::fresh().unwrap().emoji();

        assert!(roost_client::Emoji::new(&emoji).is_ok());
    }
}
