//! The seam: everything that Puro asks of an operating system.
//!
//! All code above [`crate::engine::os`] is generic over [`Vfs`], so that what is checked
//! in simulated worlds is the very code that runs on real files. The operations
//! are as weak as real ones: a read or a write may do less than asked, may be
//! interrupted, and is not atomic. [`read_full`] and [`write_full`] carry on
//! where that happened; nothing else in the crate calls `read_at` or `write_at`.

use std::fmt;
use std::io;
use std::ops::DerefMut;
use std::path::Path;
use std::time::Duration;

use crate::engine::trace::Action;

/// How a file that exists is to be opened.
///
/// Whatever the mode, the name is never followed when it is a symbolic link, and anything
/// but a regular file is refused (O-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading.
    Read,
    /// For reading and writing.
    Write,
}

/// A whole-file lock (L-1).
///
/// ```
/// use puro::Stream;
/// use puro::who::LockKind;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// let writes = |kind| kind == Some(LockKind::Exclusive);
/// assert!(!stream.who()?.holders.iter().any(|holder| writes(holder.lock)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Any number of holders at once. Needs a descriptor open for reading.
    Shared,
    /// One holder. Needs a descriptor open for writing.
    Exclusive,
}

/// A time in ms, as the format counts it; one that is too long is as long as can be said.
#[must_use]
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// How long a lock is waited for where the caller does not say.
pub const DEFAULT_LOCK_WAIT: Duration = Duration::from_secs(60);

/// How long to wait for a lock.
///
/// ```
/// use std::time::Duration;
/// use puro::{LockWait, NewRecord, Producer, ProducerOptions};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let mut other = Producer::open(dir.path())?;
/// let wait = LockWait::AtMost(Duration::from_millis(1));
/// let mut producer = ProducerOptions::new().lock_wait(wait).open(dir.path())?;
/// let held = other.hold()?;
/// assert!(producer.append(&NewRecord::new("orders", "3 apples")).is_err());
/// drop(held);
/// producer.append(&NewRecord::new("orders", "3 apples"))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWait {
    /// Not at all.
    Try,
    /// At most so long.
    AtMost(Duration),
    /// Without limit.
    Forever,
}

/// What tells one file from another while both exist: device and inode.
///
/// ```
/// use puro::Stream;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// let _consumer = stream.consumer()?;
/// for holder in stream.who()?.holders {
///     println!("inode {}", holder.id.inode);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub inode: u64,
}

/// What a file is like at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// Length in bytes.
    pub len: u64,
    /// Which file it is.
    pub id: FileId,
    /// How many names lead to it.
    pub links: u64,
}

/// What kind of file system a directory is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// A name for messages, such as `nfs`; may be a number in hexadecimal.
    pub name: String,
    /// Whether other machines may work in it too (M-1).
    pub network: bool,
}

/// An open file.
///
/// Every value has a lock owner of its own: two values opened by the same name
/// exclude each other, in one process too.
pub trait VfsFile: Send + Sync {
    /// Reads into `buf` from `position` on, and tells how many bytes; 0 at the end.
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes from `position` on, and tells how many bytes were written.
    fn write_at(&self, buf: &[u8], position: u64) -> io::Result<usize>;
    /// Length, identity, and how many names the file has.
    fn status(&self) -> io::Result<FileStatus>;
    /// Cuts the file to `len` bytes, or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes sure that the bytes from `begin` to `end` find room on the disk, without
    /// changing the length. Does nothing where the system cannot do that.
    fn reserve(&self, begin: u64, end: u64) -> io::Result<()>;
    /// Says that the bytes from `begin` to `end` will soon be synced, so that the system may
    /// begin with it. Promises nothing, and cannot fail.
    fn begin_sync(&self, _begin: u64, _end: u64) {}
    /// Puts bytes and length on the disk (M-5).
    fn sync_data(&self) -> io::Result<()>;
    /// Puts bytes, length and everything else about the file on the disk.
    fn sync_all(&self) -> io::Result<()>;
    /// Where the next byte stands, at `position` or behind it, that may be another than zero; `None` if
    /// there is none up to the end. Where the system cannot tell holes, that is `position`.
    fn next_data(&self, position: u64) -> io::Result<Option<u64>> {
        Ok(Some(position))
    }
    /// Takes the lock; `false` if it could not be had in time.
    fn lock(&self, kind: LockKind, wait: LockWait) -> io::Result<bool>;
    /// How often a lock of this file was waited for, since it was in other hands. For counters
    /// alone; 0 where nobody counts.
    fn lock_waits(&self) -> u64 {
        0
    }
    /// Whether somebody has a lock that keeps out one of this kind. Where the system can tell, no
    /// lock is taken for it; otherwise it is, for a moment, and keeps others out.
    fn is_locked(&self, kind: LockKind) -> io::Result<bool> {
        let free = self.lock(kind, LockWait::Try)?;
        if free {
            self.unlock()?;
        }
        Ok(!free)
    }
    /// Says that the file is in use, so that cleaners of old files leave it. Promises nothing, and
    /// cannot fail.
    fn touch(&self) {}
    /// Gives the lock back. Closing the file does that too.
    fn unlock(&self) -> io::Result<()>;
}

