//! A system whose files are read by copying out of a memory map: all else is [`OsVfs`].

use std::io;
use std::path::Path;
use std::time::Duration;

use memmap2::Mmap;
use puro::os::{OsFile, OsVfs, OsWatch};
use puro::vfs::{FileId, FileStatus, FileSystem, LockKind, LockWait, OpenMode, Vfs, VfsFile};

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

impl Vfs for MappedVfs {
    type File = MappedFile;
    type Watch = OsWatch;

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<MappedFile> {
        let file = self.0.open(path, mode)?;
        let map = mapped::map(path, &file)?;
        Ok(MappedFile { file, map })
    }

    fn id_of(&self, path: &Path) -> io::Result<Option<FileId>> {
        self.0.id_of(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.0.free_bytes(dir)
    }

    fn file_system(&self, dir: &Path) -> io::Result<FileSystem> {
        self.0.file_system(dir)
    }

    fn watch(&self, dir: &Path) -> io::Result<OsWatch> {
        self.0.watch(dir)
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
}
