//! Planted bugs: a proof that cannot fail proves nothing.
//!
//! Owns the order of things: plant a patch of `tests/planted/`, build what its proof needs, run the
//! proof, and demand that it fails for the planted reason. Never touches work that is not committed.

mod holder;
mod patch;

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail, ensure};

use crate::workspace::{self, Workspace};
use holder::Outcome;
use patch::Plant;

const FOLDER: &str = "tests/planted";

pub fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let known = names(workspace)?;
    match arguments {
        [flag] if flag == "--all" => all(workspace, &known),
        [name] if known.contains(name) => one(workspace, name),
        _ => bail!(
            "cargo xtask plant NAME | --all; known: {}",
            known.join(", ")
        ),
    }
}

/// Goes on after a bug that was not caught; the last line is the result.
fn all(workspace: &Workspace, names: &[String]) -> Result<()> {
    let mut missed = Vec::new();
    for name in names {
        if let Err(error) = one(workspace, name) {
            println!("plant {name}: MISSED: {error:#}");
            missed.push(name.as_str());
        }
    }
    println!(
        "plant planted={} caught={}",
        names.len(),
        names.len() - missed.len()
    );
    ensure!(!names.is_empty(), "{FOLDER} holds no patch");
    ensure!(missed.is_empty(), "missed: {}", missed.join(", "));
    Ok(())
}

fn one(workspace: &Workspace, name: &str) -> Result<()> {
    let path = Path::new(FOLDER).join(name).with_extension("patch");
    let plant =
        Plant::parse(&workspace.read(&path)?).with_context(|| path.display().to_string())?;
    refuse_changed_files(workspace, &plant.files)?;

    println!("plant {name}: {}", plant.proof);
    match holder::prove(workspace, &path, &plant)? {
        Outcome::Caught => println!("plant {name}: caught"),
        Outcome::Passed => bail!("the proof passed although the bug was there"),
        Outcome::NotBuilt => bail!("with the patch it does not build, so nothing was proved"),
        Outcome::Other(text) => bail!("the proof failed without showing: {text}"),
    }
    Ok(())
}

fn names(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.root().join(FOLDER);
    let Ok(entries) = folder.read_dir() else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if let Some(stem) = stem.filter(|_| path.extension().is_some_and(|end| end == "patch")) {
            names.push(stem.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Applying on top of somebody's unsaved work could lose it when the patch is taken back.
fn refuse_changed_files(workspace: &Workspace, files: &[String]) -> Result<()> {
    let mut status = Command::new("git");
    status
        .current_dir(workspace.root())
        .args(["status", "--porcelain", "--"])
        .args(files);
    let changed = workspace::output(&mut status)?;
    ensure!(
        changed.is_empty(),
        "commit or drop these changes first:\n{changed}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use holder::tests::Repository;

    #[test]
    fn a_changed_file_is_refused() {
        let place = Repository::new("changed");
        let files = ["value".to_owned()];

        assert!(refuse_changed_files(&place.workspace(), &files).is_ok());
        fs::write(place.file("value"), "mine\n").unwrap();
        assert!(refuse_changed_files(&place.workspace(), &files).is_err());
    }

    #[test]
    fn every_patch_of_this_workspace_can_be_read_and_applies() {
        let workspace = Workspace::find().unwrap();
        let names = names(&workspace).unwrap();

        assert!(!names.is_empty());
        for name in names {
            let path = Path::new(FOLDER).join(&name).with_extension("patch");
            let plant = Plant::parse(&workspace.read(&path).unwrap()).unwrap();
            let mut check = Command::new("git");
            check.args(["apply", "--check", "--"]).arg(&path);
            let applies = workspace::run(check.current_dir(workspace.root()));

            assert!(applies.is_ok(), "{name}");
            assert!(!plant.builds.is_empty() || plant.proof == "cargo xtask boundary");
        }
    }
}
