//! Holds a patch in the tree while its proof runs.
//!
//! A shell holds it, not this process: its exit trap takes the patch back after Ctrl-C, a closed
//! terminal or a panic here. The target folder is the usual one, since another would compile every
//! dependency once more; cargo sees that the sources changed and changed back, and the programs
//! that others start without asking cargo are removed at the end.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::patch::Plant;
use crate::workspace::Workspace;

/// `$1` is the patch, `$2` builds, `$3` the proof; the rest are files to be removed afterwards.
const SCRIPT: &str = r#"
exec 2>&1
patch=$1 build=$2 proof=$3
shift 3
trap '' PIPE INT TERM HUP
git apply -- "$patch" || exit 3
trap 'trap "" INT TERM HUP
    git apply --reverse -- "$patch" || echo "xtask: could not take back $patch"
    rm -f -- "$@"' EXIT
trap 'exit 130' INT TERM HUP
sh -c "$build" || exit 4
echo "xtask: built"
if sh -c "$proof"; then exit 0; else exit 1; fi
"#;
const BUILT: &str = "xtask: built\n";

/// What became of a proof while the bug was there.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It failed, and said why.
    Caught,
    Passed,
    NotBuilt,
    /// It failed and did not say this.
    Other(String),
}

/// Plants, builds, proves and takes back.
pub fn prove(workspace: &Workspace, patch: &Path, plant: &Plant) -> Result<Outcome> {
    let mut shell = workspace.command("sh");
    shell
        .args(["-c", SCRIPT, "plant"])
        .arg(patch)
        .arg(joined(&plant.builds))
        .arg(&plant.proof);
    if !plant.programs.is_empty() {
        let folder = workspace.target_folder()?.join("debug");
        shell
            .args(plant.programs.iter().map(|name| folder.join(name)))
            .env("ROOST_BIN", folder.join("roost"))
            .env("ROOST_CLI_BIN", folder.join("roost-cli"));
    }
    let (code, output) = run(&mut shell)?;
    let proof = output.split_once(BUILT).map_or("", |(_, proof)| proof);
    match (code, plant.missing(proof)) {
        (Some(0), _) => Ok(Outcome::Passed),
        (Some(1), None) => Ok(Outcome::Caught),
        (Some(1), Some(text)) => Ok(Outcome::Other(text.to_owned())),
        (Some(3), _) => bail!("{} does not apply any more", patch.display()),
        (Some(4), _) => Ok(Outcome::NotBuilt),
        (other, _) => bail!("the proof was interrupted ({other:?})"),
    }
}

fn joined(builds: &[String]) -> String {
    if builds.is_empty() {
        ":".to_owned()
    } else {
        builds.join(" && ")
    }
}

/// The exit code, and all that was printed; it is shown meanwhile.
fn run(shell: &mut Command) -> Result<(Option<i32>, String)> {
    let mut child = shell
        .stdout(Stdio::piped())
        .spawn()
        .context("starting sh")?;
    let stdout = child.stdout.take().context("output of sh")?;
    let mut output = String::new();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("  | {line}");
        output.push_str(&line);
        output.push('\n');
    }
    Ok((child.wait()?.code(), output))
}

#[cfg(test)]
pub(super) mod tests {
    use std::{fs, path::PathBuf};

    use super::*;
    use crate::workspace;

    const PATCH: &str = "\
# a header
diff --git a/value b/value
--- a/value
+++ b/value
@@ -1 +1 @@
-good
+bad
";

    fn proved(place: &Repository, build: &str, proof: &str) -> Result<Outcome> {
        let plant = Plant {
            proof: proof.to_owned(),
            shows: vec!["bad".to_owned()],
            builds: vec![build.to_owned()],
            programs: Vec::new(),
            files: vec!["value".to_owned()],
        };
        prove(&place.workspace(), Path::new("p.patch"), &plant)
    }

    #[test]
    fn only_a_failure_for_the_planted_reason_counts() {
        let place = Repository::new("reason");

        let caught = proved(&place, "true", "cat value; false").unwrap();
        let passed = proved(&place, "true", "cat value").unwrap();
        let other = proved(&place, "cat value", "echo unreachable; false").unwrap();

        assert_eq!(caught, Outcome::Caught);
        assert_eq!(passed, Outcome::Passed);
        assert_eq!(other, Outcome::Other("bad".to_owned()));
        assert_eq!(place.value(), "good\n");
    }

    #[test]
    fn a_failed_build_is_no_failed_proof() {
        let place = Repository::new("build");

        let outcome = proved(&place, "cat value; false", "cat value; false").unwrap();

        assert_eq!(outcome, Outcome::NotBuilt);
        assert_eq!(place.value(), "good\n");
    }

    #[test]
    fn an_interrupted_proof_leaves_the_file_as_before() {
        for signal in ["INT", "TERM", "HUP"] {
            let place = Repository::new(signal);

            let outcome = proved(&place, "true", &format!("kill -{signal} $PPID"));

            assert!(outcome.is_err());
            assert_eq!(place.value(), "good\n");
        }
    }

    #[test]
    fn a_patch_that_does_not_apply_changes_nothing() {
        let place = Repository::new("stale");
        fs::write(place.file("value"), "better\n").unwrap();

        let outcome = proved(&place, "true", "cat value; false");

        assert!(outcome.is_err());
        assert_eq!(place.value(), "better\n");
    }

    /// A git repository with one committed file and a patch.
    pub(in super::super) struct Repository(PathBuf);

    impl Repository {
        pub fn new(label: &str) -> Self {
            let name = format!("roost-plant-{}-{label}", std::process::id());
            let place = Self(std::env::temp_dir().join(name));
            fs::create_dir_all(&place.0).unwrap();
            fs::write(place.file("value"), "good\n").unwrap();
            fs::write(place.file("p.patch"), PATCH).unwrap();
            for arguments in [
                &["init", "--quiet"][..],
                &["add", "value"],
                &[
                    "-c",
                    "user.name=t",
                    "-c",
                    "user.email=t@t",
                    "commit",
                    "--quiet",
                    "-m",
                    "t",
                ],
            ] {
                let mut git = Command::new("git");
                workspace::run(git.current_dir(&place.0).args(arguments)).unwrap();
            }
            place
        }

        pub fn workspace(&self) -> Workspace {
            Workspace::at(self.0.clone())
        }

        pub fn file(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        fn value(&self) -> String {
            fs::read_to_string(self.file("value")).unwrap()
        }
    }

    impl Drop for Repository {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
