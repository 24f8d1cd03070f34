//! The world of shuttle: many interleavings of a larger cast, at random or where few changes
//! of turn matter (PCT).
//!
//! Everything that is left to chance is taken from shuttle, so that a schedule says all of it.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use puro::internals::vfs::{Join, Monitor};
use shuttle::rand::Rng;
use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler};
use shuttle::{FailurePersistence, Runner};

use crate::judge::{Journal, stream};
use crate::loom_world::write_coverage;
use crate::roles::Role;
use crate::shared_world::{Image, Manner, Plan, Sabotage, Threads, World};

/// Scheduled by shuttle.
#[derive(Debug)]
pub enum Shuttle {}

/// Where shuttle orders accesses.
pub struct ShuttleGate {
    mutex: shuttle::sync::Mutex<()>,
    waiters: shuttle::sync::Condvar,
}

/// The world of one schedule.
pub type ShuttleWorld = World<Shuttle>;

/// A value whose threads shuttle orders.
pub struct ShuttleMonitor<V> {
    value: shuttle::sync::Mutex<V>,
    changed: shuttle::sync::Condvar,
}

impl<V: Send + 'static> Monitor<V> for ShuttleMonitor<V> {
    type Held<'m> = shuttle::sync::MutexGuard<'m, V>;

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

impl Threads for Shuttle {
    type Gate = ShuttleGate;

    fn gate() -> ShuttleGate {
        ShuttleGate { mutex: shuttle::sync::Mutex::new(()), waiters: shuttle::sync::Condvar::new() }
    }

    fn pass<R>(gate: &ShuttleGate, step: impl FnOnce() -> R) -> R {
        let _held = gate.mutex.lock();
        step()
    }

    fn wait(gate: &ShuttleGate, mut ready: impl FnMut() -> bool) {
        let mut held = gate.mutex.lock().unwrap_or_else(PoisonError::into_inner);
        while !ready() {
            held = gate.waiters.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wake<R>(gate: &ShuttleGate, step: impl FnOnce() -> R) -> R {
        let _held = gate.mutex.lock();
        let done = step();
        gate.waiters.notify_all();
        done
    }

    fn choose(ways: u32) -> u32 {
        shuttle::rand::thread_rng().gen_range(0..ways)
    }

    type Monitor<V: Send + 'static> = ShuttleMonitor<V>;

    fn monitor<V: Send + 'static>(value: V) -> ShuttleMonitor<V> {
        let (value, changed) = (shuttle::sync::Mutex::new(value), shuttle::sync::Condvar::new());
        ShuttleMonitor { value, changed }
    }

    fn spawn(work: Box<dyn FnOnce() + Send>) -> Join {
        let thread = shuttle::thread::spawn(work);
        // What it panicked of, the checker tells.
        Box::new(move || drop(thread.join()))
    }

    fn pause() {
        shuttle::thread::yield_now();
    }
}

/// Which schedules are tried.
#[derive(Clone, Copy, Debug)]
pub enum Schedules {
    /// Any step after any other, with equal chances.
    Random,
    /// Actors run by random priorities, that change at so many places (PCT).
    Pct(usize),
}

/// A cast, and what may befall it, for a great number of schedules.
#[derive(Clone)]
pub struct Campaign {
    /// Its name, which is that of the test, for replaying.
    pub name: &'static str,
    /// The module of that test.
    pub module: &'static str,
    /// What is in the stream before.
    pub before: &'static [&'static str],
    /// Who takes part.
    pub cast: Vec<Role<Shuttle>>,
    /// How the world behaves.
    pub manner: Manner,
    /// What may befall an actor, chosen anew in each schedule.
    pub fate: fn() -> Plan,
}

impl Campaign {
    /// Plays one schedule.
    fn play(&self, image: &Image) -> Result<(), String> {
        let world = ShuttleWorld::new(image, self.manner, 1);
        let journal = Journal::new(self.before);
        let ready = (1..).zip(&self.cast);
        let works: Vec<_> =
            ready.map(|(n, role)| role(world.actor(n, (self.fate)()), journal.clone())).collect();
        world.set_going();
        let threads: Vec<_> = works.into_iter().map(shuttle::thread::spawn).collect();
        for thread in threads {
            thread.join().map_err(|_| "an actor panicked".to_owned())?;
        }
        journal.judge(&world)
    }

    /// Plays its share of `PURO_SHUTTLE_SCHEDULES` in the given way, or the one schedule in
    /// the file `PURO_SHUTTLE_REPLAY`.
    ///
    /// # Errors
    /// The promise that was broken in the first schedule in which one was, and how to see
    /// it again.
    pub fn run(
        &self,
        schedules: Schedules,
        share: usize,
        target_tmpdir: &str,
    ) -> Result<(), String> {
        let (image, campaign) = (stream(self.before), self.clone());
        let runs = Runs {
            name: self.name,
            module: self.module,
            // A failure that is expected need not be seen again.
            keeps_failures: self.manner.sabotage == Sabotage::None,
        };
        runs.run(schedules, share, target_tmpdir, move || campaign.play(&image))
    }
}

