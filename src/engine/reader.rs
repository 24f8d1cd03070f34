//! Where a consumer is: its place in a segment, and the block whose records it hands out.

use std::time::Duration;

use crate::engine::cursor::Step;
use crate::engine::dir::{Directory, OpenSegment};
use crate::engine::error::{Failure, IoContext, ReadError};
use crate::engine::os::OsVfs;
use crate::engine::seek::{Found, ReadPlace, Topics};
use crate::engine::segment::{READ_AHEAD_BYTES, Window};
use crate::engine::skip::Skips;
use crate::engine::trace::Operator;
use crate::engine::vfs::{Vfs, VfsFile};
use crate::format::block::{BlockKind, Cause, RecordCursor};
use crate::format::layout::start;
use crate::format::record::Record;

/// The place of a consumer and the block it is in.
#[derive(Debug)]
pub struct Reader<F> {
    pub place: ReadPlace<F>,
    window: Window,
    /// What the segment says of where topics are, if it was asked.
    skips: Skipping,
    /// The block whose records are being delivered: position and length of its body.
    body: Option<(u64, usize)>,
    cursor: RecordCursor,
    /// Whether every record of that block is wanted, so that none needs a look beforehand.
    whole: bool,
    /// Records below are not wanted.
    first_offset: u64,
    /// Next offset to be delivered at the earliest.
    pub next_offset: u64,
    /// Bytes that a sync of our own covered (R-7).
    synced_to: u64,
    /// Whether a sync of this segment failed, so that a second one proves nothing (M-6).
    sync_failed: bool,
    /// When it was last looked whether the segment is sealed, or gone.
    pub looked_around: Option<Duration>,
}

/// Whether blocks without a wanted topic are passed over unread (R-13).
#[derive(Debug)]
enum Skipping {
    /// The segment was not asked yet.
    NotAsked,
    /// It cannot tell, or all topics are wanted.
    Never,
    By(Skips),
}

impl<F> Reader<F> {
    /// Before the first record that is wanted.
    pub fn new(found: Found<F>) -> Self {
        let Found { place, first_offset } = found;
        Self {
            place,
            window: Window::default(),
            skips: Skipping::NotAsked,
            body: None,
            cursor: RecordCursor::default(),
            whole: false,
            first_offset,
            next_offset: first_offset,
            synced_to: 0,
            sync_failed: false,
            looked_around: None,
        }
    }

    /// Forgets what was read ahead: it may be older than the file (R-4).
    pub fn read_afresh(&mut self) {
        self.window.clear();
    }

    /// Whether the next block is to be read from the file in any case.
    pub fn reads_afresh(&self) -> bool {
        self.window.held(self.place.position, 1).is_empty()
    }
}

impl<F: VfsFile> Reader<F> {
    /// Leaves a segment behind its end for the next one.
    pub fn enter(&mut self, segment: OpenSegment<F>) {
        let epoch = self.place.epoch;
        self.place = ReadPlace::at_start_of(segment);
        self.place.epoch = epoch;
        self.window.clear();
        self.skips = Skipping::NotAsked;
        self.synced_to = 0;
        self.sync_failed = false;
        self.looked_around = None;
    }

    /// Moves to the next record of the current block that is wanted, without taking it.
    ///
    /// # Errors
    /// Damage where it comes to a malformed record: there it stays (R-3).
    #[inline(always)]
    pub fn seek_wanted(&mut self, topics: &Topics) -> Result<bool, Failure> {
        let Some((position, length)) = self.body else { return Ok(false) };
        if !self.whole {
            return self.seek_among(position, length, topics);
        }
        if !self.cursor.is_behind(length) {
            return Ok(true);
        }
        self.leave_block()
    }

    fn seek_among(
        &mut self,
        position: u64,
        length: usize,
        topics: &Topics,
    ) -> Result<bool, Failure> {
        let body = self.window.held(position, length);
        loop {
            let mut ahead = self.cursor;
            match ahead.try_next(body) {
                Ok(Some(record))
                    if record.offset >= self.first_offset && topics.wants(record.topic) =>
                {
                    return Ok(true);
                }
                Ok(Some(record)) => {
                    self.next_offset = self.next_offset.max(record.offset + 1);
                    self.cursor = ahead;
                }
                Ok(None) => {
                    self.cursor = ahead;
                    return self.leave_block();
                }
                Err(cause) => return Err(self.malformed(cause)),
            }
        }
    }

