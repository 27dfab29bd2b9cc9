//! `GET /c/{invite}`: the page of a call's link for guests. The link's secret stays behind the `#`.

use crate::clock;
use crate::http::Site;
use crate::http::guard::headers::APP_POLICY;
use crate::http::pages::notice::{self, Notice};
use crate::http::pages::{Shell, page};
use crate::service::error::DirectoryError;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use roost_wire::{InviteId, text};

#[derive(Template)]
#[template(path = "page/call.html")]
pub struct CallPage {
    shell: Shell,
    host: String,
}

pub async fn get(site: web::Data<Site>, id: web::Path<String>) -> HttpResponse {
    let id = text::unbase64url(&id, InviteId::BYTES).ok();
    let id = id.and_then(|id| InviteId::try_from(id.as_slice()).ok());
    let shown = match &id {
        Some(id) => site.app.invites.show(id, clock::now().seconds()).await,
        None => Err(DirectoryError::NotFound),
    };
    match shown {
        Ok(detail) if detail.guests_of.is_some() => {
            let (shell, host) = (Shell::APP, detail.host);
            page(StatusCode::OK, APP_POLICY, &CallPage { shell, host })
        }
        Err(DirectoryError::InviteOver) => notice::show(StatusCode::GONE, Notice::CALL_OVER),
        Ok(_) | Err(DirectoryError::NotFound) => {
            notice::show(StatusCode::NOT_FOUND, Notice::NO_CALL)
        }
        Err(_) => notice::show(StatusCode::SERVICE_UNAVAILABLE, Notice::FAULT),
    }
}

#[cfg(test)]
impl crate::http::pages::Samples for CallPage {
    fn samples() -> Vec<Self> {
        let host = "roost.example".to_owned();
        let shell = Shell::APP;
        vec![Self { shell, host }]
    }
}
