//! A handle that several Python threads may have: they take turns, without the interpreter.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use puro_shared::{Code, Trouble};
use pyo3::prelude::*;

use crate::record::Appended;

/// A value of one process, until it is closed.
pub struct Shared<T> {
    /// The process that opened it.
    owner: u32,
    value: Mutex<Option<T>>,
    /// How many threads wait for it.
    waiting: AtomicUsize,
}

impl<T: Send> Shared<T> {
    pub fn new(value: T) -> Self {
        let (value, waiting) = (Mutex::new(Some(value)), AtomicUsize::new(0));
        Self { owner: std::process::id(), value, waiting }
    }

    /// Whether it is closed; one that is in use is not.
    pub fn is_closed(&self) -> bool {
        self.value.try_lock().is_ok_and(|value| value.is_none())
    }

    fn check_owner(&self) -> Result<(), Trouble> {
        // Before the lock: the thread that holds it may have stayed with the parent.
        if self.owner == std::process::id() {
            return Ok(());
        }
        let message = format!(
            "this handle belongs to another process ({}); open the stream again after a fork",
            self.owner
        );
        Err(Trouble::new(Code::Forked, message))
    }

    /// Does what may take its time, while other Python threads run.
    pub fn detached<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut T) -> Result<R, Trouble> + Send,
    ) -> PyResult<R> {
        py.detach(|| self.here(work)).map_err(|trouble| error(py, trouble))
    }

    /// The same for who has let go of the interpreter already.
    pub fn here<R>(&self, work: impl FnOnce(&mut T) -> Result<R, Trouble>) -> Result<R, Trouble> {
        self.check_owner()?;
        let mut value = self.lock()?;
        work(value.as_mut().ok_or_else(closed)?)
    }

    fn lock(&self) -> Result<MutexGuard<'_, Option<T>>, Trouble> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let value = self.value.lock();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        value.map_err(|_| broken())
    }

    /// Lets another thread have its turn, if one waits: who asks again and again would be faster.
    pub fn give_way(&self, py: Python<'_>) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            py.detach(|| std::thread::sleep(Duration::from_millis(1)));
        }
    }

    /// Does what takes no time, with the interpreter.
    pub fn attached<R>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut T) -> PyResult<R>,
    ) -> PyResult<R> {
        self.check_owner().map_err(|trouble| error(py, trouble))?;
        let mut value = self.turn(py)?;
        work(value.as_mut().ok_or_else(|| error(py, closed()))?)
    }

    /// Takes the value out, without the interpreter; `None` if it was closed before.
    pub fn close(
        &self,
        py: Python<'_>,
        end: impl FnOnce(T) -> Result<(), Trouble> + Send,
    ) -> PyResult<()> {
        let done = py.detach(|| {
            self.check_owner()?;
            let taken = self.lock()?.take();
            taken.map_or(Ok(()), end)
        });
        done.map_err(|trouble| error(py, trouble))
    }

    /// The lock. Whoever has it may be waiting for records: never wait for it with the interpreter.
    fn turn(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Option<T>>> {
        loop {
            match self.value.try_lock() {
                Ok(value) => return Ok(value),
                Err(TryLockError::Poisoned(_)) => return Err(error(py, broken())),
                Err(TryLockError::WouldBlock) => py.detach(|| drop(self.lock())),
            }
        }
    }
}

fn closed() -> Trouble {
    Trouble::misuse("it is closed")
}

fn broken() -> Trouble {
    Trouble::new(Code::Panic, "a fault in Puro left it broken; open it again")
}

/// The exception of what went wrong: `puro._errors` has one for each blame.
pub fn error(py: Python<'_>, trouble: Trouble) -> PyErr {
    let code = trouble.code;
    let made = py.import("puro._errors").and_then(|errors| {
        let appended = trouble.appended.map(Appended::from);
        let given = (code as i32, trouble.message, code.way_out(), trouble.was_appended, appended);
        errors.getattr("make")?.call1(given)
    });
    made.map_or_else(|error| error, PyErr::from_value)
}

/// The same for what is not told by a `Trouble` yet.
pub fn told<E: Into<Trouble>>(py: Python<'_>) -> impl Fn(E) -> PyErr + '_ {
    move |problem| error(py, problem.into())
}
