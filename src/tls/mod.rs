//! The certificate of this server: its own authority by default, or the operator's files.
//!
//! Owns `DIR/tls/` and the certificate in use, which is replaced without a restart. Never talks to
//! the network and never reads the clock.

mod authority;
mod files;
mod leaf;
pub mod names;

use crate::clock::Moment;
use crate::telemetry::log::LogSafe;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

pub use authority::CA_FILE;

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot use {path}: {error}")]
    File {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{path} does not hold {wanted}")]
    Content { path: PathBuf, wanted: &'static str },
    #[error("the certificate and the key do not belong together: {0}")]
    Pair(rustls::Error),
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

// It names files and what is wrong with them.
impl LogSafe for TlsError {}

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// The server's own authority, kept in this folder.
    Own { folder: PathBuf },
    /// Files kept up to date by somebody else (for example an ACME client).
    Given { certificate: PathBuf, key: PathBuf },
}

/// The certificate in use.
#[derive(Debug)]
pub struct Tls {
    source: Source,
    current: Arc<Current>,
}

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(
            self.0
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
    }
}

impl Tls {
    /// Loads the certificate; with its own authority it makes what is missing or due.
    ///
    /// # Errors
    /// Files that cannot be read, written or understood.
    pub fn open(source: Source, names: &[String], now: Moment) -> Result<Self, TlsError> {
        let key = load(&source, names, now)?;
        Ok(Self {
            source,
            current: Arc::new(Current(RwLock::new(Arc::new(key)))),
        })
    }

    /// Looks again: new names, a certificate past two thirds of its life, or changed files. New
    /// connections get what is found; an error leaves the old certificate in use.
    ///
    /// # Errors
    /// As [`Tls::open`].
    pub fn refresh(&self, names: &[String], now: Moment) -> Result<(), TlsError> {
        let key = Arc::new(load(&self.source, names, now)?);
        *self
            .current
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner) = key;
        Ok(())
    }

    /// The certificate of the server's own authority, for people who want to trust it.
    #[must_use]
    pub fn authority_pem(&self) -> Option<String> {
        match &self.source {
            Source::Own { folder } => std::fs::read_to_string(folder.join(CA_FILE)).ok(),
            Source::Given { .. } => None,
        }
    }

    /// TLS 1.3, and 1.2 only where the operator must serve old clients.
    ///
    /// # Panics
    /// Never: ring supports both versions.
    #[must_use]
    pub fn server_config(&self, allow_tls_1_2: bool) -> ServerConfig {
        let both: &[_] = &[&rustls::version::TLS13, &rustls::version::TLS12];
        let versions = if allow_tls_1_2 {
            both
        } else {
            &[&rustls::version::TLS13]
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("ring supports TLS 1.3 and 1.2")
            .with_no_client_auth()
            .with_cert_resolver(self.current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }
}

fn load(source: &Source, names: &[String], now: Moment) -> Result<CertifiedKey, TlsError> {
    match source {
        Source::Own { folder } => {
            let authority = authority::load_or_make(folder, now)?;
            leaf::load_or_issue(folder, &authority, names, now)
        }
        Source::Given { certificate, key } => read_pair(certificate, key),
    }
}

fn read_pair(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = files::certificates(certificate)?;
    let key = files::private_key(key)?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(TlsError::Pair)
}

#[cfg(test)]
mod tests;
