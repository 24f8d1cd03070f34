//! A crash of the recovery: the checker is recorded while it works on an image, and cut too.
//!
//! What the image holds is on the disk: it was read after a crash. So it is the base of the
//! second trace, and as durable as anything.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::time::Duration;

use super::Limits;
use super::bench::Bench;
use super::checker::{Checker, Verdict};
use crate::error::Result;
use crate::model::disk::Disk;
use crate::model::explore::explore;
use crate::model::plan::Plan;
use crate::model::state::State;
use crate::record::{Order, Recorder, record};
use crate::trace::Trace;

/// The crash of a checker.
#[derive(Clone, Debug)]
pub struct Second {
    /// The state, in the checker's own trace.
    pub state: State,
    /// What it left.
    pub disk: Disk,
    /// The checker's calls until then, and whether something of them was lost.
    pub calls: Vec<String>,
}

/// What came of the second crashes of one image.
#[derive(Debug, Default)]
pub struct Seconds {
    /// How many images were checked.
    pub checked: u64,
    /// Those that were refused, and what the checker printed.
    pub failures: Vec<(Second, String)>,
    /// What could not be seen.
    pub unmeasured: Vec<String>,
}

/// A checker that does not end has told so already.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Records the checker on an image, and checks the states of that.
pub fn check(
    first: &Plan<'_>,
    checker: &Checker,
    limits: &Limits,
    bench: &Bench,
    disk: &Disk,
    acknowledged: &[u8],
) -> Result<Seconds> {
    let mut seconds = Seconds::default();
    bench.put(disk, acknowledged)?;
    let trace_dir = bench.scratch().join("second");
    let recording = record(&Order {
        command: &checker.recorded_command(&bench.image(), &bench.acknowledged()),
        dir: &bench.image(),
        trace: &trace_dir,
        ignored: &limits.ignored,
        echo: false,
        injection: None,
        lists_calls: false,
        timeout: TIMEOUT,
        recorder: Recorder::Best,
    })?;
    let trace = Trace::read(&trace_dir)?;
    if trace.calls.is_empty() {
        // It only reads.
        return Ok(seconds);
    }
    if let Some(what) = recording.unmeasured.first() {
        seconds.unmeasured.push(format!("the checker's own recovery: {what}"));
        return Ok(seconds);
    }
    let plan = Plan::new(&trace, first.profile);
    let mut seen = HashSet::from([disk.hash()]);
    let mut states = Vec::new();
    let most = limits.twice * super::MADE_FOR_EACH;
    explore(&plan, limits.seed, most, |stage, state| {
        let disk = stage.disk(&state);
        if seen.insert(disk.hash()) {
            states.push((state, disk));
        }
        let is_enough = states.len() as u64 >= limits.twice;
        if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    for (state, disk) in states {
        seconds.checked += 1;
        match bench.check(checker, &disk, acknowledged)? {
            Verdict::Sound => {}
            Verdict::NotMeasured(why) => seconds.unmeasured.push(why),
            Verdict::Violated(output) => {
                let calls = told(&plan, &state);
                seconds.failures.push((Second { state, disk, calls }, output));
            }
        }
    }
    Ok(seconds)
}

fn told(plan: &Plan<'_>, state: &State) -> Vec<String> {
    let lost: HashSet<usize> = state.missing.iter().map(|atom| plan.atoms[*atom].call).collect();
    let calls = plan.trace.calls.iter().take(state.calls).enumerate();
    calls
        .map(|(index, call)| {
            let mark = if lost.contains(&index) { " (lost)" } else { "" };
            format!("{}{mark}", call.shown)
        })
        .collect()
}
