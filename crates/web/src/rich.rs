//! What people write, as markup that is safe to show: CommonMark to a short allow-list.
//!
//! Owns the list: `p br em strong del code pre ul ol li blockquote h3 hr a bdi`. Links go to `http`,
//! `https` and `mailto` only and open elsewhere. Raw HTML and images come out as text. Every
//! character of input is escaped on its way through; nothing else in this crate writes markup that
//! is not a template.

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd, TextMergeStream};

/// Deeper nesting than this is flattened.
const DEPTH_MAX: usize = 8;
/// Longer text is shown as it was written.
const PARSED_BYTES_MAX: usize = 64 * 1024;

/// Safe markup, open at its end for what belongs on the last line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RichText {
    html: String,
    /// One to three emoji and nothing else: shown large.
    pub jumbo: bool,
}

impl RichText {
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut writer = Writer::default();
        if text.len() <= PARSED_BYTES_MAX {
            let parser = Parser::new_ext(text, Options::ENABLE_STRIKETHROUGH);
            for event in TextMergeStream::new(parser) {
                writer.take(event);
            }
        } else {
            writer.html.push_str("<p>");
            writer.text(text);
            writer.html.push_str("</p>");
        }
        Self {
            html: writer.html,
            jumbo: is_jumbo(text),
        }
    }

    /// Everything but the end tag of the last paragraph.
    #[must_use]
    pub fn head(&self) -> Markup<'_> {
        Markup(self.html.strip_suffix(PARAGRAPH_END).unwrap_or(&self.html))
    }

    /// The end tag of the last paragraph, if the text ends with one.
    #[must_use]
    pub fn tail(&self) -> Markup<'_> {
        Markup(if self.html.ends_with(PARAGRAPH_END) {
            PARAGRAPH_END
        } else {
            ""
        })
    }
}

const PARAGRAPH_END: &str = "</p>";

/// Markup made by this module: templates do not escape it again.
#[derive(Debug, Clone, Copy)]
pub struct Markup<'a>(&'a str);

impl std::fmt::Display for Markup<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl askama::FastWritable for Markup<'_> {
    fn write_into(
        &self,
        to: &mut dyn std::fmt::Write,
        _: &dyn askama::Values,
    ) -> askama::Result<()> {
        Ok(to.write_str(self.0)?)
    }
}

impl askama::filters::HtmlSafe for Markup<'_> {}

/// The text alone, in one line of at most `chars` characters.
#[must_use]
pub fn plain(text: &str, chars: usize) -> String {
    let mut line = String::new();
    for event in Parser::new_ext(text, Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                line.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak | Event::End(_) | Event::Rule => {
                if !line.ends_with(' ') && ends_a_line(&event) {
                    line.push(' ');
                }
            }
            Event::Start(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => {}
        }
        if line.chars().count() > chars {
            break;
        }
    }
    let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() > chars {
        words
            .chars()
            .take(chars.saturating_sub(1))
            .chain(['…'])
            .collect()
    } else {
        words
    }
}

fn ends_a_line(event: &Event<'_>) -> bool {
    match event {
        Event::End(end) => !matches!(
            end,
            TagEnd::Emphasis
                | TagEnd::Strong
                | TagEnd::Strikethrough
                | TagEnd::Link
                | TagEnd::Image
        ),
        _ => true,
    }
}

#[derive(Default)]
struct Writer {
    html: String,
    /// End tags that wait, innermost last; `None` for what was flattened.
    open: Vec<Option<&'static str>>,
    /// Inside a block of code: text is shown as it is.
    code: bool,
    link: usize,
    /// The host of the open link, unless the link is an address by itself.
    host: Option<String>,
}

