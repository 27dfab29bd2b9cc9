//! `/v1/…` over HTTP: collects a bounded body and hands it to `api::dispatch`. A large body is
//! collected only from a device that is signed in and within its rate.

use crate::clock;
use crate::http::api::{self, Request, Response};
use crate::http::extract::Request as Asked;
use crate::http::extract::too_many;
use crate::http::guard::bodies::{Room, Sender};
use crate::http::respond::Refusal;
use crate::http::{PeerAddr, Site};
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use roost_wire::{Malformed, Token};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long a request body may take to arrive.
const SMALL_BODY_SECONDS: u64 = 15;
const LARGE_BODY_SECONDS: u64 = 60;
/// How long a body that was refused unread is let pass.
const DISCARD_SECONDS: u64 = 5;
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Any request to `/v1/…` but the WebSocket.
pub async fn any(
    site: web::Data<Site>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let answer = match read(&site, &request, payload).await {
        Ok((asked, room)) => {
            let app = site.app.clone();
            // On a task of its own, so that it runs to its end when the client goes away.
            let work = async move {
                let answer = api::dispatch(&app, &asked, clock::now()).await;
                drop((asked, room));
                answer
            };
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

async fn read(
    site: &Site,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<(Asked, Room), Refusal> {
    let method = method(request.method()).ok_or_else(Refusal::not_found)?;
    let header = request.headers().get(AUTHORIZATION);
    let token = header
        .and_then(|value| value.to_str().ok())
        .and_then(|value| Token::from_header(value).ok());
    let max = api::body_bytes_max(method, request.path());
    let is_large = api::is_large(max);
    if is_large && let Err(refusal) = api::admit_large(&site.app, token.as_ref(), clock::now()) {
        discard(payload, max).await;
        return Err(refusal);
    }
    let max = announced(request, max)?;
    let peer = peer(site, request);
    let known = site
        .app
        .sessions
        .caller(token.as_ref(), clock::now().seconds());
    let sender = match known {
        Ok(_) if is_large => Sender::SignedInWithMuch,
        Ok(_) => Sender::SignedIn,
        Err(_) => Sender::Stranger(peer),
    };
    let room = site.bodies.room(max, sender).await;
    let room = room.ok_or_else(|| too_many(1))?;
    let seconds = if is_large {
        LARGE_BODY_SECONDS
    } else {
        SMALL_BODY_SECONDS
    };
    let body = tokio::time::timeout(Duration::from_secs(seconds), collect(payload, max)).await;
    let body = body.map_err(|_| Malformed::Short { what: "body" })??;
    let path = request.uri().path_and_query();
    let asked = Request {
        method,
        path_and_query: path.map_or_else(String::new, |path| path.as_str().to_owned()),
        token,
        body,
        peer,
    };
    Ok((asked, room))
}

/// How many bytes will come at most: what the request says of itself, if it says so.
fn announced(request: &HttpRequest, max: usize) -> Result<usize, Refusal> {
    let header = request.headers().get(CONTENT_LENGTH);
    let length: Option<usize> = header
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok());
    match length {
        Some(length) if length > max => Err(Malformed::Long { what: "body", max }.into()),
        Some(length) => Ok(length),
        None => Ok(max),
    }
}

/// Lets a refused body pass for a moment, unkept: a client that is still sending sees no answer.
async fn discard(mut payload: web::Payload, max: usize) {
    let pass = async {
        let mut bytes: usize = 0;
        while let Some(Ok(chunk)) = payload.next().await {
            bytes = bytes.saturating_add(chunk.len());
            if bytes > max {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(DISCARD_SECONDS), pass).await;
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
    let direct = PeerAddr::of(address);
    if site.behind_proxy && direct.is_local() {
        forwarded(request.headers()).unwrap_or(direct)
    } else {
        direct
    }
}

/// Whom the proxy names: the last of all, since earlier ones are whatever the client wrote.
fn forwarded(headers: &HeaderMap) -> Option<PeerAddr> {
    let line = headers.get_all(FORWARDED_FOR).last()?;
    let last = line
        .to_str()
        .ok()
        .and_then(|line| line.rsplit(',').next())
        .unwrap_or_default()
        .trim();
    let with_port = || last.parse::<SocketAddr>().ok().map(|named| named.ip());
    let named = last.parse::<IpAddr>().ok().or_else(with_port);
    Some(PeerAddr::named(named))
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

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn named(lines: &[&'static str]) -> Option<PeerAddr> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        forwarded(&headers)
    }

    #[test]
    fn only_whom_the_proxy_itself_names_counts() {
        let peer = Some(PeerAddr::of([192, 0, 2, 1].into()));

        assert_eq!(named(&["192.0.2.1"]), peer);
        assert_eq!(named(&["198.51.100.7, 192.0.2.1"]), peer);
        assert_eq!(named(&["198.51.100.7", "192.0.2.1"]), peer);
        assert_eq!(named(&["192.0.2.1:4711"]), peer);
        assert_eq!(named(&[]), None);
    }

    #[test]
    fn nobody_is_the_machine_itself_by_saying_so() {
        for line in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "unknown", ""] {
            assert!(!named(&[line]).unwrap().is_local(), "{line}");
        }
    }
}
