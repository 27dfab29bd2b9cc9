//! `roost export` and `roost import`: all data as one file, free of the engine.
//!
//! An export holds what the data folder holds: ciphertext, accounts, rosters and the server's own
//! key. An import is a new incarnation: clients then compare the last entry they read in each group,
//! and where it is missing enter the group anew.

use crate::boot;
use crate::config::DataArgs;
use crate::service::Identity;
use anyhow::{Context, Result};
use clap::Args;
use roost_store::Store;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub struct ExportArgs {
    #[command(flatten)]
    place: DataArgs,
    /// The file to write; it must not exist
    file: PathBuf,
}

#[derive(Args, Debug)]
pub struct ImportArgs {
    #[command(flatten)]
    place: DataArgs,
    /// The file to read
    file: PathBuf,
}

pub fn export(args: ExportArgs) -> Result<()> {
    let data = args.place.folder()?;
    let store = boot::open_store(&data)?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&args.file)
        .with_context(|| format!("cannot write {}", args.file.display()))?;
    let moved = block_on(async {
        let moved = roost_store::export(&store, &file).await?;
        file.sync_all()?;
        store.close().await?;
        Ok(moved)
    })?;
    println!("exported: {} rows", moved.rows);
    Ok(())
}

pub fn import(args: ImportArgs) -> Result<()> {
    let data = args.place.folder()?;
    let file =
        File::open(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let import = boot::begin_import(&data)?;
    let moved = block_on(async {
        let moved = roost_store::import(&import.store, file).await?;
        Identity::renew_incarnation(&import.store).await?;
        import.store.close().await?;
        Ok(moved)
    })?;
    import.finish()?;
    println!("imported: {} rows", moved.rows);
    Ok(())
}

fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    actix_web::rt::System::new().block_on(work)
}
