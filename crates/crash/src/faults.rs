//! Faults: the program runs again and again, and each time one of its calls is answered by us.
//!
//! A program may give up, but what it has acknowledged must be there, and what it leaves must be
//! whole. Behind a sync that failed, what the power can take is taken too: the system may have
//! forgotten what it could not write, and then no later sync makes it durable.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_64;

use crate::check::checker::{Checker, Verdict};
use crate::check::{Limits, bench::Bench, check};
use crate::error::{At, Result};
use crate::finding::tell::without_numbers;
use crate::finding::{Finding, findings};
use crate::model::disk::Disk;
use crate::model::plan::Plan;
use crate::model::profile::Profile;
use crate::model::state::State;
use crate::progress::Progress;
use crate::record::fault::{Fault, Injection};
use crate::record::{Intent, Order, Recording, record};
use crate::trace::Trace;

/// What came of all faults.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Faults that were injected.
    pub injected: u64,
    /// Images that were checked.
    pub checked: u64,
    /// Those that failed.
    pub failed: usize,
    /// What could not be measured, and why first.
    pub unmeasured: (u64, Option<String>),
    /// The reasons.
    pub findings: Vec<Finding>,
    /// How long it took.
    pub elapsed: Duration,
}

/// States that are made behind a sync that failed.
const STATES_BEHIND_A_SYNC: u64 = 100;

/// Which call to answer how, of those that a first run made.
#[must_use]
pub fn plan(followed: &[Intent], faults: &[Fault], most: u64) -> (Vec<Injection>, u64) {
    let all = followed.iter().enumerate().flat_map(|(call, intent)| {
        let suiting = faults.iter().filter(move |fault| fault.suits(intent));
        suiting.map(move |fault| Injection { call, fault: *fault })
    });
    let all: Vec<Injection> = all.collect();
    let possible = all.len() as u64;
    // Thinned out evenly, if there are too many.
    let chosen = |index: u64| index * most / possible != (index + 1) * most / possible;
    let some = (0..).zip(all).filter(|(index, _)| possible <= most || chosen(*index));
    (some.map(|(_, injection)| injection).collect(), possible)
}

/// Injects all of them.
pub fn run(
    order: &Order<'_>,
    injections: &[Injection],
    checker: &Checker,
    profile: &Profile,
    limits: &Limits,
    progress: &Progress,
) -> Result<Outcome> {
    let begun = Instant::now();
    let bench = Bench::new(&limits.scratch)?;
    let mut outcome = Outcome::default();
    for injection in injections {
        if limits.time.is_some_and(|time| begun.elapsed() > time) {
            break;
        }
        empty(order.dir)?;
        let recording = record(&Order { injection: Some(*injection), ..order.clone() })?;
        outcome.injected += 1;
        progress.set(outcome.injected);
        let mut case = Case { injection, checker, profile, limits, bench: &bench };
        case.judge(order.trace, &recording, &mut outcome)?;
    }
    outcome.elapsed = begun.elapsed();
    Ok(outcome)
}

struct Case<'a> {
    injection: &'a Injection,
    checker: &'a Checker,
    profile: &'a Profile,
    limits: &'a Limits,
    bench: &'a Bench,
}

impl Case<'_> {
    fn judge(&mut self, trace: &Path, recording: &Recording, outcome: &mut Outcome) -> Result<()> {
        if let Some(what) = recording.unmeasured.first() {
            outcome.unmeasured.0 += 1;
            outcome.unmeasured.1.get_or_insert_with(|| what.clone());
            return Ok(());
        }
        let trace = Trace::read(trace)?;
        let plan = Plan::new(&trace, self.profile);
        let end = State::complete(trace.calls.len());
        let (disk, acknowledged) = (end.disk(&plan), trace.acknowledged(end.calls));
        outcome.checked += 1;
        match self.bench.check(self.checker, &disk, acknowledged)? {
            Verdict::Sound => {}
            Verdict::NotMeasured(why) => {
                outcome.unmeasured.0 += 1;
                outcome.unmeasured.1.get_or_insert(why);
            }
            Verdict::Violated(output) => {
                let what = "what it leaves fails the check".to_owned();
                self.add(recording, what, output, disk, acknowledged.to_vec(), outcome);
                return Ok(());
            }
        }
        let is_sync = matches!(self.intent(recording), Some(Intent::Sync { .. }));
        if is_sync && self.injection.fault.errno().is_some() {
            self.crash(&plan, recording, outcome)?;
        }
        Ok(())
    }

    /// A crash behind a sync that failed.
    fn crash(&self, plan: &Plan<'_>, recording: &Recording, outcome: &mut Outcome) -> Result<()> {
        let limits = Limits { states: STATES_BEHIND_A_SYNC, twice: 0, ..self.limits.clone() };
        let tally = check(plan, self.checker, &limits, &Progress::none())?;
        outcome.checked += tally.checked;
        outcome.unmeasured.0 += tally.unmeasured.0;
        for finding in findings(plan, self.checker, &limits, &tally)? {
            let Finding { sentence, output, image, acknowledged, states, .. } = finding;
            let what = format!("and the power is lost: {sentence}");
            self.add(recording, what, output, image, acknowledged, outcome);
            outcome.failed += states - 1;
        }
        Ok(())
    }

    fn intent<'r>(&self, recording: &'r Recording) -> Option<&'r Intent> {
        recording.followed.get(self.injection.call)
    }

    fn add(
        &self,
        recording: &Recording,
        what: String,
        output: String,
        image: Disk,
        acknowledged: Vec<u8>,
        outcome: &mut Outcome,
    ) {
        outcome.failed += 1;
        let Injection { call, fault } = *self.injection;
        let shown = recording.shown.get(call).map_or("a call", String::as_str);
        let place = format!("`{shown}` at call {}, {what}", call + 1);
        // The same place fails for the same reason, whichever error was the answer.
        let kind = fault.errno().map_or(fault.name(), |_| "error");
        let id =
            format!("{:016x}", xxh3_64(without_numbers(&format!("{kind} {place}")).as_bytes()));
        if let Some(same) = outcome.findings.iter_mut().find(|finding| finding.id == id) {
            same.states += 1;
            return;
        }
        let how = match fault {
            Fault::Kill => "the program is killed before".to_owned(),
            Fault::Short => "only half is written by".to_owned(),
            other => format!("{other} is the answer to"),
        };
        outcome.findings.push(Finding {
            id,
            sentence: format!("When {how} {place}"),
            states: 1,
            state: format!("fault:{}:{fault}", call + 1),
            output,
            known: false,
            smallest: None,
            image,
            acknowledged,
        });
    }
}

/// Empties a directory that was empty before the first run.
fn empty(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).at("list", dir)? {
        let path = entry.at("list", dir)?.path();
        let is_dir = path.symlink_metadata().at("look at", &path)?.is_dir();
        let removed = if is_dir { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.at("remove", &path)?;
    }
    Ok(())
}
