//! `roost serve`: listens, prints where, runs until told to stop.

use crate::boot::calls::{self, Place, Relaying};
use crate::boot::folder::{self, Opened};
use crate::boot::greeting;
use crate::clock;
use crate::config::{Config, Transport};
use crate::http::{self, App, Bodies, Site};
use crate::https::{self, Bounds};
use crate::relay::Relay;
use crate::telemetry::log;
use crate::tls::{Source, Tls, names};
use crate::{boot, control};
use actix_web::dev::{Server, ServerHandle};
use actix_web::{App as Web, HttpServer, rt, web};
use anyhow::{Context, Result};
use roost_store::Store;
use roost_wire::frame::ServerFrame;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

const BOUNDS: Bounds = Bounds {
    keep_alive_seconds: 75,
    drain_seconds: 5,
    connections_per_worker_max: 8_192,
};
const REFRESH_SECONDS: u64 = 60;
const BACKLOG: i32 = 2048;

/// Runs a server until SIGTERM or SIGINT.
///
/// # Errors
/// A folder, address or certificate that cannot be used.
pub fn serve(config: Config) -> Result<()> {
    rt::System::new().block_on(run(config))
}

async fn run(config: Config) -> Result<()> {
    let listener = listen(&config.listen)?;
    let address = listener.local_addr()?;
    let origin = origin(&config, address);
    let host = names::for_links(address);
    let host = config.host.as_deref().map_or(host.as_str(), host_name);
    let https = https_place(&config, host, address.port());
    let place = Place {
        listen: address,
        host,
        https: https.as_deref(),
    };
    let calls = config.calls.as_ref();
    let calls = calls.map(|calls| calls::bind(calls, place)).transpose()?;
    let (bound, urls) = calls.map(|Relaying { bound, urls }| (bound, urls)).unzip();
    let settings = folder::settings(&config, origin.clone(), urls.unwrap_or_default());
    let Opened { app, store } = boot::open_folder(&config.data, settings).await?;
    folder::note_origin(&config.data, &origin)?;
    // It serves until this function ends.
    let relay = bound.map(|bound| calls::start(bound, &app));
    let relay = relay.transpose()?;
    let tls = certificate(&config)?.map(Arc::new);
    let control = control::listen(&config.data).context("cannot open the control socket")?;
    let setup = app.invites.setup(clock::now().seconds()).await?;

    let site = web::Data::new(Site {
        app: app.clone(),
        lasting: matches!(config.transport, Transport::GivenTls { .. }),
        behind_proxy: config.transport == Transport::Http,
        bodies: Bodies::default(),
        tls: tls.clone(),
    });
    let door = relay.as_ref().map(Relay::door);
    let server = match (&tls, &config.transport) {
        (Some(tls), Transport::OwnTls { allow_1_2 } | Transport::GivenTls { allow_1_2, .. }) => {
            let tls = tls.server_config(*allow_1_2);
            https::serve(listener, site, tls, door, BOUNDS)
        }
        (None, _) | (_, Transport::Http) => serve_http(listener, site),
    };
    let server = server.context("cannot serve")?;
    rt::spawn(control::serve(control, app.invites.clone()));
    rt::spawn(tick(app.clone()));
    if let Some(tls) = tls {
        rt::spawn(refresh(tls, config.host.clone()));
    }
    rt::spawn(stop_on_signal(app, server.handle())?);
    let setup = setup.map(|link| link.to_string());
    greeting::print(&origin, setup.as_deref())?;

    server.await?;
    let _ = std::fs::remove_file(control::path(&config.data));
    store.close().await?;
    Ok(())
}

/// For a proxy.
fn serve_http(listener: TcpListener, site: web::Data<Site>) -> std::io::Result<Server> {
    let server = HttpServer::new(move || Web::new().configure(http::routes(site.clone())))
        .keep_alive(Duration::from_secs(BOUNDS.keep_alive_seconds))
        .shutdown_timeout(BOUNDS.drain_seconds)
        .max_connections(BOUNDS.connections_per_worker_max)
        .disable_signals();
    Ok(server.listen(listener)?.run())
}

