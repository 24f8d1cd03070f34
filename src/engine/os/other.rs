//! macOS and the BSDs: whole-file locks as fs2 has them. They exclude each other between
//! Puro's processes, but not the POSIX locks of other languages.

use std::fs::File;
use std::io;
use std::time::Duration;

use fs2::FileExt;
use notify::Watcher as _;

use super::OsDir;
use crate::engine::vfs::{FileStatus, FileSystem, LockKind, Watch};

pub fn status(file: &File) -> io::Result<FileStatus> {
    Ok(as_status(&rustix::fs::fstat(file)?))
}

/// `None` where the name leads to something else than a regular file.
pub fn status_of(dir: &File, name: &str) -> Result<Option<FileStatus>, Errno> {
    let found = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok((super::file_type(&found) == FileType::RegularFile).then(|| as_status(&found)))
}

fn as_status(found: &Stat) -> FileStatus {
    let len = u64::try_from(found.st_size).unwrap_or(0);
    FileStatus { len, id: super::id(found), links: u64::from(found.st_nlink) }
}

pub fn try_lock(file: &File, kind: LockKind) -> io::Result<bool> {
    let locked = match kind {
        LockKind::Shared => FileExt::try_lock_shared(file),
        LockKind::Exclusive => FileExt::try_lock_exclusive(file),
    };
    match locked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == fs2::lock_contended_error().kind() => Ok(false),
        Err(error) => Err(error),
    }
}

/// No call tells it without taking the lock.
pub fn is_locked(file: &File, kind: LockKind) -> io::Result<bool> {
    let free = try_lock(file, kind)?;
    if free {
        unlock(file)?;
    }
    Ok(!free)
}

pub fn wait_for_lock(file: &File, kind: LockKind) -> io::Result<()> {
    match kind {
        LockKind::Shared => FileExt::lock_shared(file),
        LockKind::Exclusive => FileExt::lock_exclusive(file),
    }
}

/// Needs no more than permission to write, as setting the time of day does.
pub fn touch(file: &File) {
    let _ = nix::sys::stat::futimens(file, &TimeSpec::UTIME_NOW, &TimeSpec::UTIME_NOW);
}

pub fn unlock(file: &File) -> io::Result<()> {
    FileExt::unlock(file)
}

pub fn reserve(_file: &File, _begin: u64, _end: u64) -> io::Result<()> {
    Ok(()) // No way to reserve without changing the length.
}

pub fn begin_sync(_file: &File, _begin: u64, _end: u64) {}

pub fn boot_id() -> Option<[u8; 16]> {
    None
}

pub fn file_system(dir: &File) -> io::Result<FileSystem> {
    let found = nix::sys::statfs::fstatfs(dir)?;
    let name = found.filesystem_type_name().to_owned();
    let network = ["nfs", "smbfs", "afpfs", "webdav", "fusefs", "macfuse"].contains(&name.as_str());
    Ok(FileSystem { name, network })
}

/// A directory watched by the system's notifications.
pub struct OsWatch {
    /// Keeps the notifications coming.
    _watcher: notify::RecommendedWatcher,
    noticed: std::sync::mpsc::Receiver<()>,
}

impl std::fmt::Debug for OsWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OsWatch")
    }
}

impl Watch for OsWatch {
    fn clear(&mut self) {
        while self.noticed.try_recv().is_ok() {}
    }

    fn wait(&mut self, timeout: Duration) {
        // Noticed or not, the caller looks again.
        let _ = self.noticed.recv_timeout(timeout);
    }
}

impl OsWatch {
    /// Starts to watch, where the directory was when it was opened: if it was moved since, who
    /// waits learns of changes by polling.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn new(dir: &OsDir) -> io::Result<Self> {
        let (sender, noticed) = std::sync::mpsc::sync_channel(1);
        // What was noticed does not matter, nor how often; but that somebody reads is not worth
        // a look: looking is reading, too, and waiting consumers would keep each other awake.
        let handler = move |event: notify::Result<notify::Event>| {
            if !event.is_ok_and(|event| event.kind.is_access()) {
                let _ = sender.try_send(());
            }
        };
        let mut watcher = notify::recommended_watcher(handler).map_err(io::Error::other)?;
        let watching = watcher.watch(&dir.path, notify::RecursiveMode::NonRecursive);
        watching.map_err(io::Error::other)?;
        Ok(Self { _watcher: watcher, noticed })
    }
}
