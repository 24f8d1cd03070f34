//! Where a thread that runs shipped code stops, and waits to be let go on.
//!
//! A thread and the driver of the walk hand each other the turn. The thread tells the
//! [`Place`] it is at: a call of the seam that it is about to make. The driver answers
//! with a [`Permit`]. Only one of the two ever runs.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use puro::internals::segment::SegmentHeader;

use super::cast::Answer;

/// What a thread is about to do.
#[derive(Clone, Debug)]
pub enum Place {
    /// A writer is between two operations; what came of the last one.
    Idle(Option<Answer>),
    /// A new process opens its producer, and is about to take the lock.
    Lock,
    /// The lock is had, the length of the segment not looked at yet.
    Look,
    /// About to write parts of a block.
    Write {
        /// Where.
        position: u64,
        /// All of it.
        block: Vec<u8>,
        /// The parts that are not written yet.
        left: Vec<u8>,
    },
    /// About to write the signal.
    Signal,
    /// About to put zeros behind the end (Z-1).
    Zeros {
        /// Where.
        position: u64,
        /// How many.
        bytes: usize,
    },
    /// About to save a tail.
    Save,
    /// About to cut the segment.
    Cut,
    /// About to sync the segment.
    Sync,
    /// About to give the lock back.
    Unlock,
    /// A reader is about to read parts of a block.
    Read {
        /// Where.
        position: u64,
        /// The parts that are not read yet.
        left: Vec<u8>,
    },
    /// A reader was given a record: its offset and its value.
    Delivered(u64, Vec<u8>),
    /// Something that no history should lead to.
    Lost(String),
}

/// How a thread may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// With what it is about to do.
    Go,
    /// With one part of a write or read; of zeros, with so many units.
    Part(u8),
    /// With an error; the block begun may be cut off again, or not even that.
    Fail {
        /// Whether cutting works.
        cut: bool,
    },
    /// Not at all: its process is dead. Another one may take its place.
    Die {
        /// The next process.
        next: u32,
        /// Whether that opens a producer at once.
        open: bool,
    },
    /// With trying to take the lock that somebody else has.
    Probe,
    /// To its end.
    End,
}

/// What is to be stopped at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing.
    Setup,
    /// A new process opens: from the lock on everything, until the lock is given back.
    Opening,
    /// It opened, and takes the lock again for its first append: nothing, until it has looked
    /// once more.
    Again,
    /// Everything.
    Work,
    /// Nothing: an append gives up, and cutting works or does not.
    GivesUp {
        /// Whether cutting works.
        cut: bool,
    },
    /// Nothing: the process is dead, or its thread is to end.
    Closed,
}

/// Why a writer that locks is to leave without appending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// It only opens the stream, or if it did, its append expects another end (O-4, A-16).
    Looked,
    /// All is ready for its block, which is too large for the segment, and for the disk (V-2).
    NoRoom,
    /// Its producer is closed, and cuts off the zeros that it put (Z-8).
    Closes,
}

/// What an append is to be like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Whether it comes to nothing.
    pub leaves: Option<Leaving>,
    /// The request's sequence.
    pub sequence: u64,
    /// Whether it is durable.
    pub durable: bool,
    /// How many units the block is to have.
    pub units: usize,
    /// A number that no other request has.
    pub stamp: u32,
}

/// What stands in the gate.
pub struct Inside {
    place: Option<Place>,
    permit: Option<Permit>,
    /// What is to be stopped at.
    pub phase: Phase,
    /// What the next append is to be like.
    pub order: Order,
    /// The first process.
    pub process: u32,
    /// What became of the process, or the thread, that was told to die or end.
    fate: Option<Permit>,
    /// Whether this one looked at the length since it took the lock. A look before, as whoever
    /// opens a stream takes (O-6), is none to the model.
    pub looked: bool,
    /// Whether it may take the lock without stopping.
    pub may_lock: bool,
    /// Whether it takes the lock again after opening, and has not looked since.
    pub looks_again: bool,
    /// The actions that the code says it took, and the position it says with each.
    pub told: Vec<(&'static str, u64)>,
}

/// Between the driver and one thread.
pub struct Gate {
    inside: Mutex<Inside>,
    changed: Condvar,
    /// How many units a reader reads of a block; 0 for writers.
    pub parts: usize,
    /// The segment's header.
    pub header: SegmentHeader,
}

impl Gate {
    /// A gate that stops nobody yet.
    pub fn new(parts: usize, header: SegmentHeader) -> Self {
        let inside = Inside {
            place: None,
            permit: None,
            phase: Phase::Setup,
            order: Order::default(),
            process: 0,
            fate: None,
            looked: true,
            may_lock: false,
            looks_again: false,
            told: Vec::new(),
        };
        Self { inside: Mutex::new(inside), changed: Condvar::new(), parts, header }
    }

    /// What stands in it.
    pub fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be stopped at.
    pub fn phase(&self) -> Phase {
        self.inside().phase
    }

    /// A writer looks at its segment: stops at the first look of an action, but not where it looks
    /// again.
    pub fn looks(&self) -> Permit {
        let mut inside = self.inside();
        let first = !std::mem::replace(&mut inside.looked, true);
        if inside.phase == Phase::Again {
            inside.phase = Phase::Work;
        } else if first && matches!(inside.phase, Phase::Work | Phase::Opening) {
            drop(inside);
            return self.stop(Place::Look);
        }
        Permit::Go
    }

    /// Stops here, until the driver lets the thread go on; how.
    pub fn stop(&self, place: Place) -> Permit {
        let mut inside = self.inside();
        if inside.phase == Phase::Closed {
            return Permit::End;
        }
        inside.place = Some(place);
        self.changed.notify_all();
        loop {
            if let Some(permit) = inside.permit.take() {
                match permit {
                    Permit::Die { .. } | Permit::End => {
                        (inside.phase, inside.fate) = (Phase::Closed, Some(permit));
                    }
                    Permit::Fail { cut } => inside.phase = Phase::GivesUp { cut },
                    _ => {}
                }
                return permit;
            }
            inside = self.changed.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// For the thread: takes note of how its process ended, if it did.
    pub fn fate(&self) -> Option<Permit> {
        self.inside().fate.take()
    }

    /// For the driver: lets the thread go on.
    pub fn permit(&self, permit: Permit) {
        let mut inside = self.inside();
        inside.place = None;
        inside.permit = Some(permit);
        self.changed.notify_all();
    }

    /// For the driver: waits until the thread stops, and tells where.
    pub fn wait(&self) -> Place {
        let mut inside = self.inside();
        loop {
            if let Some(place) = &inside.place {
                return place.clone();
            }
            inside = self.changed.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// For the thread, when it ends: nobody is to wait for it.
    pub fn lost(&self, why: &str) {
        let mut inside = self.inside();
        inside.place = Some(Place::Lost(why.to_owned()));
        self.changed.notify_all();
    }
}
