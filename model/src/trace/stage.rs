//! One simulated machine that is listened to, and the fates of its processes.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use puro::internals::dir::open_path;
use puro::internals::interpose::{Answer, Call, Hook, Interpose, Operation};
use puro::internals::trace::Action;
use puro::internals::vfs::{OpenMode, VfsFile};

use super::turns::{Part, Turns};
use super::{ASKS, Begun, Event, Log, asks_for_steward, contents};
use crate::generate::Rng;
use crate::history::STREAM;
use crate::ledger::{JOB, NAMES};
use crate::sim::power::{GRAINS, PowerLoss};
use crate::sim::{Disk, Fault, Fuse, SimVfs, World};

/// The seam that is listened to.
pub type Heard = Interpose<SimVfs>;

/// A machine, and what is noted of it.
#[derive(Clone)]
pub struct Stage {
    world: World,
    log: Log,
    /// Processes that have not died as far as the log knows, with where they write.
    living: Arc<Mutex<Vec<(u32, u64)>>>,
    processes: Arc<AtomicU64>,
    /// The next sync of a segment fails.
    sync_fails: Arc<AtomicBool>,
    /// The next write of a block fails.
    write_fails: Arc<AtomicBool>,
    /// Who dies when it is about to give the lock back; 0 is nobody.
    dies_at_unlock: Arc<AtomicU32>,
    /// Who may make the next call, where actors run on threads of their own.
    turns: Arc<Mutex<Option<Arc<Turns>>>>,
    /// `GivenBack` is noted when writer.lock is: others may act between `Unlock` and that.
    tells_given_back: Arc<AtomicBool>,
}

/// Listens to one process.
struct Listener {
    stage: Stage,
    process: u32,
    begun: Mutex<Begun>,
    /// Whether the last call was made to fail.
    failed: AtomicBool,
}

impl Hook for Listener {
    fn before(&self, call: &Call<'_>) -> Answer {
        self.stage.note_deaths();
        self.stage.pass();
        if asks_for_steward(call) {
            self.stage.log.note(Event::of_the_world(self.process, ASKS));
        }
        let now = self.stage.log.tick();
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).call(call.operation, now);
        if call.operation == Operation::Unlock
            && call.path.ends_with("writer.lock")
            && self.stage.tells_given_back.load(Ordering::Relaxed)
        {
            self.stage.log.note(Event::of_the_world(self.process, "GivenBack"));
        }
        let block = call.operation == Operation::Write && call.length > 1;
        let sync = matches!(call.operation, Operation::SyncData | Operation::SyncAll);
        let segment = call.path.extension().is_some_and(|extension| extension == "puro");
        let fails = segment
            && (sync && self.stage.sync_fails.swap(false, Ordering::Relaxed)
                || block && self.stage.write_fails.swap(false, Ordering::Relaxed));
        if fails {
            self.stage.world.set_fault(0, Fault::Io);
        }
        self.failed.store(fails, Ordering::Relaxed);
        Answer::Proceed
    }

    fn trace(&self, action: &Action<'_>) {
        let dies = self.stage.dies_at_unlock.load(Ordering::Relaxed) == self.process;
        if dies && action.name == "Unlock" {
            self.stage.world.kill(self.process);
        }
        self.stage.note_deaths();
        if self.stage.world.is_dead(self.process) {
            return;
        }
        let mut event = Event::of(self.process, action);
        let begun = *self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        event.begun = begun.of(action.name);
        if action.name == "Build" {
            let vfs = SimVfs::new(&World::new(self.stage.world.disk()), 0);
            let kept = contents::offsets_in(&vfs, &contents::compacted(STREAM, action.segment));
            event.offsets = vec![(action.segment, kept.unwrap_or_default())];
        }
        // Where it did not fail here, it was told of an older failure (M-6).
        if action.name == "SyncFails" && !self.failed.load(Ordering::Relaxed) {
            event.name = "SyncTells".to_owned();
        }
        if action.name == "WritePart" {
            event.bytes = self.stage.bytes(action.segment, action.position);
            event.bytes.truncate(action.value as usize);
        }
        if matches!(action.name, "Reserve" | "RaiseEpoch") {
            self.stage.writes_at(self.process, action.position);
        }
        self.stage.log.note(event);
    }
}

impl Stage {
    /// An empty machine.
    #[must_use]
    pub fn new() -> Self {
        Self {
            world: World::new(Disk::default()),
            log: Log::default(),
            living: Arc::default(),
            processes: Arc::default(),
            sync_fails: Arc::default(),
            write_fails: Arc::default(),
            dies_at_unlock: Arc::default(),
            turns: Arc::default(),
            tells_given_back: Arc::default(),
        }
    }

    /// From now on it is told when `writer.lock` is given back, not only that it will be.
    pub fn tell_given_back(&self) {
        self.tells_given_back.store(true, Ordering::Relaxed);
    }

    /// Lets actors take turns until all have come to their end, or the power goes.
    pub fn play(&self, turns: &Arc<Turns>, parts: Vec<Part>) {
        let take = |turns| *self.turns.lock().unwrap_or_else(PoisonError::into_inner) = turns;
        take(Some(Arc::clone(turns)));
        turns.run(parts);
        take(None);
    }

