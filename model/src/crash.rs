//! Every crash image of a history, and what must be true after the recovery from it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use puro::internals::vfs::Vfs;
use puro::{ConsumerOptions, ProducerOptions, ReadError, RepairReport, Start};

use crate::generate::History;
use crate::history::{Player, STREAM, batch, read};
use crate::oracle::{Crash, Delivery, Oracle, Promise, Violation};
use crate::sim::{Disk, PowerLoss, SimVfs, Step, World};

/// How thoroughly histories are cut.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Chunks of unsynced data are coarsened until there are at most so many decisions.
    pub decisions: usize,
    /// Of these, at most so many differ from what all others do.
    pub together: usize,
}

/// What a campaign has looked at.
#[derive(Default)]
pub struct Tally {
    images: Vec<Mutex<HashSet<u64>>>,
    /// What the segments were in the end, for each state that was recovered from and each
    /// oracle that judged it: histories have many states in common.
    ends: Vec<Mutex<HashMap<(u64, u64), u64>>>,
    /// Recoveries that were run and judged.
    pub recoveries: AtomicU64,
    /// Histories that were cut.
    pub histories: AtomicU64,
    /// Steps at which they were cut.
    pub steps: AtomicU64,
}

const SHARDS: u64 = 64;

impl Tally {
    /// Nothing yet.
    pub fn new() -> Self {
        let images = (0..SHARDS).map(|_| Mutex::default()).collect();
        let ends = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { images, ends, ..Self::default() }
    }

    fn end_of(&self, key: (u64, u64)) -> Option<u64> {
        let shard = &self.ends[(key.0 % SHARDS) as usize];
        shard.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied()
    }

    fn note_end(&self, key: (u64, u64), end: u64) {
        let shard = &self.ends[(key.0 % SHARDS) as usize];
        shard.lock().unwrap_or_else(PoisonError::into_inner).insert(key, end);
    }

    fn note(&self, image: u64) {
        let shard = &self.images[(image % SHARDS) as usize];
        shard.lock().unwrap_or_else(PoisonError::into_inner).insert(image);
    }

    /// Distinct crash images, by the hash of all names and bytes.
    pub fn images(&self) -> usize {
        let sizes = self.images.iter();
        sizes.map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
}

/// A crash after which a promise was broken.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The history.
    pub history: History,
    /// Where it was cut, and how.
    pub place: String,
    /// What was broken.
    pub violation: Violation,
}

/// Bytes of all files of the stream, by path.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What a recovery led to.
struct Recovered {
    /// From what.
    crash: Crash,
    repairs: Vec<RepairReport>,
    /// Each change that opening made.
    steps: Vec<Step>,
    seen: Vec<Delivery>,
    after: Files,
    /// Hash of the segments after the append.
    end: u64,
}

/// Cuts one history everywhere.
pub struct Examiner<'t, V: Vfs, M: Fn(SimVfs) -> V> {
    seam: M,
    bounds: Bounds,
    tally: &'t Tally,
    history: History,
    /// The oracle at each mark, and the hash of it and of how producers are opened: what must be
    /// the same for two equal images to be recovered from, and judged, alike.
    oracles: Vec<(Oracle, u64)>,
}

impl<'t, V: Vfs, M: Fn(SimVfs) -> V + Copy> Examiner<'t, V, M> {
    /// Runs the history once, and judges every way in which it could have been cut.
    pub fn examine(
        history: History,
        seam: M,
        bounds: Bounds,
        tally: &'t Tally,
    ) -> Result<(), Box<Finding>> {
        let (oracles, steps) = record(&history, seam)?;
        tally.histories.fetch_add(1, Ordering::Relaxed);
        tally.steps.fetch_add(steps.len() as u64, Ordering::Relaxed);
        let how = (history.has_checkpoints(), history.has_zeros());
        let oracles = oracles.into_iter().map(|oracle| (oracle.clone(), hash_of(&(&oracle, how))));
        let oracles = oracles.collect();
        let mut examiner = Self { seam, bounds, tally, history, oracles };
        for (number, step) in steps.iter().enumerate() {
            examiner.deaths(number, step)?;
            examiner.power_losses(number, step)?;
        }
        Ok(())
    }

    fn finding(&self, place: String, violation: Violation) -> Box<Finding> {
        Box::new(Finding { history: self.history.clone(), place, violation })
    }

