//! A patch and its header: the proof that must catch it, and what to build before.

use anyhow::{Context, Result, bail, ensure};

use crate::program;

/// A planted bug.
#[derive(Debug)]
pub struct Plant {
    /// What must fail, as typed into a shell.
    pub proof: String,
    /// Each must occur in what the proof prints: it fails for the planted reason.
    pub shows: Vec<String>,
    /// What is built first, as typed into a shell: code that does not compile proves nothing.
    pub builds: Vec<String>,
    /// Programs that the proof starts itself.
    pub programs: Vec<String>,
    /// The files that the patch touches.
    pub files: Vec<String>,
}

impl Plant {
    /// Reads `# proof:`, `# shows:` and `# needs:` from the first lines.
    pub fn parse(patch: &str) -> Result<Self> {
        let proof = headers(patch, "proof:").pop();
        let proof = proof.context("no line `# proof: cargo …` at the top")?;
        let shows = headers(patch, "shows:");
        ensure!(!shows.is_empty(), "no line `# shows: …` at the top");
        let (mut builds, mut programs) = preparation(&proof)?;
        for names in headers(patch, "needs:") {
            programs.extend(names.split_whitespace().map(str::to_owned));
        }
        // Each alone: with the clients, cargo would give the server features it must not have.
        builds.extend(
            programs
                .iter()
                .map(|name| format!("cargo build --locked --package {name}")),
        );
        let files = files(patch);
        ensure!(!files.is_empty(), "the patch touches no file");
        Ok(Self {
            proof,
            shows,
            builds,
            programs,
            files,
        })
    }

    /// The first text that the proof should have shown and did not.
    pub fn missing(&self, output: &str) -> Option<&str> {
        let missing = self.shows.iter().find(|text| !output.contains(*text));
        missing.map(String::as_str)
    }
}

/// The values of all header lines of this name.
fn headers(patch: &str, name: &str) -> Vec<String> {
    let lines = patch.lines().take_while(|line| line.starts_with('#'));
    let values = lines.filter_map(|line| line.strip_prefix('#')?.trim().strip_prefix(name));
    values.map(|value| value.trim().to_owned()).collect()
}

fn files(patch: &str) -> Vec<String> {
    let sides = patch.lines().filter_map(|line| {
        line.strip_prefix("--- a/")
            .or_else(|| line.strip_prefix("+++ b/"))
    });
    let mut files: Vec<String> = sides.map(str::to_owned).collect();
    files.sort();
    files.dedup();
    files
}

/// The builds that a proof would do itself, and the programs it starts.
fn preparation(proof: &str) -> Result<(Vec<String>, Vec<String>)> {
    if let Some(rest) = proof.strip_prefix("cargo nextest run ") {
        let build = format!("cargo nextest run --no-run {rest}");
        return Ok((vec![build], Vec::new()));
    }
    if let Some(rest) = proof.strip_prefix("cargo test ") {
        return Ok((vec![format!("cargo test --no-run {rest}")], Vec::new()));
    }
    let task = proof.strip_prefix("cargo xtask ");
    match task.and_then(|task| task.split_whitespace().next()) {
        Some("boundary") => Ok((Vec::new(), Vec::new())),
        Some(name @ ("sim" | "crash" | "gun" | "power-loss")) => {
            let program = program::file_name(name);
            let build = format!("cargo build --locked --package roost-tests --bin {program}");
            let programs = program::needed_binaries(name).iter();
            Ok((
                vec![build],
                programs.map(|name| (*name).to_owned()).collect(),
            ))
        }
        _ => bail!("what to build before `{proof}` is not known"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "\
# proof: cargo test -p a
# shows: lost=1
# shows: seed 7
# needs: roost
diff --git a/value b/value
--- a/value
+++ b/value
@@ -1 +1 @@
-good
+bad
";

    #[test]
    fn header_and_files_are_read() {
        let plant = Plant::parse(PATCH).unwrap();

        assert_eq!(plant.proof, "cargo test -p a");
        assert_eq!(plant.shows, ["lost=1", "seed 7"]);
        assert_eq!(
            plant.builds,
            [
                "cargo test --no-run -p a",
                "cargo build --locked --package roost"
            ]
        );
        assert_eq!(plant.files, ["value"]);
    }

    #[test]
    fn a_patch_without_a_proof_that_can_be_built_is_refused() {
        let body = "--- a/value\n+++ b/value\n";
        for header in [
            "",
            "# proof: cargo test -p a\n",
            "# proof: rm -r src\n# shows: x\n",
            "# proof: cargo xtask package\n# shows: x\n",
        ] {
            assert!(
                Plant::parse(&format!("{header}{body}")).is_err(),
                "{header}"
            );
        }
        assert!(Plant::parse("# proof: cargo test -p a\n# shows: x\n").is_err());
    }

    #[test]
    fn programs_that_a_proof_starts_are_built_first() {
        let patch = PATCH.replace("cargo test -p a", "cargo xtask crash --rounds 3");

        let plant = Plant::parse(&patch.replace("# needs: roost\n", "")).unwrap();

        assert_eq!(plant.programs, ["roost", "roost-cli"]);
        assert_eq!(plant.builds.len(), 3);
        assert!(plant.builds[0].ends_with("--bin crash"));
    }

    #[test]
    fn all_that_a_proof_should_show_counts() {
        let plant = Plant::parse(PATCH).unwrap();

        assert_eq!(plant.missing("seed 7: lost=1"), None);
        assert_eq!(plant.missing("seed 8: lost=1"), Some("seed 7"));
    }
}
