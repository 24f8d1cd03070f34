//! Maintained streams in the worlds in which a checker decides who runs next: what actors do,
//! what they note of it, and whether that is what the [ledger](crate::ledger) allows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use puro::{AppendError, Batch, Consumer, Producer, ProducerOptions, StewardOptions};

use crate::judge::{STREAM, open};
use crate::ledger::{Block, Entry, Ledger, NAMES, Topic, table};
use crate::oracle::Crash;
use crate::roles::Work;
use crate::shared_world::{Alone, Image, Manner, Plan, Threads, World};
use crate::upkeep_stream::{batch, find};

/// Gets an actor ready.
pub type Role<T> = Arc<dyn Fn(World<T>, Minutes) -> Work + Send + Sync>;

/// The time of all that was there before: the grace of delete markers is over since.
const BEFORE_MS: u64 = 10;
/// The time while all run, as [`World`] has it in its first boot.
pub(crate) const NOW_MS: u64 = 1000;
const GRACE_MS: u64 = 500;

/// A record of topic `kept`: key and value; value 0 is a delete marker.
pub fn kept(key: u8, value: u32) -> Entry {
    let value = (value > 0).then_some(value);
    Entry { topic: Topic::Kept, key: Some(key), value, time_ms: BEFORE_MS }
}

/// A record of topic `log`.
pub fn logged(value: u32) -> Entry {
    Entry { topic: Topic::Log, key: None, value: Some(value), time_ms: BEFORE_MS }
}

/// A record of topic `in`.
pub fn input(value: u32) -> Entry {
    Entry { topic: Topic::In, key: None, value: Some(value), time_ms: BEFORE_MS }
}

/// What all actors noted.
#[derive(Clone, Default)]
pub struct Minutes {
    notes: Arc<Mutex<Notes>>,
}

#[derive(Default)]
struct Notes {
    attempts: Vec<Attempt>,
    commits: Vec<Commit>,
    readers: Vec<Reader>,
    /// What is wrong in itself.
    wrong: Vec<String>,
}

struct Attempt {
    entries: Vec<Entry>,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Unknown,
    Refused,
    At(u64),
}

struct Commit {
    name: usize,
    offset: u64,
    outcome: Outcome,
}

/// One who reads from the beginning on.
#[derive(Clone, Default)]
pub(crate) struct Reader {
    from: u64,
    pub records: Vec<(u64, Entry)>,
    /// Where it found the end, at last.
    pub end: Option<u64>,
}

/// A stream at rest of segments as small as can be, two records in each, and what to expect.
pub fn stage(settings: &[(&str, &str)], before: &[Entry]) -> (Image, Minutes) {
    let world = World::<Alone>::new(&Image::default(), Manner::default(), 1);
    let options = ProducerOptions::new().zeros_ahead_bytes(0).segment_bytes(4096);
    let mut producer = options.open_in(world.clone(), STREAM).expect("a fresh stream can be made");
    let grace = GRACE_MS.to_string();
    let always = [("cleanup:kept", "compact"), ("marker_grace_ms", &grace), ("expiry_ms", "0")];
    set(&mut producer, &always);
    let minutes = Minutes::default();
    for (offset, entry) in (0..).zip(before) {
        let mut batch = batch(&[*entry], if entry.value.is_some() { 1800 } else { 0 });
        producer
            .transaction(&mut batch)
            .timestamp_ms(entry.time_ms)
            .commit()
            .expect("a fresh stream takes records");
        let attempt = Attempt { entries: vec![*entry], outcome: Outcome::At(offset) };
        minutes.notes().attempts.push(attempt);
    }
    // Last, so that producers have not deleted anything yet.
    set(&mut producer, settings);
    (world.image(), minutes)
}

fn set(producer: &mut Producer<World<Alone>>, settings: &[(&str, &str)]) {
    for (name, value) in settings {
        producer.set(&format!("{name}={value}").parse().unwrap()).expect("a setting can be set");
    }
}

