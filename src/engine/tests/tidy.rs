//! Rules of this repository that no compiler checks.

use sessclust_engine::config::SETTINGS;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest line of Rust source, in characters.
const COLUMNS_MAX: usize = 100;

/// Where `unsafe` may stand, besides `src/php/`.
const UNSAFE_FILES: [&str; 5] = [
    "src/engine/local/alarm.rs",
    "src/engine/machine/fork.rs",
    "src/engine/machine/segment.rs",
    "src/engine/stats/segment.rs",
    "src/engine/tests/node_faults.rs",
];

/// Which part of the engine uses which others; `lib.rs` draws it.
const ARROWS: [(&str, &[&str]); 10] = [
    ("error", &["limits"]),
    ("limits", &[]),
    ("config", &["error", "limits"]),
    ("cluster", &["config", "error", "limits", "machine", "node", "session::id", "stats", "wire"]),
    ("machine", &["limits"]),
    ("node", &["config", "error", "limits", "machine", "wire"]),
    ("stats", &[]),
    // The record header and the digest that names a session are the session's, in every store.
    ("local", &["config", "error", "limits", "machine", "session::id", "session::record"]),
    ("session", &["cluster", "config", "error", "limits", "local", "machine", "node", "stats"]),
    ("wire", &["limits"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// The Rust sources of the repository below `folders`, with their paths from its root.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let root = root();
    let mut sources = Vec::new();
    let mut left: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder");
            left.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(&root).expect("below the root").to_str().expect("UTF-8");
            // This file spells what it looks for.
            if name != "src/engine/tests/tidy.rs" {
                sources.push((name.to_owned(), fs::read_to_string(&path).expect("a source")));
            }
        }
    }
    assert!(!sources.is_empty(), "no sources in {folders:?}");
    sources.sort();
    sources
}

const ALL: &[&str] = &["build.rs", "src", "tests", "bench"];

/// A line without its comment. A string that holds `//` loses its end too, which hides no code.
fn code(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

/// The words of Rust code.
fn words(line: &str) -> impl Iterator<Item = &str> {
    code(line).split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Lines that break a rule, as `file:line: text`.
fn breaches<'a>(
    sources: &'a [(String, String)],
    is_breach: impl Fn(&str) -> bool + 'a,
) -> Vec<String> {
    let lines = sources.iter().flat_map(|(name, text)| {
        text.lines().enumerate().map(move |(number, line)| (name, number + 1, line))
    });
    lines
        .filter(|(_, _, line)| is_breach(line))
        .map(|(name, number, line)| format!("{name}:{number}: {}", line.trim()))
        .collect()
}

#[test]
fn unsafe_code_is_where_it_may_be() {
    let files: BTreeSet<String> = sources(ALL)
        .into_iter()
        .filter(|(_, text)| text.lines().any(|line| words(line).any(|word| word == "unsafe")))
        .map(|(name, _)| name)
        .filter(|name| !name.starts_with("src/php/"))
        .collect();
    assert_eq!(files, UNSAFE_FILES.map(String::from).into());
}

#[test]
fn the_engine_knows_no_php() {
    let found =
        breaches(&sources(&["src/engine"]), |line| words(line).any(|word| word == "ext_php_rs"));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn nothing_is_left_behind() {
    let found = breaches(&sources(ALL), |line| {
        ["dbg!", "todo!", "unimplemented!"].iter().any(|call| code(line).contains(call))
            || ["FIXME", "XXX"].iter().any(|note| line.contains(note))
    });
    assert!(found.is_empty(), "{found:#?}");
}

/// The paths behind `crate::` in a file, two names deep: `local::Store`, `session::id`.
fn used_paths(text: &str) -> BTreeSet<String> {
    let code: Vec<&str> = text.lines().map(code).collect();
    let code = code.join("\n");
    let name = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut paths = BTreeSet::new();
    for (at, start) in code.match_indices("crate::") {
        let rest = &code[at + start.len()..];
        let first = name(rest);
        match rest[first.len()..].strip_prefix("::") {
            Some(more) if more.starts_with('{') => {
                let (inner, _) = more[1..].split_once('}').expect("a closed list");
                paths
                    .extend(inner.split(',').map(|item| format!("{first}::{}", name(item.trim()))));
            }
            Some(more) => _ = paths.insert(format!("{first}::{}", name(more))),
            None => _ = paths.insert(first),
        }
    }
    paths
}

#[test]
fn the_layers_of_the_engine_use_each_other_one_way_only() {
    let mut seen = BTreeSet::new();
    for (name, text) in sources(&["src/engine"]) {
        let path = name.strip_prefix("src/engine/").expect("below it");
        let part = path.split(['/', '.']).next().expect("a name");
        if matches!(part, "lib" | "tests" | "fuzz" | "benches") {
            continue;
        }
        let arrow = ARROWS.iter().find(|(from, _)| *from == part);
        let (_, may_use) = arrow.unwrap_or_else(|| panic!("{name} belongs to no part"));
        // Tests at the bottom of a file may use more.
        let text = text.split("#[cfg(test)]\nmod tests").next().expect("a first part");
        for used in used_paths(text) {
            let within =
                |allowed: &&str| used == **allowed || used.starts_with(&format!("{allowed}::"));
            let is_own = used.split("::").next() == Some(part);
            assert!(is_own || may_use.iter().any(within), "{name} uses crate::{used}");
            seen.insert((part.to_owned(), used));
        }
    }
    let uses = |from: &str, to: &str| seen.contains(&(from.to_owned(), to.to_owned()));
    assert!(uses("session", "local::Open") && uses("local", "session::id"), "{seen:?}");
}

#[test]
fn lines_have_a_length_that_fits_a_screen() {
    let found: Vec<String> = sources(ALL)
        .iter()
        .flat_map(|(name, text)| {
            let lines = text.lines().enumerate();
            let long = lines.filter(|(_, line)| line.chars().count() > COLUMNS_MAX);
            long.map(move |(number, line)| {
                format!("{name}:{}: {} columns", number + 1, line.chars().count())
            })
        })
        .collect();
    assert!(found.is_empty(), "more than {COLUMNS_MAX} columns: {found:#?}");
}

/// The rows of README's table of settings.
fn settings_table() -> Vec<String> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap_or_default();
    let lines = readme.lines().skip_while(|line| !line.starts_with("| setting |"));
    lines.take_while(|line| line.starts_with('|')).map(str::to_owned).collect()
}

#[test]
fn the_readme_has_the_table_of_settings() {
    let head = ["| setting | default | range | what it does |", "| --- | --- | --- | --- |"];
    let rows = SETTINGS.iter().map(|setting| {
        let (name, default) = (setting.name.to_string_lossy(), setting.default.to_string_lossy());
        format!("| {name} | {default} | {} | {} |", setting.range, setting.help)
    });
    let expected: Vec<String> = head.map(str::to_owned).into_iter().chain(rows).collect();
    let found = settings_table();
    assert!(found == expected, "README.md has to have\n\n{}\n", expected.join("\n"));
}
