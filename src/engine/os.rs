//! The real operating system: behind the seam, and for `who`, which asks it about other
//! processes. The only user of the file system, lock and watch crates.

#[cfg(not(unix))]
compile_error!(
    "Puro does not run on this system: its mandatory locks would block the writer \
     while others read. Use Linux, macOS or a BSD."
);

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::{Errno, retry_on_intr};

use crate::engine::vfs::{
    FileId, FileStatus, FileSystem, Join, LockKind, LockWait, OpenMode, Vfs, VfsFile,
};

mod threads;

#[cfg(target_os = "linux")]
#[path = "os/linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "os/other.rs"]
mod system;

pub use system::OsWatch;
pub use threads::OsMonitor;

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
    lock_waits: AtomicU64,
}

/// An open directory.
#[derive(Clone, Debug)]
pub struct OsDir {
    file: Arc<File>,
    /// Where it was when it was opened: absolute, for the process may work elsewhere by now.
    path: PathBuf,
}

// Types of the fields differ from system to system.
#[allow(clippy::unnecessary_cast)]
fn id(stat: &Stat) -> FileId {
    FileId { device: stat.st_dev as u64, inode: stat.st_ino as u64 }
}

fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
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
        if system::try_lock(&self.file, kind)? {
            return Ok(true);
        }
        let limit = match wait {
            LockWait::Try => return Ok(false),
            LockWait::AtMost(limit) => Some(limit),
            LockWait::Forever => None,
        };
        self.lock_waits.fetch_add(1, Ordering::Relaxed);
        let Some(limit) = limit else {
            return system::wait_for_lock(&self.file, kind).map(|()| true);
        };
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

    fn lock_waits(&self) -> u64 {
        self.lock_waits.load(Ordering::Relaxed)
    }

    fn next_data(&self, position: u64) -> io::Result<Option<u64>> {
        match rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Data(position)) {
            Ok(found) => Ok(Some(found)),
            Err(rustix::io::Errno::NXIO) => Ok(None),
            Err(_) => Ok(Some(position)),
        }
    }

    fn is_locked(&self, kind: LockKind) -> io::Result<bool> {
        system::is_locked(&self.file, kind)
    }

    fn touch(&self) {
        system::touch(&self.file);
    }

    fn unlock(&self) -> io::Result<()> {
        system::unlock(&self.file)
    }
}

impl Vfs for OsVfs {
    type File = OsFile;
    type Dir = OsDir;
    type Watch = OsWatch;
    type Monitor<T: Send + 'static> = OsMonitor<T>;

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match std::fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            made => made,
        }
    }

    fn open_dir(&self, path: &Path) -> io::Result<OsDir> {
        let file = retry_on_intr(|| rustix::fs::open(path, DIRECTORY, Mode::empty()))?;
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(OsDir { file: Arc::new(file.into()), path })
    }

    fn is_still_there(&self, dir: &OsDir) -> io::Result<bool> {
        match rustix::fs::stat(&dir.path) {
            Ok(found) => Ok(id(&found) == id(&rustix::fs::fstat(&dir.file)?)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn create_subdir(&self, dir: &OsDir, name: &str, alike: bool) -> io::Result<()> {
        let like = if alike { Some(rustix::fs::fstat(&dir.file)?) } else { None };
        match rustix::fs::mkdirat(&dir.file, name, mode_of(like.as_ref(), 0o777)) {
            Ok(()) => match like {
                Some(like) => take_after(&self.open_subdir(dir, name)?.file, &like),
                None => Ok(()),
            },
            // What it is shows when it is opened.
            Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn open_subdir(&self, dir: &OsDir, name: &str) -> io::Result<OsDir> {
        let flags = DIRECTORY | OFlags::NOFOLLOW;
        let file = retry_on_intr(|| rustix::fs::openat(&dir.file, name, flags, Mode::empty()));
        let file = file.map_err(|error| refine(dir, name, FileType::Directory, error))?;
        Ok(OsDir { file: Arc::new(file.into()), path: dir.path.join(name) })
    }

    fn create(&self, dir: &OsDir, name: &str, like: Option<&OsFile>) -> io::Result<OsFile> {
        let like = like.map(|like| rustix::fs::fstat(&like.file)).transpose()?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = mode_of(like.as_ref(), 0o666);
        let file = retry_on_intr(|| rustix::fs::openat(&dir.file, name, flags, mode))?;
        let file = File::from(file);
        if let Some(like) = like {
            take_after(&file, &like)?;
        }
        Ok(OsFile { file, lock_waits: AtomicU64::new(0) })
    }

    fn open(&self, dir: &OsDir, name: &str, mode: OpenMode) -> io::Result<OsFile> {
        let access = match mode {
            OpenMode::Read => OFlags::RDONLY,
            OpenMode::Write => OFlags::RDWR,
        };
        // Not blocking: a FIFO must be refused, not waited for.
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = retry_on_intr(|| rustix::fs::openat(&dir.file, name, flags, Mode::empty()));
        let file = file.map_err(|error| refine(dir, name, FileType::RegularFile, error))?;
        let file = File::from(file);
        if !file.metadata()?.is_file() {
            return Err(refine(dir, name, FileType::RegularFile, Errno::INVAL));
        }
        Ok(OsFile { file, lock_waits: AtomicU64::new(0) })
    }

    fn status_of(&self, dir: &OsDir, name: &str) -> io::Result<Option<FileStatus>> {
        match system::status_of(&dir.file, name) {
            Ok(status) => Ok(status),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn list(&self, dir: &OsDir) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&dir.file)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn rename(&self, dir: &OsDir, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&dir.file, from, &dir.file, to)?)
    }

    fn link(&self, from: &OsDir, name: &str, to: &OsDir) -> io::Result<()> {
        Ok(rustix::fs::linkat(&from.file, name, &to.file, name, AtFlags::empty())?)
    }

    fn remove(&self, dir: &OsDir, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&dir.file, name, AtFlags::empty())?)
    }

    fn sync_dir(&self, dir: &OsDir) -> io::Result<()> {
        dir.file.sync_all()
    }

    fn free_bytes(&self, dir: &OsDir) -> io::Result<u64> {
        let found = rustix::fs::fstatvfs(&dir.file)?;
        Ok(found.f_frsize.saturating_mul(found.f_bavail))
    }

    fn file_system(&self, dir: &OsDir) -> io::Result<FileSystem> {
        system::file_system(&dir.file)
    }

    fn watch(&self, dir: &OsDir) -> io::Result<OsWatch> {
        OsWatch::new(dir)
    }

    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        crate::engine::vfs::millis(since)
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
        *START.get_or_init(|| process_start(std::process::id()).unwrap_or(0))
    }

    fn random(&self) -> io::Result<[u8; 16]> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(bytes)
    }

    fn monitor<T: Send + 'static>(&self, value: T) -> OsMonitor<T> {
        OsMonitor::new(value)
    }

    fn spawn(&self, work: Box<dyn FnOnce() + Send>) -> io::Result<Join> {
        threads::spawn(work)
    }

    fn yield_now(&self) {
        std::thread::yield_now();
    }
}

