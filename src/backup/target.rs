//! Where a copy is written: a directory that has the copy's name only once all is there.

use std::io;
use std::path::Path;

use super::BackupError;
use crate::engine::dir::{Directory, parent_of, parse_segment_name, segment_name};
use crate::engine::vfs::{LockKind, LockWait, Vfs, VfsFile};
use crate::error::{Failure, IoContext, IoError};

/// Locked by whoever writes the copy. It also tells an unfinished copy, which may be thrown
/// away, from everything else.
const MARK: &str = "backup.lock";
/// Behind the name of a copy while it is unfinished.
const PARTIAL: &str = ".partial";

/// An unfinished copy, locked.
pub struct Target<V: Vfs> {
    /// The directory of the unfinished copy.
    pub dir: Directory<V>,
    /// The directory in which it is, and will be.
    parent: Directory<V>,
    /// The name that it has there until it is done.
    partial: String,
    /// The name that it is to have.
    name: String,
    /// Keeps the lock.
    _mark: V::File,
}

impl<V: Vfs> Target<V> {
    /// Makes the directory, or takes over what a copy that died has left.
    pub fn claim(vfs: &V, to: &Path) -> Result<Self, BackupError> {
        let unnamed = |why| BackupError::Name { path: to.to_owned(), why };
        let name = to.file_name().ok_or_else(|| unnamed("it must end in a name"))?;
        let name = name.to_str().ok_or_else(|| unnamed("its name must be UTF-8"))?.to_owned();
        let partial = format!("{name}{PARTIAL}");
        let parent = Directory::new(vfs.clone(), parent_of(to));
        refuse_taken(&parent, &name)?;
        let dir = parent.make_subdirectory(&partial, false)?;
        refuse_foreign(&dir)?;
        let mark = lock_mark(&dir)?;
        let target = Self { dir, parent, partial, name, _mark: mark };
        target.clear()?;
        Ok(target)
    }

    /// Meets a full disk before anything is written.
    pub fn check_space(&self, needed: u64) -> Result<(), Failure> {
        let free = self.dir.free_bytes()?;
        if free >= needed {
            return Ok(());
        }
        Err(Failure::NoSpace { path: self.dir.path.clone(), needed, free })
    }

    /// Gives the copy its name, and puts that on the disk.
    pub fn name(&self) -> Result<(), BackupError> {
        refuse_taken(&self.parent, &self.name)?;
        self.parent.rename(&self.partial, &self.name, "name")?;
        // Only now: whoever else wants the name was kept out by it until here.
        let unmarked = self.dir.remove(MARK, "unmark");
        let synced = unmarked.and_then(|()| self.dir.sync()).and_then(|()| self.parent.sync());
        // A copy that a loss of power could take back is none: nothing may be under its name.
        synced
            .inspect_err(|_| _ = self.parent.rename(&self.name, &self.partial, "unname"))
            .map_err(BackupError::from)
    }

    /// Throws away what was copied. What cannot be is left to the next copy.
    pub fn give_up(&self) {
        let _ = self.clear();
        let _ = self.dir.remove(MARK, "unmark");
    }

    fn clear(&self) -> Result<(), IoError> {
        let listing = self.dir.list()?.unwrap_or_default();
        let mut segments = listing.segments.into_iter();
        segments.try_for_each(|sequence| self.dir.remove(&segment_name(sequence), "remove"))
    }
}

/// An empty directory may be replaced, nothing else.
fn refuse_taken<V: Vfs>(parent: &Directory<V>, name: &str) -> Result<(), BackupError> {
    let exists = || BackupError::Exists { path: parent.path.join(name) };
    let found = match parent.subdirectory(name) {
        Ok(found) => found,
        Err(error) if error.source.kind() == io::ErrorKind::InvalidInput => return Err(exists()),
        Err(error) => return Err(error.into()),
    };
    let Some(found) = found else { return Ok(()) };
    let names = found.names().while_doing("list", &found.path)?;
    if names.is_empty() { Ok(()) } else { Err(exists()) }
}

/// Only what a copy that died has left may be thrown away: segments beside the mark.
fn refuse_foreign<V: Vfs>(dir: &Directory<V>) -> Result<(), BackupError> {
    let names = dir.names().while_doing("list", &dir.path)?;
    let marked = names.iter().any(|name| name == MARK);
    let own = |name: &str| name == MARK || (marked && parse_segment_name(name).is_some());
    match names.into_iter().find(|name| !own(name)) {
        Some(found) => Err(BackupError::Foreign { path: dir.path.clone(), found }),
        None => Ok(()),
    }
}

fn lock_mark<V: Vfs>(dir: &Directory<V>) -> Result<V::File, BackupError> {
    let path = dir.path.join(MARK);
    let mark = dir.open_lock(MARK, dir)?;
    let locked = mark.lock(LockKind::Exclusive, LockWait::Try).while_doing("lock", &path)?;
    // Whoever had it may just have given the copy its name, and taken the mark away.
    let named = dir.id_of(MARK)?;
    let held = mark.status().while_doing("look at", &path)?;
    if locked && named == Some(held.id) {
        return Ok(mark);
    }
    Err(BackupError::Busy { path: dir.path.clone() })
}
