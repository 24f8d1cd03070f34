//! What was pushed, what became of it, and who is to be told. Nothing here waits for anybody.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::vfs::Vfs;
use crate::error::{AppendError, BufferError};
use crate::producer::{Batch, Producer};

/// So many stretches of lost records are told apart; with more, nothing goes on.
const MOST_LOSSES: usize = 4096;

/// The buffer of all threads.
pub struct Buffer<V: Vfs> {
    /// Taken out by who appends, and put back; taken for good by who closes.
    pub producer: Option<Producer<V>>,
    /// What was pushed and nobody has begun to append.
    pub batch: Batch,
    /// What an append left over that failed with nobody there to be told: it goes first.
    left_over: Option<Batch>,
    /// An emptied batch, so that its memory is used again.
    spare: Batch,
    pub pushed: u64,
    /// All up to this one were taken into an append that ended, or one that is going on.
    pub taken: u64,
    /// All up to this one are committed, or lost.
    pub settled: u64,
    /// What is lost, in ascending order.
    lost: Vec<Lost>,
    /// All up to this one were told by a flush.
    pub told_to: u64,
    /// How many are in a call that returns once an append has ended.
    pub waiting: usize,
    /// Whether somebody is appending.
    pub leading: bool,
    /// How often an append failed; who waits is told when this rises.
    pub failures: u64,
    failure: Option<Arc<AppendError>>,
    /// Whether the failure is one after which nothing can go on.
    pub broken: bool,
    pub closing: bool,
    /// When the oldest record of `batch` was pushed, by the clock that never jumps.
    pub oldest: Option<Duration>,
}

/// Records of one or several appends that failed.
#[derive(Debug)]
struct Lost {
    first: u64,
    last: u64,
    error: Arc<AppendError>,
}

impl<V: Vfs> Buffer<V> {
    pub fn new(producer: Producer<V>) -> Self {
        Self {
            producer: Some(producer),
            batch: Batch::default(),
            left_over: None,
            spare: Batch::default(),
            pushed: 0,
            taken: 0,
            settled: 0,
            lost: Vec::new(),
            told_to: 0,
            waiting: 0,
            leading: false,
            failures: 0,
            failure: None,
            broken: false,
            closing: false,
            oldest: None,
        }
    }

    /// Nothing can go on where nobody would append what lingers.
    pub fn cannot_linger(&mut self, error: std::io::Error) {
        let failure = self.producer.as_ref().map(|producer| {
            let error = producer.io_error("start a thread that appends to", error);
            Arc::new(AppendError::NotAppended(error))
        });
        (self.failure, self.broken) = (failure, true);
    }

    /// What is to be appended next, and up to which record that is.
    pub fn take_next(&mut self) -> (Batch, u64) {
        if let Some(batch) = self.left_over.take() {
            return (batch, self.taken);
        }
        self.taken = self.pushed;
        self.oldest = None;
        let spare = std::mem::take(&mut self.spare);
        (std::mem::replace(&mut self.batch, spare), self.pushed)
    }

    /// All up to this one are committed.
    pub fn settle(&mut self, upto: u64, mut batch: Batch) {
        batch.clear();
        self.spare = batch;
        self.settled = upto;
    }

    /// The append of all up to this one failed.
    pub fn fail(&mut self, upto: u64, error: AppendError, mut batch: Batch) {
        let error = Arc::new(error);
        self.broken =
            matches!(*error, AppendError::NotDurable { .. } | AppendError::Unknown { .. });
        if !self.broken && self.waiting > 0 {
            // Who waits is told that it is lost: so it must never be appended.
            batch.clear();
            self.spare = batch;
            self.lose(upto, &error);
        } else if !self.broken {
            self.left_over = Some(batch);
        }
        self.failure = Some(error);
        self.failures += 1;
    }

    /// Takes note that all up to `upto` that was not settled yet is lost.
    fn lose(&mut self, upto: u64, error: &Arc<AppendError>) {
        let first = self.settled + 1;
        self.settled = upto;
        match self.lost.last_mut() {
            Some(lost) if lost.last + 1 == first => lost.last = upto,
            _ => self.lost.push(Lost { first, last: upto, error: Arc::clone(error) }),
        }
        self.broken |= self.lost.len() > MOST_LOSSES;
    }

    /// Whether all records from one to another one, which are settled, were committed.
    pub fn outcome(&self, first: u64, last: u64) -> Result<(), BufferError> {
        let behind = self.lost.partition_point(|lost| lost.last < first);
        match self.lost.get(behind) {
            Some(lost) if lost.first <= last => Err(BufferError::Append(Arc::clone(&lost.error))),
            _ => Ok(()),
        }
    }

    pub fn told(&self) -> BufferError {
        self.failure.clone().map_or(BufferError::Closed, BufferError::Append)
    }
}
