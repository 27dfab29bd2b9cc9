//! The table of embedded files.
//!
//! Owns content types, compression and the hash of the set. The bytes it hashes are the bytes it
//! embeds: everything is copied into `OUT_DIR` first.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

const COPIES: &str = "assets";

/// Files by logical path.
#[derive(Default)]
pub struct Set(BTreeMap<String, Vec<u8>>);

impl Set {
    /// Adds all files below `folder` under `prefix`, save hidden files and notes (`*.md`).
    pub fn add_folder(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        for entry in folder
            .read_dir()
            .with_context(|| format!("reading {}", folder.display()))?
        {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                bail!("{} has no UTF-8 name", entry.path().display());
            };
            let path = format!("{prefix}{name}");
            if name.starts_with('.') || name.ends_with(".md") {
                continue;
            }
            if entry.file_type()?.is_dir() {
                self.add_folder(&entry.path(), &format!("{path}/"))?;
            } else {
                self.add(path, &entry.path())?;
            }
        }
        Ok(())
    }

    /// Writes `assets.rs` and the bytes it embeds.
    pub fn write(&self, out: &Path, release: bool) -> Result<()> {
        crate::client::empty_folder(&out.join(COPIES))?;
        let mut set_hash = Sha256::new();
        let mut rows = String::new();
        for (index, (path, bytes)) in self.0.iter().enumerate() {
            let sha256: [u8; 32] = Sha256::digest(bytes).into();
            set_hash.update(path.as_bytes());
            set_hash.update([0]);
            set_hash.update(sha256);
            let packed = brotli(bytes, release)?.filter(|packed| packed.len() < bytes.len());
            let copies = Copies { out, index };
            let plain = copies.embed("raw", bytes)?;
            let packed = match packed {
                Some(packed) => format!("Some({})", copies.embed("br", &packed)?),
                None => "None".to_owned(),
            };
            writeln!(
                rows,
                "    Asset {{ path: {path:?}, content_type: {:?}, bytes: {plain}, \
                 brotli: {packed}, sha256: {sha256:?} }},",
                content_type(path)?,
            )?;
        }
        let name = set_name(&set_hash.finalize());
        let table = format!(
            "/// Hash over all embedded paths and contents.\n\
             pub const ASSET_SET: &str = {name:?};\n\
             /// All embedded files, sorted by path.\n\
             pub static ASSETS: &[Asset] = &[\n{rows}];\n"
        );
        fs::write(out.join("assets.rs"), table).context("writing assets.rs")
    }

    fn add(&mut self, path: String, file: &Path) -> Result<()> {
        content_type(&path)?;
        let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        match self.0.insert(path, bytes) {
            None => Ok(()),
            Some(_) => bail!("{} takes the place of a generated file", file.display()),
        }
    }
}

struct Copies<'a> {
    out: &'a Path,
    index: usize,
}

impl Copies<'_> {
    /// Stores the bytes and answers with the expression that embeds them. Relative to `assets.rs`,
    /// so that the table holds no path of this machine.
    fn embed(&self, extension: &str, bytes: &[u8]) -> Result<String> {
        let file = PathBuf::from(COPIES).join(format!("{}.{extension}", self.index));
        fs::write(self.out.join(&file), bytes).with_context(|| format!("writing {file:?}"))?;
        Ok(format!("include_bytes!({file:?})"))
    }
}

fn set_name(hash: &[u8]) -> String {
    hash.iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn brotli(bytes: &[u8], release: bool) -> Result<Option<Vec<u8>>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let quality = if release { 11 } else { 5 };
    let mut packed = Vec::new();
    let mut writer = ::brotli::CompressorWriter::new(&mut packed, 64 * 1024, quality, 24);
    writer
        .write_all(bytes)
        .and_then(|()| writer.flush())
        .context("compressing")?;
    drop(writer);
    Ok(Some(packed))
}

fn content_type(path: &str) -> Result<&'static str> {
    let extension = Path::new(path)
        .extension()
        .and_then(|extension| extension.to_str());
    Ok(match extension {
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("html") => "text/html; charset=utf-8",
        Some("txt" | "ftl") => "text/plain; charset=utf-8",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("mp3") => "audio/mpeg",
        Some("ogg" | "opus") => "audio/ogg",
        _ => bail!("static/{path}: add the content type of this extension to build/assets.rs"),
    })
}
