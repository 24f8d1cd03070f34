//! Actors on threads of their own, of which only one runs at a time. Before each call of the
//! seam a seed, or shuttle, decides who goes on: so any call may come after any other, and what
//! happens is the same each time. Between two calls an actor is alone, so what it says it did is
//! said before anybody else does anything.

use std::cell::Cell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::generate::Rng;
use crate::shared_world::Threads as _;
use crate::shuttle_world::{Shuttle, ShuttleGate};

thread_local! {
    /// Which actor this thread is, where a seed decides.
    static ACTOR: Cell<Option<usize>> = const { Cell::new(None) };
}

struct Inside {
    rng: Rng,
    /// Whose turn it is.
    turn: usize,
    /// Who has not ended yet.
    there: Vec<bool>,
    /// After how many calls all is over, if ever.
    left: Option<u64>,
    over: bool,
}

/// Who goes on.
pub struct Turns {
    inside: Mutex<Inside>,
    changed: Condvar,
    /// Where shuttle decides.
    gate: Option<ShuttleGate>,
}

/// What makes turns: by a seed, and for so many calls if there is a limit.
pub type Kind = fn(u64, Option<u64>) -> Arc<Turns>;

/// The whole of what an actor does.
pub type Part = Box<dyn FnOnce() + Send>;

impl Turns {
    /// A seed decides.
    #[must_use]
    pub fn seeded(seed: u64, calls: Option<u64>) -> Arc<Self> {
        Self::new(seed, calls, None)
    }

    /// The schedule of shuttle that is running decides.
    #[must_use]
    pub fn scheduled(seed: u64, calls: Option<u64>) -> Arc<Self> {
        Self::new(seed, calls, Some(Shuttle::gate()))
    }

    fn new(seed: u64, left: Option<u64>, gate: Option<ShuttleGate>) -> Arc<Self> {
        let inside = Inside { rng: Rng::new(seed), turn: 0, there: Vec::new(), left, over: false };
        Arc::new(Self { inside: Mutex::new(inside), changed: Condvar::new(), gate })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets all actors run to their ends.
    ///
    /// # Panics
    /// Where one of them does.
    pub fn run(&self, parts: Vec<Part>) {
        if self.gate.is_some() {
            let threads: Vec<_> = parts.into_iter().map(shuttle::thread::spawn).collect();
            threads.into_iter().for_each(|thread| thread.join().expect("an actor panicked"));
            return;
        }
        self.inside().there = vec![true; parts.len()];
        std::thread::scope(|scope| {
            for (number, part) in parts.into_iter().enumerate() {
                scope.spawn(move || {
                    ACTOR.set(Some(number));
                    let leaves = Leaves { turns: self, number };
                    self.wait(number);
                    part();
                    drop(leaves);
                });
            }
        });
    }

    fn wait(&self, number: usize) {
        let mut inside = self.inside();
        while inside.turn != number {
            inside = self.changed.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// An actor is about to make a call. Tells whether all is to be over before that; it does so
    /// once.
    #[must_use]
    pub fn pass(&self) -> bool {
        match &self.gate {
            Some(gate) => Shuttle::pass(gate, || ()),
            None => self.let_others_go(),
        }
        let mut inside = self.inside();
        let ends = inside.left == Some(0) && !inside.over;
        inside.left = inside.left.map(|left| left.saturating_sub(1));
        inside.over |= ends;
        ends
    }

    /// Gives the turn to others, or not, by the seed; back when it is this actor's again.
    fn let_others_go(&self) {
        let Some(number) = ACTOR.get() else { return };
        let mut inside = self.inside();
        if inside.rng.one_in(3) {
            inside.hand_on();
            self.changed.notify_all();
        }
        drop(inside);
        self.wait(number);
    }

    /// Whether all is over: actors are to end.
    #[must_use]
    pub fn are_over(&self) -> bool {
        self.inside().over
    }
}

impl Inside {
    fn hand_on(&mut self) {
        let there: Vec<usize> =
            (0..self.there.len()).filter(|number| self.there[*number]).collect();
        if !there.is_empty() {
            self.turn = there[self.rng.below(there.len() as u64) as usize];
        }
    }
}

/// Gives the turn to others when an actor ends, however it does.
struct Leaves<'t> {
    turns: &'t Turns,
    number: usize,
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        let mut inside = self.turns.inside();
        inside.there[self.number] = false;
        inside.hand_on();
        self.turns.changed.notify_all();
    }
}
