//! A system whose files are read by copying out of a memory map: all else is [`OsVfs`].

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use memmap2::Mmap;
use puro::internals::os::{OsDir, OsFile, OsMonitor, OsVfs, OsWatch};
use puro::internals::vfs::{
    FileStatus, FileSystem, Join, LockKind, LockWait, OpenMode, Vfs, VfsFile,
};

use super::mapped;

#[derive(Clone, Copy, Debug, Default)]
pub struct MappedVfs(OsVfs);

/// A file, and a map of what it was when it was opened.
#[derive(Debug)]
pub struct MappedFile {
    file: OsFile,
    map: Mmap,
}

impl VfsFile for MappedFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let begin = usize::try_from(position).unwrap_or(usize::MAX);
        match self.map.get(begin..).filter(|mapped| !mapped.is_empty()) {
            Some(mapped) => {
                let length = mapped.len().min(buf.len());
                buf[..length].copy_from_slice(&mapped[..length]);
                Ok(length)
            }
            // The file may have grown since.
            None => self.file.read_at(buf, position),
        }
    }

    fn write_at(&self, buf: &[u8], position: u64) -> io::Result<usize> {
        self.file.write_at(buf, position)
    }

    fn status(&self) -> io::Result<FileStatus> {
        self.file.status()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn reserve(&self, begin: u64, end: u64) -> io::Result<()> {
        self.file.reserve(begin, end)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn lock(&self, kind: LockKind, wait: LockWait) -> io::Result<bool> {
        self.file.lock(kind, wait)
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}

/// A directory, and its path for the maps: nobody moves it here.
#[derive(Clone, Debug)]
pub struct MappedDir {
    inner: OsDir,
    path: PathBuf,
}

impl Vfs for MappedVfs {
    type File = MappedFile;
    type Dir = MappedDir;
    type Watch = OsWatch;
    type Monitor<T: Send + 'static> = OsMonitor<T>;

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir(path)
    }

    fn open_dir(&self, path: &Path) -> io::Result<MappedDir> {
        Ok(MappedDir { inner: self.0.open_dir(path)?, path: path.to_owned() })
    }

    fn is_still_there(&self, dir: &MappedDir) -> io::Result<bool> {
        self.0.is_still_there(&dir.inner)
    }

    fn create_subdir(&self, dir: &MappedDir, name: &str, alike: bool) -> io::Result<()> {
        self.0.create_subdir(&dir.inner, name, alike)
    }

    fn open_subdir(&self, dir: &MappedDir, name: &str) -> io::Result<MappedDir> {
        Ok(MappedDir { inner: self.0.open_subdir(&dir.inner, name)?, path: dir.path.join(name) })
    }

    fn create(
        &self,
        dir: &MappedDir,
        name: &str,
        like: Option<&MappedFile>,
    ) -> io::Result<MappedFile> {
        let file = self.0.create(&dir.inner, name, like.map(|like| &like.file))?;
        let map = mapped::map(&dir.path.join(name), &file)?;
        Ok(MappedFile { file, map })
    }

    fn open(&self, dir: &MappedDir, name: &str, mode: OpenMode) -> io::Result<MappedFile> {
        let file = self.0.open(&dir.inner, name, mode)?;
        let map = mapped::map(&dir.path.join(name), &file)?;
        Ok(MappedFile { file, map })
    }

    fn status_of(&self, dir: &MappedDir, name: &str) -> io::Result<Option<FileStatus>> {
        self.0.status_of(&dir.inner, name)
    }

    fn list(&self, dir: &MappedDir) -> io::Result<Vec<String>> {
        self.0.list(&dir.inner)
    }

    fn rename(&self, dir: &MappedDir, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(&dir.inner, from, to)
    }

    fn remove(&self, dir: &MappedDir, name: &str) -> io::Result<()> {
        self.0.remove(&dir.inner, name)
    }

    fn sync_dir(&self, dir: &MappedDir) -> io::Result<()> {
        self.0.sync_dir(&dir.inner)
    }

    fn free_bytes(&self, dir: &MappedDir) -> io::Result<u64> {
        self.0.free_bytes(&dir.inner)
    }

    fn file_system(&self, dir: &MappedDir) -> io::Result<FileSystem> {
        self.0.file_system(&dir.inner)
    }

    fn watch(&self, dir: &MappedDir) -> io::Result<OsWatch> {
        self.0.watch(&dir.inner)
    }

    fn now_ms(&self) -> u64 {
        self.0.now_ms()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn sleep(&self, duration: Duration) {
        self.0.sleep(duration);
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        self.0.boot_id()
    }

    fn pid(&self) -> u32 {
        self.0.pid()
    }

    fn random(&self) -> io::Result<[u8; 16]> {
        self.0.random()
    }

    fn monitor<T: Send + 'static>(&self, value: T) -> OsMonitor<T> {
        self.0.monitor(value)
    }

    fn spawn(&self, work: Box<dyn FnOnce() + Send>) -> io::Result<Join> {
        self.0.spawn(work)
    }

    fn yield_now(&self) {
        self.0.yield_now();
    }
}
