//! The world of loom: every interleaving of a scenario's steps, one after the other.
//!
//! A gate is a loom mutex, held for the length of a step, so that files are sequentially
//! consistent (M-2: what a write stored before it returned is seen by every later read).
//! What loom cannot choose by itself (in which order the parts of a write are
//! taken, at which step an actor dies) is a variant of the scenario: each variant is explored
//! on its own.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use puro::internals::vfs::{Join, Monitor};

use crate::judge::Journal;
use crate::roles::Role;
use crate::shared_world::{Image, Manner, Order, Plan, Threads, World};

/// Scheduled by loom.
#[derive(Debug)]
pub enum Loom {}

/// Where loom orders accesses.
pub struct LoomGate {
    mutex: loom::sync::Mutex<()>,
    waiters: loom::sync::Condvar,
}

/// A value whose threads loom orders.
pub struct LoomMonitor<V> {
    value: loom::sync::Mutex<V>,
    changed: loom::sync::Condvar,
}

impl<V: Send + 'static> Monitor<V> for LoomMonitor<V> {
    type Held<'m> = loom::sync::MutexGuard<'m, V>;

    fn enter(&self) -> Self::Held<'_> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_enter(&self) -> Option<Self::Held<'_>> {
        Some(self.enter())
    }

    fn wait<'m>(&'m self, held: Self::Held<'m>, _timeout: Option<Duration>) -> Self::Held<'m> {
        self.changed.wait(held).unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_all(&self) {
        self.changed.notify_all();
    }
}

impl Threads for Loom {
    type Gate = LoomGate;

    fn gate() -> LoomGate {
        LoomGate { mutex: loom::sync::Mutex::new(()), waiters: loom::sync::Condvar::new() }
    }

    fn pass<R>(gate: &LoomGate, step: impl FnOnce() -> R) -> R {
        let _held = gate.mutex.lock();
        step()
    }

    fn wait(gate: &LoomGate, mut ready: impl FnMut() -> bool) {
        let mut held = gate.mutex.lock().unwrap_or_else(PoisonError::into_inner);
        while !ready() {
            held = gate.waiters.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wake<R>(gate: &LoomGate, step: impl FnOnce() -> R) -> R {
        let _held = gate.mutex.lock();
        let done = step();
        gate.waiters.notify_all();
        done
    }

    fn choose(_ways: u32) -> u32 {
        unreachable!("loom's scenarios say what they want")
    }

    type Monitor<V: Send + 'static> = LoomMonitor<V>;

    fn monitor<V: Send + 'static>(value: V) -> LoomMonitor<V> {
        let (value, changed) = (loom::sync::Mutex::new(value), loom::sync::Condvar::new());
        LoomMonitor { value, changed }
    }

    fn spawn(work: Box<dyn FnOnce() + Send>) -> Join {
        let thread = spawn(work);
        // What it panicked of, the checker tells.
        Box::new(move || drop(thread.join()))
    }

    fn pause() {
        loom::thread::yield_now();
    }
}

/// The world of one execution.
pub type LoomWorld = World<Loom>;

/// Stack of an actor, in words: the code under test keeps paths and errors there.
const STACK_WORDS: usize = 0x8000;

/// Starts an actor.
pub fn spawn<R: Send + 'static>(
    body: impl FnOnce() -> R + Send + 'static,
) -> loom::thread::JoinHandle<R> {
    let builder = loom::thread::Builder::new().stack_size(STACK_WORDS);
    builder.spawn(body).expect("loom starts threads")
}

/// Plays one execution: all roles get ready, then all work at once. Tells whether
/// somebody was in trouble.
///
/// # Errors
/// The promise that was broken.
pub fn play(
    image: &Image,
    before: &[&str],
    manner: Manner,
    cast: &[(Plan, Role<Loom>)],
) -> Result<bool, String> {
    let world = LoomWorld::new(image, manner, 1);
    let journal = Journal::new(before);
    let numbered = (1..).zip(cast);
    let actors: Vec<_> =
        numbered.map(|(number, (plan, _))| world.actor(number, plan.clone())).collect();
    let ready = actors.iter().zip(cast);
    let works: Vec<_> =
        ready.map(|(actor, (_, role))| role(actor.clone(), journal.clone())).collect();
    world.set_going();
    let threads: Vec<_> = works.into_iter().map(spawn).collect();
    for thread in threads {
        thread.join().map_err(|_| "an actor panicked".to_owned())?;
    }
    journal.judge(&world)?;
    Ok(actors.iter().any(LoomWorld::is_troubled))
}

/// Both orders of writing with both orders of reading.
#[must_use]
pub fn manners(like: Manner) -> Vec<Manner> {
    let orders = [Order::Forward, Order::Backward];
    let pairs = orders.iter().flat_map(|writes| orders.iter().map(move |reads| (writes, reads)));
    pairs.map(|(&writes, &reads)| Manner { writes, reads, ..like }).collect()
}

