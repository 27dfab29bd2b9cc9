//! What the code names: arrows between the server's modules, mls-rs as a member, clocks.

use std::path::{Component, Path};

use anyhow::Result;

use crate::{
    rust_source::{self, UsedPath},
    workspace::Workspace,
};

/// Modules of `src/` and the modules they may name, besides those open to all. A module missing
/// here is a violation: say what it may see before it exists.
const ARROWS: &[(&str, &[&str])] = &[
    ("lib", &[]),
    ("main", &["boot", "command", "config"]),
    ("command", &["boot", "config", "control", "service", "tls"]),
    ("config", &[]),
    ("clock", &[]),
    ("entropy", &[]),
    ("delivery", &[]),
    ("telemetry", &[]),
    ("tls", &["config"]),
    ("http", &["config", "fanout", "service", "session", "tls"]),
    ("https", &["http", "relay"]),
    ("control", &["service"]),
    ("job", &["config", "fanout", "service", "tls"]),
    ("service", &[]),
    ("session", &[]),
    ("fanout", &[]),
    ("relay", &["config"]),
];

/// Names every concrete type.
const COMPOSER: &str = "boot";

/// Types of arguments and of results, and the log.
const OPEN_TO_ALL: [&str; 4] = ["clock", "delivery", "entropy", "telemetry"];

/// The real clock and the real dice; who is handed them cannot tell them from a simulation's.
const REAL_SOURCES: [&str; 2] = ["SystemClock", "SystemDice"];
const STARTERS: [&str; 3] = ["main", "command", COMPOSER];

/// Our crates below the server and the modules that may name them. `roost_wire` is for all.
const CRATE_ARROWS: &[(&str, &[&str])] = &[
    ("roost_store", &["service", "job", "command"]),
    ("roost_mls", &["service"]),
    (
        "roost_turn",
        &["command", "config", "https", "relay", "service"],
    ),
    ("roost_sfu", &["relay", "service"]),
    ("roost_client", &[]),
];

/// Code that talks to the outer world and may therefore ask it for the time.
const SHELLS: [&str; 4] = ["crates/cli", "crates/web", "tests", "xtask"];
const CLOCK_FILE: &str = "clock.rs";

pub fn violations(workspace: &Workspace) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for folder in ["src", "crates"] {
        for file in workspace.rust_files(folder)? {
            violations.extend(judge(&file, &workspace.read(&file)?));
        }
    }
    Ok(violations)
}

/// All that is wrong with one file, given its path from the root.
fn judge(file: &Path, source: &str) -> Vec<String> {
    let tokens = rust_source::tokens(source);
    let all = rust_source::paths(&tokens);
    let production = rust_source::paths(rust_source::production(&tokens));
    let mut found = Vec::new();
    if file.starts_with("src") {
        found.extend(wrong_arrows(file, &production));
        found.extend(member_of_groups(&all));
        found.extend(real_sources(file, &production));
    }
    if !may_read_clocks(file) {
        found.extend(clock_reads(&production));
    }
    let place = file.display();
    found
        .into_iter()
        .map(|(line, what)| format!("{place}:{line}: {what}"))
        .collect()
}

type Finding = (usize, String);

fn wrong_arrows(file: &Path, paths: &[UsedPath]) -> Vec<Finding> {
    let module = module_path(file);
    let here = module.first().map_or("lib", String::as_str);
    if here == COMPOSER {
        return Vec::new();
    }
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == here) else {
        let what = format!("module {here} is not in ARROWS of xtask/src/boundary/source.rs");
        return vec![(1, what)];
    };
    let wrong = |path: &UsedPath| match target(path, &module) {
        Target::Module(there) => {
            let known = there == COMPOSER || ARROWS.iter().any(|(name, _)| *name == there);
            let open = there == here
                || OPEN_TO_ALL.contains(&there.as_str())
                || allowed.contains(&there.as_str());
            (known && !open).then(|| format!("{here} must not name {there} ({})", path.text()))
        }
        Target::Crate(there) => {
            let (_, allowed) = CRATE_ARROWS.iter().find(|(name, _)| *name == there)?;
            let wrong = !allowed.contains(&here);
            wrong.then(|| format!("{here} must not name crate {there} ({})", path.text()))
        }
        Target::Nothing => None,
    };
    paths
        .iter()
        .filter_map(|path| Some((path.line, wrong(path)?)))
        .collect()
}

/// The server follows groups from outside; it has no word for being in one.
fn member_of_groups(paths: &[UsedPath]) -> Vec<Finding> {
    let is_member = |path: &&UsedPath| {
        let mut rest = path
            .segments
            .iter()
            .skip_while(|segment| *segment != "mls_rs")
            .peekable();
        rest.peek().is_some()
            && rest.any(|segment| matches!(segment.as_str(), "Client" | "Group" | "client" | "*"))
    };
    let report = |path: &UsedPath| (path.line, format!("the server names {}", path.text()));
    paths.iter().filter(is_member).map(report).collect()
}

fn real_sources(file: &Path, paths: &[UsedPath]) -> Vec<Finding> {
    let module = module_path(file);
    let here = module.first().map_or("lib", String::as_str);
    if STARTERS.contains(&here) {
        return Vec::new();
    }
    let is_real = |path: &&UsedPath| {
        let mut segments = path.segments.iter();
        segments.any(|segment| REAL_SOURCES.contains(&segment.as_str()))
    };
    let report = |path: &UsedPath| (path.line, format!("{here} must be handed {}", path.text()));
    paths.iter().filter(is_real).map(report).collect()
}

