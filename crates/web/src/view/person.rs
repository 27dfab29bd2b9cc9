//! A person in a list.

use super::{Face, HOSTILE, Samples, Size};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Account id in hexadecimal.
    pub account: String,
    pub name: String,
    pub face: Face,
    /// A quiet word below the name.
    pub note: Option<String>,
    pub removable: bool,
}

impl Samples for Person {
    fn samples() -> Vec<Self> {
        [
            ("Mira", None, true),
            ("Tomás", Some("verified by link"), true),
            (HOSTILE, Some("looks like another name here"), false),
            ("ליאת", None, true),
        ]
        .into_iter()
        .enumerate()
        .map(|(at, (name, note, removable))| Self {
            account: format!("{at:032x}"),
            name: name.to_owned(),
            face: Face::of(name, name.as_bytes(), Size::Usual),
            note: note.map(str::to_owned),
            removable,
        })
        .collect()
    }
}
