//! Enough of Rust's grammar to read `use` lines and measure functions: tokens without comments and
//! literals, each with its line.
//!
//! Not a parser: macros and generics pass through as plain tokens, which is all the checks need.

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// A path as written after `use`, with groups expanded and `as` kept out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsedPath {
    pub segments: Vec<String>,
    pub line: usize,
}

impl UsedPath {
    pub fn text(&self) -> String {
        self.segments.join("::")
    }
}

/// Identifiers, `::`, `->` and single punctuation characters. Literals become `""`.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Reader {
        rest: source,
        line: 1,
        tokens: Vec::new(),
    };
    while reader.step() {}
    reader.tokens
}

/// Tokens before the test module that ends a file.
pub fn production(tokens: &[Token]) -> &[Token] {
    let marker = ["#", "[", "cfg", "(", "test", ")", "]"];
    let is_marker = |window: &[Token]| {
        let module = window.get(marker.len()).map(|token| token.text.as_str());
        window
            .iter()
            .zip(marker)
            .all(|(token, text)| token.text == text)
            && matches!(module, Some("mod" | "#"))
    };
    let start = tokens.windows(marker.len() + 1).position(is_marker);
    tokens
        .get(..start.unwrap_or(tokens.len()))
        .unwrap_or_default()
}

/// All paths: of `use` items, expanded, and every `a::b::c` elsewhere.
pub fn paths(tokens: &[Token]) -> Vec<UsedPath> {
    let mut found = Vec::new();
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        if token.text == "use" {
            index = read_tree(tokens, index + 1, &[], &mut found);
        } else if is_name(&token.text) {
            let (path, next) = read_path(tokens, index);
            if path.segments.len() > 1 {
                found.push(path);
            }
            index = next;
        } else {
            index += 1;
        }
    }
    found
}

/// Reads one use tree at `index` and answers with the index after it.
fn read_tree(
    tokens: &[Token],
    index: usize,
    prefix: &[String],
    found: &mut Vec<UsedPath>,
) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut segments = prefix.to_vec();
    let mut at = if text(index) == "::" {
        index + 1
    } else {
        index
    };
    let line = tokens.get(at).map_or(0, |token| token.line);
    while is_name(text(at)) || text(at) == "*" {
        segments.push(text(at).to_owned());
        at += 1;
        if text(at) != "::" {
            break;
        }
        at += 1;
    }
    if text(at) == "{" {
        at += 1;
        while at < tokens.len() && text(at) != "}" {
            let next = read_tree(tokens, at, &segments, found);
            at = next.max(at + 1);
            if text(at) == "," {
                at += 1;
            }
        }
        return at + 1;
    }
    if segments.len() > prefix.len() {
        found.push(UsedPath { segments, line });
    }
    if text(at) == "as" { at + 2 } else { at }
}

fn read_path(tokens: &[Token], index: usize) -> (UsedPath, usize) {
    let mut segments = Vec::new();
    let mut at = index;
    let line = tokens.get(at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at).filter(|token| is_name(&token.text)) {
        segments.push(token.text.clone());
        at += 1;
        if tokens.get(at).is_none_or(|token| token.text != "::") {
            break;
        }
        at += 1;
    }
    (UsedPath { segments, line }, at)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_') && text != "as"
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl Reader<'_> {
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else {
            return false;
        };
        let second = self.rest.chars().nth(1);
        match (first, second) {
            (' ' | '\t' | '\r' | '\n', _) => self.skip(1),
            ('/', Some('/')) => self.skip(self.rest.find('\n').unwrap_or(self.rest.len())),
            ('/', Some('*')) => self.skip(comment_length(self.rest)),
            ('"', _) => self.literal(string_length(self.rest, 0)),
            ('b' | 'c', Some('"')) => self.literal(string_length(self.rest, 1)),
            ('b', Some('\'')) => {
                let quoted = self.rest.get(1..).unwrap_or_default();
                self.literal(1 + character_length(quoted).unwrap_or(1));
            }
            ('\'', _) => match character_length(self.rest) {
                Some(length) => self.literal(length),
                None => self.skip(1),
            },
            _ => self.word_or_mark(),
        }
        true
    }

    fn word_or_mark(&mut self) {
        if let Some(length) = raw_string_length(self.rest) {
            return self.literal(length);
        }
        let word = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        let length = match word.unwrap_or(self.rest.len()) {
            0 if self.rest.starts_with("::") || self.rest.starts_with("->") => 2,
            0 => self.rest.chars().next().map_or(1, char::len_utf8),
            length => length,
        };
        let (text, _) = self.rest.split_at(length);
        self.tokens.push(Token {
            text: text.to_owned(),
            line: self.line,
        });
        self.skip(length);
    }

    fn literal(&mut self, length: usize) {
        self.tokens.push(Token {
            text: "\"\"".to_owned(),
            line: self.line,
        });
        self.skip(length);
    }

    fn skip(&mut self, length: usize) {
        let length = length.min(self.rest.len());
        let (done, rest) = self.rest.split_at(length);
        self.line += done.matches('\n').count();
        self.rest = rest;
    }
}

