//! The real operating system: behind the seam, and for `who`, which asks it about other
//! processes. The only user of the file system, lock and watch crates.

#[cfg(not(unix))]
compile_error!(
    "Puro does not run on this system: its mandatory locks would block the writer \
     while others read. Use Linux, macOS or a BSD."
);

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::vfs::{FileId, FileStatus, FileSystem, LockKind, LockWait, OpenMode, Vfs, VfsFile};

#[cfg(target_os = "linux")]
#[path = "os/linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "os/other.rs"]
mod system;
pub mod who;

pub use system::OsWatch;

/// Real files, real locks, real time.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsVfs {
    _private: (),
}

impl OsVfs {
    /// The operating system.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// An open file, with a lock owner of its own.
#[derive(Debug)]
pub struct OsFile {
    file: File,
}

impl OsFile {
    fn id(metadata: &std::fs::Metadata) -> FileId {
        FileId { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// Longest pause between two tries for a lock.
const LONGEST_PAUSE: Duration = Duration::from_millis(2);

impl VfsFile for OsFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buf, position)
    }

    fn write_at(&self, buf: &[u8], position: u64) -> io::Result<usize> {
        self.file.write_at(buf, position)
    }

    fn status(&self) -> io::Result<FileStatus> {
        system::status(&self.file)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn reserve(&self, begin: u64, end: u64) -> io::Result<()> {
        system::reserve(&self.file, begin, end)
    }

    fn begin_sync(&self, begin: u64, end: u64) {
        system::begin_sync(&self.file, begin, end);
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn lock(&self, kind: LockKind, wait: LockWait) -> io::Result<bool> {
        let limit = match wait {
            LockWait::Forever => return system::wait_for_lock(&self.file, kind).map(|()| true),
            LockWait::Try => Duration::ZERO,
            LockWait::AtMost(limit) => limit,
        };
        if system::try_lock(&self.file, kind)? {
            return Ok(true);
        }
        let begun = Instant::now();
        let mut pause = Duration::from_micros(5);
        while !system::try_lock(&self.file, kind)? {
            let left = limit.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(true)
    }

    fn unlock(&self) -> io::Result<()> {
        system::unlock(&self.file)
    }
}

impl Vfs for OsVfs {
    type File = OsFile;
    type Watch = OsWatch;

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<OsFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(mode != OpenMode::Read);
        options.create(matches!(mode, OpenMode::WriteOrCreate | OpenMode::Truncate));
        // Not blocking: a FIFO must be refused, not waited for.
        options.custom_flags(system::NO_FOLLOW | system::NON_BLOCKING);
        let file = options.open(path).map_err(|error| refine(path, error))?;
        if !file.metadata()?.is_file() {
            return Err(not_regular(path));
        }
        if mode == OpenMode::Truncate {
            file.set_len(0)?;
        }
        Ok(OsFile { file })
    }

    fn id_of(&self, path: &Path) -> io::Result<Option<FileId>> {
        match std::fs::symlink_metadata(path) {
            Ok(metadata) => Ok(metadata.is_file().then(|| OsFile::id(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match std::fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            made => made,
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(dir)?;
        names.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        fs2::available_space(dir)
    }

    fn file_system(&self, dir: &Path) -> io::Result<FileSystem> {
        system::file_system(dir)
    }

    fn watch(&self, dir: &Path) -> io::Result<OsWatch> {
        OsWatch::new(dir)
    }

    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic(&self) -> Duration {
        static BEGUN: OnceLock<Instant> = OnceLock::new();
        BEGUN.get_or_init(Instant::now).elapsed()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        static BOOT_ID: OnceLock<Option<[u8; 16]>> = OnceLock::new();
        *BOOT_ID.get_or_init(system::boot_id)
    }

    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn process_start(&self) -> u64 {
        static START: OnceLock<u64> = OnceLock::new();
        *START.get_or_init(|| who::process_start(std::process::id()).unwrap_or(0))
    }

    fn random(&self) -> io::Result<[u8; 16]> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(bytes)
    }
}

/// Says what a name leads to where the system's own words do not.
fn refine(path: &Path, error: io::Error) -> io::Error {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => not_regular(path),
        _ => error,
    }
}

fn not_regular(path: &Path) -> io::Error {
    let kind = std::fs::symlink_metadata(path).map(|metadata| metadata.file_type());
    let what = match kind {
        Ok(kind) if kind.is_symlink() => "a symbolic link",
        Ok(kind) if kind.is_dir() => "a directory",
        _ => "a FIFO, socket or device",
    };
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, not a regular file"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::Watch;

    /// The demo took 40 s instead of one: consumers that looked for the next segment noticed
    /// each other listing the directory, looked again, and left no time for the writer.
    #[test]
    fn a_watch_is_not_woken_by_reading() {
        let scratch = tempfile::tempdir().unwrap();
        let (vfs, path) = (OsVfs::new(), scratch.path().join("file"));
        std::fs::write(&path, "old").unwrap();
        let mut watch = vfs.watch(scratch.path()).unwrap();
        let limit = Duration::from_millis(200);

        vfs.list(scratch.path()).unwrap();
        let file = vfs.open(&path, OpenMode::Read).unwrap();
        file.read_at(&mut [0; 3], 0).unwrap();
        drop(file);
        let begun = Instant::now();
        watch.wait(limit);
        assert!(begun.elapsed() >= limit, "woken by a reader");

        std::fs::write(&path, "new").unwrap();
        let begun = Instant::now();
        watch.wait(Duration::from_secs(60));
        assert!(begun.elapsed() < Duration::from_secs(60), "not woken by a writer");
    }
}
