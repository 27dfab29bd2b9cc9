//! `GET /healthz`: whether the server answers.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;

pub async fn get() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
        .body("ok\n")
}
