//! The control socket in the data folder: how `roost invite` reaches a server that is running.
//!
//! One line of JSON asks, one line answers. Who may open the socket is the file system's word: it
//! is the owner's alone.

use crate::clock;
use crate::service::Invites;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

const LINE_BYTES_MAX: u64 = 4096;
const ANSWER_SECONDS: u64 = 10;
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    Invite { uses: u32, seconds: u64 },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// An invite link. Whoever sees it can use it.
    Invite(String),
    Refused(String),
}

#[must_use]
pub fn path(data: &Path) -> PathBuf {
    data.join("control.sock")
}

/// Opens the socket; one that a dead server left is replaced. The caller holds the store's lock.
///
/// # Errors
/// What the system says.
pub fn listen(data: &Path) -> io::Result<UnixListener> {
    let path = path(data);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers one request after the other.
pub async fn serve(listener: UnixListener, invites: Invites) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Too many open files, for example: it passes.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let wait = Duration::from_secs(ANSWER_SECONDS);
        // Who asked has gone away, or asks again: there is nobody to tell.
        let _ = tokio::time::timeout(wait, answer(stream, &invites)).await;
    }
}

/// Asks a running server; none if there is none.
///
/// # Errors
/// A server that is there but does not answer.
pub fn ask(data: &Path, request: &Request) -> io::Result<Option<Answer>> {
    let Ok(mut stream) = std::os::unix::net::UnixStream::connect(path(data)) else {
        return Ok(None);
    };
    let wait = Some(Duration::from_secs(ANSWER_SECONDS));
    stream.set_read_timeout(wait)?;
    stream.set_write_timeout(wait)?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    let mut reader = BufReader::new(io::Read::take(stream, LINE_BYTES_MAX));
    reader.read_line(&mut answer)?;
    Ok(Some(serde_json::from_str(&answer)?))
}

async fn answer(stream: UnixStream, invites: &Invites) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    tokio::io::BufReader::new(reader.take(LINE_BYTES_MAX))
        .read_line(&mut line)
        .await?;
    let answer = match serde_json::from_str(&line) {
        Ok(request) => carry_out(request, invites).await,
        Err(_) => Answer::Refused("the request was not understood".to_owned()),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    writer.write_all(&line).await
}

async fn carry_out(request: Request, invites: &Invites) -> Answer {
    match request {
        Request::Invite { uses, seconds } => {
            let now = clock::now().seconds();
            match invites.by_operator(uses, seconds, now).await {
                Ok(link) => Answer::Invite(link.to_string()),
                Err(error) => Answer::Refused(error.to_string()),
            }
        }
    }
}
