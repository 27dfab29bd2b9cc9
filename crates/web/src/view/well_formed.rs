//! Every sample of every view renders to markup that is well formed, has no inline style or
//! script, and keeps hostile names as text.

use super::*;
use askama::Template;

const VOID: [&str; 6] = ["input", "br", "hr", "path", "circle", "rect"];
const HARMLESS: [&str; 59] = [
    "svg",
    "defs",
    "symbol",
    "path",
    "circle",
    "rect",
    "use",
    "div",
    "main",
    "nav",
    "header",
    "footer",
    "section",
    "article",
    "aside",
    "h1",
    "h2",
    "h3",
    "p",
    "span",
    "b",
    "bdi",
    "a",
    "button",
    "form",
    "label",
    "input",
    "textarea",
    "ul",
    "ol",
    "li",
    "time",
    "dialog",
    "details",
    "summary",
    "code",
    "pre",
    "em",
    "strong",
    "del",
    "blockquote",
    "br",
    "hr",
    "noscript",
    "bdo",
    "small",
    "i",
    "output",
    "dl",
    "dt",
    "dd",
    "legend",
    "fieldset",
    "select",
    "option",
    "kbd",
    "figure",
    "video",
    "audio",
];

#[test]
fn every_sample_of_every_view_is_well_formed_and_harmless() {
    check::<StartScreen>();
    check::<Invited>();
    check::<GuestScreen>();
    check::<VisitForm>();
    check::<CallLinkPanel>();
    check::<JoinStatus>();
    check::<MainScreen>();
    check::<Rest>();
    check::<Talk>();
    check::<TalkHeader>();
    check::<AtDoor>();
    check::<Face>();
    check::<Row>();
    check::<NoRows>();
    check::<Line>();
    check::<Message>();
    check::<Composer>();
    check::<Replying>();
    check::<Banner>();
    check::<MenuPanel>();
    check::<AboutPanel>();
    check::<PickPanel>();
    check::<DetailsPanel>();
    check::<RenamePanel>();
    check::<InvitePanel>();
    check::<ConfirmPanel>();
    check::<EmojiPanel>();
    check::<DevicesPanel>();
    check::<DoctorPanel>();
    check::<CallScreen>();
    check::<RingScreen>();
    check::<RoomScreen>();
    check::<Tile>();
}

#[test]
fn the_key_of_a_line_is_the_id_of_its_element() {
    for line in Line::samples() {
        let html = super::html(&line);

        assert!(html.contains(&format!(" id=\"{}\"", line.key())), "{html}");
    }
}

#[test]
fn the_checker_sees_what_it_is_for() {
    for bad in [
        "<p>",
        "<p></b>",
        "<script></script>",
        "<p onclick=\"x\"></p>",
        "<p style=\"x\"></p>",
        "<p class=x></p>",
        "<a href=\"javascript:x\"></a>",
        "<p id=\"a\"></p><p id=\"a\"></p>",
    ] {
        assert!(well_formed(bad).is_err(), "{bad}");
    }
}

fn check<V: Template + Samples>() {
    let samples = V::samples();
    assert!(!samples.is_empty());
    for sample in samples {
        let html = sample.render().unwrap();
        if let Err(problem) = well_formed(&html) {
            panic!("{problem} in {html}");
        }
    }
}

/// A strict reader of the subset of HTML that the templates are written in.
fn well_formed(html: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let end = at + tag_length(&rest[at..])?;
        let inside = &rest[at + 1..end - 1];
        rest = &rest[end..];
        if let Some(name) = inside.strip_prefix('/') {
            let expected = open.pop();
            if expected != Some(name) {
                return Err(format!("</{name}> where </{expected:?}> was due"));
            }
            continue;
        }
        let closed = inside.ends_with('/');
        let inside = inside.trim_end_matches('/');
        let (name, attributes) = inside.split_once(' ').unwrap_or((inside, ""));
        if !HARMLESS.contains(&name) {
            return Err(format!("<{name}>"));
        }
        check_attributes(attributes, &mut ids)?;
        if !closed && !VOID.contains(&name) {
            open.push(name);
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(format!("left open: {open:?}"))
    }
}

fn tag_length(tag: &str) -> Result<usize, String> {
    let mut quoted = false;
    for (at, c) in tag.char_indices().skip(1) {
        match c {
            '"' => quoted = !quoted,
            '<' if !quoted => return Err("< inside a tag".to_owned()),
            '>' if !quoted => return Ok(at + 1),
            _ => {}
        }
    }
    Err("a tag without an end".to_owned())
}

fn check_attributes(
    text: &str,
    ids: &mut std::collections::BTreeSet<String>,
) -> Result<(), String> {
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find([' ', '=']).unwrap_or(rest.len());
        let name = &rest[..end];
        rest = &rest[end..];
        if name.starts_with("on") || name == "style" || !name.is_ascii() {
            return Err(format!("attribute {name}"));
        }
        if let Some(value) = rest.strip_prefix('=') {
            let value = value
                .strip_prefix('"')
                .ok_or(format!("{name} is not quoted"))?;
            let end = value.find('"').ok_or("an open quote")?;
            let (value, after) = (&value[..end], &value[end + 1..]);
            if name == "href" && !value.starts_with(['#', '/']) && !value.starts_with("http") {
                return Err(format!("href {value}"));
            }
            if name == "id" && !ids.insert(value.to_owned()) {
                return Err(format!("id {value} twice"));
            }
            rest = after;
        }
        rest = rest.trim_start();
    }
    Ok(())
}
