//! The writers' lock, and the proof that it is held.

use std::sync::Arc;

use crate::engine::dir::{Directory, WRITER_LOCK};
use crate::engine::error::Failure;
use crate::engine::lock_file::LockFile;
use crate::engine::trace::{Action, Operator};
use crate::engine::vfs::{LockWait, Vfs};

/// The lock that every writer holds while it writes (L-1).
#[derive(Debug)]
pub struct WriterLock<V: Vfs> {
    shared: Arc<LockFile<V>>,
    /// The process that opened it; nobody takes it in a forked child (L-3).
    owner: u32,
}

/// Proof that `writer.lock` is held; gives it back when dropped, but not by a forked child, which
/// shares the lock with its parent (L-3).
#[derive(Debug)]
pub struct WriterGuard<V: Vfs> {
    lock: Arc<LockFile<V>>,
    /// The process that took it: the one that opened it.
    owner: u32,
    held: bool,
}

impl<V: Vfs> WriterLock<V> {
    /// Opens the lock file, and makes it if it is missing.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(dir: &Directory<V>) -> Result<Self, Failure> {
        Ok(Self { shared: LockFile::open(dir, dir, WRITER_LOCK)?, owner: dir.vfs.pid() })
    }

    /// Takes the lock.
    ///
    /// # Errors
    /// `LockTimeout` when others kept it for longer than `wait`.
    pub fn take(&mut self, wait: LockWait) -> Result<WriterGuard<V>, Failure> {
        let taken = LockFile::take(&mut self.shared, wait)?;
        let vfs = self.shared.vfs();
        if !taken {
            vfs.trace(&Action::new(Operator::TimesOut));
            return Err(Failure::lock_timeout(self.shared.path(), wait));
        }
        vfs.trace(&Action::new(Operator::Lock));
        Ok(WriterGuard { lock: Arc::clone(&self.shared), owner: self.owner, held: true })
    }
}

impl<V: Vfs> WriterGuard<V> {
    /// Whether the lock still excludes anybody: its name leads to the file that is locked (L-4).
    ///
    /// # Errors
    /// What the system says.
    pub fn still_excludes(&self) -> Result<bool, Failure> {
        Ok(self.lock.is_named()?)
    }

    /// Gives the lock back, in the process that is known to have taken it.
    pub fn give_back(mut self) {
        self.unlock();
    }

    fn unlock(&mut self) {
        self.held = false;
        self.lock.vfs().trace(&Action::new(Operator::Unlock));
        self.lock.give_back();
    }
}

impl<V: Vfs> Drop for WriterGuard<V> {
    fn drop(&mut self) {
        if self.held && self.lock.vfs().pid() == self.owner {
            self.unlock();
        }
    }
}
