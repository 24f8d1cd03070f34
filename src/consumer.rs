//! Consumers: position, poll, wait (protocol.md, chapter 8). They never write.

mod iterators;
mod options;
mod watcher;

use std::path::Path;
use std::time::Duration;

pub use self::options::ConsumerOptions;
pub use self::watcher::Watcher;
use crate::engine::at_end::judge;
use crate::engine::dir::{Directory, HOP, OpenSegment};
use crate::engine::os::OsVfs;
use crate::engine::reader::Reader;
pub use crate::engine::seek::Start;
use crate::engine::seek::{self, ReadPlace};
use crate::engine::segment::TailKind;
use crate::engine::tail::open_tail;
use crate::engine::vfs::{OpenMode, Vfs, Watch};
use crate::error::{Diverged, Failure, ReadError};
use crate::format::block::Cause;
use crate::format::layout::header;
use crate::format::record::Record;
use crate::format::token::{Token, is_taken_back};

/// What stands behind the committed end, as a reader sees it (R-6).
///
/// ```
/// use puro::{Consumer, EndState, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// Producer::open(dir.path())?;
/// let mut consumer = Consumer::open(dir.path())?;
/// while consumer.try_next()?.is_some() {}
/// assert_eq!(consumer.end_state()?, EndState::Clean);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndState {
    /// Nothing, zeros that a durable writer put there ahead, or what a live writer is just writing.
    Clean,
    /// Bytes that the next writer will cut off, saving them where needed.
    NeedsRepair {
        /// The committed end.
        position: u64,
    },
    /// Bytes that were synced are not valid: records are lost.
    Damaged {
        /// The committed end.
        position: u64,
        /// Up to where bytes were known to be on disk.
        durable_to: u64,
    },
}

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

    /// What stands behind the committed end of the stream, if this consumer has read up to
    /// it: what is invalid must still be so a poll interval later (R-6).
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn end_state(&mut self) -> Result<EndState, ReadError> {
        let first = self.look_at_end()?;
        if first == EndState::Clean {
            return Ok(first);
        }
        self.dir.vfs.sleep(self.options.poll_interval);
        if self.advance()? {
            return Ok(EndState::Clean);
        }
        let second = self.look_at_end()?;
        Ok(if first == second { first } else { EndState::Clean })
    }

    fn look_at_end(&self) -> Result<EndState, ReadError> {
        let Some(reader) = &self.reader else { return Ok(EndState::Clean) };
        let place = &reader.place;
        let position = place.position;
        if position == header::LEN as u64 {
            // A segment is never seen without its opening checkpoint, which was synced.
            return Ok(EndState::Damaged { position, durable_to: position });
        }
        let finding = judge(&self.dir.vfs, &place.segment, position, place.durable_to);
        Ok(match finding.map_err(Failure::from)? {
            TailKind::Clean => EndState::Clean,
            TailKind::Damaged { cause } => {
                let durable_to = match cause {
                    Cause::Synced { durable_to } => durable_to,
                    Cause::CommittedBehind { position } => position,
                    _ => position,
                };
                EndState::Damaged { position, durable_to }
            }
            TailKind::Unseen | TailKind::Lost => EndState::NeedsRepair { position },
        })
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
            if !self.next_block()? {
                return Ok(false);
            }
        }
    }

    /// Makes the next committed block the current one; `false` if there is none yet. What no
    /// later look takes back is told again by each one (R-16).
    fn next_block(&mut self) -> Result<bool, ReadError> {
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
            let action = reader.place.action("Deliver");
            match reader.load(&self.dir, &self.options.topics)? {
                None => {
                    self.dir.vfs.trace(&action.value(reader.place.link.next_offset));
                    return Ok(true);
                }
                // What the window held may be older than the file (R-4).
                Some(_) if !fresh => reader.read_afresh(),
                Some(cause) => {
                    self.dir.vfs.trace(&reader.place.action("ReadAfresh"));
                    return self.look_around(cause);
                }
            }
        }
    }

    /// At the end: sees now and then whether the segment was sealed or taken away (R-5, R-11).
    /// `true` if a block was there after all, and is loaded now.
    fn look_around(&mut self, cause: Cause) -> Result<bool, ReadError> {
        let now = self.dir.vfs.monotonic();
        let Some(reader) = &mut self.reader else { return Ok(false) };
        let last = reader.looked_around.unwrap_or_default();
        if reader.looked_around.is_some() && now - last < self.options.poll_interval {
            return Ok(false);
        }
        if reader.place.was_taken_back()? {
            return self.begin_again_at_token(now);
        }
        let place = &reader.place;
        let sequence = place.segment.header.sequence;
        let stream_id = place.segment.header.stream_id;
        let next = sequence.checked_add(1);
        let sealed = next.map_or(Ok(false), |next| self.dir.has_segment(&stream_id, next))?;
        if !sealed {
            return self.wait_on(now);
        }
        // Sealed: what is not committed on one more look is damage, not work in progress.
        reader.read_afresh();
        let action = reader.place.action("Deliver");
        match reader.load(&self.dir, &self.options.topics)? {
            None => {
                self.dir.vfs.trace(&action.value(reader.place.link.next_offset));
                Ok(true)
            }
            Some(_) => {
                let cause = if cause == Cause::End { Cause::NotSealed } else { cause };
                let offset = reader.place.link.next_offset;
                let position = reader.place.position;
                Err(reader.place.segment.damage(position, offset, cause).into())
            }
        }
    }

    /// There is nothing to be read now, and never will be if segment or stream are gone (R-11).
    fn wait_on(&mut self, now: Duration) -> Result<bool, ReadError> {
        let Some(reader) = &mut self.reader else { return Ok(false) };
        reader.looked_around = Some(now);
        let named = self.dir.still_names(&reader.place.segment).map_err(Failure::from)?;
        let there = named && self.dir.is_still_there().map_err(Failure::from)?;
        if there { Ok(false) } else { Err(self.segment_is_gone()?) }
    }

    /// The block before the position is another than the one read, or is gone: it was damaged, and
    /// perhaps cut off by a repair (R-11). Tells so if records went that were read; goes on at the
    /// same offset if none did. `true` if there is a block to be delivered now.
    ///
    /// The token alone does not tell: whoever repaired may have died before it raised the epoch.
    fn begin_again_at_token(&mut self, now: Duration) -> Result<bool, ReadError> {
        let Some(token) = self.token() else { return Ok(false) };
        let Some((tail, _)) = open_tail(&self.dir, OpenMode::Read)? else { return Ok(false) };
        let Some(reader) = &mut self.reader else { return Ok(false) };
        if !is_taken_back(&token, tail.state.epochs()) {
            let replaced = !reader.place.has_its_records()?;
            let repaired = tail.next_offset() >= token.offset
                && (!replaced || reaches(&self.dir, &reader.place.segment, token.offset)?);
            if !repaired {
                // Nobody has done it yet; whoever writes next does.
                return self.wait_on(now);
            }
            if replaced {
                return Err(Diverged::Replaced { token }.into());
            }
        }
        self.dir.vfs.trace(&reader.place.action("LookBehind"));
        let start = Start::Token(token);
        let found =
            seek::find(&self.dir, &start, &self.options.topics, self.options.common.lock_wait)?;
        let Some(found) = found else { return Ok(false) };
        let mut reader = Reader::new(found);
        reader.looked_around = Some(now);
        self.reader = Some(reader);
        self.next_block()
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
        self.dir.vfs.trace(&reader.place.action("LookBack").value(u64::from(named)));
        if !named {
            return Err(self.out_of_range(offset)?);
        }
        if next.header.base_offset != offset {
            return Err(next.damage(0, offset, Cause::HeaderField("base offset")).into());
        }
        self.dir.vfs.trace(&reader.place.action("Unpin"));
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
            self.dir.vfs.trace(&reader.place.action("HopOpen").label("told"));
            return Err(self.out_of_range(offset)?);
        }
        Err(held.damage(reader.place.position, offset, Cause::MissingSegment).into())
    }

    /// The segment in use has lost its name: a steward took it, or the stream was removed.
    fn segment_is_gone(&self) -> Result<ReadError, Failure> {
        let Some(reader) = &self.reader else {
            return Ok(Failure::from(self.dir.restless()).into());
        };
        let held = &reader.place.segment;
        let there = self.dir.is_still_there()?;
        match self.dir.segments()?.filter(|_| there) {
            Some(segments) if segments.stream_id == held.header.stream_id => {
                self.out_of_range(reader.place.link.next_offset)
            }
            _ => Ok(Failure::Removed { path: held.path.clone() }.into()),
        }
    }

    fn out_of_range(&self, offset: u64) -> Result<ReadError, Failure> {
        let Some((low, high)) = seek::range(&self.dir)? else {
            return Ok(Failure::NotAStream { dir: self.dir.path.clone() }.into());
        };
        Ok(ReadError::OffsetOutOfRange { offset, low, high })
    }
}

/// Whether a segment, read from its header on, reaches an offset: otherwise there is damage before
/// it that nobody repaired.
fn reaches<V: Vfs>(
    dir: &Directory<V>,
    segment: &OpenSegment<V::File>,
    offset: u64,
) -> Result<bool, Failure> {
    let again = dir.open_segment(segment.header.sequence, OpenMode::Read)?;
    let Some(again) = again else { return Ok(false) };
    let mut place = ReadPlace::at_start_of(again);
    let _end = place.skip(|_| Ok(true))?;
    Ok(place.link.next_offset >= offset)
}
