//! What is told at the end: to people, to CI, and to whoever wants to see it happen.

pub mod baseline;
pub mod html;
pub mod junit;
pub mod keep;
pub mod text;

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::check::Tally;
use crate::error::{At, Result};
use crate::faults::Outcome;
use crate::finding::Finding;
use crate::trace::Trace;

/// All that came of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was run.
    pub command: Vec<String>,
    /// The checker.
    pub checker: String,
    /// How the program ended.
    pub status: i32,
    /// How many calls were recorded.
    pub calls: usize,
    /// What could not be seen. Unless empty, nothing was checked.
    pub unmeasured: Vec<String>,
    /// What came of each profile.
    pub profiles: Vec<ProfileReport>,
}

/// What came of a profile.
#[derive(Debug, Serialize)]
pub struct ProfileReport {
    /// Its name.
    pub profile: String,
    /// Images that were checked.
    pub states: u64,
    /// Those of them that are of a second crash.
    pub second: u64,
    /// Those that failed.
    pub failed: usize,
    /// Those that the checker could not judge.
    pub unmeasured: u64,
    /// Why the checker could not, as it said first.
    pub why_unmeasured: Option<String>,
    /// States made, of how many there are, for each round.
    pub rounds: Vec<(String, u64, u64)>,
    /// How long it took.
    pub elapsed_ms: u64,
    /// States made and checked in a second and core, without the time of the checker.
    pub own_rate: u64,
    /// The reasons.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Nothing yet.
    #[must_use]
    pub fn new(trace: &Trace, checker: &str) -> Self {
        Self {
            command: trace.header.command.clone(),
            checker: checker.to_owned(),
            status: trace.header.status,
            calls: trace.calls.len(),
            unmeasured: trace.header.unmeasured.clone(),
            profiles: Vec::new(),
        }
    }

    /// How many images were checked, and how many failed.
    #[must_use]
    pub fn numbers(&self) -> (u64, usize) {
        let sum = |(states, failed), profile: &ProfileReport| {
            (states + profile.states, failed + profile.failed)
        };
        self.profiles.iter().fold((0, 0), sum)
    }

    /// 0 where nothing new was found, 1 where something was, 77 where that cannot be said.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let findings = || self.profiles.iter().flat_map(|profile| &profile.findings);
        let is_unmeasured = !self.unmeasured.is_empty()
            // Who has looked at nothing has found nothing out.
            || self.profiles.iter().any(|profile| profile.unmeasured > 0 || profile.states == 0);
        match (findings().any(|finding| !finding.known), is_unmeasured) {
            (true, _) => 1,
            (false, true) => 77,
            (false, false) => 0,
        }
    }

    /// As JSON.
    pub fn write_json(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(std::io::Error::from);
        text.and_then(|text| fs::write(path, text)).at("write", path)
    }
}

impl ProfileReport {
    /// What a tally and its findings say.
    #[must_use]
    pub fn new(profile: &str, tally: &Tally, findings: Vec<Finding>, jobs: usize) -> Self {
        let nothing = (tally.checked == 0).then(|| "no state was checked".to_owned());
        let busy = tally.elapsed * jobs as u32;
        let own = busy.saturating_sub(tally.in_checker).as_secs_f64().max(0.001);
        let rounds =
            tally.rounds.iter().map(|count| (count.round.name().to_owned(), count.made, count.has));
        Self {
            profile: profile.to_owned(),
            states: tally.checked,
            second: tally.second,
            failed: tally.failures.len(),
            unmeasured: tally.unmeasured.0,
            why_unmeasured: tally.unmeasured.1.clone().or(nothing),
            rounds: rounds.collect(),
            elapsed_ms: tally.elapsed.as_millis() as u64,
            own_rate: (tally.checked as f64 / own) as u64,
            findings,
        }
    }

    /// What faults came to.
    #[must_use]
    pub fn of_faults(outcome: Outcome, possible: u64) -> Self {
        Self {
            profile: "faults".to_owned(),
            states: outcome.checked,
            second: 0,
            failed: outcome.failed,
            unmeasured: outcome.unmeasured.0,
            why_unmeasured: outcome.unmeasured.1,
            rounds: vec![("faults".to_owned(), outcome.injected, possible)],
            elapsed_ms: outcome.elapsed.as_millis() as u64,
            own_rate: 0,
            findings: outcome.findings,
        }
    }
}