    /// The process dies in this step, after any byte of it.
    fn deaths(&mut self, number: usize, step: &Step) -> Result<(), Box<Finding>> {
        for bytes in 0..=step.bytes() {
            let place = || format!("step {number}, death after {bytes} bytes");
            self.first_crash(step.cut_at(bytes), step.mark, Crash::Death, &place)?;
        }
        Ok(())
    }

    /// The power goes before this step, or in the middle of its write.
    fn power_losses(&mut self, number: usize, step: &Step) -> Result<(), Box<Finding>> {
        for bytes in [0, step.bytes() / 2, step.bytes()] {
            let disk = step.cut_at(bytes);
            let loss = PowerLoss::at_most(&disk, self.bounds.decisions);
            let options = loss.options();
            for base in [loss.newest(), loss.hollow(), loss.oldest()] {
                each_choice(&base, &options, self.bounds.together, &mut |choices| {
                    let place = || format!("step {number}, {bytes} bytes, power lost: {choices:?}");
                    self.first_crash(loss.apply(choices), step.mark, Crash::Power, &place)
                })?;
            }
        }
        Ok(())
    }

    fn first_crash(
        &mut self,
        image: Disk,
        mark: usize,
        crash: Crash,
        place: &dyn Fn() -> String,
    ) -> Result<(), Box<Finding>> {
        self.tally.note(image.image_hash());
        let (oracle, oracle_hash) = self.oracles[mark].clone();
        let key = (image.state_hash(), oracle_hash);
        if self.tally.end_of(key).is_some() {
            return Ok(());
        }
        let recovered = self.judged(&image, &oracle, crash, true);
        let recovered = recovered.map_err(|violation| self.finding(place(), violation))?;
        self.tally.note_end(key, recovered.end);
        for (number, step) in recovered.steps.iter().enumerate() {
            self.second_deaths(&recovered, number, step, mark, crash, place)?;
            self.second_power_losses(&recovered, number, step, mark, place)?;
        }
        Ok(())
    }

    /// The recovering process dies too; whoever comes next ends in the same bytes.
    fn second_deaths(
        &mut self,
        first: &Recovered,
        number: usize,
        step: &Step,
        mark: usize,
        crash: Crash,
        place: &dyn Fn() -> String,
    ) -> Result<(), Box<Finding>> {
        let bytes = step.bytes();
        let cuts = [0, bytes / 2, bytes.saturating_sub(1), bytes];
        for bytes in cuts {
            let place = || format!("{}; recovery step {number}, death after {bytes}", place());
            let end = self.second_crash(step.cut_at(bytes), first, mark, crash, &place)?;
            if end != first.end {
                let what = "cut inside a repair and repaired again, the segments differ";
                return Err(self.finding(place(), Violation::new(Promise::Convergence, what)));
            }
        }
        Ok(())
    }

    /// The power goes inside the recovery: all kept, all lost, or one decision otherwise.
    fn second_power_losses(
        &mut self,
        first: &Recovered,
        number: usize,
        step: &Step,
        mark: usize,
        place: &dyn Fn() -> String,
    ) -> Result<(), Box<Finding>> {
        let loss = PowerLoss::at_most(&step.disk, self.bounds.decisions);
        let options = loss.options();
        for base in [loss.newest(), loss.hollow(), loss.oldest()] {
            each_choice(&base, &options, self.bounds.together.min(1), &mut |choices| {
                let place =
                    || format!("{}; recovery step {number}, power lost: {choices:?}", place());
                let image = loss.apply(choices);
                self.second_crash(image, first, mark, Crash::Power, &place).map(drop)
            })?;
        }
        Ok(())
    }

    fn second_crash(
        &mut self,
        image: Disk,
        first: &Recovered,
        mark: usize,
        crash: Crash,
        place: &dyn Fn() -> String,
    ) -> Result<u64, Box<Finding>> {
        self.tally.note(image.image_hash());
        let (oracle, oracle_hash) = self.oracles[mark].clone();
        let key = (image.state_hash(), oracle_hash);
        if let Some(end) = self.tally.end_of(key) {
            return Ok(end);
        }
        let judged = self.judged(&image, &oracle, crash, false);
        // What a first loss of power left is on the disk, and what is saved of it too.
        let judged = judged.and_then(|second| match first.crash {
            Crash::Power => still_saved(first, &second).map(|()| second),
            Crash::Death => Ok(second),
        });
        let second = judged.map_err(|violation| self.finding(place(), violation))?;
        self.tally.note_end(key, second.end);
        Ok(second.end)
    }

