//! The oracle: an abstract log, and one check for each promise of `spec/protocol.md`.
//!
//! A world tells the oracle what was attempted, what each attempt was answered, and what
//! consumers delivered. After a crash and a recovery it shows the oracle what the stream
//! holds, and the oracle says whether that may be. It knows nothing of bytes or files.

use std::fmt;

use puro::Token;

/// The promises that are checked by name, and two properties that only repair has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// A block is seen whole or not at all.
    Atomic,
    /// One sequence, without gap or repeat, nothing uncommitted; who saw what was lost is told.
    Prefix,
    /// What was acknowledged survives what it was promised to survive.
    Durable,
    /// Repair throws away only what was never committed, or saves it first.
    NothingDestroyed,
    /// Repair done twice, or cut and done again, ends in the same bytes.
    Convergence,
    /// The death of a process never looks like lost data.
    Quiet,
    /// After a crash within M-3 and M-4 the stream opens, and appends go on.
    Progress,
    /// A consumer misses nothing but what was superseded, or deleted and it is told so.
    GapFreeUnderSteward,
    /// A reader from the beginning builds the same table by key before and after.
    CompactionKeepsLatest,
    /// What is appended with a position is there once for each input below it (C-3).
    ExactlyOnce,
    /// A committed position stays, and never goes backward (C-2).
    PositionsKept,
}

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// How.
    pub what: String,
}

impl Violation {
    /// Says that a promise is broken.
    pub fn new(promise: Promise, what: impl Into<String>) -> Self {
        Self { promise, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.what)
    }
}

/// One record as a consumer delivered it. Each record carries the number of its batch, its
/// place in the batch, and how many records the batch has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its offset.
    pub offset: u64,
    /// The batch it was appended with.
    pub batch: u32,
    /// Its place in the batch.
    pub index: u32,
    /// How many records the batch has.
    pub of: u32,
}

/// What ended the run before the stream is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Nothing, or the death of processes.
    Death,
    /// The loss of power.
    Power,
}

/// A batch of records, by number, with how many they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Batch {
    number: u32,
    records: u32,
}

/// A position that some consumer keeps.
#[derive(Clone, Debug, Hash)]
pub struct Witness {
    /// The position.
    pub token: Token,
    /// How many batches of the log it has behind it.
    batches: usize,
    /// Whether some of them were lost with the power: then it must be refused (E-7).
    pub lost: bool,
}

/// The abstract log.
#[derive(Clone, Debug, Default, Hash)]
pub struct Oracle {
    attempts: u32,
    /// What is known to be committed, in order.
    log: Vec<Batch>,
    /// How many of them must survive a loss of power.
    durable: usize,
    /// Attempts whose outcome nobody told: each is committed after the log, in order, or never.
    open: Vec<Batch>,
    /// Positions that consumers keep.
    pub witnesses: Vec<Witness>,
}

impl Oracle {
    /// A batch is about to be appended; gives it a number.
    pub fn attempt(&mut self, records: u32) -> u32 {
        self.attempt_as(self.attempts + 1, records);
        self.attempts
    }

    /// The same with a number that was given before: for attempts that run side by side, and are
    /// told of in the order of their answers.
    pub fn attempt_as(&mut self, number: u32, records: u32) {
        self.attempts = self.attempts.max(number);
        self.open.push(Batch { number, records });
    }

    fn take_open(&mut self, number: u32) -> Option<Batch> {
        let at = self.open.iter().position(|batch| batch.number == number)?;
        Some(self.open.remove(at))
    }

    /// The next offset, if only what is known to be committed is.
    fn next_offset(&self) -> u64 {
        self.log.iter().map(|batch| u64::from(batch.records)).sum()
    }

    /// The append was answered: not appended.
    pub fn refused(&mut self, number: u32) {
        self.take_open(number);
    }

    /// The append was answered: appended, at this offset. What nobody told of before is decided
    /// by that: the offset says what was committed in between.
    pub fn appended(&mut self, number: u32, first_offset: u64) -> Result<(), Violation> {
        let Some(batch) = self.take_open(number) else {
            return Err(Violation::new(Promise::Prefix, format!("batch {number} twice")));
        };
        let missing = first_offset.checked_sub(self.next_offset());
        let open: Vec<Batch> = self.open.drain(..).collect();
        let chosen = missing.and_then(|missing| choose(&open, missing)).ok_or_else(|| {
            let expected = self.next_offset();
            let what = format!("batch {number} got offset {first_offset}, not {expected}");
            Violation::new(Promise::Prefix, what)
        })?;
        self.log.extend(chosen);
        self.log.push(batch);
        Ok(())
    }