/// Tells when something in a directory may have changed (R-8).
pub trait Watch: Send {
    /// Forgets what was noticed until now.
    fn clear(&mut self);
    /// Returns once something was noticed since the last [`Watch::clear`], or the time is over.
    fn wait(&mut self, timeout: Duration);
}

/// A value that threads of one process share: one of them at a time has it, and may wait until
/// another has changed it.
pub trait Monitor<T>: Send + Sync {
    /// The value, for as long as a thread has it.
    type Held<'m>: DerefMut<Target = T>
    where
        Self: 'm;

    /// The value, once nobody else has it.
    fn enter(&self) -> Self::Held<'_>;
    /// The value; `None` where somebody else has it.
    fn try_enter(&self) -> Option<Self::Held<'_>>;
    /// Gives the value to others, and has it back after a [`Monitor::wake_all`] that came since,
    /// or when the time is over. It may come back earlier: who waits looks, and waits again.
    fn wait<'m>(&'m self, held: Self::Held<'m>, timeout: Option<Duration>) -> Self::Held<'m>;
    /// Wakes all who wait.
    fn wake_all(&self);
}

/// Waits for the end of a thread.
pub type Join = Box<dyn FnOnce() + Send + Sync>;

/// An operating system, or a world that stands in for one.
///
/// A path is resolved in [`Vfs::open_dir`] and [`Vfs::create_dir`] alone. All else is a name in
/// a directory that is held, wherever that was moved since (O-8).
pub trait Vfs: Clone + Send + Sync + 'static {
    /// An open file.
    type File: VfsFile;
    /// An open directory. Clones are the same one.
    type Dir: Clone + fmt::Debug + Send + Sync + 'static;
    /// A watched directory.
    type Watch: Watch;
    /// A value that threads of this process share.
    type Monitor<T: Send + 'static>: Monitor<T> + 'static;

    /// Makes a directory; fine if it is there already. Does not make its parents.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Opens a directory. Symbolic links are followed.
    fn open_dir(&self, path: &Path) -> io::Result<Self::Dir>;
    /// Whether the path by which a directory was opened still leads to it.
    fn is_still_there(&self, dir: &Self::Dir) -> io::Result<bool>;
    /// Makes a directory in another; fine if it is there already. If `alike`, with the mode of
    /// that, and as far as the system lets it with its owner and group (O-9).
    fn create_subdir(&self, dir: &Self::Dir, name: &str, alike: bool) -> io::Result<()>;
    /// Opens a directory in another. A symbolic link is refused (O-5).
    fn open_subdir(&self, dir: &Self::Dir, name: &str) -> io::Result<Self::Dir>;

    /// Makes an empty file, for reading and writing. `AlreadyExists` if the name leads to
    /// anything. With the mode of `like`, and as far as the system lets it with its owner and
    /// group (O-9).
    fn create(
        &self,
        dir: &Self::Dir,
        name: &str,
        like: Option<&Self::File>,
    ) -> io::Result<Self::File>;
    /// Opens a regular file.
    fn open(&self, dir: &Self::Dir, name: &str, mode: OpenMode) -> io::Result<Self::File>;
    /// What the regular file is like that a name leads to at this moment; `None` where there is none.
    fn status_of(&self, dir: &Self::Dir, name: &str) -> io::Result<Option<FileStatus>>;
    /// The names in a directory, in no particular order.
    fn list(&self, dir: &Self::Dir) -> io::Result<Vec<String>>;
    /// Gives a file or a directory another name in its directory, over whatever had it.
    fn rename(&self, dir: &Self::Dir, from: &str, to: &str) -> io::Result<()>;
    /// Gives a file of `from` the same name in `to`, too. `Unsupported` where that cannot be.
    fn link(&self, _from: &Self::Dir, _name: &str, _to: &Self::Dir) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Removes the name of a file.
    fn remove(&self, dir: &Self::Dir, name: &str) -> io::Result<()>;
    /// Puts the names of a directory on the disk.
    fn sync_dir(&self, dir: &Self::Dir) -> io::Result<()>;
    /// Bytes that a user may still write on the file system of `dir`.
    fn free_bytes(&self, dir: &Self::Dir) -> io::Result<u64>;
    /// The file system of `dir`.
    fn file_system(&self, dir: &Self::Dir) -> io::Result<FileSystem>;

    /// Starts to watch a directory. An error means: poll instead.
    fn watch(&self, dir: &Self::Dir) -> io::Result<Self::Watch>;
    /// Milliseconds since 1970 by the system's clock, which may jump (F-5).
    fn now_ms(&self) -> u64;
    /// Time since some fixed moment, by a clock that never jumps.
    fn monotonic(&self) -> Duration;
    /// Waits.
    fn sleep(&self, duration: Duration);
    /// This boot's id; `None` where it is unknown (M-7).
    fn boot_id(&self) -> Option<[u8; 16]>;
    /// This process.
    fn pid(&self) -> u32;
    /// When this process started, in units of the system; 0 where unknown (F-40).
    fn process_start(&self) -> u64 {
        0
    }
    /// Random bytes, good enough to never come again.
    fn random(&self) -> io::Result<[u8; 16]>;

    /// Lets threads of this process share a value.
    fn monitor<T: Send + 'static>(&self, value: T) -> Self::Monitor<T>;
    /// Starts a thread.
    fn spawn(&self, work: Box<dyn FnOnce() + Send>) -> io::Result<Join>;
    /// Lets other threads run first, if there are any. Promises nothing.
    fn yield_now(&self);

    /// Takes note of a protocol action. Real systems ignore it.
    fn trace(&self, _action: &Action<'_>) {}
}

