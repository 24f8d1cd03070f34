//! The floors of `src/`: imports run down only, in no circle, and in the order in which README
//! tells one to read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A file of a floor with the folder of its name, such as `engine/writer`.
type Module = String;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The module named by the components of a path or of a `use`, the first of which is below `src/`.
fn module<'a>(mut parts: impl Iterator<Item = &'a str>) -> Module {
    match parts.next().unwrap() {
        floor @ ("format" | "engine") => {
            parts.next().map_or(floor.to_owned(), |name| format!("{floor}/{name}"))
        }
        name => name.to_owned(),
    }
}

/// Which modules each one uses, as its `crate::` paths tell.
fn uses() -> BTreeMap<Module, BTreeSet<Module>> {
    let (src, mut found) = (root().join("src"), Vec::new());
    files(&src, &mut found);
    let mut uses: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for path in found {
        let below = path.strip_prefix(&src).unwrap().with_extension("");
        let own = module(below.to_str().unwrap().split('/'));
        if own == "lib" || own.ends_with("/mod") {
            continue; // they only list the others
        }
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for path in lines.flat_map(|line| line.split("crate::").skip(1)) {
            let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
            let used = module(path[..end.unwrap_or(path.len())].split("::"));
            if used != own {
                uses.entry(own.clone()).or_default().insert(used);
            }
        }
        uses.entry(own).or_default();
    }
    uses
}

/// The modules in README's order.
fn order() -> Vec<Module> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let chapter = readme.split("## Reading the source").nth(1).unwrap();
    let (mut floor, mut order) = ("", Vec::new());
    for line in chapter.lines().filter(|line| line.starts_with('|')) {
        let names = line.split('|').nth(1).unwrap().split('`').skip(1).step_by(2);
        for name in names {
            match name.strip_suffix(".rs") {
                Some(name) => order.push(format!("{floor}{name}")),
                None => floor = name.strip_prefix("src/").unwrap(),
            }
        }
    }
    order
}

#[test]
fn each_file_uses_only_those_that_readme_tells_before_it() {
    let (uses, order) = (uses(), order());
    let told: BTreeSet<_> = order.iter().collect();
    assert_eq!(told, uses.keys().collect(), "README tells of each module, once");
    assert_eq!(told.len(), order.len());
    for (place, module) in order.iter().enumerate() {
        for used in &uses[module] {
            let before = order[..place].contains(used);
            assert!(before, "src/{module}.rs uses {used}, which README tells behind it");
        }
    }
}