    /// All up to and with this batch is promised to be on disk.
    pub fn durable_to(&mut self, number: u32) {
        let known = self.log.iter().position(|batch| batch.number == number);
        self.durable = self.durable.max(known.map_or(0, |at| at + 1));
    }

    /// A consumer read the stream from its beginning to its end.
    pub fn delivered(&mut self, seen: &[Delivery], durable: bool) -> Result<(), Violation> {
        self.settle(seen, Crash::Death)?;
        if durable {
            self.durable = self.log.len();
        }
        Ok(())
    }

    /// A consumer that has read all there is keeps its position.
    pub fn kept(&mut self, token: Token) {
        self.witnesses.push(Witness { token, batches: self.log.len(), lost: false });
    }

    /// Judges what a stream holds after a crash: Atomic, Prefix, Durable.
    pub fn judge(&self, seen: &[Delivery], crash: Crash) -> Result<(), Violation> {
        let found = atomic(seen)?;
        let known = found.len().min(self.log.len());
        if let Some(at) = (0..known).find(|at| found[*at] != self.log[*at]) {
            let (found, log) = (found[at], self.log[at]);
            let what = format!("batch {} stands where {} must be", found.number, log.number);
            return Err(Violation::new(Promise::Prefix, what));
        }
        let must = if crash == Crash::Power { self.durable } else { self.log.len() };
        if found.len() < must {
            let what =
                format!("batch {} was acknowledged and is gone", self.log[found.len()].number);
            return Err(Violation::new(Promise::Durable, what));
        }
        let mut open = self.open.iter();
        for batch in &found[known..] {
            if !open.any(|candidate| candidate == batch) {
                let what = format!("batch {} cannot be at this place", batch.number);
                return Err(Violation::new(Promise::Prefix, what));
            }
        }
        Ok(())
    }

    /// Whether everything that is known to be committed is there.
    pub fn is_whole(&self, seen: &[Delivery]) -> bool {
        atomic(seen).is_ok_and(|found| found.len() >= self.log.len())
    }

    /// Judges, and takes what is there for the log from now on.
    pub fn settle(&mut self, seen: &[Delivery], crash: Crash) -> Result<(), Violation> {
        self.judge(seen, crash)?;
        self.log = atomic(seen)?;
        // Nobody is appending while all is read: what is not there by now never will be.
        self.open.clear();
        if crash == Crash::Power {
            // What is read after a start of the machine was read from the disk.
            self.durable = self.log.len();
            for witness in &mut self.witnesses {
                witness.lost |= witness.batches > self.log.len();
            }
        }
        Ok(())
    }

    /// How many batches must survive a loss of power.
    pub fn durable_batches(&self) -> usize {
        self.durable
    }

    /// How many batches are known to be committed.
    pub fn batches(&self) -> usize {
        self.log.len()
    }
}

/// Which of the open batches were committed, in their order, if together they have so many
/// records.
fn choose(open: &[Batch], missing: u64) -> Option<Vec<Batch>> {
    let sets = 0u32..1 << open.len().min(16);
    let chosen = |set: u32| open.iter().enumerate().filter(move |(i, _)| set >> i & 1 == 1);
    let sum = |set: &u32| chosen(*set).map(|(_, batch)| u64::from(batch.records)).sum::<u64>();
    let set = sets.into_iter().find(|set| sum(set) == missing)?;
    Some(chosen(set).map(|(_, batch)| *batch).collect())
}

/// The batches delivered, if offsets have no gap or repeat and every batch is whole.
fn atomic(seen: &[Delivery]) -> Result<Vec<Batch>, Violation> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut expected = (0, 0);
    for (offset, record) in (0u64..).zip(seen) {
        if record.offset != offset {
            let what = format!("offset {} follows {offset} records", record.offset);
            return Err(Violation::new(Promise::Prefix, what));
        }
        if record.index == 0 && expected.0 == expected.1 {
            if batches.iter().any(|batch| batch.number == record.batch) {
                let what = format!("batch {} is there twice", record.batch);
                return Err(Violation::new(Promise::Prefix, what));
            }
            batches.push(Batch { number: record.batch, records: record.of });
            expected = (0, record.of);
        }
        let same = batches.last().is_some_and(|batch| batch.number == record.batch);
        if !same || record.index != expected.0 {
            let what = format!("batch {} is not whole at offset {offset}", record.batch);
            return Err(Violation::new(Promise::Atomic, what));
        }
        expected.0 += 1;
    }
    if expected.0 != expected.1 {
        return Err(Violation::new(Promise::Atomic, "the last batch is not whole"));
    }
    Ok(batches)
}
