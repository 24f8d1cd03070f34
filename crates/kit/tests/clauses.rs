//! Clauses, the kit and the code, held together: each clause of `spec/` has a case of the kit, or
//! stands with a reason in the table of `spec/kit.md`. None has both, and no case names another.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use puro_kit::{live, vectors};

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The clauses of both pages.
fn defined() -> BTreeSet<String> {
    let pages = page("format.md") + &page("protocol.md");
    let lines = pages.lines().filter_map(|line| line.strip_prefix("- **"));
    let names = lines.filter_map(|line| line.split_once("**").map(|(name, _)| name));
    names.filter(|name| name.contains('-')).map(str::to_owned).collect()
}

/// How many cases each clause has.
fn cases() -> BTreeMap<String, usize> {
    let vectors = vectors::read(&vectors::folder()).unwrap();
    let mut cases = BTreeMap::new();
    for case in &vectors.cases {
        let named: BTreeSet<_> = case.clauses.iter().chain(&case.breaks).collect();
        for clause in named {
            *cases.entry(clause.clone()).or_default() += 1;
        }
    }
    for clause in live::clauses() {
        *cases.entry(clause.to_owned()).or_default() += 1;
    }
    cases
}

/// The clauses of the table "Without a case", each of which has a reason beside it.
fn without() -> BTreeSet<String> {
    let page = page("kit.md");
    let table = page.split("Table: without a case").nth(1).expect("the table");
    let rows = table.lines().skip(1).filter(|line| line.starts_with('|')).skip(2);
    let mut clauses = BTreeSet::new();
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        assert!(cells.len() >= 4 && cells[2].len() > 10, "no reason: {row}");
        for clause in cells[1].split(", ") {
            assert!(clauses.insert(clause.to_owned()), "{clause} stands twice");
        }
    }
    clauses
}

#[test]
fn each_clause_has_a_case_or_a_reason() {
    let (defined, cases, without) = (defined(), cases(), without());
    let tried: BTreeSet<_> = cases.keys().cloned().collect();
    let unknown: Vec<_> = tried.union(&without).filter(|c| !defined.contains(*c)).collect();
    assert!(unknown.is_empty(), "no such clauses: {unknown:?}");
    let both: Vec<_> = tried.intersection(&without).collect();
    assert!(both.is_empty(), "they have cases: {both:?}");
    let neither: Vec<_> =
        defined.iter().filter(|c| !tried.contains(*c) && !without.contains(*c)).collect();
    assert!(neither.is_empty(), "neither a case nor a reason: {neither:?}");
}
