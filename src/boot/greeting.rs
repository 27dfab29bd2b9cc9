//! What a start prints: where the server is, and how its first person gets in.

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use std::io::{self, IsTerminal, Write};

/// Prints the lines that people and scripts look for.
///
/// # Errors
/// A standard output that is closed.
pub fn print(origin: &str, setup: Option<&str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if let Some(link) = setup {
        if io::stdout().is_terminal()
            && let Some(code) = qr(link)
        {
            writeln!(out, "{code}")?;
        }
        writeln!(out, "setup: {link}")?;
    }
    writeln!(out, "ready: {origin}/")?;
    out.flush()
}

fn qr(link: &str) -> Option<String> {
    let code = QrCode::new(link).ok()?;
    Some(code.render::<Dense1x2>().quiet_zone(true).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_becomes_a_code_of_block_characters() {
        let code = qr("https://roost.example/i/AQEBAQEBAQEBAQEBAQEBAQ#AgICAgICAgICAgICAgICAg");

        assert!(code.is_some_and(|code| code.lines().count() > 10 && code.contains('█')));
    }
}