/// Plays one execution of a cast; tells whether somebody was in trouble.
///
/// # Errors
/// The promise that was broken.
pub fn play<T: Threads, J>(
    (image, before): &(Image, Minutes),
    manner: Manner,
    deletes: bool,
    cast: &[(Plan, Role<T>)],
    spawn: impl Fn(Work) -> J,
    join: impl Fn(J) -> bool,
) -> Result<bool, String> {
    let world = World::<T>::new(image, manner, 1);
    let minutes = before.copy();
    let numbered = (1..).zip(cast);
    let actors: Vec<_> =
        numbered.map(|(number, (plan, _))| world.actor(number, plan.clone())).collect();
    let ready = actors.iter().zip(cast);
    let works: Vec<Work> =
        ready.map(|(actor, (_, role))| role(actor.clone(), minutes.clone())).collect();
    world.set_going();
    let threads: Vec<J> = works.into_iter().map(spawn).collect();
    if !threads.into_iter().map(join).fold(true, |all, joined| all & joined) {
        return Err("an actor panicked".to_owned());
    }
    minutes.judge(&world, deletes)?;
    Ok(actors.iter().any(World::is_troubled))
}

impl Minutes {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Minutes of their own that begin like these.
    fn copy(&self) -> Self {
        let copy = Self::default();
        let again = |attempt: &Attempt| Attempt {
            entries: attempt.entries.clone(),
            outcome: attempt.outcome,
        };
        copy.notes().attempts = self.notes().attempts.iter().map(again).collect();
        copy
    }

    pub(crate) fn wrong<T: Threads>(&self, world: &World<T>, what: String) {
        if !world.is_troubled() {
            self.notes().wrong.push(what);
        }
    }

    pub(crate) fn append<T: Threads>(
        &self,
        world: &World<T>,
        entries: &[Entry],
        append: impl FnOnce(&mut Batch) -> Result<u64, AppendError>,
    ) {
        let number = {
            let mut notes = self.notes();
            let attempt = Attempt { entries: entries.to_vec(), outcome: Outcome::Unknown };
            notes.attempts.push(attempt);
            notes.attempts.len() - 1
        };
        let done = append(&mut batch(entries, 400));
        self.notes().attempts[number].outcome = match &done {
            Ok(offset) => Outcome::At(*offset),
            Err(AppendError::NotDurable { appended, .. }) => Outcome::At(appended.first_offset),
            Err(AppendError::Unknown(_)) => Outcome::Unknown,
            Err(_) => Outcome::Refused,
        };
        if let Err(error) = done {
            self.wrong(world, format!("Progress: an append failed without a reason: {error}"));
        }
    }

    pub(crate) fn begin_commit(&self, name: usize, offset: u64) -> usize {
        let mut notes = self.notes();
        notes.commits.push(Commit { name, offset, outcome: Outcome::Unknown });
        notes.commits.len() - 1
    }

    /// What came of it.
    pub(crate) fn end_commit(&self, number: usize, outcome: Outcome) {
        self.notes().commits[number].outcome = outcome;
    }

    /// What a reader read, when it is done.
    pub(crate) fn has_read(&self, reader: Reader) {
        self.notes().readers.push(reader);
    }

    /// Where a named consumer may be: at what was committed last, or what the dead left.
    pub(crate) fn may_be_at(&self, name: usize) -> Vec<Option<u64>> {
        let notes = self.notes();
        let mut places = vec![None];
        for commit in notes.commits.iter().filter(|commit| commit.name == name) {
            match commit.outcome {
                Outcome::At(_) => places = vec![Some(commit.offset)],
                Outcome::Unknown => places.push(Some(commit.offset)),
                Outcome::Refused => {}
            }
        }
        places
    }