/// Many schedules of anything.
#[derive(Clone, Copy, Debug)]
pub struct Runs {
    /// The name of the campaign, which is that of a test.
    pub name: &'static str,
    /// The module of that test, in `tests/shuttle/`.
    pub module: &'static str,
    /// Whether schedules that fail are kept, to be played again.
    pub keeps_failures: bool,
}

impl Runs {
    /// As [`Campaign::run`].
    ///
    /// # Errors
    /// As [`Campaign::run`].
    pub fn run(
        &self,
        schedules: Schedules,
        share: usize,
        target_tmpdir: &str,
        play: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Result<(), String> {
        let begun = Instant::now();
        let kept = Path::new(target_tmpdir).join("shuttle");
        std::fs::create_dir_all(&kept).map_err(|error| error.to_string())?;
        let known = files(&kept);
        let mut config = shuttle::Config::new();
        config.stack_size = STACK_BYTES;
        config.failure_persistence = match self.keeps_failures {
            true => FailurePersistence::File(Some(kept.clone())),
            false => FailurePersistence::None,
        };
        let wrong = Arc::new(Mutex::new(None));
        let told = Arc::clone(&wrong);
        let play = move || {
            if let Err(what) = play() {
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
                panic!("a promise is broken");
            }
        };
        let seed = seed();
        let ran = std::panic::catch_unwind(AssertUnwindSafe(|| match (replay(), schedules) {
            (Some(file), _) => {
                let scheduler =
                    ReplayScheduler::new_from_file(file).expect("the schedule is there");
                Runner::new(scheduler, config).run(play)
            }
            (None, Schedules::Random) => {
                Runner::new(RandomScheduler::new_from_seed(seed, share), config).run(play)
            }
            (None, Schedules::Pct(depth)) => {
                Runner::new(PctScheduler::new_from_seed(seed, depth, share), config).run(play)
            }
        }));
        match ran {
            Ok(played) => {
                self.report(schedules, played, begun.elapsed(), target_tmpdir);
                Ok(())
            }
            Err(panic) => {
                let told = wrong.lock().unwrap_or_else(PoisonError::into_inner).take();
                let text = told.or(panic.downcast_ref::<String>().cloned());
                let mut what = text.unwrap_or_else(|| "a panic".to_owned());
                what += &format!("\n  again with PURO_SEED={seed}");
                for file in files(&kept).difference(&known) {
                    let (name, module, file) = (self.name, self.module, file.display());
                    what += &format!(
                        "\n  replay: PURO_SHUTTLE_REPLAY={file} \
                         cargo test -p puro-model --test shuttle {module}::{name} -- --exact"
                    );
                }
                Err(what)
            }
        }
    }

    fn report(&self, schedules: Schedules, played: usize, took: Duration, target_tmpdir: &str) {
        let (name, seconds, seed) = (self.name, took.as_secs_f64(), seed());
        let bound = match schedules {
            Schedules::Random => "random".to_owned(),
            Schedules::Pct(depth) => format!("PCT depth {depth}"),
        };
        let line = format!(
            "{{\"kind\":\"shuttle\",\"scenario\":\"{name}\",\"executions\":{played},\
             \"bound\":\"{bound}\",\"seconds\":{seconds:.2},\"seed\":{seed}}}\n"
        );
        eprint!("{line}");
        write_coverage(target_tmpdir, &format!("shuttle-{name}"), &line);
    }
}

/// Stack of an actor.
pub const STACK_BYTES: usize = 0x40000;

/// So many schedules in all campaigns together, unless `PURO_SHUTTLE_SCHEDULES` says otherwise.
const SCHEDULES: usize = 100_000;

/// One of `campaigns` equal shares of all schedules.
#[must_use]
pub fn share_of(campaigns: usize) -> usize {
    let asked = std::env::var("PURO_SHUTTLE_SCHEDULES").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(SCHEDULES).div_ceil(campaigns)
}

/// The same schedules in each run, unless `PURO_SEED` says otherwise.
fn seed() -> u64 {
    std::env::var("PURO_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn replay() -> Option<String> {
    std::env::var("PURO_SHUTTLE_REPLAY").ok()
}

fn files(dir: &Path) -> BTreeSet<PathBuf> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Nothing befalls anyone.
#[must_use]
pub fn spared() -> Plan {
    Plan::default()
}

/// Every third actor dies at some step, every fourth has a call or a few fail.
#[must_use]
pub fn tried() -> Plan {
    let dies_at = (Shuttle::choose(3) == 0).then(|| Shuttle::choose(60));
    let begin = Shuttle::choose(60);
    let fails = if Shuttle::choose(4) == 0 { begin..begin + 1 + Shuttle::choose(3) } else { 0..0 };
    Plan { dies_at, fails }
}
