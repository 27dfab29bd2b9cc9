//! What people call themselves: a claim, shown with its look-alikes flagged, never an identity.

use crate::{Malformed, limit};
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

/// A person's name: 1 to 40 characters, trimmed, one line, nothing invisible or direction-changing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DisplayName(String);

impl DisplayName {
    /// # Errors
    /// Refuses an empty or long name and characters that hide or reorder text.
    pub fn new(name: &str) -> Result<Self, Malformed> {
        let name = name.trim();
        if name.chars().count() > limit::NAME_CHARS {
            return Err(Malformed::Long {
                what: "name",
                max: limit::NAME_CHARS,
            });
        }
        if name.is_empty() || name.chars().any(deceives) {
            return Err(Malformed::Invalid { what: "name" });
        }
        Ok(Self(name.to_owned()))
    }

    /// What the credentials of all guests of calls say. Their names are not for the server.
    #[must_use]
    pub fn of_guests() -> Self {
        Self("Guest".into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which names are compared: two names with the same form cannot both be taken.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .to_lowercase()
    }
}

/// Controls, line breaks, zero-width and bidirectional formatting characters, byte order marks
/// and the tag block; the zero-width joiner stays, since emoji and some scripts need it.
fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

impl std::fmt::Display for DisplayName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<C> Encode<C> for DisplayName {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for DisplayName {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let text = d.str()?;
        match Self::new(text) {
            Ok(name) if name.0 == text => Ok(name),
            _ => Err(decode::Error::message("not a valid name")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(DisplayName::new("  Mira ").unwrap().as_str(), "Mira");
        assert!(DisplayName::new(&"é".repeat(40)).is_ok());
        assert!(DisplayName::new(&"é".repeat(41)).is_err());
        assert!(DisplayName::new("   ").is_err());
    }

    #[test]
    fn a_name_cannot_hide_or_reorder_text() {
        for name in [
            "Mi\u{200b}ra",
            "Mira\u{202e}gnp",
            "Mi\nra",
            "\u{2066}x\u{2069}",
            "a\u{e0041}",
            "\u{3164}",
        ] {
            assert!(DisplayName::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn an_untrimmed_name_is_refused_on_the_wire() {
        let bytes = minicbor::to_vec(" Mira").unwrap();

        assert!(minicbor::decode::<DisplayName>(&bytes).is_err());
    }

    #[test]
    fn names_that_differ_in_case_or_spaces_collide() {
        assert_eq!(
            DisplayName::new("Mira  B").unwrap().folded(),
            DisplayName::new("mira b").unwrap().folded()
        );
    }
}
