//! `cargo xtask bench [PART…]`: measures the real server and the real client; prints figures,
//! judges nothing. The reference figures stand in docs/benchmarks.md.

use roost_tests::bench;
use std::process::ExitCode;

fn main() -> ExitCode {
    let parts: Vec<String> = std::env::args().skip(1).collect();
    match bench::run(&parts) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
