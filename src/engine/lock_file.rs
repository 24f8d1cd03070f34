//! Lock files: opened by their names, and believed only as long as those lead to them (L-4).
//!
//! A lock is on a file, not on a name. Whoever removes a lock file lets the next one make another
//! file of that name, and both hold "the" lock. So the name is looked up after each time a lock was
//! taken; what that cannot help against is said in A-21.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::dir::{Directory, LOOKS};
use crate::engine::error::{Failure, IoContext, IoError};
use crate::engine::vfs::{FileId, LockKind, LockWait, Vfs, VfsFile};

/// After so long a lock file that is in use is given the time of day, so that who cleans up what is
/// old leaves it alone.
const TOUCH_EVERY_SECONDS: u64 = 3600;

/// An open lock file, and the name that it was opened by.
pub struct LockFile<V: Vfs> {
    /// The stream's directory.
    stream: Directory<V>,
    /// The one that the file is in.
    dir: Directory<V>,
    name: String,
    file: V::File,
    id: FileId,
    /// When it was touched, in seconds of the monotonic clock, and one more; 0 if never.
    touched: AtomicU64,
}

impl<V: Vfs> fmt::Debug for LockFile<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LockFile").field(&self.path()).finish()
    }
}

impl<V: Vfs> LockFile<V> {
    /// Opens the lock file of that name, and makes it if it is missing.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(
        stream: &Directory<V>,
        dir: &Directory<V>,
        name: &str,
    ) -> Result<Arc<Self>, Failure> {
        let file = dir.open_lock(name, stream)?;
        let id = file.status().while_doing("look at", &dir.path.join(name))?.id;
        let (stream, dir, name) = (stream.clone(), dir.clone(), name.to_owned());
        Ok(Arc::new(Self { stream, dir, name, file, id, touched: AtomicU64::new(0) }))
    }

    /// Opens the lock file and takes the lock; `None` if it cannot be had in time.
    ///
    /// # Errors
    /// What the system says.
    pub fn open_and_take(
        stream: &Directory<V>,
        dir: &Directory<V>,
        name: &str,
        wait: LockWait,
    ) -> Result<Option<Arc<Self>>, Failure> {
        let mut lock = Self::open(stream, dir, name)?;
        Ok(Self::take(&mut lock, wait)?.then_some(lock))
    }

    /// Takes the lock, of the file that the name leads to then: where that is another one, it takes
    /// the place of this. `false` if the lock cannot be had in time.
    ///
    /// # Errors
    /// What the system says.
    pub fn take(this: &mut Arc<Self>, wait: LockWait) -> Result<bool, Failure> {
        for _ in 0..LOOKS {
            let waits = this.file.lock_waits();
            let taken = this.file.lock(LockKind::Exclusive, wait);
            let waited = this.file.lock_waits().saturating_sub(waits);
            this.stream.counters.lock_waits.add(waited);
            let taken = taken.map_err(|error| IoError::of("lock", this.path(), error))?;
            let named = this.is_named();
            match (taken, &named) {
                (true, Ok(true)) => {
                    this.touch_now_and_then();
                    return Ok(true);
                }
                (false, Ok(true)) => return Ok(false),
                // Whatever became of the look, nobody knows of this lock any more.
                (true, _) => this.give_back(),
                (false, _) => {} // Somebody holds a file that has lost its name: another one counts.
            }
            named?;
            *this = Self::open(&this.stream, &this.dir, &this.name)?;
        }
        let source = std::io::Error::other("it is removed again and again");
        Err(IoError::of("lock", this.path(), source).into())
    }

    /// Whether the name still leads to this file.
    ///
    /// # Errors
    /// What the system says.
    pub fn is_named(&self) -> Result<bool, IoError> {
        Ok(self.dir.id_of(&self.name)? == Some(self.id))
    }

    /// Gives the lock back. Closing the file does that too.
    pub fn give_back(&self) {
        // A lock that cannot be given back goes with the file; there is nothing to tell.
        let _ = self.file.unlock();
    }

    /// The open file.
    pub fn file(&self) -> &V::File {
        &self.file
    }

    /// The system that it is on.
    pub fn vfs(&self) -> &V {
        &self.dir.vfs
    }

    /// Its path, for messages.
    pub fn path(&self) -> PathBuf {
        self.dir.path.join(&self.name)
    }

    /// Says that the file is in use, once an hour.
    pub fn touch_now_and_then(&self) {
        let now = self.dir.vfs.monotonic().as_secs() + 1;
        let touched = self.touched.load(Ordering::Relaxed);
        if touched == 0 || now.saturating_sub(touched) >= TOUCH_EVERY_SECONDS {
            self.touched.store(now, Ordering::Relaxed);
            self.file.touch();
        }
    }
}
