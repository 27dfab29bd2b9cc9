//! `GET /`: the shell of the browser client.

use crate::http::guard::headers::APP_POLICY;
use crate::http::pages::{Shell, page};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

#[derive(Template)]
#[template(path = "page/app.html")]
pub struct AppPage {
    shell: Shell,
}

pub async fn get() -> HttpResponse {
    page(StatusCode::OK, APP_POLICY, &AppPage { shell: Shell::APP })
}

#[cfg(test)]
impl crate::http::pages::Samples for AppPage {
    fn samples() -> Vec<Self> {
        vec![Self { shell: Shell::APP }]
    }
}
