//! A line of the overview.

use super::{Face, HOSTILE, Samples, Size};
use askama::Template;

#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/row.html")]
pub struct Row {
    /// Names the row in its list.
    pub key: String,
    /// Group id in hexadecimal.
    pub group: String,
    pub title: String,
    pub face: Face,
    pub when: String,
    /// Who said the last line, in groups.
    pub who: Option<String>,
    pub last: String,
    pub draft: bool,
    pub unread: u32,
    pub current: bool,
    /// There is a call to join.
    pub is_call_on: bool,
    /// A guest asks to be let into its call.
    pub has_guest: bool,
}

/// Stands where rows would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Template)]
#[template(path = "app/no_rows.html")]
pub struct NoRows {
    /// Because of what was typed into the field.
    pub finding: bool,
}

impl Samples for Row {
    fn samples() -> Vec<Self> {
        let row = |at: usize, title: &str, when: &str, who: Option<&str>, last: &str| Self {
            key: format!("c-{at:032x}"),
            group: format!("{at:032x}"),
            title: title.to_owned(),
            face: Face::of(title, title.as_bytes(), Size::Usual),
            when: when.to_owned(),
            who: who.map(str::to_owned),
            last: last.to_owned(),
            draft: false,
            unread: 0,
            current: false,
            is_call_on: false,
            has_guest: false,
        };
        let hikers = row(
            1,
            "Sunday hikers",
            "09:41",
            Some("Mira"),
            "See you at the bridge",
        );
        let tomas = row(2, "Tomás", "09:12", None, "Great, until then");
        let family = row(
            3,
            "Family",
            "08:55",
            Some("Dad"),
            "Who has the key to the shed? I looked everywhere",
        );
        let liat = row(4, "ליאת", "Sun", None, "תודה רבה!");
        let hostile = row(5, HOSTILE, "Sat", Some(HOSTILE), HOSTILE);
        vec![
            Self {
                current: true,
                ..hikers
            },
            Self {
                draft: true,
                last: "Could you bring".to_owned(),
                ..tomas
            },
            Self {
                unread: 3,
                is_call_on: true,
                has_guest: true,
                ..family
            },
            liat,
            hostile,
        ]
    }
}

impl Samples for NoRows {
    fn samples() -> Vec<Self> {
        vec![Self { finding: false }, Self { finding: true }]
    }
}
