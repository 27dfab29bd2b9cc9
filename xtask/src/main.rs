//! `cargo xtask NAME`: what the project checks, proves and packages beyond `cargo test`.
//!
//! Owns the boundary and size checks, planted bugs and packaging; starts the proof programs of
//! `roost-tests`. Never links a crate of the product: a broken product must not break its checks.

mod boundary;
mod package;
mod plant;
mod program;
mod rust_source;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::{program::Profile, workspace::Workspace};

const USAGE: &str = "\
cargo xtask [--release] NAME [ARGUMENTS]

checks      boundary              which crate and module may see which
            tidy                  prints what is unusually large; never fails
proofs      sim | crash | gun | bench | power-loss
                                  starts the program of that name in roost-tests
            plant NAME | --all    plants tests/planted/NAME.patch, demands that its proof fails
delivery    package               static binaries and checksums in artefacts/package

--release   builds the proof programs and binaries in the release profile (bench always does)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let (profile, arguments) = match arguments.split_first() {
        Some((flag, rest)) if flag == "--release" => (Profile::Release, rest),
        Some(_) | None => (Profile::Dev, arguments),
    };
    let Some((name, rest)) = arguments.split_first() else {
        bail!("which task?\n\n{USAGE}")
    };
    let workspace = Workspace::find()?;
    match name.as_str() {
        "boundary" => boundary::check(&workspace),
        "tidy" => tidy::print(&workspace),
        "plant" => plant::run(&workspace, rest),
        "package" => package::build(&workspace),
        "bench" => program::start(&workspace, "bench", Profile::Release, rest),
        "sim" | "crash" | "gun" | "power-loss" => program::start(&workspace, name, profile, rest),
        "help" | "--help" => {
            print!("{USAGE}");
            Ok(())
        }
        unknown => bail!("no task is called {unknown}\n\n{USAGE}"),
    }
}
