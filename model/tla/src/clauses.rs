//! Clauses of `protocol.md` and operators of the modules, held against each other.
//!
//! In a module the comment line `\* A-9` right before a definition says that it is
//! (part of) that clause. In the page a clause that is an action or an invariant
//! ends with `` Operator: `Name`. `` (`` Operators: `One`, `Two`. ``).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A clause and an operator that carries it out.
pub type Pair = (String, String);

fn is_clause(word: &str) -> bool {
    word.split_once('-').is_some_and(|(chapter, number)| {
        chapter.len() == 1
            && chapter.chars().all(|c| c.is_ascii_uppercase())
            && !number.is_empty()
            && number.chars().all(|c| c.is_ascii_digit())
    })
}

fn modules(dir: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("spec/ can be read").flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "tla") {
            let text = fs::read_to_string(&path).expect("a module can be read");
            found.push((entry.file_name().to_string_lossy().into_owned(), text));
        }
    }
    found.sort();
    found
}

/// The name that a line defines at top level, if it does.
fn defined(line: &str) -> Option<&str> {
    let name = line.split("==").next().filter(|_| line.contains("=="))?;
    let name = name.split('(').next()?.trim();
    let whole = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
    (whole && !line.starts_with(' ')).then_some(name)
}

/// What the modules say: every definition under a comment with a clause.
pub fn in_modules(dir: &Path) -> BTreeSet<Pair> {
    let mut pairs = BTreeSet::new();
    for (_, text) in modules(dir) {
        let lines: Vec<_> = text.lines().collect();
        for two in lines.windows(2) {
            let Some(comment) = two[0].strip_prefix("\\* ") else { continue };
            for word in comment.split([',', ' ', ':']).take_while(|w| w.is_empty() || is_clause(w))
            {
                if let (true, Some(name)) = (is_clause(word), defined(two[1])) {
                    pairs.insert((word.to_string(), name.to_string()));
                }
            }
        }
    }
    pairs
}

/// Every name that a module defines.
pub fn defined_in_modules(dir: &Path) -> BTreeSet<String> {
    let all = modules(dir);
    all.iter().flat_map(|(_, text)| text.lines().filter_map(defined)).map(String::from).collect()
}

/// Actions without a clause: what occurs in a `Next` or a `...Step` and is not commented.
pub fn actions_without_clause(dir: &Path) -> BTreeSet<String> {
    let known: BTreeSet<String> = in_modules(dir).into_iter().map(|(_, name)| name).collect();
    let mut missing = BTreeSet::new();
    for (file, text) in modules(dir) {
        let mut inside = false;
        for line in text.lines() {
            if let Some(name) = defined(line) {
                inside = name == "Next" || name.ends_with("Step");
            } else if line.trim().is_empty() {
                inside = false;
            }
            let body = if inside { line } else { "" };
            for part in body.split("\\/").skip(1) {
                let part = part.rsplit(" : ").next().unwrap_or(part).trim();
                let name = part.split(['(', ' ']).next().unwrap_or("");
                if !name.is_empty() && !name.ends_with("Step") && !known.contains(name) {
                    missing.insert(format!("{file}: {name}"));
                }
            }
        }
    }
    missing
}

/// What the page says.
pub fn in_page(page: &Path) -> BTreeSet<Pair> {
    let text = fs::read_to_string(page).expect("protocol.md can be read");
    let mut pairs = BTreeSet::new();
    for clause in text.split("\n- **").skip(1) {
        let Some((id, rest)) = clause.split_once("**") else { continue };
        let body = rest.split("\n## ").next().unwrap_or(rest);
        for listed in body.split("Operator: ").skip(1).chain(body.split("Operators: ").skip(1)) {
            let listed = listed.lines().next().unwrap_or(listed);
            for name in listed.split("`").skip(1).step_by(2) {
                pairs.insert((id.trim().to_string(), name.to_string()));
            }
        }
    }
    pairs
}
