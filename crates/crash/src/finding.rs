//! Findings: of many states that fail, the few reasons.

pub mod names;
pub mod shrink;
pub mod tell;

use std::collections::BTreeSet;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::check::bench::Bench;
use crate::check::checker::{Checker, Verdict};
use crate::check::twice::Second;
use crate::check::{Failure, Limits, Tally};
use crate::error::Result;
use crate::model::disk::Disk;
use crate::model::plan::Plan;
use crate::model::state::State;
use tell::Labels;

/// A reason why states fail.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The same for the same reason in another run: what a baseline knows.
    pub id: String,
    /// The sentence.
    pub sentence: String,
    /// How many states failed for this reason.
    pub states: usize,
    /// The name of the smallest of them.
    pub state: String,
    /// What the checker said of it.
    pub output: String,
    /// Whether the baseline knew it.
    pub known: bool,
    /// The smallest state itself, if it is one of the trace.
    #[serde(skip)]
    pub smallest: Option<State>,
    /// What is there in it.
    #[serde(skip)]
    pub image: Disk,
    /// What had been acknowledged by then.
    #[serde(skip)]
    pub acknowledged: Vec<u8>,
}

/// Beyond so many reasons, nobody reads on.
const MOST: usize = 12;

/// Finds the reasons. Needs the checker, to make states smaller.
pub fn findings(
    plan: &Plan<'_>,
    checker: &Checker,
    limits: &Limits,
    tally: &Tally,
) -> Result<Vec<Finding>> {
    let bench = Bench::new(&limits.scratch)?;
    let labels = Labels::new(plan);
    let mut left: Vec<&Failure> = tally.failures.iter().collect();
    // Where little is missing, the reason is plain.
    left.sort_by_key(|failure| {
        (failure.second.is_some(), failure.state.missing.len(), failure.state.calls)
    });
    let mut found = Vec::new();
    while let Some(first) = left.first().copied() {
        let smallest = if first.second.is_some() || found.len() >= MOST {
            first.state.clone()
        } else {
            shrink::shrink(plan, &first.state, |state| {
                let acknowledged = plan.trace.acknowledged(state.calls);
                let verdict = bench.check(checker, &state.disk(plan), acknowledged)?;
                Ok(matches!(verdict, Verdict::Violated(_)))
            })?
        };
        let reason = Reason::of(plan, &labels, &smallest, first.second.as_ref());
        let is_same = |failure: &&Failure| reason.explains(plan, &labels, failure);
        let states = left.iter().filter(|failure| is_same(failure)).count().max(1);
        left.retain(|failure| !is_same(failure) && !std::ptr::eq(*failure, first));
        add(plan, &labels, &mut found, &reason, states, smallest, first);
    }
    Ok(found)
}

/// Adds a finding, or its states to one that is the same.
fn add(
    plan: &Plan<'_>,
    labels: &Labels,
    found: &mut Vec<Finding>,
    reason: &Reason<'_>,
    states: usize,
    smallest: State,
    failure: &Failure,
) {
    let id = reason.id(plan);
    if let Some(same) = found.iter_mut().find(|finding| finding.id == id) {
        same.states += states;
        return;
    }
    let (sentence, image) = match &failure.second {
        None => (tell::tell(plan, labels, &smallest), smallest.disk(plan)),
        Some(second) => (tell_second(plan, &smallest, second), second.disk.clone()),
    };
    found.push(Finding {
        id,
        sentence,
        states,
        state: smallest.name(plan),
        output: failure.output.clone(),
        known: false,
        image,
        acknowledged: plan.trace.acknowledged(smallest.calls).to_vec(),
        smallest: Some(smallest),
    });
}

fn tell_second(plan: &Plan<'_>, state: &State, second: &Second) -> String {
    let last = second.calls.last().map_or("its start", String::as_str);
    format!(
        "In state {}, when the checker's own recovery is cut after `{last}` at its call {}, the \
         next recovery fails the check",
        state.name(plan),
        second.state.calls
    )
}

struct Reason<'a> {
    parts: BTreeSet<&'a str>,
    decides: String,
    is_second: bool,
}

impl<'a> Reason<'a> {
    fn of(plan: &Plan<'_>, labels: &'a Labels, state: &State, second: Option<&Second>) -> Self {
        let last = match second {
            Some(second) => second.calls.last().map(String::as_str),
            None => state.calls.checked_sub(1).map(|last| plan.trace.calls[last].shown.as_str()),
        };
        Self {
            parts: labels.parts(state),
            decides: tell::without_numbers(last.unwrap_or_default()),
            is_second: second.is_some(),
        }
    }

    /// Whether a failure has all that this reason is made of.
    fn explains(&self, plan: &Plan<'_>, labels: &'a Labels, failure: &Failure) -> bool {
        if self.is_second != failure.second.is_some() {
            return false;
        }
        let other = Self::of(plan, labels, &failure.state, failure.second.as_ref());
        if self.is_second || self.parts.is_empty() {
            return self.decides == other.decides && other.parts == self.parts;
        }
        self.parts.is_subset(&other.parts)
    }

    fn id(&self, plan: &Plan<'_>) -> String {
        let parts: Vec<&str> = self.parts.iter().copied().collect();
        let text = format!(
            "{}|{}|{}|{}",
            plan.profile.name,
            self.is_second,
            self.decides,
            parts.join("|")
        );
        format!("{:016x}", xxh3_64(text.as_bytes()))
    }
}
