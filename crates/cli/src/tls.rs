//! Which servers are believed: public authorities, and the one in `--ca FILE`.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// A file given as `--ca` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {path} as a certificate authority: {why}")]
pub struct BadAuthority {
    path: String,
    why: String,
}

/// Authorities to believe.
#[derive(Debug, Clone)]
pub struct Trust(Arc<RootCertStore>);

impl Trust {
    /// The public authorities browsers believe.
    #[must_use]
    pub fn public() -> Self {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        Self(Arc::new(roots))
    }

    /// Believes the certificates in this PEM file too.
    ///
    /// # Errors
    /// When the file cannot be read or holds no usable certificate.
    pub fn and_file(self, path: &Path) -> Result<Self, BadAuthority> {
        let bad = |why: String| BadAuthority {
            path: path.display().to_string(),
            why,
        };
        let mut roots = Arc::unwrap_or_clone(self.0);
        let before = roots.len();
        for certificate in
            CertificateDer::pem_file_iter(path).map_err(|why| bad(why.to_string()))?
        {
            let certificate = certificate.map_err(|why| bad(why.to_string()))?;
            roots.add(certificate).map_err(|why| bad(why.to_string()))?;
        }
        if roots.len() == before {
            return Err(bad("there is no certificate in it".into()));
        }
        Ok(Self(Arc::new(roots)))
    }

    /// A client configuration that offers these protocols, with ring and TLS 1.3.
    pub(crate) fn config(&self, protocols: &[&[u8]]) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring offers TLS 1.3")
            .with_root_certificates(Arc::clone(&self.0))
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();

        let error = Trust::public()
            .and_file(file.path())
            .unwrap_err()
            .to_string();

        assert!(error.contains("there is no certificate in it"), "{error}");
        assert!(
            Trust::public()
                .and_file(Path::new("/nowhere/ca.pem"))
                .is_err()
        );
    }
}
