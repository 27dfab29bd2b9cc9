//! What cargo would link into the server, tests and build scripts included.

use anyhow::Result;

use crate::workspace::{self, Workspace};

/// Crates that can open what the server must not read.
const FORBIDDEN_CRATES: [&str; 3] = ["roost-client", "roost-web", "roost-cli"];

/// Features of mls-rs that make it more than an observer.
const FORBIDDEN_FEATURES: [&str; 2] = ["private_message", "rfc_compliant"];

pub fn violations(workspace: &Workspace) -> Result<Vec<String>> {
    let linked = tree(workspace, "normal,build,dev")?;
    let features = tree(workspace, "features,normal,build")?;
    let mut violations = forbidden_crates(&linked);
    violations.extend(forbidden_features(&features));
    if !names_crate(&linked, "roost-mls") {
        violations.push("cargo tree does not show roost-mls: this check looks at nothing".into());
    }
    Ok(violations)
}

fn tree(workspace: &Workspace, edges: &str) -> Result<String> {
    let mut command = workspace.cargo();
    command.args([
        "tree",
        "--package",
        "roost",
        "--target",
        "all",
        "--prefix",
        "none",
    ]);
    workspace::output(command.args(["--edges", edges]))
}

fn forbidden_crates(tree: &str) -> Vec<String> {
    let linked = FORBIDDEN_CRATES
        .iter()
        .filter(|name| names_crate(tree, name));
    let report = |name: &&str| {
        let question = format!("cargo tree -p roost -i {name} -e normal,build,dev");
        format!("the server depends on {name}: see `{question}`")
    };
    linked.map(report).collect()
}

fn forbidden_features(tree: &str) -> Vec<String> {
    let enabled = FORBIDDEN_FEATURES.iter().filter(|feature| {
        let line = format!("mls-rs feature \"{feature}\"");
        tree.lines().any(|found| found.starts_with(&line))
    });
    enabled
        .map(|feature| format!("the server links mls-rs with feature {feature}"))
        .collect()
}

fn names_crate(tree: &str, name: &str) -> bool {
    tree.lines()
        .any(|line| line.split(' ').next() == Some(name))
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use super::*;

    const CLEAN: &str = "\
roost v0.1.0 (/src)
roost-mls v0.1.0 (/src/crates/mls)
mls-rs v0.57.0
[build-dependencies]
anyhow v1.0.0
";

    #[test]
    fn a_clean_tree_passes() {
        assert_eq!(forbidden_crates(CLEAN), Vec::<String>::new());
    }

    #[test]
    fn a_client_crate_anywhere_in_the_tree_is_refused() {
        let tree = format!("{CLEAN}[dev-dependencies]\nroost-client v0.1.0 (/src/crates/client)\n");

        assert_eq!(forbidden_crates(&tree).len(), 1);
    }

    #[test]
    fn private_message_is_refused_and_other_features_are_not() {
        let observer = "mls-rs feature \"external_client\"\n";
        let member = "roost-mls v0.1.0\nmls-rs feature \"private_message\"\n";

        assert_eq!(forbidden_features(observer), Vec::<String>::new());
        assert_eq!(forbidden_features(member).len(), 1);
    }

    /// The real check on the real manifests, once as they are and once with the client added.
    #[test]
    fn the_check_fails_when_the_client_is_added_to_the_server() {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let copy = Manifests::copy(section);
            let before = violations(&copy.workspace()).expect("cargo tree on the copy");

            copy.add_to_server(section, "roost-client = { path = \"crates/client\" }");
            let after = violations(&copy.workspace()).expect("cargo tree on the changed copy");

            assert_eq!(before, Vec::<String>::new(), "{section}");
            assert!(
                after
                    .iter()
                    .any(|violation| violation.contains("roost-client")),
                "{section}: {after:?}"
            );
        }
    }

    /// The workspace's manifests with empty sources, in a folder of its own.
    struct Manifests(PathBuf);

    impl Manifests {
        fn copy(label: &str) -> Self {
            let real = Workspace::find().expect("inside the workspace");
            let name = format!("roost-boundary-{}-{label}", std::process::id());
            let copy = Self(std::env::temp_dir().join(name));
            copy.take(
                real.root(),
                "",
                &["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"],
            );
            copy.stub("");
            for member in members(real.root()) {
                copy.take(real.root(), &member, &["Cargo.toml"]);
                copy.stub(&member);
            }
            copy
        }

        fn workspace(&self) -> Workspace {
            Workspace::at(self.0.clone())
        }

        fn add_to_server(&self, section: &str, line: &str) {
            let path = self.0.join("Cargo.toml");
            let manifest = fs::read_to_string(&path).unwrap();
            let header = format!("\n[{section}]\n");
            assert!(
                manifest.contains(&header),
                "the server's manifest has no [{section}]"
            );
            fs::write(
                &path,
                manifest.replacen(&header, &format!("{header}{line}\n"), 1),
            )
            .unwrap();
        }

        fn take(&self, root: &Path, folder: &str, files: &[&str]) {
            fs::create_dir_all(self.0.join(folder)).unwrap();
            for file in files {
                fs::copy(root.join(folder).join(file), self.0.join(folder).join(file)).unwrap();
            }
        }

        /// Cargo reads manifests only when their targets exist: make all that they name.
        fn stub(&self, folder: &str) {
            let manifest = fs::read_to_string(self.0.join(folder).join("Cargo.toml")).unwrap();
            let named = manifest
                .lines()
                .filter_map(|line| line.strip_prefix("path = \""));
            let named = named
                .filter_map(|rest| rest.split('"').next())
                .map(str::to_owned);
            let usual = ["src/lib.rs", "src/main.rs", "build.rs"].map(str::to_owned);
            for file in usual.into_iter().chain(named) {
                let path = self.0.join(folder).join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
        }
    }

    impl Drop for Manifests {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn members(root: &Path) -> Vec<String> {
        let crates = fs::read_dir(root.join("crates")).unwrap();
        let names = crates.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let crates = names.map(|name| format!("crates/{name}"));
        let members = crates.chain(["tests".to_owned(), "xtask".to_owned()]);
        members
            .filter(|member| root.join(member).join("Cargo.toml").is_file())
            .collect()
    }
}
