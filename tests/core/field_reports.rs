//! The tables of `tests/README.md` name tests that are there: a row whose test was renamed or
//! deleted would be a promise that nobody keeps.

use std::path::{Path, PathBuf};

/// Where a file may stand that the page names.
const ROOTS: [&str; 4] = ["tests", "crates/cli/tests", "model/tests", ""];

fn find(file: &str) -> Option<PathBuf> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    ROOTS.iter().map(|root| project.join(root).join(file)).find(|path| path.is_file())
}

/// The functions of `{a, b}` or `a`.
fn functions(named: &str) -> impl Iterator<Item = &str> {
    named.split([',', '{', '}']).map(str::trim).filter(|name| !name.is_empty())
}

#[test]
fn the_page_of_tests_names_tests_that_are_there() {
    let page = include_str!("../README.md");
    let mut checked = 0;
    for quoted in page.split('`').skip(1).step_by(2) {
        let (file, named) = quoted.split_once("::").unwrap_or((quoted, ""));
        if !file.ends_with(".rs") {
            continue;
        }
        let path = find(file).unwrap_or_else(|| panic!("{file} is not there"));
        let text = std::fs::read_to_string(&path).expect("a readable file");
        for name in functions(named) {
            assert!(text.contains(&format!("fn {name}(")), "{file} has no test {name}");
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked} tests only: is the page read as it is written?");
}
