//! Writes every screen with its samples as static HTML, for looking at: `gallery FOLDER`.
//!
//! The style sheet is the real one. Dialogs are shown with the `open` attribute, and the places
//! that the page's script fills are filled here by text replacement.

use roost_web::view::*;
use std::{fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let folder = PathBuf::from(
        std::env::args_os()
            .nth(1)
            .unwrap_or_else(|| "target/gallery".into()),
    );
    fs::create_dir_all(&folder)?;
    let style = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../static/css/app.css");
    fs::copy(style, folder.join("app.css"))?;
    for (name, body) in pages() {
        fs::write(folder.join(format!("{name}.html")), page(&body))?;
    }
    Ok(())
}

fn page(body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>Roost</title>\
         <link rel=\"stylesheet\" href=\"app.css\">\
         <style>.open-for-show {{ position: fixed; inset: 0; height: fit-content; z-index: 9; \
         box-shadow: 0 0 0 100vmax var(--veil) }}</style><div id=\"app\">{body}</div></html>"
    )
}

fn pages() -> Vec<(String, String)> {
    let mut pages = vec![
        ("conversation".to_owned(), conversation(true)),
        (
            "list".to_owned(),
            with_rows(&rows(), &html(&Rest { missing: false }), false),
        ),
        (
            "empty".to_owned(),
            with_rows(
                &html(&NoRows { finding: false }),
                &html(&Rest { missing: false }),
                false,
            ),
        ),
        ("replying".to_owned(), replying()),
        ("invite".to_owned(), invite()),
    ];
    numbered(&mut pages, "start", StartScreen::samples());
    dialogs(&mut pages, "menu", MenuPanel::samples());
    dialogs(&mut pages, "about", AboutPanel::samples());
    dialogs(&mut pages, "pick", PickPanel::samples());
    dialogs(&mut pages, "details", DetailsPanel::samples());
    dialogs(&mut pages, "rename", RenamePanel::samples());
    dialogs(&mut pages, "link", InvitePanel::samples());
    dialogs(&mut pages, "confirm", ConfirmPanel::samples());
    dialogs(&mut pages, "emoji", EmojiPanel::samples());
    pages
}

fn numbered<V: askama::Template>(pages: &mut Vec<(String, String)>, name: &str, views: Vec<V>) {
    for (at, view) in views.iter().enumerate() {
        pages.push((format!("{name}-{at}"), html(view)));
    }
}

fn dialogs<V: askama::Template>(pages: &mut Vec<(String, String)>, name: &str, views: Vec<V>) {
    for (at, view) in views.iter().enumerate() {
        let page = fill(&conversation(true), "panel-body", &html(view)).replace(
            "<dialog class=\"sheet\"",
            "<dialog open class=\"sheet open-for-show\"",
        );
        pages.push((format!("panel-{name}-{at}"), page));
    }
}

fn conversation(reading: bool) -> String {
    let talk = html(&Talk {
        group: String::new(),
    });
    let talk = fill(
        &talk,
        "talk-header",
        &TalkHeader::samples().first().map(html).unwrap_or_default(),
    );
    let lines: String = Line::samples().iter().map(html).collect();
    let talk = fill(&talk, "messages", &lines);
    let talk = fill(&talk, "composer-place", &html(&Composer { closed: None }));
    let talk = fill(&talk, "typing", "Mira is writing");
    with_rows(&rows(), &talk, reading)
}

fn replying() -> String {
    let quote = Replying::samples().first().map(html).unwrap_or_default();
    let page = conversation(true).replace("class=\"replying\" hidden", "class=\"replying\"");
    let banner = Banner::samples().last().map(html).unwrap_or_default();
    fill(&fill(&page, "replying", &quote), "banner", &banner)
}

fn invite() -> String {
    let form = include_str!("../../../templates/part/invite_form.html");
    let face = html(&Face::of("Mira", b"mira", Size::Usual));
    format!(
        "<main class=\"page\"><div class=\"card\">{face}<h1><bdi>Mira</bdi> invites you to \
         <bdi>roost.hill-house.example</bdi></h1><p>A private messenger run by someone you know. No \
         phone number, no app to install. Only the people in a conversation can read it, not even \
         the machine that carries it.</p><div id=\"invite-action\">{form}</div><details><summary>What \
         this server can and cannot see</summary><p>It sees that you have an account.</p></details>\
         </div></main>"
    )
    .replace(" disabled", "")
}

fn rows() -> String {
    Row::samples().iter().map(html).collect()
}

fn with_rows(rows: &str, talk: &str, reading: bool) -> String {
    let page = html(&MainScreen).replace(
        "class=\"app\"",
        if reading {
            "class=\"app reading\""
        } else {
            "class=\"app\""
        },
    );
    fill(&fill(&page, "rows", rows), "talk", talk)
}

/// Puts `inside` behind the start tag of the element with this id.
fn fill(page: &str, id: &str, inside: &str) -> String {
    let Some((before, after)) = page.split_once(&format!("id=\"{id}\"")) else {
        return page.to_owned();
    };
    let Some((tag, rest)) = after.split_once('>') else {
        return page.to_owned();
    };
    format!("{before}id=\"{id}\"{tag}>{inside}{rest}")
}
