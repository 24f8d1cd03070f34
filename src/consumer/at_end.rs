//! What a consumer does where it finds no further block: it looks whether that is the end, whether the
//! segment was sealed, and whether what it read is still there (R-5, R-6, R-11).

use std::time::Duration;

use super::Consumer;
use crate::engine::at_end::judge;
use crate::engine::dir::{Directory, OpenSegment};
use crate::engine::reader::Reader;
use crate::engine::seek::{self, ReadPlace, Start};
use crate::engine::segment::TailKind;
use crate::engine::tail::open_tail;
use crate::engine::trace::Operator;
use crate::engine::vfs::{OpenMode, Vfs};
use crate::error::{Diverged, Failure, ReadError};
use crate::format::block::Cause;
use crate::format::layout::header;
use crate::format::token::is_taken_back;

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
    /// Bytes that were synced, or committed in this boot, are not valid: records are lost.
    Damaged {
        /// The committed end.
        position: u64,
        /// Up to where bytes were known to be on disk; the committed end where none behind it were.
        durable_to: u64,
    },
}

impl<V: Vfs> Consumer<V> {
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
                    _ => position,
                };
                EndState::Damaged { position, durable_to }
            }
            TailKind::Unseen | TailKind::Lost => EndState::NeedsRepair { position },
        })
    }

    /// At the end: sees now and then whether the segment was sealed or taken away (R-5, R-11).
    /// `true` if a block was there after all, and is loaded now.
    pub(super) fn look_around(&mut self, cause: Cause) -> Result<bool, ReadError> {
        let now = self.dir.vfs.monotonic();
        let Some(reader) = &mut self.reader else { return Ok(false) };
        let last = reader.looked_around.unwrap_or_default();
        if reader.looked_around.is_some() && now - last < self.options.poll_interval {
            return Ok(false);
        }
        if reader.place.was_taken_back()? {
            return self.begin_again_at_token(now);
        }
        if !self.dir.has_later(&reader.place.segment)? {
            return self.wait_on(now);
        }
        // Sealed: what is not committed on one more look is damage, not work in progress.
        reader.read_afresh();
        let action = reader.place.action(Operator::Deliver);
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
        self.dir.vfs.trace(&reader.place.action(Operator::LookBehind));
        let start = Start::Token(token);
        let found =
            seek::find(&self.dir, &start, &self.options.topics, self.options.common.lock_wait)?;
        let Some(found) = found else { return Ok(false) };
        let mut reader = Reader::new(found);
        reader.looked_around = Some(now);
        self.reader = Some(reader);
        self.enter_next_block()
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