fn clock_reads(paths: &[UsedPath]) -> Vec<Finding> {
    let reads = |path: &&UsedPath| {
        let mut from_end = path.segments.iter().rev().map(String::as_str);
        from_end.next() == Some("now") && matches!(from_end.next(), Some("Instant" | "SystemTime"))
    };
    let report = |path: &UsedPath| {
        (
            path.line,
            format!("{}: take `now` as an argument", path.text()),
        )
    };
    paths.iter().filter(reads).map(report).collect()
}

fn may_read_clocks(file: &Path) -> bool {
    let outside_production = |part: Component<'_>| {
        matches!(
            part.as_os_str().to_str(),
            Some("tests" | "examples" | "benches")
        )
    };
    SHELLS.iter().any(|shell| file.starts_with(shell))
        || file.file_name().is_some_and(|name| name == CLOCK_FILE)
        || file.components().any(outside_production)
}

enum Target {
    /// A top-level module of the server.
    Module(String),
    Crate(String),
    Nothing,
}

fn target(path: &UsedPath, module: &[String]) -> Target {
    let mut base = module.to_vec();
    let mut segments = path.segments.iter();
    let Some(first) = segments.next() else {
        return Target::Nothing;
    };
    match first.as_str() {
        "crate" => base.clear(),
        "self" => {}
        "super" => {
            base.pop();
        }
        name => return Target::Crate(name.to_owned()),
    }
    for segment in segments {
        if segment == "super" {
            base.pop();
        } else {
            base.push(segment.clone());
        }
    }
    base.into_iter()
        .next()
        .map_or(Target::Nothing, Target::Module)
}

/// `src/http/api/send.rs` is `[http, api, send]`; `mod.rs` stands for its folder.
fn module_path(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix("src").unwrap_or(file).with_extension("");
    let parts = inside
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned());
    let mut parts: Vec<String> = parts.collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(file: &str, source: &str) -> Vec<String> {
        judge(Path::new(file), source)
    }

    #[test]
    fn arrows_of_the_house_pass() {
        let clean: [(&str, &str); 5] = [
            (
                "src/http/api/send.rs",
                "use crate::{service::group::send, fanout::Hub};",
            ),
            (
                "src/http/api/send.rs",
                "use super::super::extract::Body; use roost_wire::Name;",
            ),
            (
                "src/service/group.rs",
                "use roost_store::Store; use roost_mls::Observer;",
            ),
            (
                "src/boot.rs",
                "use crate::{http, service, job}; use roost_store::SledStore;",
            ),
            (
                "src/session/mod.rs",
                "use crate::telemetry::log; mod hello; use hello::Hello;",
            ),
        ];
        for (file, source) in clean {
            assert_eq!(
                judged(file, source),
                Vec::<String>::new(),
                "{file}: {source}"
            );
        }
    }

    #[test]
    fn every_other_arrow_is_refused() {
        let wrong: [(&str, &str); 7] = [
            ("src/service/group.rs", "use crate::http::respond;"),
            ("src/service/group.rs", "use super::super::fanout::Hub;"),
            (
                "src/session/hello.rs",
                "fn f() { crate::service::account::sign_in() }",
            ),
            ("src/fanout/mod.rs", "use super::{session::Session};"),
            ("src/http/socket.rs", "use roost_store::Store;"),
            ("src/http/mod.rs", "use {crate::{boot, service}, std::io};"),
            ("src/helper.rs", ""),
        ];
        for (file, source) in wrong {
            assert_eq!(judged(file, source).len(), 1, "{file}: {source}");
        }
    }

    #[test]
    fn a_finding_names_file_line_and_path() {
        let found = judged(
            "src/service/group.rs",
            "use std::io;\n\nuse crate::http::respond;",
        );

        assert_eq!(
            found,
            ["src/service/group.rs:3: service must not name http (crate::http::respond)"]
        );
    }

    #[test]
    fn tests_inside_a_module_may_cross_arrows() {
        let source = "#[cfg(test)]\nmod tests { use crate::http::respond; }";

        assert_eq!(judged("src/service/group.rs", source), Vec::<String>::new());
    }

    #[test]
    fn being_a_member_of_a_group_is_refused_even_in_tests() {
        let named = [
            "use mls_rs::Client;",
            "use mls_rs::{external_client::ExternalClient, Group as G};",
            "use mls_rs::*;",
            "fn f() { mls_rs::client::Client::new() }",
            "#[cfg(test)]\nmod tests { use mls_rs::Group; }",
        ];
        for source in named {
            let found = judged("src/service/group.rs", source);
            assert!(
                found.iter().any(|what| what.contains("the server names")),
                "{source}"
            );
        }
        let observer = "use mls_rs::external_client::ExternalGroup;";
        assert_eq!(
            judged("src/service/group.rs", observer),
            Vec::<String>::new()
        );
    }

    #[test]
    fn the_real_dice_are_named_where_the_server_starts_only() {
        let source = "use crate::entropy::{Dice, SystemDice};";

        assert_eq!(judged("src/boot/mod.rs", source), Vec::<String>::new());
        assert_eq!(
            judged("src/service/invite.rs", source),
            ["src/service/invite.rs:1: service must be handed crate::entropy::SystemDice"]
        );
    }

    #[test]
    fn clocks_are_read_in_their_own_files_and_in_shells_only() {
        let source = "fn f() { let t = std::time::Instant::now(); SystemTime::now(); }";

        for file in ["src/service/group.rs", "crates/client/src/sync.rs"] {
            assert_eq!(judged(file, source).len(), 2, "{file}");
        }
        for file in [
            "src/clock.rs",
            "crates/cli/src/main.rs",
            "crates/store/tests/sled.rs",
        ] {
            assert_eq!(judged(file, source), Vec::<String>::new(), "{file}");
        }
    }
}
