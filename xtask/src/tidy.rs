//! What is unusually large. A number is a reason to look, not a verdict: this never fails.

use std::path::Path;

use anyhow::Result;

use crate::{
    rust_source::{self, Token},
    workspace::Workspace,
};

const FILE_LINES: usize = 400;
const TEST_MODULE_LINES: usize = 300;
const FUNCTION_LINES: usize = 50;
const ARGUMENTS: usize = 6;
const LINE_COLUMNS: usize = 100;
const FOLDER_DEPTH: usize = 3;
/// Test lines for 100 production lines, below which a reviewer asks.
const TEST_PERCENT: usize = 60;

const FOLDERS: [&str; 5] = ["src", "crates", "tests", "xtask", "build"];

pub fn print(workspace: &Workspace) -> Result<()> {
    let mut total = Lines::default();
    let mut notes = Vec::new();
    for folder in FOLDERS {
        for file in workspace.rust_files(folder)? {
            let measured = Measured::new(&file, &workspace.read(&file)?);
            notes.extend(measured.notes());
            total.production += measured.lines.production;
            total.tests += measured.lines.tests;
        }
    }
    for note in &notes {
        println!("tidy: {note}");
    }
    let percent = (total.tests * 100)
        .checked_div(total.production)
        .unwrap_or_default();
    let Lines { production, tests } = total;
    println!("tidy: {production} production lines, {tests} test lines ({percent} %)");
    if percent < TEST_PERCENT {
        println!("tidy: fewer than {TEST_PERCENT} test lines for 100 production lines");
    }
    Ok(())
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Lines {
    production: usize,
    tests: usize,
}

#[derive(Debug, PartialEq, Eq)]
struct Function {
    name: String,
    line: usize,
    lines: usize,
    arguments: usize,
}

struct Measured<'a> {
    file: &'a Path,
    lines: Lines,
    wide: Vec<usize>,
    functions: Vec<Function>,
}

impl<'a> Measured<'a> {
    fn new(file: &'a Path, source: &str) -> Self {
        let tokens = rust_source::tokens(source);
        let production = rust_source::production(&tokens);
        let all = source.lines().count();
        let test_start = tokens
            .get(production.len())
            .map_or(all, |token| token.line - 1);
        let lines = if is_test_file(file) {
            Lines {
                production: 0,
                tests: all,
            }
        } else {
            Lines {
                production: test_start,
                tests: all - test_start,
            }
        };
        let wide = source
            .lines()
            .zip(1..)
            .filter(|(line, _)| line.chars().count() > LINE_COLUMNS);
        let wide = wide.map(|(_, number)| number).collect();
        Self {
            file,
            lines,
            wide,
            functions: functions(&tokens),
        }
    }

    fn notes(&self) -> Vec<String> {
        let file = self.file.display();
        let mut notes = Vec::new();
        if self.lines.production > FILE_LINES {
            notes.push(format!(
                "{file}: {} production lines",
                self.lines.production
            ));
        }
        if self.lines.tests > TEST_MODULE_LINES && !is_test_file(self.file) {
            notes.push(format!("{file}: test module of {} lines", self.lines.tests));
        }
        if depth_below_src(self.file) > FOLDER_DEPTH {
            notes.push(format!(
                "{file}: {} folders below src",
                depth_below_src(self.file)
            ));
        }
        for line in &self.wide {
            notes.push(format!("{file}:{line}: wider than {LINE_COLUMNS} columns"));
        }
        for function in &self.functions {
            let Function {
                name,
                line,
                lines,
                arguments,
            } = function;
            if *lines > FUNCTION_LINES {
                notes.push(format!("{file}:{line}: fn {name} has {lines} lines"));
            }
            if *arguments > ARGUMENTS {
                notes.push(format!(
                    "{file}:{line}: fn {name} takes {arguments} arguments"
                ));
            }
        }
        notes
    }
}

