//! How a producer is opened, and a stream made.

use std::path::Path;

use super::Producer;
use crate::engine::dir::Directory;
use crate::engine::os::OsVfs;
use crate::engine::tail::open_tail_behind;
use crate::engine::vfs::{OpenMode, Vfs};
use crate::engine::writer;
use crate::engine::writer::{Writer, WriterLock};
use crate::error::{Failure, OpenError};
use crate::format::block::BlockBuilder;
use crate::format::layout::{CHECKPOINT_EVERY_BYTES, ZEROS_AHEAD_BYTES};
use crate::format::settings::Setting;
use crate::options::{Common, Writing, common_setters, writing_setters};

/// How a producer is to be opened.
///
/// ```
/// use puro::ProducerOptions;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// // A mistyped path makes no stream:
/// assert!(ProducerOptions::new().create(false).open(&dir).is_err());
/// let mut producer = ProducerOptions::new().durable(true).segment_bytes(1 << 20).open(&dir)?;
/// producer.append(&puro::NewRecord::new("orders", "3 apples"))?; // on disk now
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    writing: Writing,
    common: Common,
    checkpoint_every_bytes: u64,
    zeros_ahead_bytes: u64,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self::of(Writing { create: true, ..Writing::default() }, Common::default())
    }
}

impl ProducerOptions {
    /// The defaults: the stream is made if it is missing; appends are not durable; a lock
    /// is waited for one minute; network file systems are refused.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With what other options say already.
    pub(crate) fn of(writing: Writing, common: Common) -> Self {
        Self {
            writing,
            common,
            checkpoint_every_bytes: CHECKPOINT_EVERY_BYTES,
            zeros_ahead_bytes: ZEROS_AHEAD_BYTES,
        }
    }

    writing_setters!();
    common_setters!();

    /// After how many bytes a checkpoint is put among the blocks (O-7); 4 MiB if not given. Who
    /// opens the stream then reads about twice as much, and not the whole segment.
    #[must_use]
    pub fn checkpoint_every_bytes(mut self, bytes: u64) -> Self {
        self.checkpoint_every_bytes = bytes;
        self
    }

    /// How many zeros are put behind the end at most, ahead of what is to be appended durably (Z-1): 256
    /// KiB if not given, and never more. A durable append then costs the disk two writes, not three.
    /// Producers that are not durable put none there. 0 suits file systems that never write over what
    /// is there, such as btrfs or ZFS.
    #[must_use]
    pub fn zeros_ahead_bytes(mut self, bytes: u64) -> Self {
        self.zeros_ahead_bytes = bytes.min(ZEROS_AHEAD_BYTES);
        self
    }

    /// Opens a producer on real files.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(&self, dir: impl AsRef<Path>) -> Result<Producer, OpenError> {
        self.open_in(OsVfs::new(), dir)
    }

    /// Opens a producer in any world.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_in<V: Vfs>(&self, vfs: V, dir: impl AsRef<Path>) -> Result<Producer<V>, OpenError> {
        self.open_at(Directory::new(vfs, dir.as_ref()))
    }

    /// The same in a directory that may be open already.
    pub(crate) fn open_at<V: Vfs>(&self, dir: Directory<V>) -> Result<Producer<V>, OpenError> {
        if self.writing.create {
            self.create_at(&dir)?;
        }
        Ok(self.open_existing(dir)?)
    }

    /// Opens a producer of a stream that is there.
    pub(crate) fn open_existing<V: Vfs>(&self, dir: Directory<V>) -> Result<Producer<V>, Failure> {
        let Some((tail, _)) = open_tail_behind(&dir, OpenMode::Write, self.checkpoint_every_bytes)?
        else {
            return Err(Failure::NotAStream { dir: dir.path });
        };
        if !self.common.allow_network {
            dir.check_local()?;
        }
        let mut lock = WriterLock::open(&dir)?;
        let mut writer = Writer::new(dir, tail);
        writer.checkpoint_every_bytes = self.checkpoint_every_bytes;
        writer.zeros_ahead_bytes = self.zeros_ahead_bytes;
        let guard = lock.take(self.common.lock_wait)?;
        writer.catch_up(&guard)?;
        drop(guard);
        let (lock_wait, durable) = (self.common.lock_wait, self.writing.durable);
        let single = BlockBuilder::default();
        Ok(Producer { writer, lock, lock_wait, durable, single, rolled: false })
    }

    /// Makes the stream if there is none; tells whether it did (O-1).
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn create_in<V: Vfs>(&self, vfs: V, dir: impl AsRef<Path>) -> Result<bool, OpenError> {
        self.create_at(&Directory::new(vfs, dir.as_ref()))
    }

    /// The same in a directory that may be open already.
    pub(crate) fn create_at<V: Vfs>(&self, dir: &Directory<V>) -> Result<bool, OpenError> {
        let mut settings = Vec::new();
        if let Some(bytes) = self.writing.segment_bytes {
            let setting = Setting::SegmentBytes(bytes);
            setting.check()?;
            settings.push((setting.name().as_bytes().to_vec(), setting.value().into_bytes()));
        }
        if dir.segments()?.is_some() {
            return Ok(false);
        }
        writer::create(dir, &settings, self.common.lock_wait, self.common.allow_network)
    }
}
