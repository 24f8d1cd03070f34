//! What is pushed into a [`BufferedProducer`], and what its callers are told of it: committed,
//! lost, or nothing. Each record is an attempt of its own, whose place nobody is told.

use puro::{AppendError, BufferError, BufferedProducer, HeldProducer, NewRecord, Producer, Ticket};

use super::{Attempt, Journal, Log, Notes, Outcome};
use crate::shared_world::{Threads, World};

/// A record that was pushed.
#[derive(Clone, Copy, Debug)]
pub struct Pushed {
    attempt: usize,
    ticket: Ticket,
}

/// When the last flush of an actor ended, and when the last one did that failed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flushes {
    last: u64,
    failed: u64,
}

impl Attempt {
    /// What one actor pushed before it pushed another stands before that.
    pub fn pushed_before(&self, other: &Self) -> bool {
        let (Some((actor, until)), Some((by, _))) = (self.pushed, other.pushed) else {
            return false;
        };
        actor == by && until < other.begun
    }
}

impl Notes {
    /// Finds in the log what was committed at a place that nobody was told.
    ///
    /// # Errors
    /// What is not there; a reader who should have seen it and did not.
    pub fn find_places(&mut self, log: &Log) -> Result<(), String> {
        for attempt in &mut self.attempts {
            let Outcome::Somewhere { durable } = attempt.outcome else { continue };
            let value = attempt.values.first();
            let found = log.iter().find(|(_, there)| Some(there) == value);
            let Some((offset, _)) = found else {
                return Err(format!("Durable: {attempt:?} was acknowledged and is not there"));
            };
            attempt.outcome = Outcome::At { offset: *offset, durable };
        }
        match self.ends.iter().find_map(|end| self.missed_by(*end)) {
            Some(missed) => Err(missed),
            None => Ok(()),
        }
    }

    /// Takes note of what became of a pushed record; nobody may be told one thing and another.
    fn told(&mut self, number: usize, outcome: Outcome) {
        let ended = self.tick();
        let attempt = &mut self.attempts[number];
        let lost = |outcome: &Outcome| *outcome == Outcome::NotAppended;
        if attempt.outcome == Outcome::Unknown {
            (attempt.ended, attempt.outcome) = (ended, outcome);
        } else if lost(&attempt.outcome) != lost(&outcome) {
            let what = format!("Prefix: {attempt:?} is told as {outcome:?} too");
            self.wrong.push(what);
        }
    }

    /// The records that an actor had pushed in a stretch of time.
    fn pushed_within(&self, actor: u32, after: u64, before: u64) -> Vec<usize> {
        let within = |attempt: &Attempt| {
            attempt.pushed.is_some_and(|(by, at)| by == actor && at > after && at < before)
        };
        let numbered = self.attempts.iter().enumerate();
        numbered.filter(|(_, attempt)| within(attempt)).map(|(number, _)| number).collect()
    }
}

/// Whether the error says that nothing was appended, nor will be.
fn is_lost(error: &BufferError) -> bool {
    let BufferError::Append(error) = error else { return true };
    !matches!(**error, AppendError::NotDurable { .. } | AppendError::Unknown { .. })
}

impl Journal {
    /// Pushes a record; `None` where it was refused, which only an actor in trouble may be.
    pub fn push<T: Threads>(
        &self,
        world: &World<T>,
        buffered: &BufferedProducer<World<T>>,
        value: &str,
    ) -> Option<Pushed> {
        let attempt = self.begin_attempt(&[value]);
        let done = buffered.push(&NewRecord::new("t", value));
        match done {
            Ok(ticket) => {
                let mut notes = self.notes();
                let until = notes.tick();
                notes.attempts[attempt].pushed = Some((world.actor.number, until));
                Some(Pushed { attempt, ticket })
            }
            Err(error) => {
                self.not_done(world, "a push", &error);
                self.notes().told(attempt, Outcome::NotAppended);
                None
            }
        }
    }

    /// Waits for a record, and notes what is told of it.
    pub fn wait<T: Threads>(
        &self,
        world: &World<T>,
        buffered: &BufferedProducer<World<T>>,
        pushed: Pushed,
        durable: bool,
    ) {
        let done = buffered.wait(pushed.ticket);
        // Nobody hears what a dead process is answered.
        if world.is_dead() {
            return;
        }
        match done {
            Ok(()) => self.notes().told(pushed.attempt, Outcome::Somewhere { durable }),
            Err(error) => {
                self.not_done(world, "a wait", &error);
                if is_lost(&error) {
                    self.notes().told(pushed.attempt, Outcome::NotAppended);
                }
            }
        }
    }

    /// Flushes, and notes what is told. No two threads of an actor may flush at once.
    pub fn flush<T: Threads>(
        &self,
        world: &World<T>,
        buffered: &BufferedProducer<World<T>>,
        durable: bool,
    ) {
        let begun = self.notes().tick();
        let done = buffered.flush();
        self.flushed(world, begun, done, durable);
    }

    /// Closes, and notes what is told. All that was pushed is settled then.
    pub fn close<T: Threads>(
        &self,
        world: &World<T>,
        buffered: BufferedProducer<World<T>>,
        durable: bool,
    ) -> Option<Producer<World<T>>> {
        let begun = self.notes().tick();
        match buffered.close() {
            Ok(producer) => {
                self.flushed(world, begun, Ok(()), durable);
                Some(producer)
            }
            Err(error) => {
                self.flushed(world, begun, Err(error), durable);
                None
            }
        }
    }

    /// Takes note of an actor that has dropped its producer: what it had pushed is appended, but
    /// for one in trouble.
    pub fn dropped<T: Threads>(&self, world: &World<T>, durable: bool) {
        if !world.is_troubled() {
            let begun = self.notes().tick();
            self.flushed(world, begun, Ok(()), durable);
        }
    }

    fn flushed<T: Threads>(
        &self,
        world: &World<T>,
        begun: u64,
        done: Result<(), BufferError>,
        durable: bool,
    ) {
        if world.is_dead() {
            return;
        }
        let actor = world.actor.number;
        let mut notes = self.notes();
        let ended = notes.tick();
        let before = notes.flushes.get(&actor).copied().unwrap_or_default();
        if done.is_ok() {
            // It answers for all that was pushed since the last one.
            for number in notes.pushed_within(actor, before.last, begun) {
                notes.told(number, Outcome::Somewhere { durable });
            }
            // And so, for what is not known to be lost, did the ones before that did not fail.
            for number in notes.pushed_within(actor, before.failed, before.last) {
                if notes.attempts[number].outcome == Outcome::Unknown {
                    notes.told(number, Outcome::Somewhere { durable });
                }
            }
        }
        let failed = if done.is_ok() { before.failed } else { ended };
        notes.flushes.insert(actor, Flushes { last: ended, failed });
        drop(notes);
        if let Err(error) = done {
            self.not_done(world, "a flush", &error);
        }
    }

    fn not_done<T: Threads>(&self, world: &World<T>, what: &str, error: &BufferError) {
        if !world.is_troubled() {
            self.wrong(format!("Progress: {what} failed without a reason: {error}"));
        }
    }

    /// Appends values as one batch under a lock that is held, and notes how that went.
    pub fn append_held<T: Threads>(
        &self,
        world: &World<T>,
        held: &mut HeldProducer<'_, World<T>>,
        values: &[&str],
    ) -> Option<puro::Appended> {
        let done = self.attempt(values, |batch| held.append_batch(batch));
        self.expect_calm(world, done)
    }
}
