//! Planted bugs: a proof that cannot fail proves nothing.
//!
//! Owns applying a patch of `tests/planted/`, running the proof it names and taking the patch back.
//! A shell holds the patch, not this process: its exit trap takes the patch back after Ctrl-C, a
//! closed terminal or a panic here.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use crate::workspace::{self, Workspace};

const FOLDER: &str = "tests/planted";

/// `$1` is the patch, `$2` the proof. Exit code 0 when the proof passed, 1 when it failed.
const HOLDER: &str = r#"
exec 2>&1
trap '' PIPE
git apply -- "$1" || exit 3
trap 'git apply --reverse -- "$1" || echo "xtask: could not take back $1"' EXIT
trap 'exit 130' INT TERM HUP
if sh -c "$2"; then exit 0; else exit 1; fi
"#;

/// What cargo says when the patch broke the code instead of its behaviour.
const COMPILE_ERRORS: [&str; 3] = ["could not compile", "error[E", "no such command"];

pub fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    match arguments {
        [flag] if flag == "--all" => names(workspace)?
            .iter()
            .try_for_each(|name| one(workspace, name)),
        [name] => one(workspace, name),
        _ => bail!(
            "cargo xtask plant NAME | --all; known: {}",
            names(workspace)?.join(", ")
        ),
    }
}

fn one(workspace: &Workspace, name: &str) -> Result<()> {
    let known = names(workspace)?;
    ensure!(
        known.iter().any(|known| known == name),
        "no plant {name}; known: {}",
        known.join(", ")
    );
    let path = Path::new(FOLDER).join(name).with_extension("patch");
    let plant =
        Plant::parse(&workspace.read(&path)?).with_context(|| path.display().to_string())?;
    refuse_changed_files(workspace, &plant.files)?;

    println!("plant {name}: {}", plant.proof);
    let outcome = prove(workspace, &path, &plant.proof)?;

    plant
        .judge(&outcome)
        .with_context(|| format!("plant {name}"))?;
    println!("plant {name}: caught");
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

struct Outcome {
    passed: bool,
    output: String,
}

fn prove(workspace: &Workspace, patch: &Path, proof: &str) -> Result<Outcome> {
    let mut holder = Command::new("sh")
        .current_dir(workspace.root())
        .args(["-c", HOLDER, "plant"])
        .arg(patch)
        .arg(proof)
        .stdout(Stdio::piped())
        .spawn()
        .context("starting sh")?;
    let stdout = holder.stdout.take().context("output of sh")?;
    let mut output = String::new();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("  | {line}");
        output.push_str(&line);
        output.push('\n');
    }
    match holder.wait()?.code() {
        Some(0) => Ok(Outcome {
            passed: true,
            output,
        }),
        Some(1) => Ok(Outcome {
            passed: false,
            output,
        }),
        Some(3) => bail!("{} does not apply any more", patch.display()),
        other => bail!("the proof was interrupted ({other:?})"),
    }
}

#[derive(Debug)]
struct Plant {
    proof: String,
    /// Text that a failing proof must show, so that it fails for the planted reason.
    shows: Option<String>,
    files: Vec<String>,
}

impl Plant {
    fn parse(patch: &str) -> Result<Self> {
        let header = |name: &str| {
            let lines = patch.lines().take_while(|line| line.starts_with('#'));
            let mut values =
                lines.filter_map(|line| line.strip_prefix('#')?.trim().strip_prefix(name));
            values.next().map(|value| value.trim().to_owned())
        };
        let proof = header("proof:").context("no line `# proof: cargo …` at the top")?;
        ensure!(
            proof.starts_with("cargo "),
            "the proof must be a cargo command, not: {proof}"
        );
        let sides = patch.lines().filter_map(|line| {
            line.strip_prefix("--- a/")
                .or_else(|| line.strip_prefix("+++ b/"))
        });
        let mut files: Vec<String> = sides.map(str::to_owned).collect();
        files.sort();
        files.dedup();
        ensure!(!files.is_empty(), "the patch touches no file");
        Ok(Self {
            proof,
            shows: header("shows:"),
            files,
        })
    }

    fn judge(&self, outcome: &Outcome) -> Result<()> {
        ensure!(
            !outcome.passed,
            "the proof passed although the bug was there"
        );
        let broken = COMPILE_ERRORS
            .iter()
            .find(|error| outcome.output.contains(**error));
        ensure!(
            broken.is_none(),
            "the patch does not compile, so nothing was proved"
        );
        if let Some(text) = &self.shows {
            ensure!(
                outcome.output.contains(text),
                "the proof failed without showing: {text}"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    const PATCH: &str = "\
# proof: cargo test -p a
# shows: lost=1
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
        assert_eq!(plant.shows.as_deref(), Some("lost=1"));
        assert_eq!(plant.files, ["value"]);
    }

    #[test]
    fn a_patch_without_a_cargo_proof_is_refused() {
        assert!(Plant::parse("--- a/value\n+++ b/value\n").is_err());
        assert!(Plant::parse("# proof: rm -r src\n--- a/value\n+++ b/value\n").is_err());
        assert!(Plant::parse("# proof: cargo test\n").is_err());
    }

    #[test]
    fn only_a_failure_for_the_planted_reason_counts() {
        let plant = Plant::parse(PATCH).unwrap();
        let judge = |passed, output: &str| {
            plant
                .judge(&Outcome {
                    passed,
                    output: output.to_owned(),
                })
                .is_ok()
        };

        assert!(judge(false, "sim lost=1"));
        assert!(!judge(true, "sim lost=1"));
        assert!(!judge(false, "sim lost=0"));
        assert!(!judge(false, "lost=1\nerror: could not compile `a`"));
    }

    #[test]
    fn the_proof_sees_the_bug_and_the_file_is_as_before_afterwards() {
        let place = Repository::new("seen");

        let outcome = prove(&place.workspace(), Path::new("p.patch"), "grep good value").unwrap();

        assert!(!outcome.passed);
        assert_eq!(place.value(), "good\n");
    }

    #[test]
    fn an_interrupted_proof_leaves_the_file_as_before() {
        let place = Repository::new("interrupted");

        let outcome = prove(
            &place.workspace(),
            Path::new("p.patch"),
            "cat value; kill -INT $PPID",
        );

        assert!(outcome.is_err());
        assert_eq!(place.value(), "good\n");
    }

    #[test]
    fn a_changed_file_is_refused() {
        let place = Repository::new("changed");
        let files = ["value".to_owned()];

        assert!(refuse_changed_files(&place.workspace(), &files).is_ok());
        fs::write(place.0.join("value"), "mine\n").unwrap();
        assert!(refuse_changed_files(&place.workspace(), &files).is_err());
    }

    /// A git repository with one committed file and a patch.
    struct Repository(PathBuf);

    impl Repository {
        fn new(label: &str) -> Self {
            let name = format!("roost-plant-{}-{label}", std::process::id());
            let place = Self(std::env::temp_dir().join(name));
            fs::create_dir_all(&place.0).unwrap();
            fs::write(place.0.join("value"), "good\n").unwrap();
            fs::write(place.0.join("p.patch"), PATCH).unwrap();
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

        fn workspace(&self) -> Workspace {
            Workspace::at(self.0.clone())
        }

        fn value(&self) -> String {
            fs::read_to_string(self.0.join("value")).unwrap()
        }
    }

    impl Drop for Repository {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
