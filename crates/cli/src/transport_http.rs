//! Carries a core's requests to its server over HTTPS.

use crate::tls::Trust;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, redirect};
use roost_client::{HttpCall, HttpReply};
use roost_wire::{Method, limit};
use std::error::Error;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Largest answer taken: a tree with its GroupInfo, and room.
const REPLY_BYTES: usize = 2 * limit::TREE_BYTES;
const CBOR: &str = "application/cbor";

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    #[error(
        "the server's certificate is signed by an authority this machine does not know. \
         If it is your own Roost server, pass --ca DIR/tls/ca.pem (DIR is the server's data folder)"
    )]
    UntrustedCertificate,
    #[error("the server's certificate is not valid: {0}")]
    BadCertificate(String),
    #[error("cannot reach the server: {0}")]
    Unreachable(String),
    #[error("the server answered with more than {REPLY_BYTES} bytes")]
    TooLarge,
}

/// One pool of connections; cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpTransport(Client);

impl HttpTransport {
    /// # Errors
    /// When the system cannot give what a client needs.
    pub fn new(trust: &Trust) -> Result<Self, Trouble> {
        Client::builder()
            .tls_backend_preconfigured(trust.config(&[b"h2", b"http/1.1"]))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .user_agent(concat!("roost-cli/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(Self)
            .map_err(|error| Trouble::of(&error))
    }

    /// Makes one request to the server at `origin`.
    ///
    /// # Errors
    /// When no whole answer came; any status is an answer.
    pub async fn call(&self, origin: &str, call: &HttpCall) -> Result<HttpReply, Trouble> {
        let mut request = self
            .0
            .request(method(call.method), format!("{origin}{}", call.path));
        if let Some(token) = &call.token {
            request = request.header(AUTHORIZATION, token.header());
        }
        if !call.body.is_empty() {
            request = request.header(CONTENT_TYPE, CBOR).body(call.body.clone());
        }
        let mut response = request.send().await.map_err(|error| Trouble::of(&error))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| Trouble::of(&error))?
        {
            if body.len().saturating_add(chunk.len()) > REPLY_BYTES {
                return Err(Trouble::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpReply { status, body })
    }
}

impl Trouble {
    /// Finds the reason below layers of "error sending request".
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut deepest = error;
        loop {
            if let Some(tls) = tls_error(deepest) {
                return Self::of_tls(tls);
            }
            match deepest.source() {
                Some(source) => deepest = source,
                None => return Self::Unreachable(deepest.to_string()),
            }
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => {
                Self::UntrustedCertificate
            }
            rustls::Error::InvalidCertificate(why) => Self::BadCertificate(why.to_string()),
            other => Self::Unreachable(other.to_string()),
        }
    }
}

/// An I/O error hides what it wraps from `source`, and may wrap another one.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    error.downcast_ref().or_else(|| {
        let io: &std::io::Error = error.downcast_ref()?;
        tls_error(io.get_ref()?)
    })
}

const fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Delete => reqwest::Method::DELETE,
    }
}