/// Reads until `buf` is full or the file ends; tells how many bytes were read.
///
/// # Errors
/// What `read_at` reports, but for interruptions, after which it goes on.
pub fn read_full<F: VfsFile>(file: &F, buf: &mut [u8], position: u64) -> io::Result<usize> {
    let least = buf.len();
    read_at_least(file, buf, least, position)
}

/// The first piece of a file that is read piece by piece where hardly ever more is there: larger
/// buffers take longer to clear than such a read takes.
pub const FIRST_PIECE_BYTES: usize = 4 * 1024;

/// Reads until `buf` holds at least so many bytes, or the file ends; takes up to all that `buf`
/// has room for where one read gives it. Tells how many bytes were read.
///
/// # Errors
/// As [`read_full`].
pub fn read_at_least<F: VfsFile>(
    file: &F,
    mut buf: &mut [u8],
    least: usize,
    mut position: u64,
) -> io::Result<usize> {
    let mut total = 0;
    while total < least && !buf.is_empty() {
        match file.read_at(buf, position) {
            Ok(0) => break,
            Ok(count) => {
                total += count;
                position += count as u64;
                buf = buf.get_mut(count..).ok_or_else(more_than_asked)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

fn more_than_asked() -> io::Error {
    io::Error::other("the system tells of more bytes than it was given")
}

/// Writes all of `buf`.
///
/// # Errors
/// What `write_at` reports, but for interruptions, after which it goes on;
/// `WriteZero` when nothing more can be written.
pub fn write_full<F: VfsFile>(file: &F, mut buf: &[u8], mut position: u64) -> io::Result<()> {
    while !buf.is_empty() {
        match file.write_at(buf, position) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                position += count as u64;
                buf = buf.get(count..).ok_or_else(more_than_asked)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
