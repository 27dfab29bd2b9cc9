//! Headers that make a browser refuse what we never do.

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{Error, body::MessageBody};

/// What a page may do.
#[derive(Clone, Copy)]
pub struct PagePolicy {
    /// Content-Security-Policy.
    pub content: &'static str,
    /// Permissions-Policy.
    pub permissions: &'static str,
}

/// Pages with the browser client: its own script and WASM, nothing else; calls, if the person
/// allows them.
pub const APP_POLICY: PagePolicy = PagePolicy {
    content: "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
     img-src 'self' blob: data:; connect-src 'self'; worker-src 'self'; font-src 'self'; \
     manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types roost",
    permissions: "camera=(self), microphone=(self), display-capture=(self), geolocation=(), \
                  payment=(), usb=()",
};
/// Pages without script.
pub const PAGE_POLICY: PagePolicy = PagePolicy {
    content: "default-src 'none'; script-src 'none'; style-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    permissions: NO_PERMISSIONS,
};
/// Static files; the worker runs under its own.
pub const ASSET_POLICY: (HeaderName, &str) = (
    CONTENT_SECURITY_POLICY,
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; \
     frame-ancestors 'none'",
);
const NO_PERMISSIONS: &str =
    "camera=(), microphone=(), display-capture=(), geolocation=(), payment=(), usb=()";
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";
const YEAR: &str = "max-age=31536000";

const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const EMBEDDER: HeaderName = HeaderName::from_static("cross-origin-embedder-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
pub const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");

/// Adds to every answer what holds for all. `lasting` when the certificate is one that browsers
/// trust by themselves: only then may they be told to insist on it.
///
/// # Errors
/// Only the handler's.
pub async fn add<B: MessageBody>(
    lasting: bool,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    set(CONTENT_SECURITY_POLICY, NOTHING);
    set(CACHE_CONTROL, "no-store");
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(REFERRER_POLICY, "no-referrer");
    set(OPENER, "same-origin");
    set(EMBEDDER, "require-corp");
    set(RESOURCE, "same-origin");
    set(PERMISSIONS, NO_PERMISSIONS);
    if lasting {
        set(STRICT_TRANSPORT_SECURITY, YEAR);
    }
    Ok(response)
}