    fn judged(
        &self,
        image: &Disk,
        oracle: &Oracle,
        crash: Crash,
        first: bool,
    ) -> Result<Recovered, Violation> {
        self.tally.recoveries.fetch_add(1, Ordering::Relaxed);
        let recovered = recover(image, oracle, crash, &self.history.options(), self.seam, first)?;
        oracle.judge(&recovered.seen, crash)?;
        nothing_destroyed(image, oracle, &recovered)?;
        // A machine that was never restarted has seen nothing but deaths.
        let lost = recovered.repairs.iter().any(|repair| repair.label == "lost");
        if lost && crash == Crash::Death && image.boot == 1 {
            return Err(Violation::new(Promise::Quiet, "a death was taken for lost data"));
        }
        Ok(recovered)
    }
}

/// Plays a history; the oracle at each mark, and each change of the disk.
fn record<V: Vfs, M: Fn(SimVfs) -> V + Copy>(
    history: &History,
    seam: M,
) -> Result<(Vec<Oracle>, Vec<Step>), Box<Finding>> {
    let world = World::new(Disk::default());
    let mut player = Player::new(world.clone(), seam, history.options());
    let mut oracles = Vec::new();
    for (number, op) in history.before.iter().chain(&history.ops).enumerate() {
        if number == history.before.len() {
            world.record();
        }
        // Before the operation has begun, nothing of it can be there; while it runs, its
        // batch is an attempt without an answer.
        let mut during = player.oracle.clone();
        if let Some(records) = op.records() {
            during.attempt(records);
        }
        oracles.push(during);
        world.mark(number);
        player.play(op).map_err(|violation| {
            let place = format!("in operation {number}");
            Box::new(Finding { history: history.clone(), place, violation })
        })?;
    }
    world.mark(oracles.len());
    oracles.push(player.oracle.clone());
    let steps = world.recorded();
    Ok((oracles, steps))
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Calls `each` with every choice that differs from `base` in at most `together` places.
pub(crate) fn each_choice<E>(
    base: &[usize],
    options: &[usize],
    together: usize,
    each: &mut dyn FnMut(&[usize]) -> Result<(), E>,
) -> Result<(), E> {
    fn vary<E>(
        choices: &mut Vec<usize>,
        from: usize,
        options: &[usize],
        left: usize,
        each: &mut dyn FnMut(&[usize]) -> Result<(), E>,
    ) -> Result<(), E> {
        each(choices)?;
        if left == 0 {
            return Ok(());
        }
        for at in from..options.len() {
            let base = choices[at];
            for option in (0..options[at]).filter(|option| *option != base) {
                choices[at] = option;
                vary(choices, at + 1, options, left - 1, each)?;
            }
            choices[at] = base;
        }
        Ok(())
    }
    vary(&mut base.to_vec(), 0, options, together, each)
}

fn files(disk: &Disk) -> Files {
    disk.paths().map(|(path, file)| (path, file.cache.clone())).collect()
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "puro")
}

fn is_saved_tail(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tail")
}

/// The number of the batch that every recovery is followed by.
const EXTRA: u32 = u32::MAX;

