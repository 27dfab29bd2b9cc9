//! `GET /tls/ca.pem`: the certificate authority of this server, for devices that are to trust it.

use crate::http::Site;
use crate::http::pages::notice;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpResponse, web};

pub async fn get(site: web::Data<Site>) -> HttpResponse {
    let Some(pem) = site.tls.as_ref().and_then(|tls| tls.authority_pem()) else {
        return notice::not_found().await;
    };
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/x-x509-ca-cert"))
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"roost-ca.pem\""))
        .body(pem)
}