    /// Behind the last record of a block.
    fn leave_block(&mut self) -> Result<bool, Failure> {
        self.cursor.check_end().map_err(|cause| self.malformed(cause))?;
        self.unload();
        Ok(false)
    }

    /// Says that a record of the current block is malformed.
    #[cold]
    fn malformed(&self, cause: Cause) -> Failure {
        let body = self.body.map_or(self.place.position, |(position, _)| position);
        malformed(&self.place.segment, body, &self.cursor, cause)
    }

    /// Takes the record that the cursor stands at.
    ///
    /// # Errors
    /// Damage where it is malformed: there it stays (R-3).
    #[inline(always)]
    pub fn take(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        let Some((position, length)) = self.body else { return Ok(None) };
        let taken = self.cursor.try_next(self.window.held(position, length));
        match taken {
            Ok(record) => {
                if let Some(record) = &record {
                    debug_assert!(record.offset >= self.next_offset, "offsets only rise");
                    self.next_offset = record.offset + 1;
                }
                Ok(record)
            }
            Err(cause) => Err(self.malformed(cause).into()),
        }
    }

    /// The wanted records that are left of the current block.
    pub fn rest_of_block<'a, V: Vfs<File = F>>(
        &'a mut self,
        topics: &'a Topics,
    ) -> BlockRecords<'a, V> {
        let Self { place, window, body, cursor, whole, first_offset, next_offset, .. } = self;
        let (position, length) = body.unwrap_or((place.position, 0));
        BlockRecords {
            body: window.held(position, length),
            position,
            segment: &place.segment,
            cursor,
            next_offset,
            first_offset: *first_offset,
            topics: if *whole { None } else { Some(topics) },
            failed: false,
        }
    }

    /// Leaves the current block.
    fn unload(&mut self) {
        self.body = None;
        self.next_offset = self.next_offset.max(self.place.link.next_offset);
    }

    /// Asks a segment that was entered for its indexes of topics.
    fn ask_for_skips<V: Vfs<File = F>>(
        &mut self,
        dir: &Directory<V>,
        topics: &Topics,
    ) -> Result<(), Failure> {
        self.skips = Skipping::Never;
        if !topics.want_all()
            && let Some(skips) = Skips::of(dir, &self.place.segment)?
        {
            self.skips = Skipping::By(skips);
        }
        Ok(())
    }

    /// Goes to the next block that may hold a wanted topic; tells how far ahead it is worth to read
    /// there.
    fn skip(&mut self, topics: &Topics) -> Result<usize, Failure> {
        let Skipping::By(skips) = &mut self.skips else { return Ok(READ_AHEAD_BYTES) };
        let ReadPlace { segment, position, .. } = &self.place;
        let next = skips.next(segment, *position, topics);
        let (next, ahead) = next.while_doing_at("read", &segment.path, *position)?;
        if next != *position {
            self.place.jump(&mut self.window, next, ahead)?;
        }
        Ok(ahead)
    }

    /// Loads the next committed block; tells why where there is none.
    pub fn load<V: Vfs<File = F>>(
        &mut self,
        dir: &Directory<V>,
        topics: &Topics,
    ) -> Result<Option<Cause>, Failure> {
        if matches!(self.skips, Skipping::NotAsked) {
            self.ask_for_skips(dir, topics)?;
        }
        let ahead = self.skip(topics)?;
        // Behind the block before, not behind this one: its records are yet to be taken.
        self.unload();
        let named = matches!(&self.skips, Skipping::By(skips) if skips.names(self.place.position));
        let (before, block) = match self.place.look_ahead(&mut self.window, ahead)? {
            Step::Block(before, block) => (before, block),
            Step::Stopped(cause) => return Ok(Some(cause)),
        };
        let damage = |cause| self.place.segment.damage_at(&before, cause);
        // Of an index that lies here nobody knows what it left out (F-47).
        if named && !block.topics().any(|topic| topics.wants(topic)) {
            return Err(damage(Cause::Topics));
        }
        if block.start.kind == BlockKind::Records {
            self.body = Some((before.position + start::LEN as u64, block.start.body_len));
            self.cursor = block.records();
            self.whole = topics.want_all()
                && !block.start.has_control
                && block.start.first_offset >= self.first_offset;
        }
        self.place.pass(&block);
        if self.body.is_none() {
            self.unload();
        }
        Ok(None)
    }

    /// Puts on the disk what was just read, unless it is known to be there (R-7).
    pub fn make_durable<V: Vfs<File = F>>(&mut self, dir: &Directory<V>) -> Result<(), ReadError> {
        let place = &self.place;
        let known = place.durable_to.max(self.synced_to);
        if place.position <= known {
            return Ok(());
        }
        if self.synced_to == 0 {
            dir.sync().map_err(Failure::from)?;
        }
        let synced = match self.sync_failed {
            false => place.segment.file.sync_data(),
            true => Err(std::io::Error::other("an earlier sync failed")),
        };
        self.sync_failed = synced.is_err();
        let told =
            place.action(if self.sync_failed { Operator::SyncFails } else { Operator::SyncRead });
        dir.vfs.trace(&told.label(Operator::SyncRead.name()));
        synced.while_doing("sync", &place.segment.path).map_err(Failure::from)?;
        dir.counters.syncs.add(1);
        self.synced_to = place.position;
        Ok(())
    }
}