impl Writer {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(&text),
            Event::Code(text) => {
                self.html.push_str("<code>");
                escape_into(&mut self.html, &text);
                self.html.push_str("</code>");
            }
            Event::Html(text) | Event::InlineHtml(text) => escape_into(&mut self.html, &text),
            Event::SoftBreak | Event::HardBreak => self.html.push_str("<br>"),
            Event::Rule => self.html.push_str("<hr>"),
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                escape_into(&mut self.html, &text)
            }
            Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        let (start, end) = match tag {
            Tag::Paragraph | Tag::HtmlBlock => ("<p>", "</p>"),
            Tag::Heading { .. } => ("<h3>", "</h3>"),
            Tag::BlockQuote(_) => ("<blockquote>", "</blockquote>"),
            Tag::CodeBlock(_) => ("<pre><code>", "</code></pre>"),
            Tag::List(None) => ("<ul>", "</ul>"),
            Tag::List(Some(first)) => return self.start_numbered(*first),
            Tag::Item => ("<li>", "</li>"),
            Tag::Emphasis => ("<em>", "</em>"),
            Tag::Strong => ("<strong>", "</strong>"),
            Tag::Strikethrough => ("<del>", "</del>"),
            Tag::Link {
                link_type,
                dest_url,
                ..
            } => return self.start_link(*link_type, dest_url),
            _ => return self.open.push(None),
        };
        if matches!(tag, Tag::CodeBlock(_)) {
            self.code = true;
        }
        self.push(start, end);
    }

    fn start_numbered(&mut self, first: u64) {
        // Browsers read `start` as a signed 32-bit number.
        let first = first.min(999_999_999);
        if self.open.len() < DEPTH_MAX {
            self.html.push_str(&format!("<ol start=\"{first}\">"));
            self.open.push(Some("</ol>"));
        } else {
            self.open.push(None);
        }
    }

    fn start_link(&mut self, kind: LinkType, target: &str) {
        let target = match kind {
            LinkType::Email => format!("mailto:{target}"),
            _ => target.to_owned(),
        };
        if self.link == 0 && is_welcome(&target) {
            let is_plain = matches!(kind, LinkType::Autolink | LinkType::Email);
            let says_it = is_plain && !is_shady(&target);
            self.host = (!says_it).then(|| host(&target).to_owned());
            open_link(&mut self.html, &target);
            self.open.push(Some(LINK_END));
            self.link = self.open.len();
        } else {
            self.open.push(None);
        }
    }

    fn push(&mut self, start: &'static str, end: &'static str) {
        if self.open.len() < DEPTH_MAX {
            self.html.push_str(start);
            self.open.push(Some(end));
        } else {
            self.open.push(None);
        }
    }

    fn end(&mut self) {
        let closes_link = self.link > 0 && self.link == self.open.len();
        if closes_link {
            self.link = 0;
        }
        if let Some(Some(end)) = self.open.pop() {
            if end.ends_with("</pre>") {
                self.code = false;
            }
            self.html.push_str(end);
        }
        if let Some(host) = self.host.take_if(|_| closes_link) {
            self.name_host(&host);
        }
    }

    fn name_host(&mut self, host: &str) {
        self.html.push_str(" (<bdi>");
        escape_into(&mut self.html, host);
        self.html.push_str("</bdi>)");
    }

    /// Text, with the addresses in it as links.
    fn text(&mut self, text: &str) {
        if self.code || self.link > 0 {
            return escape_into(&mut self.html, text);
        }
        let mut rest = text;
        while let Some((before, address, after)) = next_address(rest) {
            escape_into(&mut self.html, before);
            open_link(&mut self.html, address);
            escape_into(&mut self.html, address);
            self.html.push_str(LINK_END);
            if is_shady(address) {
                self.name_host(host(address));
            }
            rest = after;
        }
        escape_into(&mut self.html, rest);
    }
}

const LINK_END: &str = "</a>";

fn open_link(html: &mut String, target: &str) {
    html.push_str("<a href=\"");
    escape_into(html, target);
    html.push_str("\" target=\"_blank\" rel=\"noopener noreferrer\">");
}

/// Only schemes that cannot run script, spelled plainly.
fn is_welcome(target: &str) -> bool {
    ["http://", "https://", "mailto:"].iter().any(|scheme| {
        target
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            && target.len() > scheme.len()
    }) && !target.chars().any(|c| c.is_control() || turns_text(c))
}

/// A user's name before the host can be made to look like one (RFC 3986, section 7.6).
fn is_shady(target: &str) -> bool {
    let web = target
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("http"));
    web && target.contains('@')
}

/// Marks that show text in another order than it has (Unicode, UAX 9, explicit formatting).
const fn turns_text(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}')
}

/// Where a link goes: what stands between the scheme, or a user's name, and the path.
fn host(target: &str) -> &str {
    let rest = target.split_once(':').map_or(target, |(_, rest)| rest);
    let rest = rest.trim_start_matches(['/', '\\']);
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or(rest);
    authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host)
}

/// Splits at the first `http(s)://…` that stands at the start of a word.
fn next_address(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find("http")?;
        let (before, found) = text.split_at_checked(at)?;
        let starts_word = !before.ends_with(|c: char| c.is_alphanumeric() || c == '/');
        let host = found
            .strip_prefix("https://")
            .or_else(|| found.strip_prefix("http://"));
        if starts_word && host.is_some_and(|host| host.starts_with(char::is_alphanumeric)) {
            let end = found
                .find(|c: char| {
                    c.is_whitespace()
                        || c.is_control()
                        || turns_text(c)
                        || matches!(c, '<' | '>' | '"' | '`')
                })
                .unwrap_or(found.len());
            let (address, _) = found.split_at_checked(end)?;
            let address = without_closing_marks(address);
            let (address, after) = found.split_at_checked(address.len())?;
            return Some((before, address, after));
        }
        from = at + "http".len();
    }
}

