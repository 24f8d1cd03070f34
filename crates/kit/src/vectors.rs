//! Vectors: what they look like in `spec/vectors/kit/`, and how they are made.

pub mod files;
#[allow(missing_docs)]
pub mod forge;
pub mod make;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use files::{Edit, Snapshot};

use crate::driver::unhex;

/// A line of a file of vectors.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// A directory by its name.
    Tree(Tree),
    /// A case.
    Case(Case),
}

/// What a directory holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tree {
    /// Its name.
    pub tree: String,
    /// Names and bytes of its files.
    pub files: BTreeMap<String, String>,
}

/// Something that a port is asked, and what it must answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Case {
    /// Its name, once in all files.
    pub id: String,
    /// The clauses that it is about.
    pub clauses: Vec<String>,
    /// The clause that its input breaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaks: Option<String>,
    /// The tree that it begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

/// A request and its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Changes of the directory that are made before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// The request.
    pub request: Value,
    /// What the answer must have.
    pub expect: Value,
    /// Other answers that are as right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub or: Vec<Value>,
    /// What it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Vec<Edit>>,
}

/// All vectors.
#[derive(Clone, Debug, Default)]
pub struct Vectors {
    /// Trees by their names.
    pub trees: BTreeMap<String, Snapshot>,
    /// Cases in their order.
    pub cases: Vec<Case>,
}

/// Where the vectors of the repository are.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/vectors/kit")
}

/// Reads all files of vectors in a folder.
///
/// # Errors
/// What cannot be read.
pub fn read(folder: &Path) -> Result<Vectors, String> {
    let tell =
        |path: &Path, error: &dyn ToString| format!("{}: {}", path.display(), error.to_string());
    let entries = std::fs::read_dir(folder).map_err(|error| tell(folder, &error))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    paths.sort();
    let mut vectors = Vectors::default();
    for path in paths {
        let text = std::fs::read_to_string(&path).map_err(|error| tell(&path, &error))?;
        for line in text.lines() {
            match serde_json::from_str(line).map_err(|error| tell(&path, &error))? {
                Line::Case(case) => vectors.cases.push(case),
                Line::Tree(tree) => {
                    let file = |(name, digits): (String, String)| Some((name, unhex(&digits)?));
                    let files = tree.files.into_iter().filter_map(file).collect();
                    vectors.trees.insert(tree.tree, Snapshot(files));
                }
            }
        }
    }
    Ok(vectors)
}
