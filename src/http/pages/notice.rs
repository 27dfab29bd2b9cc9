//! A page that says what happened and what to do next. No script.

use crate::http::guard::headers::PAGE_POLICY;
use crate::http::pages::{Shell, page};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

#[derive(Template)]
#[template(path = "page/notice.html")]
pub struct NoticePage {
    shell: Shell,
    notice: Notice,
}

/// Ready to show.
#[derive(Clone, Copy)]
pub struct Notice {
    title: &'static str,
    text: &'static str,
}

impl Notice {
    pub const OVER: Self = Self {
        title: "This invite is over",
        text: "It was used up, withdrawn or has expired. Ask whoever sent it for a new link. \
               If you have joined already, your conversations are where you left them.",
    };
    pub const NO_INVITE: Self = Self {
        title: "There is no such invite",
        text: "The link may have been cut off when it was copied. Open the whole link, or ask \
               for a new one.",
    };
    pub const CALL_OVER: Self = Self {
        title: "This link to a call is over",
        text: "It was withdrawn or has expired. Ask whoever sent it for a new one.",
    };
    pub const NO_CALL: Self = Self {
        title: "This link to a call does not work",
        text: "It was withdrawn, or it was cut off when it was copied. Open the whole link, or ask \
               whoever sent it for a new one.",
    };
    pub const NOT_FOUND: Self = Self {
        title: "There is nothing here",
        text: "The address may be mistyped.",
    };
    pub const FAULT: Self = Self {
        title: "The server cannot answer now",
        text: "Nothing is lost. Wait a minute and load the page again.",
    };
}

pub fn show(status: StatusCode, notice: Notice) -> HttpResponse {
    let shell = Shell::PLAIN;
    page(status, PAGE_POLICY, &NoticePage { shell, notice })
}

/// Any address that nothing else answers.
pub async fn not_found() -> HttpResponse {
    show(StatusCode::NOT_FOUND, Notice::NOT_FOUND)
}

#[cfg(test)]
impl crate::http::pages::Samples for NoticePage {
    fn samples() -> Vec<Self> {
        let notices = [
            Notice::OVER,
            Notice::NO_INVITE,
            Notice::CALL_OVER,
            Notice::NO_CALL,
            Notice::NOT_FOUND,
            Notice::FAULT,
        ];
        let page = |notice| Self {
            shell: Shell::PLAIN,
            notice,
        };
        notices.into_iter().map(page).collect()
    }
}
