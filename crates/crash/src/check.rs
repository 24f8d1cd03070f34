//! Checking: every state becomes a directory, and the user's checker says what it thinks of it.

pub mod bench;
pub mod checker;
mod kept;
mod lease;
pub mod twice;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{CrashError, Result};
use crate::model::disk::Disk;
use crate::model::explore::{RoundCount, explore};
use crate::model::plan::Plan;
use crate::model::state::State;
use crate::progress::Progress;
use bench::Bench;
use checker::{Checker, Verdict};
use twice::Second;

/// How much is checked, and where.
#[derive(Clone, Debug)]
pub struct Limits {
    /// At most so many images.
    pub states: u64,
    /// No more begin after so long.
    pub time: Option<Duration>,
    /// Of chance.
    pub seed: u64,
    /// So many checkers at a time.
    pub jobs: usize,
    /// Where images are made.
    pub scratch: PathBuf,
    /// So many states of each checker's own recovery; 0 for none.
    pub twice: u64,
    /// What need not survive, for the recording of checkers.
    pub ignored: Vec<String>,
}

/// A state that the checker refused.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which.
    pub state: State,
    /// What the checker printed.
    pub output: String,
    /// The crash of the checker itself, if it needed one.
    pub second: Option<Second>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Tally {
    /// What was made of each kind.
    pub rounds: Vec<RoundCount>,
    /// Images that differed and were checked.
    pub checked: u64,
    /// Those of them that are of a second crash, within the checker's recovery.
    pub second: u64,
    /// Those that the checker could not judge, and why it said so first.
    pub unmeasured: (u64, Option<String>),
    /// Those that it refused.
    pub failures: Vec<Failure>,
    /// How long it took.
    pub elapsed: Duration,
    /// How much of that one checker took, over all cores.
    pub in_checker: Duration,
}

impl Tally {
    /// Whether a budget ended it before all rounds were done.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.rounds.len() < crate::model::explore::ROUNDS.len()
            || self.rounds.iter().any(|round| round.made < round.has)
    }
}

struct Job {
    state: State,
    disk: Disk,
}

/// Makes so many states for each image that may be checked, in the hope that they differ.
const MADE_FOR_EACH: u64 = 20;

/// Checks the states of a plan.
pub fn check(
    plan: &Plan<'_>,
    checker: &Checker,
    limits: &Limits,
    progress: &Progress,
) -> Result<Tally> {
    let begun = Instant::now();
    let tally = Mutex::new(Tally::default());
    let error = Mutex::new(None);
    let checker_nanos = AtomicU64::new(0);
    let (sender, receiver) = sync_channel(2 * limits.jobs);
    let receiver = Mutex::new(receiver);
    let rounds = thread::scope(|scope| {
        for _ in 0..limits.jobs {
            scope.spawn(|| {
                let worked = work(plan, checker, limits, &receiver, &tally, &checker_nanos);
                if let Err(first) = worked {
                    lock(&error).get_or_insert(first);
                    // Whoever makes states must not wait for a worker that is gone.
                    while lock(&receiver).recv().is_ok() {}
                }
            });
        }
        make(plan, limits, begun, &error, sender, progress)
    });
    if let Some(error) = error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.rounds = rounds;
    tally.elapsed = begun.elapsed();
    tally.in_checker = Duration::from_nanos(checker_nanos.into_inner());
    // Which worker was faster is nobody's business.
    tally.failures.sort_by(|one, other| one.state.cmp(&other.state));
    Ok(tally)
}

/// Makes states, and passes on those whose image was not there before.
fn make(
    plan: &Plan<'_>,
    limits: &Limits,
    begun: Instant,
    error: &Mutex<Option<CrashError>>,
    jobs: SyncSender<Job>,
    progress: &Progress,
) -> Vec<RoundCount> {
    let mut seen: HashSet<(u128, usize)> = HashSet::new();
    let most = limits.states.saturating_mul(MADE_FOR_EACH);
    explore(plan, limits.seed, most, |stage, state| {
        let is_over = limits.time.is_some_and(|time| begun.elapsed() > time);
        if is_over || lock(error).is_some() {
            return ControlFlow::Break(());
        }
        let disk = stage.disk(&state);
        let acknowledged = plan.trace.acknowledged(state.calls).len();
        if !seen.insert((disk.hash(), acknowledged)) {
            return ControlFlow::Continue(());
        }
        progress.set(seen.len() as u64);
        let is_enough =
            jobs.send(Job { state, disk }).is_err() || seen.len() as u64 >= limits.states;
        if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}

fn work(
    plan: &Plan<'_>,
    checker: &Checker,
    limits: &Limits,
    jobs: &Mutex<Receiver<Job>>,
    tally: &Mutex<Tally>,
    checker_nanos: &AtomicU64,
) -> Result<()> {
    let bench = Bench::new(&limits.scratch)?;
    loop {
        let next = lock(jobs).recv();
        let Ok(Job { state, disk }) = next else { return Ok(()) };
        let acknowledged = plan.trace.acknowledged(state.calls);
        bench.put(&disk, acknowledged)?;
        let begun = Instant::now();
        let verdict = checker.check(&bench.image(), &bench.acknowledged(), bench.scratch())?;
        checker_nanos.fetch_add(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
        let seconds = match &verdict {
            Verdict::Sound if limits.twice > 0 => {
                twice::check(plan, checker, limits, &bench, &disk, acknowledged)?
            }
            _ => twice::Seconds::default(),
        };
        let mut tally = lock(tally);
        tally.checked += 1 + seconds.checked;
        tally.second += seconds.checked;
        match verdict {
            Verdict::Sound => {}
            Verdict::Violated(output) => {
                tally.failures.push(Failure { state: state.clone(), output, second: None });
            }
            Verdict::NotMeasured(why) => note(&mut tally, why),
        }
        seconds.unmeasured.into_iter().for_each(|why| note(&mut tally, why));
        tally.failures.extend(seconds.failures.into_iter().map(|(second, output)| Failure {
            state: state.clone(),
            output,
            second: Some(second),
        }));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(tally: &mut Tally, why: String) {
    tally.unmeasured.0 += 1;
    tally.unmeasured.1.get_or_insert(why);
}
