//! Threads of this process: a mutex and a condition variable.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use crate::engine::vfs::{Join, Monitor};

/// Some systems cannot count much farther. Whoever waits looks, and waits again.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// A value that threads of this process share. Where one of them panicked that had it, the others
/// have it as it was left.
#[derive(Debug)]
pub struct OsMonitor<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> OsMonitor<T> {
    /// To be shared.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Condvar::new() }
    }
}

impl<T: Send + 'static> Monitor<T> for OsMonitor<T> {
    type Held<'m> = MutexGuard<'m, T>;

    fn enter(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_enter(&self) -> Option<MutexGuard<'_, T>> {
        match self.value.try_lock() {
            Ok(held) => Some(held),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn wait<'m>(&'m self, held: MutexGuard<'m, T>, timeout: Option<Duration>) -> MutexGuard<'m, T> {
        let Some(timeout) = timeout else {
            return self.changed.wait(held).unwrap_or_else(PoisonError::into_inner);
        };
        let woken = self.changed.wait_timeout(held, timeout.min(LONGEST_WAIT));
        woken.unwrap_or_else(PoisonError::into_inner).0
    }

    fn wake_all(&self) {
        self.changed.notify_all();
    }
}

pub fn spawn(work: Box<dyn FnOnce() + Send>) -> io::Result<Join> {
    let thread = std::thread::Builder::new().spawn(work)?;
    Ok(Box::new(move || {
        // What it panicked of, it has told.
        let _ = thread.join();
    }))
}