/// Opens a producer on a crash image, appends one more batch durably, and reads all.
fn recover<V: Vfs, M: Fn(SimVfs) -> V>(
    image: &Disk,
    oracle: &Oracle,
    crash: Crash,
    options: &ProducerOptions,
    seam: M,
    keep_steps: bool,
) -> Result<Recovered, Violation> {
    let world = World::new(image.clone());
    world.set_random(1000 + image.boot);
    if keep_steps {
        world.record();
    }
    let progress = |what: &str, error: &dyn std::error::Error| {
        Violation::new(Promise::Progress, format!("cannot {what}: {error}"))
    };
    let vfs = seam(SimVfs::new(&world, 1));
    let opened = options.clone().durable(true).open_in(vfs, STREAM);
    let mut producer = opened.map_err(|error| progress("open", &error))?;
    let steps = if keep_steps { world.recorded() } else { Vec::new() };
    let repairs = producer.repairs().to_vec();
    // Enough records to pass every position that a consumer keeps.
    let records = oracle.witnesses.iter().map(|witness| witness.token.offset as u32 + 1).max();
    let records = records.unwrap_or(1);
    let appended = producer.append_batch(&mut batch(EXTRA, records, 0));
    let appended = appended.map_err(|error| progress("append", &error))?;
    let reader = seam(SimVfs::new(&world, 2));
    let (mut seen, _) =
        read(reader.clone(), Start::Beginning, false).map_err(|error| progress("read", &error))?;
    let extra = seen.split_off((appended.first_offset as usize).min(seen.len()));
    let whole = extra.len() == records as usize && extra.iter().all(|record| record.batch == EXTRA);
    if !whole {
        let what = "what was appended after the recovery is not what is read";
        return Err(Violation::new(Promise::Prefix, what));
    }
    witnesses_are_told(reader, oracle, &seen)?;
    let after = files(&world.disk());
    let mut hasher = DefaultHasher::new();
    let mut segments = after.iter().filter(|(path, _)| is_segment(path)).peekable();
    while let Some((path, bytes)) = segments.next() {
        // How many zeros are left behind the end of the active one says nothing (F-56).
        let active = segments.peek().is_none();
        (path, if active { without_zeros(bytes) } else { bytes }).hash(&mut hasher);
    }
    Ok(Recovered { crash, repairs, steps, seen, after, end: hasher.finish() })
}

/// Whoever kept a position goes on from it, or is told that its history was lost (E-7).
fn witnesses_are_told<V: Vfs>(
    reader: V,
    oracle: &Oracle,
    seen: &[Delivery],
) -> Result<(), Violation> {
    for witness in &oracle.witnesses {
        let lost = witness.lost || witness.token.offset > seen.len() as u64;
        let start = Start::Token(witness.token);
        let opened = ConsumerOptions::new().start(start).open_in(reader.clone(), STREAM);
        let told = matches!(opened, Err(ReadError::Diverged(_)));
        if lost != told || (!lost && opened.is_err()) {
            let token = witness.token;
            let what = format!("a consumer at {token}: history lost {lost}, told {told}");
            return Err(Violation::new(Promise::Prefix, what));
        }
    }
    Ok(())
}

/// Whatever a recovery cut off was never visible, or is saved.
fn nothing_destroyed(
    image: &Disk,
    oracle: &Oracle,
    recovered: &Recovered,
) -> Result<(), Violation> {
    let broken = |what: String| Err(Violation::new(Promise::NothingDestroyed, what));
    for (path, before) in files(image).iter().filter(|(path, _)| is_segment(path)) {
        let Some(after) = recovered.after.get(path) else {
            return broken(format!("{} is gone", path.display()));
        };
        let repair = recovered.repairs.iter().find(|repair| repair.path == *path);
        // Zeros behind the end are there to be written over (F-56).
        let held = without_zeros(before).len();
        let kept = repair.map_or(held, |repair| repair.position as usize);
        if after.get(..kept) != before.get(..kept) {
            return broken(format!("{} was changed below byte {kept}", path.display()));
        }
        let cut = before.get(kept..).unwrap_or_default();
        let never_visible = oracle.is_whole(&recovered.seen);
        let saved = repair.is_some_and(|repair| is_saved(cut, repair, &recovered.after));
        if cut.iter().any(|byte| *byte != 0) && !never_visible && !saved {
            return broken(format!("{} bytes of {} were not saved", cut.len(), path.display()));
        }
    }
    Ok(())
}

/// The bytes without the zeros that they end in.
fn without_zeros(bytes: &[u8]) -> &[u8] {
    let held = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &bytes[..held]
}

fn is_saved(cut: &[u8], repair: &RepairReport, after: &Files) -> bool {
    let saved = repair.saved.as_ref().and_then(|path| after.get(path));
    saved.is_some_and(|bytes| bytes == cut)
}

/// What a first recovery saved is there after a second one.
fn still_saved(first: &Recovered, second: &Recovered) -> Result<(), Violation> {
    for path in first.repairs.iter().filter_map(|repair| repair.saved.as_ref()) {
        let bytes = first.after.get(path);
        let saved = |(path, held): (&PathBuf, &Vec<u8>)| is_saved_tail(path) && Some(held) == bytes;
        if !second.after.iter().any(saved) {
            let what = format!("{} is gone after a second crash", path.display());
            return Err(Violation::new(Promise::NothingDestroyed, what));
        }
    }
    Ok(())
}
