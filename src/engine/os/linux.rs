//! Linux: open-file-description locks, reserved room, boot ids, inotify.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::fcntl::{FallocateFlags, FcntlArg, PosixFadviseAdvice, fallocate, fcntl, posix_fadvise};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::time::TimeSpec;
use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, makedev, statx};
use rustix::io::Errno;

use super::OsDir;
use crate::engine::vfs::{FileId, FileStatus, FileSystem, LockKind, Watch};

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

pub fn is_locked(file: &File, kind: LockKind) -> io::Result<bool> {
    let mut found = whole_file(lock_type(kind));
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut found))?;
    Ok(libc::c_int::from(found.l_type) != libc::F_UNLCK)
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

/// Needs no more than permission to write, as setting the time of day does.
pub fn touch(file: &File) {
    let _ = nix::sys::stat::futimens(file, &TimeSpec::UTIME_NOW, &TimeSpec::UTIME_NOW);
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
    Ok(as_status(&statx(file, c"", AtFlags::EMPTY_PATH, STATUS)?))
}

/// `None` where the name leads to something else than a regular file.
pub fn status_of(dir: &File, name: &str) -> Result<Option<FileStatus>, Errno> {
    let found = statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, STATUS | StatxFlags::TYPE)?;
    let kind = FileType::from_raw_mode(found.stx_mode.into());
    Ok((kind == FileType::RegularFile).then(|| as_status(&found)))
}

/// Not the file's times: who asks for them makes the next write take note of the exact time.
const STATUS: StatxFlags = StatxFlags::SIZE.union(StatxFlags::NLINK).union(StatxFlags::INO);

fn as_status(found: &Statx) -> FileStatus {
    let device = makedev(found.stx_dev_major, found.stx_dev_minor);
    let id = FileId { device, inode: found.stx_ino };
    FileStatus { len: found.stx_size, id, links: u64::from(found.stx_nlink) }
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
const NETWORK: [(u32, &str); 14] = [
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

pub fn file_system(dir: &File) -> io::Result<FileSystem> {
    let magic = nix::sys::statfs::fstatfs(dir)?.filesystem_type().0;
    // Its type is another with musl.
    let number = u32::try_from(magic & 0xFFFF_FFFF).ok();
    let known = NETWORK.iter().find(|(known, _)| Some(*known) == number);
    Ok(match known {
        Some((_, name)) => FileSystem { name: (*name).to_owned(), network: true },
        None => FileSystem { name: format!("{magic:#x}"), network: false },
    })
}

/// A directory watched by inotify. Reading it here, and not in a thread of its own as a portable
/// crate must, halves the time from an append to a consumer that waits.
#[derive(Debug)]
pub struct OsWatch {
    inotify: Inotify,
}

impl OsWatch {
    /// Starts to watch the directory that is held, wherever it is by now.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn new(dir: &OsDir) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        // That somebody reads is not worth a look: looking is reading, too, and waiting consumers
        // would keep each other awake.
        let changes = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        inotify.add_watch(format!("/proc/self/fd/{}", dir.file.as_raw_fd()).as_str(), changes)?;
        Ok(Self { inotify })
    }
}

/// Readable once something was noticed.
impl AsFd for OsWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

impl Watch for OsWatch {
    fn clear(&mut self) {
        while self.inotify.read_events().is_ok_and(|events| !events.is_empty()) {}
    }

    fn wait(&mut self, timeout: Duration) {
        // Noticed, interrupted or neither: the caller looks again.
        // The system counts whole milliseconds; rounded down, the last one would be spun away.
        let timeout = timeout.saturating_add(Duration::from_nanos(999_999));
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let _ = poll(&mut [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)], timeout);
    }
}
