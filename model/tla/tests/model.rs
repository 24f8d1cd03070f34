//! The model, without Java: every small configuration passes, and clauses and
//! operators name each other.

use puro_tla::config::{Config, all, root, spec_dir};
use puro_tla::{Verdict, clauses, inner, mutants};
use std::sync::atomic::{AtomicUsize, Ordering};

/// These take the checker without Java longest: `tla-check` has it compare them, too, but not
/// `cargo test`.
const LEFT_TO_CI: [&str; 3] = ["LocksLive", "PowerShared", "StaleEnd"];

#[test]
fn small_configurations_pass() {
    let configs = all(&spec_dir()).expect("the configurations can be read");
    let is_small = |c: &&Config| c.both && !c.long && !LEFT_TO_CI.contains(&c.name.as_str());
    let small: Vec<_> = configs.iter().filter(is_small).collect();
    assert!(small.len() >= 5, "{} configurations only", small.len());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(config) = small.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = inner::run(&spec_dir(), config);
                    println!("{}: {outcome:?}", config.name);
                    assert_eq!(outcome.verdict, Verdict::Passed, "{}", config.name);
                }
            });
        }
    });
}

#[test]
fn clauses_and_operators_name_each_other() {
    let (modules, page) =
        (clauses::in_modules(&spec_dir()), clauses::in_page(&spec_dir().join("protocol.md")));
    let only_modules: Vec<_> =
        modules.difference(&page).filter(|(c, _)| !c.starts_with("F-")).collect();
    let only_page: Vec<_> = page.difference(&modules).collect();
    assert!(only_modules.is_empty(), "operators that their clause does not name: {only_modules:?}");
    assert!(
        only_page.is_empty(),
        "clauses that name an operator that is not theirs: {only_page:?}"
    );
    assert!(page.len() > 40, "the page names {} operators only", page.len());
}

#[test]
fn every_promise_is_an_operator() {
    let page =
        std::fs::read_to_string(spec_dir().join("protocol.md")).expect("protocol.md can be read");
    let promises =
        page.split("\n## ").find(|c| c.starts_with("Promises")).expect("a chapter of promises");
    let defined = clauses::defined_in_modules(&spec_dir());
    for promise in promises.split("\n- **").skip(1).filter_map(|p| p.split("**").next()) {
        assert!(defined.contains(promise), "{promise} is no operator");
    }
}

#[test]
fn every_action_has_a_clause() {
    let missing = clauses::actions_without_clause(&spec_dir());
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn modules_are_short() {
    for entry in std::fs::read_dir(spec_dir()).expect("spec/ can be read").flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "tla") {
            let lines =
                std::fs::read_to_string(&path).expect("a module can be read").lines().count();
            assert!(lines <= 400, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn patches_fit() {
    let list = mutants::list().expect("the list of mutants can be read");
    assert!(list.len() >= 40, "{} mutants only", list.len());
    for mutant in &list {
        mutants::patched(mutant).unwrap_or_else(|e| panic!("{e}"));
    }
    assert!(root().join("model/tla/MUTANTS.md").exists());
}

/// The page of mutants is written by a command that takes long; this is what tells that it
/// was forgotten.
#[test]
fn the_matrix_is_complete() {
    let list = mutants::list().expect("the list of mutants can be read");
    let page = std::fs::read_to_string(root().join("model/tla/MUTANTS.md"));
    let page = page.expect("MUTANTS.md can be read");
    for mutant in &list {
        let head = format!("| {} | {} | {} |", mutant.name, mutant.clause, mutant.what);
        let row = page.lines().find(|line| line.starts_with(&head));
        let row = row.unwrap_or_else(|| panic!("no row for {}", mutant.name));
        assert!(!row.contains("**"), "{row}");
        assert_eq!(row.ends_with("| survives |"), mutant.survives.is_some(), "{row}");
    }
    assert_eq!(page, mutants::matrix(&list, &[], &page), "the page is not what the list says");
}
