//! Where one writes, what one replies to, and the line that says how things are.

use super::{HOSTILE, QuoteLine, Samples};
use askama::Template;

#[derive(Debug, Clone, Default, PartialEq, Eq, Template)]
#[template(path = "app/composer.html")]
pub struct Composer {
    /// Why nothing can be written here.
    pub closed: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/replying.html")]
pub struct Replying {
    pub quote: QuoteLine,
}

/// Something to press.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Button {
    pub action: &'static str,
    pub text: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BannerLine {
    pub text: String,
    pub alarm: bool,
    pub button: Option<Button>,
}

/// What a person should know about the whole app, in plain words; mostly empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Template)]
#[template(path = "app/banner.html")]
pub struct Banner {
    pub lines: Vec<BannerLine>,
}

impl Samples for Composer {
    fn samples() -> Vec<Self> {
        vec![
            Self { closed: None },
            Self {
                closed: Some("You left this group. What was said stays here.".to_owned()),
            },
        ]
    }
}

impl Samples for Replying {
    fn samples() -> Vec<Self> {
        vec![
            Self {
                quote: QuoteLine {
                    to: "m-1".to_owned(),
                    who: "Ada".to_owned(),
                    text: "Yes please. I am new here: which side of the river?".to_owned(),
                },
            },
            Self {
                quote: QuoteLine {
                    to: "m-2".to_owned(),
                    who: HOSTILE.to_owned(),
                    text: HOSTILE.to_owned(),
                },
            },
        ]
    }
}

impl Samples for Banner {
    fn samples() -> Vec<Self> {
        vec![
            Self::default(),
            Self {
                lines: vec![
                    BannerLine {
                        text: "No connection. What you write is kept here and sent later."
                            .to_owned(),
                        alarm: false,
                        button: Some(Button {
                            action: "connect",
                            text: "Try now",
                        }),
                    },
                    BannerLine {
                        text: HOSTILE.to_owned(),
                        alarm: true,
                        button: None,
                    },
                ],
            },
        ]
    }
}
