//! The certificate signed by the server's own authority: for 90 days, made anew after 60 or when
//! the names it is for have changed.

use super::authority::{self, CA_FILE};
use super::{TlsError, files, read_pair};
use crate::clock::Moment;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose};
use roost_wire::Seconds;
use rustls::sign::CertifiedKey;
use std::path::Path;

const CERTIFICATE_FILE: &str = "server.pem";
const KEY_FILE: &str = "server.key";
/// When it was made and for whom: first line seconds since 1970, then one name a line.
const RECORD_FILE: &str = "server.txt";
const VALID_DAYS: i64 = 90;
const RENEW_AFTER_SECONDS: u64 = 60 * 86_400;

pub fn load_or_issue(
    folder: &Path,
    authority: &Issuer<'_, KeyPair>,
    names: &[String],
    now: Moment,
) -> Result<CertifiedKey, TlsError> {
    let (certificate, key) = (folder.join(CERTIFICATE_FILE), folder.join(KEY_FILE));
    let record = folder.join(RECORD_FILE);
    if files::read(&record)?.is_some_and(|record| is_good(&record, names, now))
        && let Ok(pair) = read_pair(&certificate, &key)
    {
        return Ok(pair);
    }
    let pair = KeyPair::generate()?;
    let leaf = params(names, now)?.signed_by(&pair, authority)?;
    let chain = leaf.pem() + &files::read(&folder.join(CA_FILE))?.unwrap_or_default();
    files::write(&key, &pair.serialize_pem(), 0o600)?;
    files::write(&certificate, &chain, 0o644)?;
    // Last: without it, or with an older one, the next start issues again.
    files::write(&record, &write_record(names, now), 0o644)?;
    read_pair(&certificate, &key)
}

fn params(names: &[String], now: Moment) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(names)?;
    let name = names.first().map_or("roost", String::as_str);
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = authority::valid(now, VALID_DAYS);
    Ok(params)
}

fn write_record(names: &[String], now: Moment) -> String {
    format!("{}\n{}\n", now.seconds(), names.join("\n"))
}

fn is_good(record: &str, names: &[String], now: Moment) -> bool {
    let mut lines = record.lines();
    let made = lines
        .next()
        .and_then(|line| line.parse().ok())
        .map(Seconds::new);
    let due = made.map(|made| made.plus(RENEW_AFTER_SECONDS));
    // A record from the future means the clock was wrong then or is now: make it anew.
    let timely = made.is_some_and(|made| made <= now.seconds())
        && due.is_some_and(|due| now.seconds() < due);
    timely && lines.eq(names.iter().map(String::as_str))
}