    /// An actor is about to make a call: others may make theirs before, or the power goes.
    pub fn pass(&self) {
        let turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(turns) = turns
            && turns.pass()
        {
            let mut rng = Rng::new(self.log.tick());
            self.lose_power(|ways, newest| match rng.below(3) {
                0 => newest,
                1 => 0,
                _ => rng.below(ways as u64) as usize,
            });
        }
    }

    /// The machine.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Notes what an actor says itself.
    pub fn note(&self, process: u32, name: &str, value: u64, label: &str) {
        self.note_deaths();
        if !self.world.is_dead(process) {
            let event = Event::of_the_world(process, name);
            let begun = self.log.tick();
            self.log.note(Event { value, label: label.to_owned(), begun, ..event });
        }
    }

    /// What was noted.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.note_deaths();
        self.log.events()
    }

    /// A new process, in a role.
    pub fn process(&self, role: &str) -> (u32, Heard) {
        let process = self.processes.fetch_add(1, Ordering::Relaxed) as u32 + 1;
        self.living.lock().unwrap_or_else(PoisonError::into_inner).push((process, 0));
        let mut event = Event::of_the_world(process, "Begins");
        event.label = role.to_owned();
        self.log.note(event);
        let listener = Listener {
            stage: self.clone(),
            process,
            begun: Mutex::default(),
            failed: AtomicBool::new(false),
        };
        (process, Interpose::new(SimVfs::new(&self.world, process), listener))
    }

    fn writes_at(&self, process: u32, position: u64) {
        let mut living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        living.iter_mut().filter(|(who, _)| *who == process).for_each(|found| found.1 = position);
    }

    /// The bytes of a segment from a position on.
    fn bytes(&self, segment: u32, position: u64) -> Vec<u8> {
        bytes_of(&self.world.disk(), segment, position)
    }

    /// Notes who died since.
    fn note_deaths(&self) {
        let mut living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        let dead = |(process, _): &(u32, u64)| self.world.is_dead(*process);
        let died: Vec<_> = living.iter().copied().filter(|found| dead(found)).collect();
        living.retain(|found| !dead(found));
        drop(living);
        for (process, position) in died {
            let mut event = Event::of_the_world(process, "Die");
            event.position = position;
            event.bytes = if position > 0 { self.bytes(0, position) } else { Vec::new() };
            self.log.note(event);
        }
    }

    /// Loses the power; `keep` says of each decision which of so many ways it goes.
    pub fn lose_power(&self, mut keep: impl FnMut(usize, usize) -> usize) {
        self.note_deaths();
        let disk = self.world.disk();
        let loss = PowerLoss::new(&disk, GRAINS[0]);
        let ways = loss.options().into_iter().zip(loss.newest());
        let choices: Vec<_> = ways.map(|(ways, newest)| keep(ways, newest)).collect();
        let left = loss.apply(&choices);
        let there = left.look_up(Path::new(STREAM)).is_some();
        let mut event = Event::of_the_world(0, if there { "PowerLoss" } else { "LoseDirectory" });
        event.bytes = bytes_of(&left, 0, 0);
        event.offsets = contents::all_offsets(&left);
        event.value = contents::position_in(&left, NAMES[JOB]);
        self.log.note(event);
        self.living.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.world.calm();
        self.world.restart(left, self.processes.load(Ordering::Relaxed) as u32);
    }

    /// Harms a unit of the segment, on the disk too.
    pub fn harm(&self, position: u64) {
        let bytes: Vec<u8> = (0..64).map(|i| (i * 37) as u8 | 1).collect();
        let path = Path::new(STREAM).join(format!("{:010}.puro", 0));
        let file =
            open_path(&SimVfs::new(&self.world, 0), &path, OpenMode::Write).expect("a segment");
        file.write_at(&bytes, position).expect("room for what is there");
        file.sync_data().expect("a disk");
        let event = Event { position, ..Event::of_the_world(0, "Harm") };
        self.log.note(event);
    }

    /// The next sync of a segment fails.
    pub fn fail_sync(&self) {
        self.sync_fails.store(true, Ordering::Relaxed);
    }

    /// The next write of a block fails, half done.
    pub fn fail_write(&self) {
        self.write_fails.store(true, Ordering::Relaxed);
    }

    /// Sets the death of a process, in the call after so many more.
    pub fn set_death(&self, process: u32, calls: u64, bytes: usize) {
        self.world.set_fuse(Fuse { process, calls, bytes });
    }

    /// Sets the death of a process, right before it next gives the lock back.
    pub fn set_death_at_unlock(&self, process: u32) {
        self.dies_at_unlock.store(process, Ordering::Relaxed);
    }

    /// Kills a process.
    pub fn kill(&self, process: u32) {
        self.world.defuse();
        self.world.kill(process);
        self.note_deaths();
    }

    /// Whether a process is dead.
    #[must_use]
    pub fn is_dead(&self, process: u32) -> bool {
        self.world.is_dead(process)
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

fn bytes_of(disk: &Disk, segment: u32, position: u64) -> Vec<u8> {
    let path = Path::new(STREAM).join(format!("{segment:010}.puro"));
    let bytes = disk.bytes_of(&path).unwrap_or_default();
    bytes.get(position as usize..).unwrap_or_default().to_vec()
}
