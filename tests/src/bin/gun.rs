//! `cargo xtask gun`: looks for a smoking one. Plants words through real clients, then searches
//! everything the server has for them.
//!
//! What is searched must contain none of the people's words, in any spelling; and the same search
//! must find, in memory, on disk and in the export, a word that the server is meant to know. The last line of
//! output is the result.

use roost_tests::gun;
use std::process::ExitCode;

fn main() -> ExitCode {
    match gun::run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