/// How a directory is opened: to be listed, synced, and looked up in.
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// What something is made with: never more than it is to have, before it is given that.
fn mode_of(like: Option<&Stat>, otherwise: u32) -> Mode {
    like.map_or(Mode::from_raw_mode(otherwise as _), |like| Mode::from_raw_mode(like.st_mode))
}

/// Gives what was just made the mode of another, and its owner and group as far as the system
/// lets this process do that.
fn take_after(made: &File, like: &Stat) -> io::Result<()> {
    let found = rustix::fs::fstat(made)?;
    let owner = (like.st_uid != found.st_uid).then(|| Uid::from_raw(like.st_uid));
    let group = (like.st_gid != found.st_gid).then(|| Gid::from_raw(like.st_gid));
    if owner.is_some() || group.is_some() {
        // Only root may give files away; to groups of its own, anybody.
        if rustix::fs::fchown(made, owner, group).is_err() {
            let _ = rustix::fs::fchown(made, None, group);
        }
    }
    let wanted = Mode::from_raw_mode(like.st_mode);
    if Mode::from_raw_mode(rustix::fs::fstat(made)?.st_mode) != wanted {
        rustix::fs::fchmod(made, wanted)?;
    }
    Ok(())
}

fn stat_name(dir: &OsDir, name: &str) -> Result<Stat, Errno> {
    rustix::fs::statat(&dir.file, name, AtFlags::SYMLINK_NOFOLLOW)
}

/// Says what a name leads to where the system's own words do not.
fn refine(dir: &OsDir, name: &str, wanted: FileType, error: Errno) -> io::Error {
    let found = match stat_name(dir, name).map(|stat| file_type(&stat)) {
        Ok(found) if found != wanted => found,
        _ => return error.into(),
    };
    let found = match found {
        FileType::Symlink => "a symbolic link",
        FileType::Directory => "a directory",
        FileType::RegularFile => "a file",
        _ => "a FIFO, socket or device",
    };
    let wanted = if wanted == FileType::Directory { "a directory" } else { "a regular file" };
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is {found}, not {wanted}"))
}

/// When a process started, in clock ticks since the boot: field 22 of its `stat`.
pub(crate) fn process_start(pid: u32) -> Option<u64> {
    stat_field(pid, 22)?.parse().ok()
}

/// A field of `/proc/PID/stat`, counted from 1, behind the second, which may hold anything.
pub(crate) fn stat_field(pid: u32, number: usize) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    fields.split(' ').nth(number.checked_sub(3)?).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::vfs::Watch;

    /// The demo took 40 s instead of one: consumers that looked for the next segment noticed
    /// each other listing the directory, looked again, and left no time for the writer.
    #[test]
    fn a_watch_is_not_woken_by_reading() {
        let scratch = tempfile::tempdir().unwrap();
        let (vfs, path) = (OsVfs::new(), scratch.path().join("file"));
        let dir = vfs.open_dir(scratch.path()).unwrap();
        std::fs::write(&path, "old").unwrap();
        let mut watch = vfs.watch(&dir).unwrap();
        let limit = Duration::from_millis(200);

        vfs.list(&dir).unwrap();
        let file = vfs.open(&dir, "file", OpenMode::Read).unwrap();
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