/// Says that the record that the cursor stands at, in a body that begins there, is malformed.
#[cold]
fn malformed<F>(
    segment: &OpenSegment<F>,
    body: u64,
    cursor: &RecordCursor,
    cause: Cause,
) -> Failure {
    segment.damage(body.saturating_sub(start::LEN as u64), cursor.next_offset, cause)
}

/// The records of a block, borrowed: an iterator that
/// [`Consumer::next_block`](crate::Consumer::next_block) returns. Who stops on the way goes on behind
/// what was taken.
///
/// An item is an error where a record is malformed, and the last one then.
///
/// ```
/// use std::time::Duration;
/// use puro::{Batch, BlockRecords, Consumer, NewRecord, Producer, ReadError};
///
/// /// How many bytes the values of a block have.
/// fn bytes(block: BlockRecords<'_>) -> Result<usize, ReadError> {
///     block.map(|record| Ok(record?.value.map_or(0, <[u8]>::len))).sum()
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let mut batch: Batch = ["3 apples", "1 pear"].map(|it| NewRecord::new("orders", it)).into_iter().collect();
/// Producer::open(dir.path())?.append_batch(&mut batch)?;
/// let mut consumer = Consumer::open(dir.path())?;
/// let block = consumer.next_block(Duration::ZERO)?.ok_or("nothing there")?;
/// assert_eq!(bytes(block)?, 14);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "what is not taken is not read"]
pub struct BlockRecords<'a, V: Vfs = OsVfs> {
    body: &'a [u8],
    /// Where the body begins.
    position: u64,
    segment: &'a OpenSegment<V::File>,
    cursor: &'a mut RecordCursor,
    next_offset: &'a mut u64,
    first_offset: u64,
    /// `None` where every record is wanted.
    topics: Option<&'a Topics>,
    failed: bool,
}

impl<'a, V: Vfs> Iterator for BlockRecords<'a, V> {
    type Item = Result<Record<'a>, ReadError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed && !self.cursor.is_behind(self.body.len()) {
            match self.cursor.try_next(self.body) {
                Ok(None) => {}
                Ok(Some(record)) => {
                    *self.next_offset = (*self.next_offset).max(record.offset + 1);
                    let wanted = self.topics.is_none_or(|topics| {
                        record.offset >= self.first_offset && topics.wants(record.topic)
                    });
                    if wanted {
                        return Some(Ok(record));
                    }
                }
                Err(cause) => {
                    self.failed = true; // told once; the consumer stays before it
                    let error = malformed(self.segment, self.position, self.cursor, cause);
                    return Some(Err(error.into()));
                }
            }
        }
        None
    }
}
