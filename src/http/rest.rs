//! `/v1/…` over HTTP: collects a bounded body and hands it to `api::dispatch`.

use crate::clock;
use crate::http::api::{self, Request, Response};
use crate::http::extract::Request as Asked;
use crate::http::respond::Refusal;
use crate::http::{PeerAddr, Site};
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use roost_wire::{Malformed, Token};
use std::net::IpAddr;
use std::time::Duration;

/// How long a request body may take to arrive.
const BODY_SECONDS: u64 = 60;
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Any request to `/v1/…` but the WebSocket.
pub async fn any(
    site: web::Data<Site>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let answer = match read(&site, &request, payload).await {
        Ok(asked) => {
            let app = site.app.clone();
            // On a task of its own, so that it runs to its end when the client goes away.
            let work = async move { api::dispatch(&app, &asked, clock::now()).await };
            actix_web::rt::spawn(work).await.ok()
        }
        Err(refusal) => Some(Response::of::<()>(Err(refusal))),
    };
    let Some(answer) = answer else {
        return HttpResponse::InternalServerError().finish();
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, "application/cbor"));
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.insert_header((RETRY_AFTER, "1"));
    }
    response.body(answer.body)
}

async fn read(site: &Site, request: &HttpRequest, payload: web::Payload) -> Result<Asked, Refusal> {
    let method = method(request.method()).ok_or_else(Refusal::not_found)?;
    let max = api::body_bytes_max(method, request.path());
    let wait = Duration::from_secs(BODY_SECONDS);
    let body = tokio::time::timeout(wait, collect(payload, max)).await;
    let body = body.map_err(|_| Malformed::Short { what: "body" })??;
    let header = request.headers().get(AUTHORIZATION);
    let token = header
        .and_then(|value| value.to_str().ok())
        .and_then(|value| Token::from_header(value).ok());
    let path = request.uri().path_and_query();
    Ok(Request {
        method,
        path_and_query: path.map_or_else(String::new, |path| path.as_str().to_owned()),
        token,
        body,
        peer: peer(site, request),
    })
}

async fn collect(mut payload: web::Payload, max: usize) -> Result<Vec<u8>, Refusal> {
    let mut body = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Malformed::Short { what: "body" })?;
        if body.len().saturating_add(chunk.len()) > max {
            return Err(Malformed::Long { what: "body", max }.into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Who asks. Behind a proxy on this machine, whom it names last.
fn peer(site: &Site, request: &HttpRequest) -> PeerAddr {
    let unknown = IpAddr::from([0, 0, 0, 0]);
    let address = request.peer_addr().map_or(unknown, |address| address.ip());
    let named = site
        .behind_proxy
        .then(|| request.headers().get(FORWARDED_FOR))
        .flatten()
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.rsplit(',').next())
        .and_then(|value| value.trim().parse().ok());
    match named {
        Some(named) if address.to_canonical().is_loopback() => PeerAddr::of(named),
        _ => PeerAddr::of(address),
    }
}

fn method(method: &Method) -> Option<roost_wire::Method> {
    match *method {
        Method::GET => Some(roost_wire::Method::Get),
        Method::POST => Some(roost_wire::Method::Post),
        Method::PUT => Some(roost_wire::Method::Put),
        Method::DELETE => Some(roost_wire::Method::Delete),
        _ => None,
    }
}
