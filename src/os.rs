//! The real operating system behind the seam: the only user of the file system, lock and
//! watch crates.

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

use notify::Watcher as _;

use crate::vfs::{
    FileId, FileStatus, FileSystem, LockKind, LockWait, OpenMode, Vfs, VfsFile, Watch,
};

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
        let (sender, noticed) = std::sync::mpsc::sync_channel(1);
        // What was noticed does not matter, nor how often; but that somebody reads is not worth
        // a look: looking is reading, too, and waiting consumers would keep each other awake.
        let handler = move |event: notify::Result<notify::Event>| {
            if !event.is_ok_and(|event| event.kind.is_access()) {
                let _ = sender.try_send(());
            }
        };
        let mut watcher = notify::recommended_watcher(handler).map_err(io::Error::other)?;
        let watching = watcher.watch(dir, notify::RecursiveMode::NonRecursive);
        watching.map_err(io::Error::other)?;
        Ok(OsWatch { _watcher: watcher, noticed })
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
        *START.get_or_init(|| crate::who::process_start(std::process::id()).unwrap_or(0))
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

/// What Linux has and others do not.
#[cfg(target_os = "linux")]
mod system {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    use nix::fcntl::{
        FallocateFlags, FcntlArg, OFlag, PosixFadviseAdvice, fallocate, fcntl, posix_fadvise,
    };
    use nix::libc;
    use rustix::fs::{AtFlags, StatxFlags, makedev, statx};

    use crate::vfs::{FileId, FileStatus, FileSystem, LockKind};

    pub const NO_FOLLOW: i32 = OFlag::O_NOFOLLOW.bits();
    pub const NON_BLOCKING: i32 = OFlag::O_NONBLOCK.bits();

    /// The whole file (L-1).
    fn whole_file(kind: libc::c_int) -> libc::flock {
        libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        }
    }

    fn lock_type(kind: LockKind) -> libc::c_int {
        match kind {
            LockKind::Shared => libc::F_RDLCK,
            LockKind::Exclusive => libc::F_WRLCK,
        }
    }

    pub fn try_lock(file: &File, kind: LockKind) -> io::Result<bool> {
        match fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file(lock_type(kind)))) {
            Ok(_) => Ok(true),
            Err(nix::Error::EAGAIN | nix::Error::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub fn wait_for_lock(file: &File, kind: LockKind) -> io::Result<()> {
        loop {
            match fcntl(file, FcntlArg::F_OFD_SETLKW(&whole_file(lock_type(kind)))) {
                Ok(_) => return Ok(()),
                Err(nix::Error::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub fn unlock(file: &File) -> io::Result<()> {
        fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_UNLCK)))?;
        Ok(())
    }

    pub fn reserve(file: &File, begin: u64, end: u64) -> io::Result<()> {
        let Some((begin, length)) = range(begin, end) else { return Ok(()) };
        match fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, begin, length) {
            Err(nix::Error::EOPNOTSUPP | nix::Error::ENOSYS) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks for length and link count alone. Who asks for a file's times too makes the next write
    /// take note of the exact time, and that costs more than the write.
    pub fn status(file: &File) -> io::Result<FileStatus> {
        let wanted = StatxFlags::SIZE | StatxFlags::NLINK | StatxFlags::INO;
        let found = statx(file, c"", AtFlags::EMPTY_PATH, wanted)?;
        let device = makedev(found.stx_dev_major, found.stx_dev_minor);
        let id = FileId { device, inode: found.stx_ino };
        Ok(FileStatus { len: found.stx_size, id, linked: found.stx_nlink > 0 })
    }

    /// Linux takes this advice by beginning to write what is dirty there.
    pub fn begin_sync(file: &File, begin: u64, end: u64) {
        if let Some((begin, length)) = range(begin, end) {
            let _ = posix_fadvise(file, begin, length, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        }
    }

    /// Begin and length; `None` where there is nothing, or more than the system can count.
    fn range(begin: u64, end: u64) -> Option<(i64, i64)> {
        let length = i64::try_from(end.checked_sub(begin)?).ok()?;
        (length > 0).then_some((i64::try_from(begin).ok()?, length))
    }

    pub fn boot_id() -> Option<[u8; 16]> {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        if digits.len() != 32 {
            return None;
        }
        Some(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes())
    }

    /// File systems that other machines, or a program of a user, may serve.
    const NETWORK: [(i64, &str); 14] = [
        (0x6969, "nfs"),
        (0x517B, "smb"),
        (0xFF53_4D42, "cifs"),
        (0xFE53_4D42, "smb2"),
        (0x5346_414F, "afs"),
        (0x6B41_4653, "kafs"),
        (0x7375_7245, "coda"),
        (0x564C, "ncp"),
        (0x00C3_6400, "ceph"),
        (0x0102_1997, "9p"),
        (0x0BD0_0BD0, "lustre"),
        (0x0116_1970, "gfs2"),
        (0x7461_636F, "ocfs2"),
        (0x6573_5546, "fuse"),
    ];

    pub fn file_system(dir: &Path) -> io::Result<FileSystem> {
        let magic = nix::sys::statfs::statfs(dir)?.filesystem_type().0;
        let known = NETWORK.iter().find(|(number, _)| *number == magic & 0xFFFF_FFFF);
        Ok(match known {
            Some((_, name)) => FileSystem { name: (*name).to_owned(), network: true },
            None => FileSystem { name: format!("{magic:#x}"), network: false },
        })
    }
}

/// macOS and the BSDs: whole-file locks as fs2 has them. They exclude each other between
/// Puro's processes, but not the POSIX locks of other languages.
#[cfg(all(unix, not(target_os = "linux")))]
mod system {
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use fs2::FileExt;
    use nix::fcntl::OFlag;

    use crate::vfs::{FileStatus, FileSystem, LockKind};

    pub const NO_FOLLOW: i32 = OFlag::O_NOFOLLOW.bits();
    pub const NON_BLOCKING: i32 = OFlag::O_NONBLOCK.bits();

    pub fn status(file: &File) -> io::Result<FileStatus> {
        let metadata = file.metadata()?;
        let (len, linked) = (metadata.len(), metadata.nlink() > 0);
        Ok(FileStatus { len, id: super::OsFile::id(&metadata), linked })
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

    pub fn wait_for_lock(file: &File, kind: LockKind) -> io::Result<()> {
        match kind {
            LockKind::Shared => FileExt::lock_shared(file),
            LockKind::Exclusive => FileExt::lock_exclusive(file),
        }
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

    pub fn file_system(dir: &Path) -> io::Result<FileSystem> {
        let found = nix::sys::statfs::statfs(dir)?;
        let name = found.filesystem_type_name().to_owned();
        let network =
            ["nfs", "smbfs", "afpfs", "webdav", "fusefs", "macfuse"].contains(&name.as_str());
        Ok(FileSystem { name, network })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
