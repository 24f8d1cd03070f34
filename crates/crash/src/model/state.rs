//! A state: what a crash left.

use std::collections::BTreeSet;
use std::fmt;

use super::disk::{Change, Disk};
use super::plan::{AtomId, Plan};
use crate::error::{CrashError, Result};
use crate::trace::{Blob, Effect};

/// What a crash left: some calls were completed, and some of what they did is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    /// How many calls were completed.
    pub calls: usize,
    /// What is missing of that.
    pub missing: BTreeSet<AtomId>,
    /// How many bytes are there of the write that was under way.
    pub cut: Option<u64>,
}

impl State {
    /// Everything that was completed is there.
    #[must_use]
    pub fn complete(calls: usize) -> Self {
        Self { calls, ..Self::default() }
    }

    /// The disk as it is in this state.
    #[must_use]
    pub fn disk(&self, plan: &Plan<'_>) -> Disk {
        let mut stage = super::stage::Stage::new(plan);
        stage.advance_to(self.calls);
        stage.disk(self)
    }

    /// Its name: `41`, `41-3.7.9` or `41+512`, with the profile's in front.
    #[must_use]
    pub fn name(&self, plan: &Plan<'_>) -> String {
        format!("{}:{self}", plan.profile.name)
    }

    /// Reads a name, without the profile's.
    pub fn parse(text: &str, plan: &Plan<'_>) -> Result<Self> {
        let bad = || {
            CrashError::Usage(format!(
                "`{text}` is no state of this trace; states look like 41, 41-3.7 or 41+512"
            ))
        };
        let number = |text: &str| text.parse::<usize>().map_err(|_| bad());
        let (text, cut) = match text.split_once('+') {
            Some((text, cut)) => (text, Some(number(cut)? as u64)),
            None => (text, None),
        };
        let (calls, missing) = text.split_once('-').unwrap_or((text, ""));
        let calls = number(calls)?;
        let missing = missing.split('.').filter(|atom| !atom.is_empty()).map(number);
        let missing = missing.collect::<Result<BTreeSet<_>>>()?;
        let is_known = missing.iter().all(|atom| {
            plan.atoms.get(*atom).is_some_and(|atom| atom.call < calls && !atom.is_durable(calls))
        });
        if calls > plan.trace.calls.len() || !is_known {
            return Err(bad());
        }
        Ok(Self { calls, missing, cut })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.calls)?;
        let mut separator = '-';
        for atom in &self.missing {
            write!(f, "{separator}{atom}")?;
            separator = '.';
        }
        self.cut.map_or(Ok(()), |cut| write!(f, "+{cut}"))
    }
}

/// The write that is under way behind the first `calls` calls, if it is one.
#[must_use]
pub fn under_way(plan: &Plan<'_>, calls: usize) -> Option<(Change, u64)> {
    plan.trace.calls.get(calls)?.effects.iter().find_map(|effect| match effect {
        Effect::Write { node, at, data, .. } => {
            Some((Change::Bytes { node: *node, at: *at, data: *data }, data.len))
        }
        _ => None,
    })
}

/// The first bytes of a write.
#[must_use]
pub fn cut_to(change: &Change, bytes: u64) -> Change {
    match change {
        Change::Bytes { node, at, data } => {
            let data = Blob { at: data.at, len: data.len.min(bytes) };
            Change::Bytes { node: *node, at: *at, data }
        }
        other => other.clone(),
    }
}