fn is_test_file(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "tests")
        || file.file_name().is_some_and(|name| name == "tests.rs")
}

fn depth_below_src(file: &Path) -> usize {
    let parts = file.parent().into_iter().flat_map(Path::components);
    parts
        .skip_while(|part| part.as_os_str() != "src")
        .skip(1)
        .count()
}

/// Functions with a body, nested ones included.
fn functions(tokens: &[Token]) -> Vec<Function> {
    let starts = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| token.text == "fn");
    starts
        .filter_map(|(index, _)| function(tokens.get(index..)?))
        .collect()
}

fn function(tokens: &[Token]) -> Option<Function> {
    let name = tokens.get(1)?;
    let open = tokens.iter().position(|token| token.text == "(")?;
    let close = open + matching(tokens.get(open..)?)?;
    if name.text == "(" {
        return None;
    }
    let rest = tokens.get(close + 1..)?;
    let body = rest.get(body_start(rest)?..)?;
    let last = body.get(matching(body)?)?;
    let lines = last.line + 1 - name.line;
    let arguments = arguments(tokens.get(open + 1..close)?);
    Some(Function {
        name: name.text.clone(),
        line: name.line,
        lines,
        arguments,
    })
}

/// Index of the body's bracket; `None` when a semicolon ends the signature first. One inside
/// `[u8; 2]` does not.
fn body_start(tokens: &[Token]) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "{" if depth == 0 => return Some(index),
            ";" if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Index of the bracket that closes the one at index 0.
fn matching(tokens: &[Token]) -> Option<usize> {
    let mut depth = 0_usize;
    tokens.iter().position(|token| {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    })
}

/// One for each `name: Type`, whatever commas the types hold; `self` is not counted.
fn arguments(tokens: &[Token]) -> usize {
    let mut depth = 0_usize;
    let mut count = 0;
    for token in tokens {
        match token.text.as_str() {
            "(" | "[" | "{" | "<" => depth += 1,
            ")" | "]" | "}" | ">" => depth = depth.saturating_sub(1),
            ":" if depth == 0 => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(file: &str, source: &str) -> Vec<String> {
        Measured::new(Path::new(file), source).notes()
    }

    #[test]
    fn functions_are_measured_with_arguments_and_lines() {
        let source = "impl A {\n    fn go<T: B>(&self, a: Vec<(u8, T)>, b: u8) -> [u8; 2] {\n\
                      {}\n    }\n}\ntrait C { fn open(&self); }\ntype F = fn(u8);";

        let found = functions(&rust_source::tokens(source));

        assert_eq!(
            found,
            [Function {
                name: "go".into(),
                line: 2,
                lines: 3,
                arguments: 2
            }]
        );
    }

    #[test]
    fn a_long_function_stands_out() {
        let source = format!(
            "fn long() {{\n{}}}\n",
            "    step();\n".repeat(FUNCTION_LINES)
        );

        assert_eq!(
            notes("src/a.rs", &source),
            ["src/a.rs:1: fn long has 52 lines"]
        );
    }

    #[test]
    fn a_long_file_stands_out_and_its_test_module_does_not_count() {
        let code = "const A: u8 = 1;\n".repeat(FILE_LINES);
        let tests = format!("{code}#[cfg(test)]\nmod tests {{}}\n");

        assert_eq!(notes("src/a.rs", &tests), Vec::<String>::new());
        assert_eq!(
            notes("src/a.rs", &format!("{code}{code}")),
            ["src/a.rs: 800 production lines"]
        );
    }

    #[test]
    fn wide_lines_and_deep_folders_stand_out() {
        let wide = format!("// {}\n", "ä".repeat(LINE_COLUMNS));

        assert_eq!(
            notes("src/a.rs", &wide),
            ["src/a.rs:1: wider than 100 columns"]
        );
        assert_eq!(
            notes("src/a/b/c/d/e.rs", ""),
            ["src/a/b/c/d/e.rs: 4 folders below src"]
        );
    }
}