/// A scenario to be explored, and what came of it.
pub struct Exploration {
    name: &'static str,
    bound: Option<usize>,
    executions: Arc<AtomicU64>,
    begun: Instant,
}

impl Exploration {
    /// To be explored with at most so many preemptions; `None` is completely.
    /// `PURO_LOOM_BOUND` (a number, or `none`) overrides every bound, for the long campaign.
    #[must_use]
    pub fn new(name: &'static str, bound: Option<usize>) -> Self {
        let bound = match std::env::var("PURO_LOOM_BOUND") {
            Ok(text) => text.parse().ok(),
            Err(_) => bound,
        };
        Self { name, bound, executions: Arc::default(), begun: Instant::now() }
    }

    /// Explores one variant, which returns whether somebody was in trouble, or what is wrong;
    /// tells whether anybody ever was in trouble.
    ///
    /// # Errors
    /// What was wrong in the first execution in which something was; a deadlock.
    pub fn variant(
        &self,
        scenario: impl Fn() -> Result<bool, String> + Send + Sync + 'static,
    ) -> Result<bool, String> {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = self.bound;
        builder.max_branches = 10_000;
        let wrong = Arc::new(Mutex::new(None));
        let trouble = Arc::new(AtomicBool::new(false));
        let (executions, told) = (Arc::clone(&self.executions), Arc::clone(&wrong));
        let troubled = Arc::clone(&trouble);
        let explore = std::panic::AssertUnwindSafe(|| {
            builder.check(move || {
                executions.fetch_add(1, Ordering::Relaxed);
                match scenario() {
                    Ok(here) => drop(troubled.fetch_or(here, Ordering::Relaxed)),
                    Err(what) => {
                        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
                        panic!("a promise is broken");
                    }
                }
            });
        });
        match std::panic::catch_unwind(explore) {
            Ok(()) => Ok(trouble.load(Ordering::Relaxed)),
            Err(panic) => {
                let told = wrong.lock().unwrap_or_else(PoisonError::into_inner).take();
                let text = panic.downcast_ref::<String>().cloned();
                Err(told.or(text).unwrap_or_else(|| "a panic".to_owned()))
            }
        }
    }

    /// Explores a cast in every manner given.
    ///
    /// # Errors
    /// As [`Exploration::variant`], with the manner.
    pub fn cast(
        &self,
        image: &Image,
        before: &'static [&'static str],
        manners: &[Manner],
        cast: &[(Plan, Role<Loom>)],
    ) -> Result<bool, String> {
        let mut trouble = false;
        for &manner in manners {
            let (image, cast) = (image.clone(), cast.to_vec());
            let explored = self.variant(move || play(&image, before, manner, &cast));
            trouble |= explored.map_err(|what| format!("{what}\n  in {manner:?}"))?;
        }
        Ok(trouble)
    }

    /// Explores a cast with `plan(0)` for its first actor, then `plan(1)`, until the plan is
    /// for a step so late that nobody gets there; tells how many steps that are.
    ///
    /// # Errors
    /// As [`Exploration::cast`], with the plan.
    pub fn troubles(
        &self,
        image: &Image,
        before: &'static [&'static str],
        manners: &[Manner],
        cast: &[Role<Loom>],
        plan: impl Fn(u32) -> Plan,
    ) -> Result<u32, String> {
        for step in 0.. {
            let calm = |role: &Role<Loom>| (Plan::default(), role.clone());
            let mut planned: Vec<_> = cast.iter().map(calm).collect();
            planned[0].0 = plan(step);
            let explored = self.cast(image, before, manners, &planned);
            if !explored.map_err(|what| format!("{what}\n  with {:?}", plan(step)))? {
                return Ok(step);
            }
        }
        unreachable!("every actor ends")
    }

    /// How many executions there were so far.
    #[must_use]
    pub fn executions(&self) -> u64 {
        self.executions.load(Ordering::Relaxed)
    }

    /// Prints what was done, and puts it where the coverage table is made from: in the
    /// directory `coverage` beside `target_tmpdir`.
    pub fn report(&self, target_tmpdir: &str) {
        let (name, executions) = (self.name, self.executions());
        let bound = self.bound.map_or("\"complete\"".to_owned(), |bound| bound.to_string());
        let seconds = self.begun.elapsed().as_secs_f64();
        let line = format!(
            "{{\"kind\":\"loom\",\"scenario\":\"{name}\",\"executions\":{executions},\
             \"bound\":{bound},\"seconds\":{seconds:.2}}}\n"
        );
        eprint!("{line}");
        write_coverage(target_tmpdir, &format!("loom-{name}"), &line);
    }
}

/// Keeps a line for the coverage table; one file for each scenario, so that a second run
/// replaces the first.
pub(crate) fn write_coverage(target_tmpdir: &str, name: &str, line: &str) {
    let dir = Path::new(target_tmpdir).with_file_name("coverage");
    std::fs::create_dir_all(&dir).expect("the directory for coverage can be made");
    std::fs::write(dir.join(format!("{name}.json")), line).expect("coverage can be written");
}
