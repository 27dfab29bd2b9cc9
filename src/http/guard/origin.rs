//! Whether a browser's page may open a WebSocket here: only our own.

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, ORIGIN};

/// True without an Origin (not a browser) and for a page of this host. The scheme is not compared:
/// behind a proxy it is not ours.
pub fn is_own(request: &HttpRequest) -> bool {
    let Some(origin) = request.headers().get(ORIGIN) else {
        return true;
    };
    let origin = origin.to_str().unwrap_or_default();
    let Some((_, origin_host)) = origin.split_once("://") else {
        return false;
    };
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    // With HTTP/2 the host stands in the target.
    let host = host.or_else(|| {
        request
            .uri()
            .authority()
            .map(|authority| authority.as_str())
    });
    host.is_some_and(|host| host.eq_ignore_ascii_case(origin_host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn judged(origin: &str) -> bool {
        let request = TestRequest::get()
            .insert_header((HOST, "roost.example:8443"))
            .insert_header((ORIGIN, origin));
        is_own(&request.to_http_request())
    }

    #[test]
    fn only_a_page_of_this_host_may_connect() {
        assert!(judged("https://roost.example:8443"));
        assert!(!judged("https://roost.example"));
        assert!(!judged("https://evil.example"));
        assert!(!judged("null"));
        assert!(is_own(&TestRequest::get().to_http_request()));
    }
}
