//! HTTPS, on a port that it shares with TURN over TLS.
//!
//! Owns the handshake and the choice between the two. Never answers a request, and never relays.

mod gate;
mod handshakes;
mod rewound;

use crate::http::{self, Site};
use crate::relay::Door;
use actix_http::HttpService;
use actix_server::Server;
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::rt::net::TcpStream;
use actix_web::{App as Web, web};
use gate::{Ended, Gate};
use rustls::ServerConfig;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

/// How patient the web server is, with HTTPS or without.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Idle connections are closed after this.
    pub keep_alive_seconds: u64,
    /// What is under way may take this long when the server stops.
    pub drain_seconds: u64,
    /// Connections of one worker, of which there is one a core; beyond, new ones wait.
    pub connections_per_worker_max: usize,
}

/// A connection that was told to close has this long to do so.
const DISCONNECT_SECONDS: u64 = 1;

/// Serves until it is stopped by its handle. Calls come in by the door, if there is one.
///
/// # Errors
/// The system's.
pub fn serve(
    listener: TcpListener,
    site: web::Data<Site>,
    tls: ServerConfig,
    door: Option<Door>,
    bounds: Bounds,
) -> io::Result<Server> {
    let builder = Server::build()
        .shutdown_timeout(bounds.drain_seconds)
        .max_concurrent_connections(bounds.connections_per_worker_max)
        .disable_signals();
    let draining = builder.graceful_shutdown_signal();
    let tls = gate::config(tls, door.is_some());
    let builder = builder.listen("https", listener, move || {
        let draining = draining.clone();
        let app = Web::new().configure(http::routes(site.clone()));
        let app = actix_service::IntoServiceFactory::into_factory(app)
            .map_err(|error: actix_web::Error| error.error_response());
        let http = HttpService::build()
            .keep_alive(Duration::from_secs(bounds.keep_alive_seconds))
            .client_disconnect_timeout(Duration::from_secs(DISCONNECT_SECONDS))
            .graceful_shutdown_signal(move || {
                let draining = draining.clone();
                async move { draining.notified().await }
            })
            .finish(map_config(app, |()| AppConfig::default()));
        // One for each worker.
        let gate = Gate::new(tls.clone(), door.clone());
        fn_service(move |socket: TcpStream| {
            let gate = gate.clone();
            async move { gate.open(socket).await }
        })
        .and_then(http.map_err(Ended::Http))
    })?;
    Ok(builder.run())
}