/// A full stop or a bracket at the end belongs to the sentence, unless the bracket was opened inside.
fn without_closing_marks(address: &str) -> &str {
    // One that opens brackets may end with one; how many it opens does not change on the way.
    let opens = address.contains('(');
    let mut address = address;
    loop {
        let shorter =
            address.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '_', '~', '’', '”']);
        let shorter = match shorter.strip_suffix(')') {
            Some(inner) if !opens => inner,
            _ => shorter,
        };
        if shorter.len() == address.len() {
            return address;
        }
        address = shorter;
    }
}

fn escape_into(html: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(c),
        }
    }
}

/// One to three emoji: no letters, digits or ASCII, and few enough characters even with joiners.
fn is_jumbo(text: &str) -> bool {
    const BYTES_MAX: usize = 64;
    let text = text.trim();
    if text.is_empty() || text.len() > BYTES_MAX {
        return false;
    }
    let mut pictures = 0usize;
    let mut joined = false;
    for c in text.chars() {
        match c {
            '\u{200d}' => joined = true,
            '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}' => {}
            '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}' => {
                if !std::mem::take(&mut joined) {
                    pictures += 1;
                }
            }
            _ => return false,
        }
    }
    // A flag is two letters of its own.
    (1..=6).contains(&pictures)
        && (pictures <= 3 || text.chars().all(|c| matches!(c, '\u{1f1e6}'..='\u{1f1ff}')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn html(text: &str) -> String {
        RichText::of(text).html
    }

    #[test]
    fn marks_become_markup() {
        assert_eq!(
            html("a *b* **c** `d` ~~e~~"),
            "<p>a <em>b</em> <strong>c</strong> <code>d</code> <del>e</del></p>"
        );
        assert_eq!(html("- a\n- b"), "<ul><li>a</li><li>b</li></ul>");
        assert_eq!(html("7. a"), "<ol start=\"7\"><li>a</li></ol>");
        assert_eq!(html("> q"), "<blockquote><p>q</p></blockquote>");
        assert_eq!(html("# t"), "<h3>t</h3>");
        assert_eq!(html("```\n<b>\n```"), "<pre><code>&lt;b&gt;\n</code></pre>");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(html("one\ntwo"), "<p>one<br>two</p>");
    }

    #[test]
    fn raw_markup_is_shown_and_not_obeyed() {
        assert_eq!(
            html("<img src=x onerror=alert(1)>"),
            "<p>&lt;img src=x onerror=alert(1)&gt;</p>"
        );
        assert_eq!(html("a <b>c</b>"), "<p>a &lt;b&gt;c&lt;/b&gt;</p>");
        assert_eq!(html("![cat](https://x.example/c.png)"), "<p>cat</p>");
    }

    #[test]
    fn only_harmless_schemes_become_links() {
        assert_eq!(html("[x](javascript:alert(1))"), "<p>x</p>");
        assert_eq!(html("[x](data:text/html,y)"), "<p>x</p>");
        assert!(html("[x](HTTPS://a.example)").contains(
            "<a href=\"HTTPS://a.example\" target=\"_blank\" rel=\"noopener noreferrer\">x</a>"
        ));
        assert!(html("<me@a.example>").contains("href=\"mailto:me@a.example\""));
    }

    #[test]
    fn a_link_says_where_it_goes_when_its_words_do_not() {
        let text = html("[https://bank.example](https://me:x@evil.example/bank.example?a@b) now");
        assert!(text.ends_with(">https://bank.example</a> (<bdi>evil.example</bdi>) now</p>"));

        assert!(!html("<https://a.example/x> https://b.example").contains("bdi"));
        for text in [
            "<https://bank.example:x@evil.example/>",
            "https://bank.example@evil.example",
        ] {
            assert!(html(text).contains("(<bdi>evil.example</bdi>)"), "{text}");
        }
        assert!(!html("[x](https://a.example/\u{202e}moc.knab)").contains("<a "));
        assert!(html("https://a.example/\u{202e}moc").contains(">https://a.example/</a>"));
    }

    #[test]
    fn an_address_with_very_many_brackets_takes_no_longer_than_its_length() {
        let brackets = ")".repeat(60_000);
        assert!(html(&format!("https://a{brackets}")).starts_with("<p><a href=\"https://a\""));
    }

    #[test]
    fn addresses_become_links_without_the_sentence_around_them() {
        let text = html("see (https://a.example/b_c?d=1&e=2), or http://b.example.");

        assert!(text.contains(">https://a.example/b_c?d=1&amp;e=2</a>), or"));
        assert!(text.contains(">http://b.example</a>."));
        assert!(!html("xhttps://a.example").contains("<a"));
        assert!(!html("`https://a.example`").contains("<a"));
    }

    #[test]
    fn what_belongs_on_the_last_line_goes_inside_the_last_paragraph() {
        let text = RichText::of("a");

        assert_eq!(format!("{}|{}", text.head(), text.tail()), "<p>a|</p>");
        assert_eq!(RichText::of("- a").tail().0, "");
    }

    #[test]
    fn a_line_for_the_overview_has_no_marks() {
        assert_eq!(plain("**a** _b_\n\n- c\n- d", 80), "a b c d");
        assert_eq!(plain("abcdef", 4), "abc…");
    }

    #[test]
    fn a_few_emoji_alone_are_large() {
        for text in ["👍", "❤️", "👩‍👩‍👧", " 🎉🎉🎉 ", "🇨🇭", "👍🏽"]
        {
            assert!(RichText::of(text).jumbo, "{text}");
        }
        for text in ["a", "1", "👍 ok", "🎉🎉🎉🎉", "", "→ 3"] {
            assert!(!RichText::of(text).jumbo, "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_flattened() {
        let text = html(&format!("{}x", "> ".repeat(500)));

        assert!(text.matches("<blockquote>").count() <= DEPTH_MAX);
        assert!(text.contains('x'));
    }

    /// Every tag and attribute that may appear, and nothing that is not balanced.
    fn check_allowed(html: &str) -> Result<(), String> {
        const PLAIN: [&str; 15] = [
            "p",
            "em",
            "strong",
            "del",
            "code",
            "pre",
            "ul",
            "li",
            "blockquote",
            "h3",
            "ol",
            "br",
            "hr",
            "a",
            "bdi",
        ];
        let mut open = Vec::new();
        let mut rest = html;
        while let Some(at) = rest.find(['<', '>']) {
            let Some(tag) = rest[at..].strip_prefix('<') else {
                return Err(format!("stray > in {html}"));
            };
            let end = tag.find('>').ok_or("unclosed tag")?;
            let inside = &tag[..end];
            rest = &tag[end + 1..];
            let (name, attributes) = inside.split_once(' ').unwrap_or((inside, ""));
            if let Some(name) = name.strip_prefix('/') {
                if open.pop() != Some(name) || !attributes.is_empty() {
                    return Err(format!("unbalanced {name} in {html}"));
                }
                continue;
            }
            let fine = match name {
                "a" => attributes
                    .strip_prefix("href=\"")
                    .and_then(|text| {
                        text.strip_suffix("\" target=\"_blank\" rel=\"noopener noreferrer\"")
                    })
                    .is_some_and(|target| {
                        let target = target.to_lowercase();
                        !target.contains(['"', '<', '\'']) && is_welcome(&target)
                    }),
                "ol" => attributes
                    .strip_prefix("start=\"")
                    .and_then(|text| text.strip_suffix('"'))
                    .is_some_and(|number| number.parse::<i32>().is_ok()),
                name => PLAIN.contains(&name) && attributes.is_empty(),
            };
            if !fine {
                return Err(format!("<{inside}> in {html}"));
            }
            if !["br", "hr"].contains(&name) {
                open.push(name);
            }
        }
        if open.is_empty() {
            Ok(())
        } else {
            Err(format!("left open: {open:?} in {html}"))
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn nothing_outside_the_list_gets_through(text in "[ -~\n\u{e9}\u{202e}]{0,80}") {
            check_allowed(&html(&text)).map_err(TestCaseError::fail)?;
        }

        #[test]
        fn nor_do_pieces_made_for_it(pieces in prop::collection::vec(prop::sample::select(vec![
            "<script>", "</p>", "<img src=x onerror=y>", "[a](", "javascript:", "https://x", ")", "**", "*", "`", "```\n",
            "> ", "- ", "1. ", "\n", "\n\n", "<!--", "-->", "<a href=\"", "\"", "'", "![", "]", "<", ">", "&lt;", "&#x3c;",
            "\u{0}", "    ", "***\n", "# ", "<https://a b>", "[x]: javascript:y\n", "[x]", "mailto:", "~~", "\\",
        ]), 0..24)) {
            check_allowed(&html(&pieces.concat())).map_err(TestCaseError::fail)?;
        }

        #[test]
        fn the_overview_line_is_one_short_line(text: String, chars in 1usize..100) {
            let line = plain(&text, chars);
            prop_assert!(line.chars().count() <= chars);
            prop_assert!(!line.contains('\n'));
        }
    }
}
