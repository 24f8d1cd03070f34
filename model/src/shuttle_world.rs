//! The world of shuttle: many interleavings of a larger cast, at random or where few changes
//! of turn matter (PCT).
//!
//! Everything that is left to chance is taken from shuttle, so that a schedule says all of it.

use std::sync::PoisonError;

use shuttle::rand::Rng;

use crate::shared_world::{Threads, World};

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
}
