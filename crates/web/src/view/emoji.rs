//! Emoji offered by the picker, with the names they are found by. Any other can be typed.

/// Emoji and names, the most used first.
pub static EMOJI: std::sync::LazyLock<Vec<(&str, &str)>> = std::sync::LazyLock::new(|| {
    include_str!("emoji.txt")
        .lines()
        .filter_map(|line| line.split_once(' '))
        .collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_emoji_has_a_name_and_none_comes_twice() {
        let mut seen = std::collections::BTreeSet::new();

        assert!(EMOJI.len() > 300);
        for (emoji, name) in EMOJI.iter() {
            assert!(seen.insert(emoji), "{emoji} twice");
            assert!(!name.is_empty() && !emoji.is_ascii(), "{emoji}");
        }
    }
}
