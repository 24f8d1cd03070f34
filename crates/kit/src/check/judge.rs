//! One case: put to a port, and judged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::port::Port;
use super::same;
use crate::vectors::{Case, Snapshot, Step};

/// How a case went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it must.
    Passed,
    /// Not so.
    Failed(String),
    /// The port lacks a request that it needs.
    NotRun(String),
    /// It cannot be tried on this machine.
    NotHere(String),
}

/// A case, and how it went.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Its id.
    pub id: String,
    /// The clauses that it is about.
    pub clauses: Vec<String>,
    /// How it went.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// Puts a case to a port.
pub fn judge(port: &mut Port, case: &Case, trees: &BTreeMap<String, Snapshot>) -> Judged {
    let begun = Instant::now();
    let outcome = match lacking(&port.requests, case) {
        Some(word) => Outcome::NotRun(format!("no request `{word}`")),
        None => match run(port, case, trees) {
            Ok(None) => Outcome::Passed,
            Ok(Some(word)) => Outcome::NotRun(format!("`{word}` is not supported")),
            Err(trouble) => Outcome::Failed(trouble),
        },
    };
    let (id, clauses) = (case.id.clone(), case.clauses.clone());
    Judged { id, clauses, outcome, took: begun.elapsed() }
}

/// What only looks: where a port lacks it, the rest of a case is run.
const LOOKS: [&str; 3] = ["info", "classify", "verify"];

fn word(step: &Step) -> &str {
    step.request["do"].as_str().unwrap_or_default()
}

/// The request for want of which a port cannot be put to a case.
fn lacking(requests: &BTreeSet<String>, case: &Case) -> Option<String> {
    let lacks = |step: &&Step| !requests.contains(word(step));
    let all = case.steps.iter().all(|step| lacks(&step));
    let lacking = case.steps.iter().filter(lacks).map(word);
    lacking.filter(|word| all || !LOOKS.contains(word)).map(str::to_owned).next()
}

/// A directory that goes with the value; in memory where there is room.
pub(crate) fn scratch() -> Result<tempfile::TempDir, String> {
    let made = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    made.map_err(|error| error.to_string())
}

fn run(
    port: &mut Port,
    case: &Case,
    trees: &BTreeMap<String, Snapshot>,
) -> Result<Option<String>, String> {
    let scratch = scratch()?;
    let dir = scratch.path().join("stream");
    std::fs::create_dir(&dir).map_err(|error| error.to_string())?;
    if let Some(tree) = &case.tree {
        let tree = trees.get(tree).ok_or_else(|| format!("no tree `{tree}`"))?;
        tree.write(&dir).map_err(|error| error.to_string())?;
    }
    let mut handles = Vec::new();
    let mut result = Ok(None);
    for (number, step) in case.steps.iter().enumerate() {
        if let Some(handle) = step.request.get("handle") {
            handles.push(handle.clone());
        }
        match put(port, step, &dir) {
            Ok(true) => {}
            Ok(false) => {
                result = Ok(step.request["do"].as_str().map(str::to_owned));
                break;
            }
            Err(trouble) => {
                let shown = step.request.to_string();
                let shown: String = shown.chars().take(300).collect();
                result = Err(format!("step {}, {shown}: {trouble}", number + 1));
                break;
            }
        }
    }
    for handle in handles {
        let _ = port.ask(&json!({"do": "close", "handle": handle}));
    }
    result
}

/// One step; `false` where the port does not support it.
fn put(port: &mut Port, step: &Step, dir: &Path) -> Result<bool, String> {
    for edit in &step.edits {
        edit.apply(dir).map_err(|error| format!("{edit:?}: {error}"))?;
    }
    if !port.requests.contains(word(step)) {
        return Ok(true); // it only looks
    }
    let look = || Snapshot::of(dir).map_err(|error| error.to_string());
    let before = if step.after.is_some() { look()? } else { Snapshot::default() };
    let mut request = step.request.clone();
    request["dir"] = dir.to_string_lossy().into_owned().into();
    let answer = port.ask(&request)?;
    if answer["error"] == "unsupported" {
        return Ok(false);
    }
    let first = matches(&step.expect, &answer, "");
    if first.is_err() && !step.or.iter().any(|other| matches(other, &answer, "").is_ok()) {
        first?;
    }
    if let Some(after) = &step.after {
        same::compare(&before.edited(after), &look()?)?;
    }
    Ok(true)
}

/// Whether an answer has all that is expected.
///
/// # Errors
/// The first difference.
pub fn matches(expect: &Value, answer: &Value, place: &str) -> Result<(), String> {
    let differs = || {
        let short = |value: &Value| value.to_string().chars().take(300).collect::<String>();
        Err(format!("{place}: {} expected, not {}", short(expect), short(answer)))
    };
    match (expect, answer) {
        (Value::Object(expect), Value::Object(answer)) => {
            if let (None, Some(error)) = (expect.get("error"), answer.get("error")) {
                let text = answer.get("text").unwrap_or(&Value::Null);
                return Err(format!("success expected, not {error} {text}"));
            }
            for (name, value) in expect {
                let found = answer.get(name).unwrap_or(&Value::Null);
                matches(value, found, &format!("{place}.{name}"))?;
            }
            Ok(())
        }
        (Value::Array(expect), Value::Array(answer)) if expect.len() == answer.len() => {
            let mut both = expect.iter().zip(answer).enumerate();
            both.try_for_each(|(at, (expect, answer))| {
                matches(expect, answer, &format!("{place}[{at}]"))
            })
        }
        _ if expect == answer => Ok(()),
        _ => differs(),
    }
}
