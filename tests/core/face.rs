//! The face of the library as a list: `tests/face.txt` has every public name, so that a review sees
//! what a change adds and takes away. `PURO_FACE=write` writes it anew.
//!
//! It is read out of the source, whose form rustfmt keeps: the `pub use` lines of `src/lib.rs` and
//! of its public modules say what is public; `impl` blocks, fields and variants are what belongs to
//! it. What stands behind the feature `internals` is not of the face.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// No more names than somebody can look through (types, functions, constants, modules).
const MOST_ITEMS: usize = 150;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file, without what is only for its own tests.
fn source(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.split("\n#[cfg(test)]\n").next().unwrap().to_owned()
}

/// The file of a module, such as `["consumer", "watcher"]`.
fn file_of(module: &[String]) -> PathBuf {
    let path = root().join("src").join(module.join("/"));
    let file = path.with_extension("rs");
    match module {
        [] => root().join("src/lib.rs"),
        _ if file.exists() => file,
        _ => path.join("mod.rs"),
    }
}

/// Names that a file makes public by `pub use`, each with its path. Those of a feature that is not
/// promised are left out.
fn uses(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for part in text.split("\npub use ").skip(1) {
        let statement = part.split(';').next().unwrap().replace(['\n', ' '], "");
        let (path, names) = match statement.split_once('{') {
            Some((path, names)) => (path.trim_end_matches("::"), names.trim_end_matches('}')),
            None => statement.rsplit_once("::").unwrap(),
        };
        let path: Vec<String> = path.split("::").map(str::to_owned).collect();
        let names = names.split(',').filter(|name| !name.is_empty());
        found.extend(names.map(|name| (name.to_owned(), path.clone())));
    }
    found
}

/// Where a name is declared: from a module's file on, through `pub use` after `pub use`.
fn declared(module: &[String], name: &str) -> Option<(PathBuf, &'static str)> {
    let file = file_of(module);
    let text = source(&file);
    for kind in ["struct", "enum", "fn", "const", "trait", "type"] {
        let line = format!("\npub {kind} {name}");
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        if text.match_indices(&line).any(|(at, _)| ends(&text[at + line.len()..])) {
            return Some((file, kind));
        }
    }
    let (_, path) = uses(&text).into_iter().find(|(used, _)| used == name)?;
    let mut to = match path[0].as_str() {
        "crate" => Vec::new(),
        "self" => module.to_vec(),
        _ => [module, &path[..1]].concat(),
    };
    to.extend(path[1..].iter().cloned());
    declared(&to, name)
}

/// One public name: what it is, and what belongs to it.
#[derive(Default)]
struct Item {
    kind: &'static str,
    file: PathBuf,
    members: BTreeSet<String>,
}

fn items() -> BTreeMap<String, Item> {
    let lib = source(&file_of(&[]));
    let lib = lib.split("#[cfg(feature = \"internals\")]").next().unwrap();
    let (mut items, mut modules) = (BTreeMap::new(), Vec::new());
    let mut add = |prefix: &str, module: &[String], name: &str| {
        let (file, kind) = declared(module, name).unwrap_or_else(|| panic!("{prefix}{name}?"));
        items.insert(format!("{prefix}{name}"), Item { kind, file, ..Item::default() });
    };
    for (name, _) in uses(lib) {
        add("", &[], &name);
    }
    for module in lib.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let module = module.trim_end_matches(';').to_owned();
        let text = source(&file_of(std::slice::from_ref(&module)));
        for (name, _) in uses(&text) {
            add(&format!("{module}::"), std::slice::from_ref(&module), &name);
        }
        for line in text.lines().filter_map(|line| line.strip_prefix("pub ")) {
            let Some((kind, rest)) = line.split_once(' ') else { continue };
            if ["struct", "enum", "fn", "const", "trait"].contains(&kind) {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
                // What only worlds need has a system as a parameter.
                if !rest.contains("<V: Vfs>(") {
                    add(
                        &format!("{module}::"),
                        std::slice::from_ref(&module),
                        &rest[..end.unwrap()],
                    );
                }
            }
        }
        modules.push(module);
    }
    let of_module = |module| (module, Item { kind: "mod", ..Item::default() });
    items.extend(modules.into_iter().map(of_module));
    items
}

/// A declaration that goes over several lines, on one.
fn on_one_line<'a>(first: &'a str, rest: &mut impl Iterator<Item = &'a str>) -> String {
    let mut whole = first.trim().to_owned();
    while !(whole.ends_with('{') || whole.ends_with(';') || whole.ends_with('}')) {
        let Some(next) = rest.next() else { break };
        if !whole.ends_with('(') && !next.trim().starts_with(')') {
            whole.push(' ');
        }
        whole += next.trim();
    }
    whole.trim_end_matches(['{', ';']).trim_end().replace(",)", ")").to_owned()
}

