//! Consumers: position, poll, wait (protocol.md, chapter 8). They never write.

mod at_end;
mod iterators;
mod options;
mod watcher;

use std::path::Path;
use std::time::Duration;

pub use self::at_end::EndState;
pub use self::options::ConsumerOptions;
pub use self::watcher::Watcher;
use crate::engine::dir::{Directory, HOP};
use crate::engine::os::OsVfs;
pub use crate::engine::reader::BlockRecords;
use crate::engine::reader::Reader;
use crate::engine::seek;
pub use crate::engine::seek::{Start, matches_pattern};
use crate::engine::trace::Operator;
use crate::engine::vfs::{Vfs, Watch};
use crate::error::{Failure, ReadError};
use crate::format::block::Cause;
use crate::format::record::Record;
use crate::format::token::Token;

/// Reads the records of a stream in their order, beside any number of others.
///
/// It sees whole committed blocks only. At the end it waits for more, or tells that there
/// is nothing yet, as asked.
///
/// ```
/// use std::time::Duration;
/// use puro::{Consumer, NewRecord, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let mut producer = Producer::open(dir.path())?;
/// let mut consumer = Consumer::open(dir.path())?;
/// assert!(consumer.try_next()?.is_none()); // nothing yet
/// producer.append(&NewRecord::new("orders", "3 apples"))?;
/// let record = consumer.poll(Duration::from_secs(10))?.ok_or("nothing came")?;
/// assert_eq!((record.offset, record.topic), (0, &b"orders"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Consumer<V: Vfs = OsVfs> {
    dir: Directory<V>,
    options: ConsumerOptions,
    /// `None` until there is a stream.
    reader: Option<Reader<V::File>>,
    watch: Watching<V::Watch>,
    /// The process that opened it (L-3).
    owner: u32,
    /// An error that no later look takes back (R-16).
    ended_by: Option<ReadError>,
}

enum Watching<W> {
    NotYet,
    /// The system cannot watch: poll.
    Impossible,
    Yes(W),
}

impl<W> std::fmt::Debug for Watching<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotYet => "NotYet",
            Self::Impossible => "Impossible",
            Self::Yes(_) => "Yes",
        })
    }
}

impl Consumer {
    /// Opens a consumer of all topics from the beginning.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, ReadError> {
        ConsumerOptions::new().open(dir)
    }
}

impl<V: Vfs> Consumer<V> {
    /// The next record, if there is one now.
    ///
    /// # Errors
    /// See [`ReadError`]. The consumer stays where it is: asked again, it tries again. An error
    /// that no later try can mend is told by every call from then on (R-16): the stream was
    /// removed, its history was lost, or the next offset was deleted. Open a new consumer then.
    #[inline(always)]
    pub fn try_next(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        if !self.advance()? {
            return Ok(None);
        }
        self.reader.as_mut().map_or(Ok(None), Reader::take)
    }

