//! `PUT /v1/key-packages`: packages for when the device is away.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::{KeyPackageCount, PutKeyPackages};

pub async fn put(call: &Incoming<'_>) -> Reply<KeyPackageCount> {
    let from = call.caller_or_guest()?;
    let asked: PutKeyPackages = call.body()?;
    Ok(call
        .app
        .key_packages
        .put(&from, &asked, call.time())
        .await?)
}