/// Block comments nest.
fn comment_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(pair) = bytes.get(at..at + 2) {
        match pair {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth.saturating_sub(1), at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// Length of a quoted string whose opening quote stands at `open`.
fn string_length(text: &str, open: usize) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(open + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of a character literal; `None` when the quote opens a lifetime.
fn character_length(text: &str) -> Option<usize> {
    let mut characters = text.char_indices().skip(1);
    let (_, first) = characters.next()?;
    if first != '\\' {
        let (at, close) = characters.next()?;
        return (close == '\'').then_some(at + 1);
    }
    characters.next();
    characters
        .find(|(_, character)| *character == '\'')
        .map(|(at, _)| at + 1)
}

/// `r"…"`, `r#"…"#`, `br"…"`, `cr"…"`: length, or `None` when it is something else (`r#type`).
fn raw_string_length(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix("cr"));
    let after = after.or_else(|| text.strip_prefix('r'))?;
    let body = after.trim_start_matches('#');
    let hashes = after.len() - body.len();
    let inside = body.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(text.len() - inside.len() + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_texts(source: &str) -> Vec<String> {
        paths(&tokens(source)).iter().map(UsedPath::text).collect()
    }

    fn texts(source: &str) -> Vec<String> {
        tokens(source).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn use_trees_are_expanded() {
        let source = "use crate::{service::{group, invite as i}, store::*}; use std::io;";

        let found = path_texts(source);

        assert_eq!(
            found,
            [
                "crate::service::group",
                "crate::service::invite",
                "crate::store::*",
                "std::io"
            ]
        );
    }

    #[test]
    fn a_group_with_line_breaks_and_trailing_commas_is_expanded() {
        assert_eq!(
            path_texts("use a::{\n    b,\n    c::d,\n};\nfn x() { e::f() }"),
            ["a::b", "a::c::d", "e::f"]
        );
    }

    #[test]
    fn comments_and_literals_hide_paths() {
        let source = r##"
            // crate::a::b
            /* crate::a /* nested */ ::b */
            let text = "crate::a \" ::b"; let raw = r#"crate::"a"#; let c = '"'; let l: &'a str = x;
            crate::real::path()
        "##;

        assert_eq!(path_texts(source), ["crate::real::path"]);
    }

    #[test]
    fn lifetimes_and_character_literals_are_told_apart() {
        assert_eq!(texts("&'a x"), ["&", "a", "x"]);
        assert_eq!(texts("'x' '\\'' '\\u{1F600}' b'y'"), ["\"\""; 4]);
    }

    #[test]
    fn lines_are_counted_through_comments_and_strings() {
        let found = tokens("/*\n*/ \"\n\" a // b\nc");

        let lines: Vec<(String, usize)> = found
            .into_iter()
            .map(|token| (token.text, token.line))
            .collect();

        assert_eq!(
            lines,
            [("\"\"".into(), 2), ("a".into(), 3), ("c".into(), 4)]
        );
    }

    #[test]
    fn the_test_module_is_not_production() {
        let all = tokens("fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }");

        let kept = production(&all);

        assert!(kept.iter().any(|token| token.text == "a"));
        assert!(!kept.iter().any(|token| token.text == "b"));
    }

    #[test]
    fn unfinished_input_ends_the_reading() {
        for source in [
            "\"open",
            "/* open",
            "r#\"open",
            "'",
            "b'",
            "use a::{b",
            "r#",
            "use ::",
        ] {
            let _ = paths(&tokens(source));
        }
    }
}
