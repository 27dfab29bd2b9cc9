//! Who may see whom: the locks that keep plaintext and keys out of the server.
//!
//! Owns the verdict; the rules stand in `crates.rs` (what cargo links) and `source.rs` (what the
//! code names).

mod crates;
mod source;

use anyhow::{Result, bail};

use crate::workspace::Workspace;

/// # Errors
/// Lists every violation.
pub fn check(workspace: &Workspace) -> Result<()> {
    let mut violations = crates::violations(workspace)?;
    violations.extend(source::violations(workspace)?);
    if violations.is_empty() {
        println!("boundary: no client crate under the server, no forbidden arrow");
        return Ok(());
    }
    bail!("boundary violated:\n  {}", violations.join("\n  "))
}
