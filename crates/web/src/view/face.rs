//! The round mark of a person or group: a letter on a colour of its own.

use super::Samples;
use askama::Template;

/// Number of `hue-N` classes in the style sheet.
const HUES: u8 = 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    Small,
    Usual,
    Large,
}

impl Size {
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Small => " small",
            Self::Usual => "",
            Self::Large => " large",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part/face.html")]
pub struct Face {
    letter: String,
    hue: u8,
    size: Size,
}

impl Face {
    /// The colour follows the id, so that it stays when the name changes.
    #[must_use]
    pub fn of(name: &str, id: &[u8], size: Size) -> Self {
        let letter = name
            .chars()
            .find(|c| c.is_alphanumeric())
            .or_else(|| name.chars().next());
        Self {
            letter: letter
                .map(|c| c.to_uppercase().collect())
                .unwrap_or_default(),
            hue: hue(id),
            size,
        }
    }
}

/// The number of the `hue-N` class for this id.
#[must_use]
pub fn hue(id: &[u8]) -> u8 {
    id.iter()
        .fold(7u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte))
        % HUES
}

impl Samples for Face {
    fn samples() -> Vec<Self> {
        vec![
            Self::of("Mira", b"mira", Size::Usual),
            Self::of("ליאת", b"liat", Size::Small),
            Self::of("🦜", b"parrot", Size::Large),
            Self::of("<", b"", Size::Usual),
            Self::of("", b"", Size::Usual),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letter_is_the_first_that_can_be_read() {
        assert_eq!(Face::of("(ada)", b"", Size::Usual).letter, "A");
        assert_eq!(Face::of("🦜", b"", Size::Usual).letter, "🦜");
    }
}
