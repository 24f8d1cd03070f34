//! Waiting for records without a thread that waits.

use std::fmt;
use std::time::Duration;

use super::Consumer;
use crate::engine::os::OsVfs;
use crate::engine::vfs::{Vfs, Watch};
use crate::error::{Failure, IoContext};

/// Tells when there may be something new in a stream, so that nobody has to read to find out.
///
/// On Linux it is a file descriptor ([`AsFd`](std::os::fd::AsFd), `AsRawFd`) that becomes readable
/// then. An event loop waits for it together with all else that it waits for. It goes in three
/// steps, in this order, over and over:
///
/// 1. *Clear*: [`Watcher::clear`] forgets what was noticed until now.
/// 2. *Look*: take records by [`Consumer::try_next`] until there is none. What is committed after
///    the last look is noticed, for it comes after step 1.
/// 3. *Wait* until the descriptor is readable, but not without limit: a network file system, or a
///    queue of the system that was full, may have lost a notice. A second is a good limit.
///
/// A notice says that something changed, and not what: there may be no record that is wanted. A
/// watcher reads nothing, belongs to no consumer, and may be sent to another thread. A process may
/// have so many of them (on Linux, 128 for each user unless the system says otherwise).
///
/// ```
/// use std::time::Duration;
/// use puro::{Consumer, NewRecord, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let mut producer = Producer::open(dir.path())?;
/// let mut consumer = Consumer::open(dir.path())?;
/// let mut watcher = consumer.watcher()?;
/// watcher.clear();
/// while consumer.try_next()?.is_some() {}
/// producer.append(&NewRecord::new("orders", "3 apples"))?; // another process, say
/// watcher.wait(Duration::from_secs(1)); // or the event loop, by its descriptor
/// assert!(consumer.try_next()?.is_some());
/// # Ok(())
/// # }
/// ```
pub struct Watcher<V: Vfs = OsVfs> {
    watch: V::Watch,
}

impl<V: Vfs> fmt::Debug for Watcher<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

impl<V: Vfs> Watcher<V> {
    /// Forgets what was noticed until now.
    pub fn clear(&mut self) {
        self.watch.clear();
    }

    /// Returns once something was noticed since the last [`Watcher::clear`], or the time is over.
    pub fn wait(&mut self, timeout: Duration) {
        self.watch.wait(timeout);
    }
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsFd for Watcher {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.watch.as_fd()
    }
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsRawFd for Watcher {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        std::os::fd::AsFd::as_fd(self).as_raw_fd()
    }
}

impl<V: Vfs> Consumer<V> {
    /// A watcher of the directory that this consumer reads.
    ///
    /// # Errors
    /// Where there is no stream yet, or the system cannot watch: then look now and then.
    pub fn watcher(&self) -> Result<Watcher<V>, Failure> {
        Ok(Watcher { watch: self.dir.watch().while_doing("watch", &self.dir.path)? })
    }
}