    /// The next record, waiting for it up to `timeout`.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn poll(&mut self, timeout: Duration) -> Result<Option<Record<'_>>, ReadError> {
        if !self.wait(timeout)? {
            return Ok(None);
        }
        self.reader.as_mut().map_or(Ok(None), Reader::take)
    }

    /// The records that are left of a block, waiting for one up to `timeout`; `None` when the time was
    /// over first.
    ///
    /// The records may be kept side by side while the block lasts, and what was appended together comes
    /// together. Only wanted ones are among them. Who stops on the way goes on behind what was taken.
    ///
    /// ```
    /// use std::time::Duration;
    /// use puro::{Batch, Consumer, NewRecord, Producer};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let mut batch = Batch::new();
    /// batch.push(&NewRecord::new("orders", "3 apples"))?;
    /// batch.push(&NewRecord::new("orders", "1 pear"))?;
    /// Producer::open(dir.path())?.append_batch(&mut batch)?;
    ///
    /// let mut consumer = Consumer::open(dir.path())?;
    /// while let Some(block) = consumer.next_block(Duration::ZERO)? {
    ///     let records: Vec<_> = block.collect::<Result<_, _>>()?;
    ///     assert_eq!(records.len(), 2);
    ///     assert_eq!(records[1].value, Some(&b"1 pear"[..]));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`ReadError`]. In an item: damage at the next record; the consumer stays before it.
    pub fn next_block(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<BlockRecords<'_, V>>, ReadError> {
        if !self.wait(timeout)? {
            return Ok(None);
        }
        let Self { reader, options, .. } = self;
        Ok(reader.as_mut().map(|reader| reader.rest_of_block(&options.topics)))
    }

    /// How many offsets the block before it has left.
    pub(crate) fn left_of_block(&self) -> u64 {
        self.reader
            .as_ref()
            .map_or(0, |reader| reader.place.link.next_offset.saturating_sub(reader.next_offset))
    }

    /// Waits until there is a record to be read; `false` when the time was over first.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, ReadError> {
        if self.advance()? {
            return Ok(true);
        }
        let begun = self.dir.vfs.monotonic();
        loop {
            self.start_watching();
            // First watch, then read: whatever is committed after this look is noticed (R-8).
            if let Watching::Yes(watch) = &mut self.watch {
                watch.clear();
            }
            if self.advance()? {
                return Ok(true);
            }
            let waited = self.dir.vfs.monotonic().saturating_sub(begun);
            let left = timeout.saturating_sub(waited).min(self.options.poll_interval);
            if left.is_zero() {
                return Ok(false);
            }
            match &mut self.watch {
                Watching::Yes(watch) => watch.wait(left),
                _ => self.dir.vfs.sleep(left),
            }
            self.dir.counters.wake_ups.add(1);
        }
    }

    fn start_watching(&mut self) {
        if matches!(self.watch, Watching::NotYet) && self.reader.is_some() {
            self.watch = match self.dir.watch() {
                Ok(watch) => Watching::Yes(watch),
                Err(_) => Watching::Impossible,
            };
        }
    }

    /// The position of the next record, to be kept and presented as [`Start::Token`];
    /// `None` until there is a stream.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        let reader = self.reader.as_ref()?;
        let stream_id = reader.place.segment.header.stream_id.into();
        Some(Token { stream_id, epoch: reader.place.epoch, offset: reader.next_offset })
    }

    /// Finds where to begin, if the stream is there.
    fn find_start(&mut self) -> Result<bool, ReadError> {
        let Self { dir, options, .. } = self;
        let found = seek::find(dir, &options.start, &options.topics, options.common.lock_wait)?;
        if found.is_some() && !options.common.allow_network {
            dir.check_local()?;
        }
        if found.is_none() {
            // Until there is a stream, the directory may still be replaced.
            dir.let_go();
        }
        self.reader = found.map(Reader::new);
        Ok(self.reader.is_some())
    }

    /// Goes on at another place; what was told of the old one is forgotten.
    pub(crate) fn begin_anew(&mut self, start: Start) -> Result<(), ReadError> {
        self.options.start = start;
        self.ended_by = None;
        self.find_start().map(drop)
    }

    /// Moves on to the next wanted record, if there is one.
    fn advance(&mut self) -> Result<bool, ReadError> {
        if self.reader.is_none() && !self.find_start()? {
            return Ok(false);
        }
        loop {
            let Some(reader) = &mut self.reader else { return Ok(false) };
            if reader.seek_wanted(&self.options.topics)? {
                if self.options.durable {
                    reader.make_durable(&self.dir)?;
                }
                return Ok(true);
            }
            if !self.enter_next_block()? {
                return Ok(false);
            }
        }
    }

    /// Makes the next committed block the current one; `false` if there is none yet. What no
    /// later look takes back is told again by each one (R-16).
    fn enter_next_block(&mut self) -> Result<bool, ReadError> {
        if let Some(again) = self.ended_by.as_ref().and_then(ReadError::lasting) {
            return Err(again);
        }
        let found = self.look_for_block();
        self.ended_by = found.as_ref().err().and_then(ReadError::lasting);
        found
    }

    fn look_for_block(&mut self) -> Result<bool, ReadError> {
        if self.dir.vfs.pid() != self.owner {
            return Err(Failure::Forked { owner: self.owner }.into());
        }
        loop {
            let Some(reader) = &mut self.reader else { return Ok(false) };
            if reader.place.ended {
                if !self.hop()? {
                    return Ok(false);
                }
                continue;
            }
            let fresh = reader.reads_afresh();
            let action = reader.place.action(Operator::Deliver);
            match reader.load(&self.dir, &self.options.topics)? {
                None => {
                    self.dir.vfs.trace(&action.value(reader.place.link.next_offset));
                    return Ok(true);
                }
                // What the window held may be older than the file (R-4).
                Some(_) if !fresh => reader.read_afresh(),
                Some(cause) => {
                    self.dir.vfs.trace(&reader.place.action(Operator::ReadAfresh));
                    return self.look_around(cause);
                }
            }
        }
    }

    /// Goes on from a segment end to the next segment, hand over hand (V-8, V-9); `false`
    /// if it is not there yet.
    fn hop(&mut self) -> Result<bool, ReadError> {
        let Some(reader) = &mut self.reader else { return Ok(false) };
        let held = &reader.place.segment;
        let Some(sequence) = held.header.sequence.checked_add(1) else { return Ok(false) };
        let Some(next) = self.dir.pin_segment(sequence, self.options.common.lock_wait, HOP)? else {
            return self.next_is_missing(sequence);
        };
        let offset = reader.place.link.next_offset;
        if next.header.stream_id != held.header.stream_id || next.header.sequence != sequence {
            return Err(next.damage(0, offset, Cause::HeaderField("stream id or sequence")).into());
        }
        let named = self.dir.still_names(held).map_err(Failure::from)?;
        self.dir.vfs.trace(&reader.place.action(Operator::LookBack).value(u64::from(named)));
        if !named {
            return Err(self.out_of_range(offset)?);
        }
        if next.header.base_offset != offset {
            return Err(next.damage(0, offset, Cause::HeaderField("base offset")).into());
        }
        self.dir.vfs.trace(&reader.place.action(Operator::Unpin));
        reader.enter(next);
        Ok(true)
    }

    fn next_is_missing(&self, sequence: u32) -> Result<bool, ReadError> {
        let Some(reader) = &self.reader else { return Ok(false) };
        let held = &reader.place.segment;
        let offset = reader.place.link.next_offset;
        let listing = self.dir.list().map_err(Failure::from)?.unwrap_or_default();
        let mut later = false;
        for &found in listing.segments.iter().filter(|found| **found > sequence) {
            later |= self.dir.has_segment(&held.header.stream_id, found)?;
        }
        // Only now: a steward deletes from the lowest up, so what is missing above a name that is
        // still there was not deleted (V-9).
        let gone = !self.dir.still_names(held).map_err(Failure::from)?;
        // It may have got its name since the first look.
        if listing.segments.contains(&sequence) || !(gone || later) {
            return Ok(false);
        }
        if gone {
            self.dir.vfs.trace(&reader.place.action(Operator::HopOpen).label("told"));
            return Err(self.out_of_range(offset)?);
        }
        Err(held.damage(reader.place.position, offset, Cause::MissingSegment).into())
    }

    fn out_of_range(&self, offset: u64) -> Result<ReadError, Failure> {
        let Some((low, high)) = seek::range(&self.dir)? else {
            return Ok(Failure::NotAStream { dir: self.dir.path.clone() }.into());
        };
        Ok(ReadError::OffsetOutOfRange { offset, low, high })
    }
}