/// Name and port of HTTPS, as the certificate has the name; none where a proxy has both.
fn https_place(config: &Config, host: &str, port: u16) -> Option<String> {
    match (&config.host, &config.transport) {
        (_, Transport::Http) => None,
        (Some(host), _) if has_port(host) => Some(host.clone()),
        (Some(_) | None, _) => Some(format!("{host}:{port}")),
    }
}

fn listen(addresses: &[SocketAddr]) -> Result<TcpListener> {
    let mut failure = None;
    for address in addresses {
        match TcpListener::bind(address) {
            Ok(listener) => {
                rustix::net::listen(&listener, BACKLOG)?;
                return Ok(listener);
            }
            Err(error) => {
                let error = anyhow::Error::new(error);
                failure = Some(error.context(format!("cannot listen on {address}")));
            }
        }
    }
    Err(failure.unwrap_or_else(|| anyhow::anyhow!("there is no address to listen on")))
}

/// `https://host[:port]`, as it stands in links.
fn origin(config: &Config, address: SocketAddr) -> String {
    let port = address.port();
    match (&config.host, &config.transport) {
        // The proxy has the usual port, or the operator names another.
        (Some(host), Transport::Http) => format!("https://{host}"),
        (None, Transport::Http) => format!("http://{}:{port}", names::for_links(address)),
        (Some(host), _) if has_port(host) || port == 443 => format!("https://{host}"),
        (Some(host), _) => format!("https://{host}:{port}"),
        (None, _) if port == 443 => format!("https://{}", names::for_links(address)),
        (None, _) => format!("https://{}:{port}", names::for_links(address)),
    }
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    }
}

fn certificate(config: &Config) -> Result<Option<Tls>> {
    let source = match &config.transport {
        Transport::Http => return Ok(None),
        Transport::OwnTls { .. } => Source::Own {
            folder: folder::tls(&config.data),
        },
        Transport::GivenTls {
            certificate, key, ..
        } => Source::Given {
            certificate: certificate.clone(),
            key: key.clone(),
        },
    };
    let names = names::of_this_machine(config.host.as_deref().map(host_name));
    Ok(Some(Tls::open(source, &names, clock::now())?))
}

/// Regular work.
async fn tick(app: App) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        second.tick().await;
        app.tick(clock::now()).await;
    }
}

/// Looks after the certificate: addresses change, and files are renewed by others.
async fn refresh(tls: Arc<Tls>, host: Option<String>) {
    let mut minute = tokio::time::interval(Duration::from_secs(REFRESH_SECONDS));
    minute.tick().await;
    loop {
        minute.tick().await;
        let names = names::of_this_machine(host.as_deref().map(host_name));
        if let Err(error) = tls.refresh(&names, clock::now()) {
            log::note("the certificate in use stays", &error);
        }
    }
}

/// Tells clients, finishes what is under way, ends.
fn stop_on_signal(app: App, server: ServerHandle) -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        app.hub.close_all(&ServerFrame::Drain.to_bytes().into());
        server.stop(true).await;
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServeArgs;

    fn origin_of(host: Option<&str>, http: bool, port: u16) -> String {
        let args = ServeArgs {
            host: host.map(str::to_owned),
            http,
            listen: Some(SocketAddr::from(([127, 0, 0, 1], port))),
            ..ServeArgs::default()
        };
        let config = args.load().unwrap();
        origin(&config, config.listen[0])
    }

    #[test]
    fn links_name_the_port_unless_it_is_the_usual_one() {
        assert_eq!(origin_of(None, false, 8443), "https://localhost:8443");
        assert_eq!(
            origin_of(Some("a.example"), false, 8443),
            "https://a.example:8443"
        );
        assert_eq!(
            origin_of(Some("a.example"), false, 443),
            "https://a.example"
        );
        assert_eq!(
            origin_of(Some("a.example:9"), false, 8443),
            "https://a.example:9"
        );
    }

    #[test]
    fn behind_a_proxy_links_are_the_proxys() {
        assert_eq!(
            origin_of(Some("a.example"), true, 8443),
            "https://a.example"
        );
        assert_eq!(origin_of(None, true, 8443), "http://localhost:8443");
    }
}
