//! What an idle connection costs in memory.

use super::{figure, members, process, runtime, server};
use anyhow::Result;
use std::time::Duration;

const CONNECTIONS: usize = 2_000;
/// Accounts they are spread over; a device may have several sockets.
const USERS: usize = 400;

pub fn idle() -> Result<()> {
    runtime()?.block_on(async {
        let folder = tempfile::tempdir()?;
        let server = server(&folder.path().join("data"))?;
        let users = members(&server, USERS).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = process::resident_kb(server.process()?)?;
        let mut lines = Vec::new();
        for number in 0..CONNECTIONS {
            lines.push(users[number % USERS].line(&[]).await?);
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        let after = process::resident_kb(server.process()?)?;
        let each = (after - before) / CONNECTIONS as f64;
        figure("memory per idle TLS connection (of 2,000)", each, "KB");
        drop(lines);
        Ok(())
    })
}
