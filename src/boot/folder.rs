//! The data folder: the store in it, and where else things are.

use crate::config::Config;
use crate::entropy::SystemDice;
use crate::http::App;
use crate::service::Settings;
use anyhow::{Context, Result, ensure};
use roost_store::{Error, SledOptions, SledStore, Store};
use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const STORE: &str = "store";
/// An import under way: never served.
const IMPORT: &str = "store.importing";
const IMPORT_LOCK: &str = "import.lock";
const TLS: &str = "tls";
const ORIGIN: &str = "origin";
/// Read-only below this much free space, for tests of full disks.
const KEEP_FREE: &str = "ROOST_KEEP_FREE_BYTES";

/// An opened data folder.
pub struct Opened {
    pub app: App,
    pub store: Arc<SledStore>,
}

/// Opens the store in a data folder, and the server on it.
///
/// # Errors
/// A folder in use by another process, or one that cannot be read.
pub async fn open_folder(data: &Path, settings: Settings) -> Result<Opened> {
    let store = Arc::new(open_store(data)?);
    let shared: Arc<dyn Store> = store.clone();
    let app = App::open(shared, settings, Box::new(SystemDice)).await?;
    Ok(Opened { app, store })
}

/// Opens only the store in a data folder.
///
/// # Errors
/// A folder in use by another process, or one that cannot be read.
pub fn open_store(data: &Path) -> Result<SledStore> {
    open_at(data, STORE)
}

/// Opens an empty store beside the place of the real one, for `Import::finish` to put there.
///
/// # Errors
/// A folder that has a store already, or that another import is using.
pub fn begin_import(data: &Path) -> Result<Import> {
    ensure!(
        !data.join(STORE).exists(),
        "{} holds a server's data already; name a new folder with --data",
        data.display()
    );
    make(data)?;
    let lock = File::create(data.join(IMPORT_LOCK))?;
    lock.try_lock()
        .with_context(|| format!("another import into {} is running", data.display()))?;
    // What is there was left by an import that died.
    let place = data.join(IMPORT);
    if place.exists() {
        std::fs::remove_dir_all(&place)
            .with_context(|| format!("cannot empty {}", place.display()))?;
    }
    let store = open_at(data, IMPORT)?;
    let data = data.to_owned();
    Ok(Import { store, data, lock })
}

/// An import under way: nobody else works at this place.
pub struct Import {
    pub store: SledStore,
    data: PathBuf,
    lock: File,
}

impl Import {
    /// Makes the import, complete and closed, the store of its folder: all of it or nothing.
    ///
    /// # Errors
    /// What the file system says.
    pub fn finish(self) -> Result<()> {
        let Self { store, data, lock } = self;
        drop(store);
        std::fs::rename(data.join(IMPORT), data.join(STORE))
            .and_then(|()| File::open(&data)?.sync_all())
            .with_context(|| format!("cannot put the import into {}", data.display()))?;
        drop(lock);
        std::fs::remove_file(data.join(IMPORT_LOCK)).context("cannot remove the import's lock")
    }
}

fn open_at(data: &Path, name: &str) -> Result<SledStore> {
    make(data)?;
    let options = SledOptions::new();
    let options = match crate::config::keep_free_bytes(KEEP_FREE) {
        Some(bytes) => options.keep_free(bytes, 0),
        None => options,
    };
    SledStore::open(data.join(name), options).map_err(|error| match error {
        Error::Locked { .. } => anyhow::anyhow!(
            "{} is in use by another roost process; stop that one first, or choose another folder \
             with --data",
            data.display()
        ),
        error => anyhow::Error::new(error)
            .context(format!("cannot open the data folder {}", data.display())),
    })
}

/// The folder of certificates.
pub fn tls(data: &Path) -> PathBuf {
    data.join(TLS)
}

/// Remembers under which address people reach the server, for links made while it is stopped.
pub fn note_origin(data: &Path, origin: &str) -> Result<()> {
    let file = data.join(ORIGIN);
    std::fs::write(&file, origin).with_context(|| format!("cannot write {}", file.display()))
}

/// Settings for commands that work on a stopped server.
pub fn settings_at_rest(data: &Path) -> Settings {
    let origin = std::fs::read_to_string(data.join(ORIGIN)).ok();
    let settings = Settings::default();
    Settings {
        origin: origin.unwrap_or_else(|| settings.origin.clone()),
        ..settings
    }
}

/// Settings for a server that is reached at `origin`.
pub fn settings(config: &Config, origin: String, relay_urls: Vec<String>) -> Settings {
    Settings {
        origin,
        retention_days: config.retention_days,
        group_devices_max: config.group_devices_max,
        messages_per_second: config.messages_per_second,
        requests_per_second: config.requests_per_second,
        strangers_per_second: config.strangers_per_second,
        relay_urls,
    }
}

/// The owner's alone.
fn make(data: &Path) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("cannot make the data folder {}", data.display()))
}
