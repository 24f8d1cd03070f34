//! A finding in one sentence, as a person would tell it.

use std::collections::BTreeSet;

use super::names::Names;
use crate::model::content::Content;
use crate::model::disk::{Change, Disk};
use crate::model::plan::{Atom, Plan};
use crate::model::stage::{Stage, node_of};
use crate::model::state::State;

/// Paths that are told; beyond, their number.
const TOLD: usize = 3;

/// The sentence, without the numbers of states.
#[must_use]
pub fn tell(plan: &Plan<'_>, labels: &Labels, state: &State) -> String {
    let mut stage = Stage::new(plan);
    stage.advance_to(state.calls);
    let disk = stage.disk(state);
    let whole = stage.disk(&State::complete(state.calls));
    if let Some(cut) = state.cut {
        return format!(
            "When {} is cut after {cut} bytes, what is left fails the check",
            call(plan, state.calls)
        );
    }
    let when = match state.calls {
        0 => "Before the first call".to_owned(),
        calls => format!("After {}", call(plan, calls - 1)),
    };
    if state.missing.is_empty() {
        return format!("{when}, with nothing lost, what is there fails the check");
    }
    let without = without(labels, state);
    format!("{when}, without {without} before it, {}", effects(&whole, &disk))
}

/// A call with its number, counted from 1 as people do.
fn call(plan: &Plan<'_>, index: usize) -> String {
    plan.trace.calls.get(index).map_or_else(
        || "the end".to_owned(),
        |call| format!("`{}` at call {}", call.shown, index + 1),
    )
}

/// The syncs that would have made durable what is missing.
fn without(labels: &Labels, state: &State) -> String {
    let syncs: BTreeSet<&str> =
        state.missing.iter().map(|atom| labels.0[*atom].sync.as_str()).collect();
    list(syncs.into_iter().map(str::to_owned).collect(), "and", "syncs")
}

/// What a user would notice.
fn effects(whole: &Disk, disk: &Disk) -> String {
    let (expected, found) = (whole.paths(), disk.paths());
    let mut told = Vec::new();
    for (path, node) in &expected {
        match found.iter().find(|(other, _)| other == path) {
            None => told.push(format!("`{path}` may be missing")),
            Some((_, other)) if whole.content(*node).hash() != disk.content(*other).hash() => {
                let is_other_file = node != other;
                told.push(difference(
                    path,
                    whole.content(*node),
                    disk.content(*other),
                    is_other_file,
                ));
            }
            Some(_) => {}
        }
    }
    for (path, _) in
        found.iter().filter(|(path, _)| !expected.iter().any(|(other, _)| other == path))
    {
        told.push(format!("`{path}` may still be there"));
    }
    if told.is_empty() {
        return "what is left fails the check".to_owned();
    }
    list(told, "and", "files may differ")
}

fn difference(path: &str, whole: &Content, found: &Content, is_other_file: bool) -> String {
    if is_other_file {
        format!("`{path}` may still be the old file")
    } else if found.is_empty() {
        format!("`{path}` may be empty")
    } else if found.len() < whole.len() {
        format!("`{path}` may end after {} of {} bytes", found.len(), whole.len())
    } else if found.len() > whole.len() {
        format!("`{path}` may still have {} bytes, not {}", found.len(), whole.len())
    } else {
        let (from, to) = differing(whole, found);
        let bytes = found.read(from, to - from);
        let what = if bytes.iter().all(|byte| *byte == 0) { "zeros" } else { "old bytes" };
        format!("`{path}` may have {what} at {from}..{to}")
    }
}

/// The first range in which they differ.
fn differing(one: &Content, other: &Content) -> (u64, u64) {
    let (one_bytes, other_bytes) = (one.read(0, one.len()), other.read(0, other.len()));
    let pairs = || one_bytes.iter().zip(&other_bytes);
    let from = pairs().position(|(one, other)| one != other).unwrap_or(0);
    let differ = pairs().skip(from).take_while(|(one, other)| one != other).count();
    (from as u64, (from + differ) as u64)
}

fn list(mut parts: Vec<String>, and: &str, what: &str) -> String {
    if parts.len() > TOLD {
        let more = parts.len() - TOLD;
        parts.truncate(TOLD);
        return format!("{}, {and} {more} more {what}", parts.join(", "));
    }
    match parts.pop() {
        None => String::new(),
        Some(last) if parts.is_empty() => last,
        Some(last) => format!("{} {and} {last}", parts.join(", ")),
    }
}

/// What each atom is called by people: by the names that its files had then.
pub struct Labels(Vec<Label>);

struct Label {
    /// The sync that would have made it durable.
    sync: String,
    /// What it is a part of, without numbers: `bytes of segment-#`.
    part: String,
}

impl Labels {
    /// Of all atoms.
    #[must_use]
    pub fn new(plan: &Plan<'_>) -> Self {
        let mut names = Names::before(plan.trace);
        let mut labels = Vec::with_capacity(plan.atoms.len());
        for (index, call) in plan.trace.calls.iter().enumerate() {
            names.step(call);
            labels.extend(plan.atoms_of(index).map(|atom| Label::new(&plan.atoms[atom], &names)));
        }
        Self(labels)
    }

    /// What is missing in a state, without numbers.
    #[must_use]
    pub fn parts(&self, state: &State) -> BTreeSet<&str> {
        let missing = state.missing.iter().map(|atom| self.0[*atom].part.as_str());
        missing.chain(state.cut.map(|_| "cut")).collect()
    }
}

impl Label {
    fn new(atom: &Atom, names: &Names) -> Self {
        if let Some(node) = node_of(&atom.change) {
            let path = names.path(node);
            let part = format!("{} of {}", kind(&atom.change), without_numbers(&path));
            return Self { sync: format!("an fsync of {path}"), part };
        }
        let dirs: BTreeSet<String> = atom.dirs().iter().map(|dir| names.path(*dir)).collect();
        let of = |dir: &String| match dir.as_str() {
            "." => "an fsync of the directory".to_owned(),
            path => format!("an fsync of the directory {path}"),
        };
        let sync = dirs.iter().map(of).collect::<Vec<_>>().join(" and ");
        let dirs: Vec<String> = dirs.iter().map(|dir| without_numbers(dir)).collect();
        Self { sync, part: format!("names of {}", dirs.join(" and ")) }
    }
}

fn kind(change: &Change) -> &'static str {
    match change {
        Change::Names(_) => "names",
        Change::Bytes { .. } => "bytes",
        Change::Growth { .. } | Change::Length { .. } => "length",
        Change::Zero { .. } => "zeros",
    }
}

/// A text in which all numbers are the same.
#[must_use]
pub fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            other => out.push(other),
        }
    }
    out
}
