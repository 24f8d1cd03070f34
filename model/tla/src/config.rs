//! A configuration is `spec/X.cfg`, which runs `spec/X.tla`. The comments at its
//! head, `\* Key: value`, say what it is for and how it is to be run.

use std::fs;
use std::path::{Path, PathBuf};

/// One configuration, with what its comments say.
#[derive(Debug, Clone)]
pub struct Config {
    pub name: String,
    /// The question it answers.
    pub question: String,
    /// Small enough for the checker without Java.
    pub both: bool,
    /// Only run in the long form.
    pub long: bool,
    /// A state without successors is an error.
    pub deadlock: bool,
    /// Its graph is walked by the shipped code.
    pub walk: bool,
    /// Names of the invariants, in the order in which they stand there.
    pub invariants: Vec<String>,
    /// Whether it has temporal properties.
    pub temporal: bool,
}

/// The folder `spec/` of this repository.
pub fn spec_dir() -> PathBuf {
    root().join("spec")
}

/// The root of this repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("model/tla lies two folders below the root").to_path_buf()
}

fn comment(text: &str, key: &str) -> Option<String> {
    let head = format!("\\* {key}: ");
    text.lines().find_map(|l| l.strip_prefix(&head)).map(|v| v.trim().to_string())
}

fn parse(name: &str, text: &str) -> Result<Config, String> {
    let need = |key: &str| {
        comment(text, key).ok_or_else(|| format!("{name}.cfg: no comment `\\* {key}: ...`"))
    };
    let one_of = |key: &str, yes: &str, no: &str| {
        let found = need(key)?;
        if found == yes {
            Ok(true)
        } else if found == no {
            Ok(false)
        } else {
            Err(format!("{name}.cfg: {key} is {found:?}, not {yes:?} or {no:?}"))
        }
    };
    let mut invariants = Vec::new();
    let (mut temporal, mut reading) = (false, false);
    for line in text.lines().filter(|l| !l.starts_with("\\*")) {
        let mut words = line.split_whitespace().peekable();
        if let Some(word) = words.peek()
            && word.len() > 3
            && word.chars().all(|c| c.is_ascii_uppercase())
        {
            reading = word.starts_with("INVARIANT");
            temporal |= word.starts_with("PROPERT");
            words.next();
        }
        if reading {
            invariants.extend(words.map(String::from));
        }
    }
    Ok(Config {
        name: name.to_string(),
        question: need("For")?,
        both: one_of("Checkers", "both", "TLC")?,
        long: one_of("Form", "long", "short")?,
        deadlock: one_of("Deadlock", "checked", "allowed")?,
        walk: comment(text, "Walk").is_some_and(|yes| yes == "yes"),
        invariants,
        temporal,
    })
}

/// All configurations of a folder, by name.
pub fn all(dir: &Path) -> Result<Vec<Config>, String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.extension().is_some_and(|e| e == "cfg") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).map_err(|e| format!("{name}.cfg: {e}"))?;
            if !path.with_extension("tla").exists() {
                return Err(format!("{name}.cfg runs {name}.tla, and there is none"));
            }
            found.push(parse(&name, &text)?);
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}
