//! Sizes on disk, time to the first answer, memory at rest.

use super::{figure, process, server};
use crate::real::{RealServer, binary};
use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

const STARTS: u32 = 5;

pub fn sizes() -> Result<()> {
    let path = binary("ROOST_BIN", "roost")?;
    let bytes = std::fs::metadata(&path)?.len();
    figure("binary, as built here", bytes as f64 / 1e6, "MB");
    let target = path.parent().context("a folder")?;
    for (name, size) in embedded(target)? {
        figure(&name, size as f64 / 1e3, "KB");
    }
    Ok(())
}

/// The browser client's WASM as the build script left it. It is by far the largest thing embedded.
fn embedded(target: &Path) -> Result<Vec<(String, u64)>> {
    let mut newest: Option<(std::time::SystemTime, std::path::PathBuf)> = None;
    for entry in std::fs::read_dir(target.join("build"))? {
        let out = entry?.path().join("out");
        let wasm = out.join("client/roost_web_bg.wasm");
        if let Ok(modified) = wasm.metadata().and_then(|metadata| metadata.modified()) {
            newest = newest.max(Some((modified, out)));
        }
    }
    let (_, out) = newest.context("no browser client was built")?;
    let raw = out.join("client/roost_web_bg.wasm").metadata()?.len();
    let mut packed = 0;
    for entry in std::fs::read_dir(out.join("assets"))? {
        let entry = entry?;
        if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "br")
        {
            packed = packed.max(entry.metadata()?.len());
        }
    }
    Ok(vec![
        ("WASM, raw".to_owned(), raw),
        ("WASM, brotli".to_owned(), packed),
    ])
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
pub fn start() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let begun = Instant::now();
    let mut server = server(&folder.path().join("data"))?;
    answer(&server)?;
    figure(
        "first start to first answer",
        begun.elapsed().as_secs_f64(),
        "s",
    );
    let mut times = Vec::new();
    for _ in 0..STARTS {
        server.stop()?;
        let begun = Instant::now();
        server.start_again()?;
        answer(&server)?;
        times.push(begun.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    figure("start to first answer, median", times[times.len() / 2], "s");
    std::thread::sleep(Duration::from_secs(3));
    let idle = process::resident_kb(server.process()?)?;
    figure("idle memory (RSS)", idle / 1_024.0, "MB");
    Ok(())
}

/// Waits until the server accepts a connection and answers bytes that are no TLS.
fn answer(server: &RealServer) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port()))?;
    stream.write_all(b"hello?\r\n\r\n")?;
    let mut answer = Vec::new();
    // A TLS alert or a closed connection: either way somebody is there.
    let _ = stream.take(16).read_to_end(&mut answer);
    Ok(())
}
