//! The actors: threads that run shipped code, and stop at its steps.

use puro::internals::vfs::Vfs;
use puro::{
    AppendError, Batch, Consumer, Failure, NewRecord, OpenError, Producer, ProducerOptions, Token,
};

use super::gate::{Gate, Leaving, Order, Permit, Phase, Place};
use crate::history::{STREAM, options};

/// Bytes of a unit of the model. The block that raises an epoch has as many, and so has
/// an append's block with the shortest value.
pub const UNIT: usize = 128;

/// What came of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Appended, now or before.
    Appended {
        /// It was there already.
        duplicate: bool,
    },
    /// Nothing was to be appended: the producer is open.
    Opened,
    /// Nothing was to be appended: the producer is closed.
    Closed,
    /// Not appended: somebody else has the lock.
    LockTimeout,
    /// Not appended: bytes that were synced are not there.
    Damaged,
    /// Not appended, for another reason.
    Refused(String),
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::LockTimeout { .. } => Self::LockTimeout,
            Failure::Damage(_) => Self::Damaged,
            other => Self::Refused(other.to_string()),
        }
    }
}

/// Bytes of records in a segment: more than a walk's blocks have.
pub const SEGMENT_BYTES: u64 = 4096;

/// How a producer of the walk is opened.
pub fn writer_options(zeros_ahead_bytes: u64) -> ProducerOptions {
    options(SEGMENT_BYTES).create(false).zeros_ahead_bytes(zeros_ahead_bytes)
}

/// The value of an append's record: it says which request it is of, and makes the block as
/// long as asked for.
pub fn value(order: &Order) -> Vec<u8> {
    let mut value = order.stamp.to_le_bytes().to_vec();
    let no_room = order.leaves == Some(Leaving::NoRoom);
    let more = if no_room { SEGMENT_BYTES as usize } else { (order.units - 1) * UNIT };
    value.resize(4 + more, order.stamp as u8);
    value
}

/// A writer: whatever process appends under its identity.
pub struct WriterThread<V: Vfs, M> {
    /// Under which it appends; one byte long.
    pub identity: String,
    /// Makes the seam that a process sees.
    pub seam: M,
    /// How many zeros it puts behind the end of a durable append (Z-1).
    pub zeros_ahead_bytes: u64,
    /// The producer of the process that lives.
    pub producer: Option<Producer<V>>,
}

impl<V: Vfs, M: Fn(u32) -> V> WriterThread<V, M> {
    /// Appends what it is told to, until it is told to end.
    pub fn run(mut self, gate: &Gate) {
        let mut process = gate.inside().process;
        let mut answer = None;
        loop {
            gate.inside().phase = Phase::Work;
            match gate.stop(Place::Idle(answer.take())) {
                Permit::Go if gate.inside().order.leaves == Some(Leaving::Closes) => {
                    self.producer = None;
                    answer = Some(Answer::Closed);
                }
                Permit::Go => answer = Some(self.append(gate, process, true)),
                Permit::Probe => {
                    gate.inside().phase = Phase::Setup;
                    answer = Some(self.append(gate, process, true));
                }
                _ => {}
            }
            // Whatever it was in the middle of, it may have died there.
            while let Some(fate) = gate.fate() {
                let Permit::Die { next, open } = fate else { return };
                process = next;
                self.producer = None;
                gate.inside().phase = Phase::Opening;
                answer = open.then(|| self.append(gate, process, false));
            }
        }
    }

    fn append(&mut self, gate: &Gate, process: u32, may_lock: bool) -> Answer {
        let opens = self.producer.is_none();
        if opens {
            let mut inside = gate.inside();
            (inside.phase, inside.may_lock, inside.looks_again) = (Phase::Opening, may_lock, false);
            inside.looked = true;
            drop(inside);
            match writer_options(self.zeros_ahead_bytes).open_in((self.seam)(process), STREAM) {
                Ok(producer) => self.producer = Some(producer),
                Err(OpenError::Failure(failure)) => return failure.into(),
                Err(other) => return Answer::Refused(other.to_string()),
            }
        }
        let Some(producer) = &mut self.producer else { return Answer::LockTimeout };
        let order = gate.inside().order;
        producer.set_durable(order.durable);
        let mut batch = Batch::new();
        batch.push(&NewRecord::new("t", &value(&order))).expect("a small record");
        let appended = if order.leaves == Some(Leaving::Looked) {
            if opens {
                return Answer::Opened;
            }
            let elsewhere = Token { offset: u64::MAX, ..producer.token() };
            producer.transaction(&mut batch).if_end(&elsewhere).commit()
        } else {
            producer.transaction(&mut batch).once(&self.identity, order.sequence).commit()
        };
        match appended {
            Ok(appended) => Answer::Appended { duplicate: appended.duplicate },
            Err(AppendError::NotAppended(failure)) => failure.into(),
            Err(other) => Answer::Refused(other.to_string()),
        }
    }
}

/// Reads what there is, and looks for more, until it is told to end.
pub fn read<V: Vfs>(mut consumer: Consumer<V>, gate: &Gate) {
    gate.inside().phase = Phase::Work;
    loop {
        let place = match consumer.try_next() {
            Ok(None) => continue,
            Ok(Some(record)) => {
                Place::Delivered(record.offset, record.value.unwrap_or_default().to_vec())
            }
            Err(_) if gate.fate().is_some() => return,
            Err(error) => Place::Lost(error.to_string()),
        };
        if gate.stop(place) != Permit::Go {
            return;
        }
    }
}
