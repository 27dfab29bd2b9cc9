//! The doors: what arrives by HTTP and WebSocket becomes wire types, what leaves becomes bytes.
//!
//! Translates and does not decide.

pub mod api;
mod app;
mod assets;
mod connection;
mod extract;
mod guard;
mod pages;
mod respond;
mod rest;
mod socket;

use crate::tls::Tls;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use std::sync::Arc;

pub use app::{App, Parts};
pub use connection::{Connection, Outgoing};
pub use guard::bodies::Bodies;
pub use guard::rate::{PeerAddr, Rates};

/// What the web server needs to know.
pub struct Site {
    pub app: App,
    /// None without TLS.
    pub tls: Option<Arc<Tls>>,
    /// Whether browsers trust the certificate by themselves.
    pub lasting: bool,
    /// Whether a proxy on this machine may say who asks.
    pub behind_proxy: bool,
    pub bodies: Bodies,
}

/// Every route.
pub fn routes(site: web::Data<Site>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        let lasting = site.lasting;
        let all = web::scope("")
            .wrap(from_fn(move |request, next| {
                guard::headers::add(lasting, request, next)
            }))
            .route("/v1/socket", web::get().to(socket::open))
            .route("/v1/{path:.*}", web::route().to(rest::any))
            .route("/assets/{set}/{path:.*}", web::get().to(assets::get))
            .route("/", web::get().to(pages::app::get))
            .route("/i/{invite}", web::get().to(pages::invite::get))
            .route("/c/{invite}", web::get().to(pages::call::get))
            .route("/tls/ca.pem", web::get().to(pages::authority::get))
            .route("/healthz", web::get().to(pages::health::get))
            .default_service(web::route().to(pages::notice::not_found));
        config.app_data(site).service(all);
    }
}
