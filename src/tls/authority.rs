//! The server's own certificate authority: made once, kept in `DIR/tls/`, valid for ten years.

use super::{TlsError, files};
use crate::clock::Moment;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::path::Path;
use time::{Duration, OffsetDateTime};

/// The file for those who want to trust this server.
pub const CA_FILE: &str = "ca.pem";
const KEY_FILE: &str = "ca.key";
const VALID_DAYS: i64 = 3_650;

pub fn load_or_make(folder: &Path, now: Moment) -> Result<Issuer<'static, KeyPair>, TlsError> {
    files::make_folder(folder)?;
    let (ca, key) = (folder.join(CA_FILE), folder.join(KEY_FILE));
    // The key is written first: a crash in between leaves a key without a certificate, made anew.
    if let (Some(ca), Some(key)) = (files::read(&ca)?, files::read(&key)?) {
        return Ok(Issuer::from_ca_cert_pem(&ca, KeyPair::from_pem(&key)?)?);
    }
    let pair = KeyPair::generate()?;
    let params = params(now)?;
    let certificate = params.self_signed(&pair)?;
    files::write(&key, &pair.serialize_pem(), 0o600)?;
    files::write(&ca, &certificate.pem(), 0o644)?;
    Ok(Issuer::new(params, pair))
}

fn params(now: Moment) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "Roost local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = valid(now, VALID_DAYS);
    Ok(params)
}

/// From a day before now, for clocks that are behind, until so many days after.
pub fn valid(now: Moment, days: i64) -> (OffsetDateTime, OffsetDateTime) {
    let seconds = i64::try_from(now.seconds().get()).unwrap_or(0);
    let now = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    (
        now.saturating_sub(Duration::DAY),
        now.saturating_add(Duration::days(days)),
    )
}
