//! The clauses of `spec/`: each number once, no page cites one that is not there, and each has its
//! place in the order of building a port.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn spec() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("spec")
}

fn page(name: &str) -> String {
    std::fs::read_to_string(spec().join(name)).unwrap()
}

/// The clauses that the two pages define, in their order.
fn defined() -> Vec<String> {
    let pages = page("format.md") + &page("protocol.md");
    let lines = pages.lines().filter_map(|line| line.strip_prefix("- **"));
    let names = lines.filter_map(|line| line.split_once("**").map(|(name, _)| name));
    names.filter(|name| name.contains('-')).map(str::to_owned).collect()
}

/// The clauses that a text cites.
fn cited(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let clause = |word: &&str| {
        word.split_once('-').is_some_and(|(chapter, number)| {
            chapter.len() == 1
                && "FMLOAXEVRCSKZT".contains(chapter)
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    words.filter(clause).map(str::to_owned).collect()
}

#[test]
fn each_number_is_given_once() {
    let defined = defined();
    let distinct: BTreeSet<_> = defined.iter().collect();
    assert!(defined.len() > 150, "{defined:?}");
    assert_eq!(distinct.len(), defined.len(), "a number stands twice");
}

/// Pages, and the comments of the code, name clauses that can be looked up.
#[test]
fn no_clause_is_cited_that_is_not_there() {
    let defined: BTreeSet<_> = defined().into_iter().collect();
    let mut dangling = Vec::new();
    let mut folders = vec![spec(), spec().join("../src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let known = ["md", "rs"];
            if path.is_dir() && !path.ends_with("vectors") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| known.iter().any(|e| ending == *e)) {
                let text = std::fs::read_to_string(&path).unwrap();
                let missing = cited(&text).into_iter().filter(|name| !defined.contains(name));
                dangling.extend(missing.map(|name| format!("{}: {name}", path.display())));
            }
        }
    }
    assert_eq!(dangling, Vec::<String>::new());
}

/// Somebody who builds a port goes through the tables of `smallest-port.md`, and no rule escapes him.
#[test]
fn each_clause_has_one_row_in_the_order_of_building() {
    let page = page("smallest-port.md");
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let cells = rows.flat_map(|row| row.split('|').map(str::trim));
    let only_clauses = |cell: &&str| cell.split(", ").all(|part| cited(part) == [part]);
    let mut placed: Vec<_> = cells.filter(only_clauses).flat_map(cited).collect();
    let mut defined = defined();
    placed.sort_unstable();
    defined.sort_unstable();
    assert_eq!(placed, defined, "spec/smallest-port.md: one row for each clause");
}