    /// Judges by what a fresh reader finds now, after a recovery and another pass, and when
    /// the power fails now.
    fn judge<T: Threads>(&self, world: &World<T>, deletes: bool) -> Result<(), String> {
        world.set_at_rest();
        let image = world.image();
        if let Some(wrong) = self.notes().wrong.first() {
            return Err(wrong.clone());
        }
        let told = |violation: crate::oracle::Violation| violation.to_string();
        let at_rest = |image: &Image, boot| World::<Alone>::new(image, Manner::default(), boot);
        let found = find(at_rest(&image, 1)).map_err(told)?;
        for (name, position) in found.positions.iter().enumerate() {
            let places = self.may_be_at(name);
            if !places.contains(position) {
                let name = NAMES[name];
                return Err(format!("PositionsKept: {name} is at {position:?}, not {places:?}"));
            }
        }
        let blocks = self.notes().blocks(&found.records, found.next)?;
        let ledger = |found: &_| Ledger::known(GRACE_MS, deletes, NOW_MS, found, &blocks);
        ledger(&found.positions).judge(&found, Crash::Death).map_err(told)?;
        let all = ledger(&found.positions).entries();
        for reader in &self.notes().readers {
            reader.judge(&ledger(&found.positions), &all)?;
        }
        for (image, boot, crash) in
            [(image, 1, Crash::Death), (world.disk_image(), 2, Crash::Power)]
        {
            let rest = at_rest(&image, boot);
            drop(open(&rest)?);
            let found = find(rest.clone()).map_err(told)?;
            ledger(&found.positions).judge(&found, crash).map_err(told)?;
            let steward = StewardOptions::new().roll(true).open_in(rest.clone(), STREAM);
            let passed = steward.and_then(|mut steward| steward.run_once());
            passed.map_err(|error| format!("Progress: no pass afterwards: {error}"))?;
            let after = find(rest).map_err(told)?;
            let mut known = ledger(&found.positions);
            known.maintained_ms = NOW_MS * u64::from(boot);
            known.judge(&after, crash).map_err(told)?;
        }
        Ok(())
    }
}

impl Notes {
    /// What is in the stream, in its order. Of what nobody was told of, what is found.
    fn blocks(&self, found: &[(u64, Entry)], next: u64) -> Result<Vec<Block>, String> {
        let mut all: Vec<Option<Entry>> = vec![None; next as usize];
        let mut place = |offset: u64, entry: &Entry| match all.get_mut(offset as usize) {
            Some(free) if free.is_none_or(|there| there == *entry) => {
                *free = Some(*entry);
                Ok(())
            }
            _ => Err(format!("Prefix: {entry:?} cannot be at {offset}, the end is {next}")),
        };
        for attempt in &self.attempts {
            if let Outcome::At(offset) = attempt.outcome {
                for (offset, entry) in (offset..).zip(&attempt.entries) {
                    place(offset, entry)?;
                }
            }
        }
        for (offset, entry) in found {
            place(*offset, entry)?;
        }
        // What the dead appended may be superseded by now.
        let unknown = self.attempts.iter().filter(|attempt| attempt.outcome == Outcome::Unknown);
        let gone: Vec<Entry> =
            unknown.flat_map(|attempt| attempt.entries.iter().copied()).collect();
        let mut gone =
            gone.into_iter().filter(|entry| !all.contains(&Some(*entry))).collect::<Vec<_>>();
        gone.reverse();
        let filled = all.iter().map(|entry| entry.or_else(|| gone.pop()));
        let filled: Option<Vec<Entry>> = filled.collect();
        let filled = filled.ok_or("Prefix: there is an offset that nobody appended")?;
        Ok(filled.into_iter().map(|entry| Block { entries: vec![entry], position: None }).collect())
    }
}

impl Reader {
    /// One that begins where the stream does.
    pub fn of<T: Threads>(consumer: &Consumer<World<T>>) -> Self {
        let from = consumer.token().map_or(0, |token| token.offset);
        Self { from, ..Self::default() }
    }

    /// It missed nothing that stays, and it has the latest values.
    fn judge(&self, ledger: &Ledger, all: &[Entry]) -> Result<(), String> {
        let told = |violation: crate::oracle::Violation| format!("{violation}, to a reader");
        let mut next = self.from;
        for (offset, entry) in &self.records {
            next = ledger.check_step(all, next, *offset, entry).map_err(told)?;
        }
        let Some(end) = self.end else { return Ok(()) };
        ledger.check_missing(all, next, end).map_err(told)?;
        let (before, after) = all.split_at(end as usize);
        let (mut read, mut expected) = (table(self.records.iter().map(|(_, e)| e)), table(before));
        // What was superseded behind its end it may have or not.
        for entry in after.iter().filter(|entry| entry.topic == Topic::Kept) {
            let key = entry.key.unwrap_or_default();
            read.remove(&key);
            expected.remove(&key);
        }
        if read == expected {
            return Ok(());
        }
        Err(format!("CompactionKeepsLatest: a reader to {end} has {read:?}, not {expected:?}"))
    }
}