/// The type that an `impl` line is of, and the trait if there is one.
fn implements(line: &str) -> Option<(String, Option<String>)> {
    let head = line.strip_prefix("impl")?.trim_end_matches('{').trim();
    let (head, _) = head.split_once(" where ").unwrap_or((head, ""));
    let of = head.split_once(" for ").map_or(head, |(_, of)| of);
    let mut depth = 0;
    let mut plain = String::new();
    for c in of.chars() {
        depth += i32::from(c == '<');
        if depth == 0 {
            plain.push(c);
        }
        depth -= i32::from(c == '>');
    }
    let name = plain.trim().trim_start_matches('&').rsplit("::").next()?.trim().to_owned();
    let of_trait = head.split_once(" for ").map(|_| format!("impl{}", &head_of(line)));
    Some((name, of_trait))
}

fn head_of(line: &str) -> String {
    line.trim_start_matches("impl").trim_end_matches('{').trim_end().to_owned()
}

/// Collects what belongs to public types from all files.
fn collect(items: &mut BTreeMap<String, Item>, file: &Path) {
    let text = source(file);
    let mut lines = text.lines();
    let (mut derives, mut hidden) = (String::new(), false);
    let mut of: Option<(String, bool)> = None;
    while let Some(line) = lines.next() {
        if let Some(derived) = line.strip_prefix("#[derive(") {
            derives = derived.trim_end_matches(")]").to_owned();
        }
        if line.starts_with("pub struct ") || line.starts_with("pub enum ") {
            let rest = line.split(' ').nth(2).unwrap();
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let (name, is_enum) = (rest[..end].to_owned(), line.starts_with("pub enum"));
            for item in found(items, &name, Some(file)) {
                item.members.insert(format!("derive({derives})"));
            }
            let here = !found(items, &name, Some(file)).is_empty();
            of = (here && line.ends_with('{')).then_some((name, is_enum));
            derives.clear();
        } else if line.starts_with("impl") {
            let whole = on_one_line(line, &mut lines);
            of = None;
            if let Some((name, of_trait)) = implements(&whole) {
                match of_trait {
                    Some(line) => found(items, &name, None).into_iter().for_each(|item| {
                        item.members.insert(line.clone());
                    }),
                    None => of = Some((name, false)),
                }
            }
        } else if line == "}" {
            of = None;
        } else if let Some((name, is_enum)) = &of {
            let member = line.strip_prefix("    ").filter(|rest| !rest.starts_with(' '));
            let Some(member) = member else { continue };
            hidden |= member.starts_with("#[cfg(feature = \"internals\")]");
            let public = member.starts_with("pub ") || member.ends_with("_setters!();");
            let variant = *is_enum && member.starts_with(|c: char| c.is_ascii_uppercase());
            if !(public || variant) {
                continue;
            }
            let told = match member.split_once('(') {
                Some((head, _)) if head.contains(" fn ") => on_one_line(member, &mut lines),
                _ => member.trim_end_matches([',', '{', ' ']).to_owned(),
            };
            if !std::mem::take(&mut hidden) {
                let name = name.clone();
                for item in found(items, &name, None) {
                    item.members.insert(told.clone());
                }
            }
        }
    }
}

/// Public types of that name; declared in that file, if one is given.
fn found<'a>(
    items: &'a mut BTreeMap<String, Item>,
    name: &str,
    file: Option<&Path>,
) -> Vec<&'a mut Item> {
    let is = |path: &str| path.rsplit("::").next() == Some(name);
    let of_file = |item: &Item| file.is_none_or(|file| item.file == file);
    let found = items.iter_mut().filter(|(path, item)| is(path) && of_file(item));
    found.map(|(_, item)| item).collect()
}

fn files(dir: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
}

#[test]
fn the_face_is_the_one_that_was_reviewed() {
    let (mut items, mut all) = (items(), Vec::new());
    files(&root().join("src"), &mut all);
    all.sort();
    // Its types have the names of others.
    all.retain(|file| !file.ends_with("engine/interpose.rs"));
    all.iter().for_each(|file| collect(&mut items, file));
    let methods = |item: &Item| item.members.iter().filter(|it| it.contains("fn ")).count();
    // A type that stands at the root and in a module is one.
    let distinct: BTreeSet<_> = items
        .iter()
        .map(|(path, item)| (item.file.clone(), path.rsplit("::").next().unwrap().to_owned()))
        .collect();
    let mut text = format!(
        "{} names, of {} items; {} methods\n",
        items.len(),
        distinct.len(),
        items
            .iter()
            .filter(|(path, _)| !path.contains("::"))
            .map(|(_, it)| methods(it))
            .sum::<usize>()
    );
    for (path, item) in &items {
        writeln!(text, "\n{} {path}", item.kind).unwrap();
        item.members.iter().for_each(|member| writeln!(text, "    {member}").unwrap());
    }
    let kept = root().join("tests/face.txt");
    if std::env::var("PURO_FACE").is_ok_and(|how| how == "write") {
        fs::write(&kept, &text).unwrap();
    }
    let was = fs::read_to_string(&kept).unwrap_or_default();
    let differs = text.lines().zip(was.lines()).find(|(now, was)| now != was);
    assert!(
        text == was,
        "the face has changed: {differs:?}. If so it is to be, PURO_FACE=write, and let it be reviewed"
    );
    assert!(items.len() <= MOST_ITEMS, "{} names: hide or merge some", items.len());
}
