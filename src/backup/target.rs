//! Where a copy is written: a directory that has the copy's name only once all is there.

use std::io;
use std::path::{Path, PathBuf};

use super::BackupError;
use crate::dir::{Directory, parse_segment_name};
use crate::error::{Failure, IoContext, IoError};
use crate::vfs::{LockKind, LockWait, OpenMode, Vfs, VfsFile};

/// Locked by whoever writes the copy. It also tells an unfinished copy, which may be thrown
/// away, from everything else.
const MARK: &str = "backup.lock";
/// Behind the name of a copy while it is unfinished.
const PARTIAL: &str = ".partial";

/// An unfinished copy, locked.
pub struct Target<V: Vfs> {
    /// The directory of the unfinished copy.
    pub dir: Directory<V>,
    /// The name that it is to have.
    to: PathBuf,
    /// Keeps the lock.
    _mark: V::File,
}

impl<V: Vfs> Target<V> {
    /// Makes the directory, or takes over what a copy that died has left.
    pub fn claim(vfs: &V, to: &Path) -> Result<Self, BackupError> {
        let unnamed = || BackupError::Name { path: to.to_owned(), why: "it must end in a name" };
        let mut name = to.file_name().ok_or_else(unnamed)?.to_owned();
        name.push(PARTIAL);
        // Built anew: the name must not end in a slash.
        let to = to.with_file_name(to.file_name().ok_or_else(unnamed)?);
        refuse_taken(vfs, &to)?;
        let dir = Directory::new(vfs.clone(), &to.with_file_name(name));
        vfs.create_dir(&dir.path).while_doing("create", &dir.path)?;
        refuse_foreign(&dir)?;
        let mark = lock_mark(&dir)?;
        let target = Self { dir, to, _mark: mark };
        target.clear()?;
        Ok(target)
    }

    /// Meets a full disk before anything is written.
    pub fn check_space(&self, needed: u64) -> Result<(), Failure> {
        let path = &self.dir.path;
        let free = self.dir.vfs.free_bytes(path).while_doing("ask for free space of", path)?;
        if free >= needed {
            return Ok(());
        }
        Err(Failure::NoSpace { path: path.clone(), needed, free })
    }

    /// Gives the copy its name, and puts that on the disk.
    pub fn name(&self) -> Result<(), BackupError> {
        let (vfs, partial) = (&self.dir.vfs, &self.dir.path);
        refuse_taken(vfs, &self.to)?;
        vfs.rename(partial, &self.to).while_doing("name", &self.to)?;
        // Only now: whoever else wants the name was kept out by it until here.
        let unmarked = vfs.remove(&self.to.join(MARK)).while_doing("unmark", &self.to);
        let synced = unmarked.and_then(|()| sync(vfs, &self.to)).and_then(|()| self.sync_parent());
        // A copy that a loss of power could take back is none: nothing may be under its name.
        synced.inspect_err(|_| _ = vfs.rename(&self.to, partial)).map_err(BackupError::from)
    }

    /// Throws away what was copied. What cannot be is left to the next copy.
    pub fn give_up(&self) {
        let _ = self.clear();
        let _ = self.dir.vfs.remove(&self.dir.path.join(MARK));
    }

    fn clear(&self) -> Result<(), IoError> {
        for sequence in self.dir.list()?.unwrap_or_default().segments {
            let path = self.dir.segment_path(sequence);
            self.dir.vfs.remove(&path).while_doing("remove", &path)?;
        }
        Ok(())
    }

    fn sync_parent(&self) -> Result<(), IoError> {
        let parent = self.to.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync(&self.dir.vfs, parent.unwrap_or(Path::new(".")))
    }
}

fn sync<V: Vfs>(vfs: &V, dir: &Path) -> Result<(), IoError> {
    vfs.sync_dir(dir).while_doing("sync", dir)
}

/// An empty directory may be replaced, nothing else.
fn refuse_taken<V: Vfs>(vfs: &V, to: &Path) -> Result<(), BackupError> {
    match vfs.list(to) {
        Ok(names) if names.is_empty() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotADirectory => {
            Err(error).while_doing("list", to).map_err(BackupError::from)
        }
        Ok(_) | Err(_) => Err(BackupError::Exists { path: to.to_owned() }),
    }
}

/// Only what a copy that died has left may be thrown away: segments beside the mark.
fn refuse_foreign<V: Vfs>(dir: &Directory<V>) -> Result<(), BackupError> {
    let names = dir.vfs.list(&dir.path).while_doing("list", &dir.path)?;
    let marked = names.iter().any(|name| name == MARK);
    let own = |name: &str| name == MARK || (marked && parse_segment_name(name).is_some());
    match names.into_iter().find(|name| !own(name)) {
        Some(found) => Err(BackupError::Foreign { path: dir.path.clone(), found }),
        None => Ok(()),
    }
}

fn lock_mark<V: Vfs>(dir: &Directory<V>) -> Result<V::File, BackupError> {
    let path = dir.path.join(MARK);
    let mark = dir.vfs.open(&path, OpenMode::WriteOrCreate).while_doing("create", &path)?;
    let locked = mark.lock(LockKind::Exclusive, LockWait::Try).while_doing("lock", &path)?;
    // Whoever had it may just have given the copy its name, and taken the mark away.
    let named = dir.vfs.id_of(&path).while_doing("look at", &path)?;
    let held = mark.status().while_doing("look at", &path)?;
    if locked && named == Some(held.id) {
        return Ok(mark);
    }
    Err(BackupError::Busy { path: dir.path.clone() })
}
