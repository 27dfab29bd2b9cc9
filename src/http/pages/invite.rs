//! `GET /i/{invite}`: who invites to which server. The link's secret stays behind the `#`.

use crate::clock;
use crate::http::Site;
use crate::http::guard::headers::APP_POLICY;
use crate::http::pages::notice::{self, Notice};
use crate::http::pages::{Shell, page};
use crate::service::error::DirectoryError;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use roost_wire::api::InviteDetail;
use roost_wire::{InviteId, text};

/// Hues of the style sheet (`hue-0` …).
const HUES: u8 = 24;

#[derive(Template)]
#[template(path = "page/invite.html")]
pub struct InvitePage {
    shell: Shell,
    invite: InviteView,
}

/// Ready to show.
pub enum InviteView {
    ByPerson {
        name: String,
        letter: String,
        hue: u8,
        host: String,
    },
    ByOperator {
        host: String,
    },
    Setup {
        host: String,
    },
}

impl InviteView {
    fn of(detail: InviteDetail) -> Self {
        let host = detail.host;
        match detail.inviter {
            _ if detail.is_setup => Self::Setup { host },
            None => Self::ByOperator { host },
            Some(person) => Self::ByPerson {
                name: person.name.to_string(),
                letter: letter(person.name.as_str()),
                hue: hue(person.account.as_bytes()),
                host,
            },
        }
    }

    fn title(&self) -> String {
        match self {
            Self::ByPerson { name, .. } => format!("{name} invites you"),
            Self::ByOperator { .. } => "You are invited".to_owned(),
            Self::Setup { .. } => "Your server is ready".to_owned(),
        }
    }
}

pub async fn get(site: web::Data<Site>, id: web::Path<String>) -> HttpResponse {
    let id = text::unbase64url(&id, InviteId::BYTES).ok();
    let id = id.and_then(|id| InviteId::try_from(id.as_slice()).ok());
    let shown = match &id {
        Some(id) => site.app.invites.show(id, clock::now().seconds()).await,
        None => Err(DirectoryError::NotFound),
    };
    match shown {
        Ok(detail) if detail.guests_of.is_none() => {
            let invite = InviteView::of(detail);
            let shell = Shell::APP;
            page(StatusCode::OK, APP_POLICY, &InvitePage { shell, invite })
        }
        Err(DirectoryError::InviteOver) => notice::show(StatusCode::GONE, Notice::OVER),
        Ok(_) | Err(DirectoryError::NotFound) => {
            notice::show(StatusCode::NOT_FOUND, Notice::NO_INVITE)
        }
        Err(_) => notice::show(StatusCode::SERVICE_UNAVAILABLE, Notice::FAULT),
    }
}

/// The colour of somebody's face: the same as in the browser client.
fn hue(id: &[u8]) -> u8 {
    let mix = |sum: u8, byte: &u8| sum.wrapping_mul(31).wrapping_add(*byte);
    id.iter().fold(7, mix) % HUES
}

/// The letter in somebody's face.
fn letter(name: &str) -> String {
    let first = name.chars().find(|c| c.is_alphanumeric());
    let first = first.or_else(|| name.chars().next());
    first.map_or_else(String::new, |c| c.to_uppercase().collect())
}

#[cfg(test)]
impl crate::http::pages::Samples for InvitePage {
    fn samples() -> Vec<Self> {
        let host = || "roost.example".to_owned();
        let by = |name: &str| InviteView::ByPerson {
            name: name.to_owned(),
            letter: letter(name),
            hue: 3,
            host: host(),
        };
        let views = vec![
            by("Mira"),
            by("<img onerror>"),
            InviteView::ByOperator { host: host() },
            InviteView::Setup { host: host() },
        ];
        let page = |invite| Self {
            shell: Shell::APP,
            invite,
        };
        views.into_iter().map(page).collect()
    }
}
