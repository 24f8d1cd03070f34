//! A system that is looked at and left as it is: whoever works in it takes no lock, and writes nothing.
//!
//! What the library finds out for `verify`, `positions` and `steward --dry-run`, it finds out here too;
//! but writers, stewards and consumers notice nothing of it.

use std::io;
use std::path::Path;
use std::time::Duration;

use puro::internals::os::OsVfs;
use puro::internals::vfs::{
    FileStatus, FileSystem, Join, LockKind, LockWait, OpenMode, Vfs, VfsFile,
};

/// The real system, read only.
#[derive(Clone)]
pub struct Quiet {
    inner: OsVfs,
}

/// A file of it.
pub struct QuietFile {
    inner: <OsVfs as Vfs>::File,
}

impl Quiet {
    /// The system that we run on.
    pub fn new() -> Self {
        Self { inner: OsVfs::new() }
    }
}

/// What every change is answered with.
fn refuse<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl VfsFile for QuietFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.inner.read_at(buf, position)
    }

    fn write_at(&self, _buf: &[u8], _position: u64) -> io::Result<usize> {
        refuse()
    }

    fn status(&self) -> io::Result<FileStatus> {
        self.inner.status()
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        refuse()
    }

    fn reserve(&self, _begin: u64, _end: u64) -> io::Result<()> {
        refuse()
    }

    fn sync_data(&self) -> io::Result<()> {
        refuse()
    }

    fn sync_all(&self) -> io::Result<()> {
        refuse()
    }

    fn next_data(&self, position: u64) -> io::Result<Option<u64>> {
        self.inner.next_data(position)
    }

    /// Nothing is locked, and so nobody is waited for. A file that is deleted meanwhile is read to its
    /// end all the same.
    fn lock(&self, _kind: LockKind, _wait: LockWait) -> io::Result<bool> {
        Ok(true)
    }

    /// Whether somebody else has a lock. Only a system that tells that without a lock is asked.
    fn is_locked(&self, kind: LockKind) -> io::Result<bool> {
        if cfg!(target_os = "linux") { self.inner.is_locked(kind) } else { Ok(false) }
    }

    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Vfs for Quiet {
    type File = QuietFile;
    type Dir = <OsVfs as Vfs>::Dir;
    type Watch = <OsVfs as Vfs>::Watch;
    type Monitor<T: Send + 'static> = <OsVfs as Vfs>::Monitor<T>;

    fn create_dir(&self, _path: &Path) -> io::Result<()> {
        refuse()
    }

    fn open_dir(&self, path: &Path) -> io::Result<Self::Dir> {
        self.inner.open_dir(path)
    }

    fn is_still_there(&self, dir: &Self::Dir) -> io::Result<bool> {
        self.inner.is_still_there(dir)
    }

    fn create_subdir(&self, _dir: &Self::Dir, _name: &str, _alike: bool) -> io::Result<()> {
        refuse()
    }

    fn open_subdir(&self, dir: &Self::Dir, name: &str) -> io::Result<Self::Dir> {
        self.inner.open_subdir(dir, name)
    }

    fn create(
        &self,
        _dir: &Self::Dir,
        _name: &str,
        _like: Option<&Self::File>,
    ) -> io::Result<Self::File> {
        refuse()
    }

    fn open(&self, dir: &Self::Dir, name: &str, _mode: OpenMode) -> io::Result<Self::File> {
        Ok(QuietFile { inner: self.inner.open(dir, name, OpenMode::Read)? })
    }

    fn status_of(&self, dir: &Self::Dir, name: &str) -> io::Result<Option<FileStatus>> {
        self.inner.status_of(dir, name)
    }

    fn list(&self, dir: &Self::Dir) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn rename(&self, _dir: &Self::Dir, _from: &str, _to: &str) -> io::Result<()> {
        refuse()
    }

    fn remove(&self, _dir: &Self::Dir, _name: &str) -> io::Result<()> {
        refuse()
    }

    fn sync_dir(&self, _dir: &Self::Dir) -> io::Result<()> {
        refuse()
    }

    fn free_bytes(&self, dir: &Self::Dir) -> io::Result<u64> {
        self.inner.free_bytes(dir)
    }

    fn file_system(&self, dir: &Self::Dir) -> io::Result<FileSystem> {
        self.inner.file_system(dir)
    }

    fn watch(&self, _dir: &Self::Dir) -> io::Result<Self::Watch> {
        refuse()
    }

    fn now_ms(&self) -> u64 {
        self.inner.now_ms()
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    fn sleep(&self, duration: Duration) {
        self.inner.sleep(duration);
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        self.inner.boot_id()
    }

    fn pid(&self) -> u32 {
        self.inner.pid()
    }

    fn process_start(&self) -> u64 {
        self.inner.process_start()
    }

    fn random(&self) -> io::Result<[u8; 16]> {
        self.inner.random()
    }

    fn monitor<T: Send + 'static>(&self, value: T) -> Self::Monitor<T> {
        self.inner.monitor(value)
    }

    fn spawn(&self, work: Box<dyn FnOnce() + Send>) -> io::Result<Join> {
        self.inner.spawn(work)
    }

    fn yield_now(&self) {
        self.inner.yield_now();
    }
}
