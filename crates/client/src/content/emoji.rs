//! What may be a reaction: one emoji, as people see it.
//!
//! The shape is checked (flags, keycaps, joined and toned sequences), not a list of today's
//! emoji, so that next year's work without a new release.

use super::ContentError;

const BYTES: usize = 64;
const JOINER: char = '\u{200d}';
const VARIATIONS: [char; 2] = ['\u{fe0f}', '\u{fe0e}'];
const KEYCAP: char = '\u{20e3}';
const BLACK_FLAG: char = '\u{1f3f4}';
const TAG_END: char = '\u{e007f}';

/// One emoji of at most 64 bytes: a pictograph with its tones and joined parts, a flag, or a
/// keycap. Letters, digits, spaces and two emoji in a row are not one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Emoji(String);

impl Emoji {
    /// # Errors
    /// [`ContentError::Invalid`] for anything but one emoji.
    pub fn new(text: &str) -> Result<Self, ContentError> {
        if text.len() <= BYTES && is_one_emoji(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ContentError::Invalid("emoji"))
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Emoji {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_one_emoji(text: &str) -> bool {
    is_country_flag(text)
        || is_keycap(text)
        || is_region_flag(text)
        || text.split(JOINER).all(is_pictograph)
}

fn is_country_flag(text: &str) -> bool {
    text.chars().count() == 2 && text.chars().all(is_regional_indicator)
}

fn is_keycap(text: &str) -> bool {
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|c| matches!(c, '0'..='9' | '#' | '*'))
        && chars.next_back() == Some(KEYCAP)
        && matches!(chars.as_str(), "" | "\u{fe0f}")
}

/// A black flag and the tagged letters of its region, such as Scotland's.
fn is_region_flag(text: &str) -> bool {
    text.strip_prefix(BLACK_FLAG)
        .and_then(|tags| tags.strip_suffix(TAG_END))
        .is_some_and(|tags| {
            !tags.is_empty()
                && tags
                    .chars()
                    .all(|c| matches!(c, '\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}'))
        })
}

/// A base, then perhaps a skin tone, then perhaps a choice of presentation.
fn is_pictograph(element: &str) -> bool {
    let mut chars = element.chars().peekable();
    if !chars.next().is_some_and(is_pictographic) {
        return false;
    }
    let _ = chars.next_if(|c| is_skin_tone(*c));
    let _ = chars.next_if(|c| VARIATIONS.contains(c));
    chars.next().is_none()
}

const fn is_regional_indicator(c: char) -> bool {
    matches!(c, '\u{1f1e6}'..='\u{1f1ff}')
}

const fn is_skin_tone(c: char) -> bool {
    matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
}

/// The blocks Unicode keeps for pictographs, rounded outwards; never a letter, digit or space.
const fn is_pictographic(c: char) -> bool {
    !is_regional_indicator(c)
        && matches!(c,
            '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}'
            | '\u{2194}'..='\u{21aa}' | '\u{2300}'..='\u{23ff}' | '\u{24c2}'
            | '\u{25a0}'..='\u{27bf}' | '\u{2934}'..='\u{2935}' | '\u{2b05}'..='\u{2b55}'
            | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}'
            | '\u{1f000}'..='\u{1f0ff}' | '\u{1f170}'..='\u{1f19a}' | '\u{1f201}'..='\u{1f251}'
            | '\u{1f300}'..='\u{1faff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_single_emoji_is_accepted() {
        for emoji in [
            "👍",
            "❤️",
            "❤",
            "♥",
            "😂",
            "🥳",
            "👍🏽",
            "👩🏿‍🚀",
            "👨‍👩‍👧‍👦",
            "🏳️‍🌈",
            "🏳️‍⚧️",
            "🇨🇭",
            "🇺🇳",
            "1️⃣",
            "#⃣",
            "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
            "🐈‍⬛",
            "👩🏻‍❤️‍💋‍👩🏾",
            "🏃‍➡️",
            "⌚",
            "☎️",
            "©️",
            "🫨",
            "🀄",
            "🆗",
            "🈚",
            "✔️",
            "➡️",
            "⭐",
            "㊗️",
        ] {
            assert!(Emoji::new(emoji).is_ok(), "{emoji}");
        }
    }

    #[test]
    fn what_is_not_one_emoji_is_refused() {
        for text in [
            "",
            " ",
            "a",
            "1",
            "#",
            "ok",
            "é",
            "你",
            "👍👍",
            "👍 ",
            "a👍",
            "🇨",
            "🇨🇭🇨",
            "\u{200d}",
            "👍\u{200d}",
            "\u{200d}👍",
            "\u{fe0f}",
            "\u{20e3}",
            "1\u{fe0f}",
            "\u{200b}",
            "🏴\u{e007f}",
            "👍\u{202e}",
            "😀️️",
            "🅰b",
        ] {
            assert!(Emoji::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_chain_longer_than_64_bytes_is_refused() {
        let chain = ["👩🏿"; 8].join("\u{200d}");

        assert!(Emoji::new(&chain).is_err());
    }
}
