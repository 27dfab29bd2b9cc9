//! The `roost-cli` program: arguments in, exit code out.

use clap::Parser as _;
use roost_cli::arguments::Arguments;
use roost_cli::failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    match roost_cli::run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::Closed) {
                eprintln!("roost-cli: {failure}");
            }
            ExitCode::from(failure.code())
        }
    }
}
