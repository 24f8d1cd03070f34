//! Salvage: every good record of a damaged stream, in order, into a new one.
//!
//! The old stream is only read. A block goes over as a block, with its time; of a damaged
//! block, what can be proved good. Offsets of the new stream begin at 0 and have no gaps;
//! the report lists those of the old one.

mod body;
// For the command line, which comes through the door.
#[cfg_attr(not(feature = "internals"), allow(dead_code))]
pub(crate) mod lost;
mod report;
mod restore;
mod source;

use std::io;
use std::path::Path;

pub use report::{
    Doubtful, Gap, SalvageError, SalvageOptions, SalvageReport, Trouble, Uncommitted,
};

use self::body::{Rescue, rescue};
use self::restore::Headless;
use self::source::{LastSegment, Opened, Source};
use crate::check::Problem;
use crate::engine::dir::{Directory, FILE_SYSTEMS_OWN, majority};
use crate::engine::os::OsVfs;
use crate::engine::segment::SegmentHeader;
use crate::engine::vfs::{LockWait, Vfs, VfsFile};
use crate::engine::walk::{FoundBlock, Piece, Stretch, Walk};
use crate::engine::writer;
use crate::error::{AppendError, Failure, IoContext, OpenError};
use crate::format::block::{Block, BlockKind, Cause, Link};
use crate::format::layout::{MAX_BLOCK_BYTES, SIGNAL_LOW};
use crate::format::record::Fields;
use crate::format::state::SETTING;
use crate::producer::{Batch, Producer, ProducerOptions};

impl SalvageOptions {
    /// Copies every good record of the stream in `from` to a new stream in `to`, which must be
    /// empty or not exist. Tells `progress` now and then how many bytes of the old stream are done.
    ///
    /// # Errors
    /// Where there is no stream, something of it cannot be read, the new one cannot be made, or a
    /// record cannot be written. Damage of the old stream is no error: the report tells of it.
    pub fn salvage(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<SalvageReport, SalvageError> {
        salvage(OsVfs::new(), from.as_ref(), to.as_ref(), self, progress)
    }
}

/// The same in any world.
///
/// # Errors
/// As [`SalvageOptions::salvage`].
pub fn salvage<V: Vfs>(
    vfs: V,
    from: &Path,
    to: &Path,
    options: &SalvageOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<SalvageReport, SalvageError> {
    let dir = Directory::new(vfs.clone(), from);
    let mut report = SalvageReport::default();
    let (sequences, survey, tails) = if options.lost {
        let tails = lost::tails(&dir, options, &mut report)?;
        (Vec::new(), LastSegment::default(), tails)
    } else {
        let sequences = own_segments(&dir, options, &mut report)?;
        let survey = survey_last(&dir, &sequences)?;
        (sequences, survey, Vec::new())
    };
    let producer = create(&Directory::new(vfs, to), &survey).map_err(SalvageError::Create)?;
    let mut salvager = Salvager {
        producer,
        options,
        batch: Batch::new(),
        report,
        next_offset: None,
        last_time_ms: 0,
        trouble: None,
        progress,
        done: 0,
    };
    if options.lost {
        salvager.run_lost(tails)?;
    } else {
        salvager.run(&dir, &sequences, &survey)?;
    }
    Ok(salvager.report)
}

/// The sequence numbers of all segments but those of other streams (F-9).
fn own_segments<V: Vfs>(
    dir: &Directory<V>,
    options: &SalvageOptions,
    report: &mut SalvageReport,
) -> Result<Vec<u32>, SalvageError> {
    let listing = dir.list().map_err(Failure::from)?.unwrap_or_default();
    if listing.segments.is_empty() {
        return Err(Failure::NotAStream { dir: dir.path.clone() }.into());
    }
    let mut headers = Vec::new();
    for &sequence in &listing.segments {
        let found = source::open(dir, sequence)?;
        if let Some(Problem::Unreadable(why)) = found.problem() {
            refuse_unreadable(options, sequence, 0, why)?;
        }
        let sound = found.source().filter(|source| source.damaged_header.is_none());
        headers.push((sequence, sound.map(|source| source.segment.header)));
    }
    let own = |(sequence, header): &(u32, Option<SegmentHeader>)| {
        header.filter(|header| header.sequence == *sequence).map(|header| header.stream_id)
    };
    let stream_id = majority(headers.iter().filter_map(own));
    if stream_id.is_none() && headers.iter().filter_map(own).next().is_some() {
        return Err(Failure::TwoStreams { dir: dir.path.clone() }.into());
    }
    // Of a file whose header is damaged nothing tells that it is not of this stream.
    let stray = |found: &(u32, Option<SegmentHeader>)| found.1.is_some() && own(found) != stream_id;
    let strays = headers.iter().filter(|found| stray(found));
    report.strays.extend(strays.map(|(sequence, _)| dir.segment_path(*sequence)));
    Ok(headers.iter().filter(|found| !stray(found)).map(|(sequence, _)| *sequence).collect())
}

/// Ends where something cannot be read, unless that is to be left out.
fn refuse_unreadable(
    options: &SalvageOptions,
    sequence: u32,
    position: u64,
    why: &str,
) -> Result<(), SalvageError> {
    if options.leave_out_unreadable {
        return Ok(());
    }
    let (file, why) = (format!("{sequence:010}.puro"), why.to_owned());
    Err(SalvageError::Unreadable { file, position, why })
}

fn survey_last<V: Vfs>(dir: &Directory<V>, sequences: &[u32]) -> Result<LastSegment, Failure> {
    let Some(&last) = sequences.last() else { return Ok(LastSegment::default()) };
    let source = source::open(dir, last)?.source();
    Ok(source.map_or_else(LastSegment::default, |source| source::survey(&source)))
}

/// Makes the new stream, with the settings of the old one.
fn create<V: Vfs>(dir: &Directory<V>, survey: &LastSegment) -> Result<Producer<V>, OpenError> {
    let found = match dir.names() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        names => names.while_doing("list", &dir.path).map_err(Failure::from)?,
    };
    if let Some(found) = found.into_iter().find(|name| name != FILE_SYSTEMS_OWN) {
        return Err(OpenError::NotEmpty { dir: dir.path.clone(), found });
    }
    let settings = survey.state.of_kind(SETTING);
    let settings: Vec<_> = settings.map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
    writer::create(dir, &settings, LockWait::Try, false)?;
    ProducerOptions::new().create(false).open_at(dir.clone())
}

struct Salvager<'p, V: Vfs> {
    producer: Producer<V>,
    options: &'p SalvageOptions,
    batch: Batch,
    report: SalvageReport,
    /// The next offset of the old stream; `None` until some segment tells it.
    next_offset: Option<u64>,
    /// Time of the last block saved.
    last_time_ms: u64,
    /// The first thing wrong since the last good block.
    trouble: Option<Trouble>,
    progress: &'p mut dyn FnMut(u64),
    /// Bytes of the segments done.
    done: u64,
}

/// A segment while it is salvaged.
struct Current {
    sequence: u32,
    /// Low blocks from here on were never committed; `None` where all were.
    uncommitted_from: Option<u64>,
}

impl Current {
    /// Whether what stands at a place was committed, going by its signal.
    fn committed(&self, position: u64, signal: u8) -> bool {
        signal != SIGNAL_LOW || self.uncommitted_from.is_none_or(|from| position < from)
    }

    fn trouble(&self, position: u64, problem: impl Into<Problem>) -> Trouble {
        Trouble { segment: self.sequence, position, problem: problem.into() }
    }
}

impl<V: Vfs> Salvager<'_, V> {
    fn run(
        &mut self,
        dir: &Directory<V>,
        sequences: &[u32],
        survey: &LastSegment,
    ) -> Result<(), SalvageError> {
        let mut expected = sequences.first().copied().unwrap_or(0);
        if expected == 0 {
            self.next_offset = Some(0);
        }
        for &sequence in sequences {
            if sequence != expected {
                let problem = Problem::MissingSegments { to: sequence - 1 };
                self.note(Trouble { segment: expected, position: 0, problem });
            }
            expected = sequence.saturating_add(1);
            let last = sequences.last() == Some(&sequence);
            let uncommitted_from = last.then_some(survey.last_committed);
            let current = Current { sequence, uncommitted_from };
            match source::open(dir, sequence)? {
                Opened::Source(source) => self.segment(&source, &current)?,
                Opened::Gone => {}
                Opened::Unusable(problem) => self.note(current.trouble(0, problem)),
            }
        }
        self.end();
        self.sync()
    }

    /// Tells what was noted last, for nothing follows that says what it cost.
    fn end(&mut self) {
        if let Some(trouble) = self.trouble.take() {
            let from = self.next_offset.unwrap_or(0);
            self.report.gaps.push(Gap { from, to: None, lost: None, trouble });
        }
    }

    fn sync(&mut self) -> Result<(), SalvageError> {
        Ok(self.producer.sync().map_err(AppendError::NotAppended)?)
    }

    /// Remembers the first thing wrong until it is known what it cost.
    fn note(&mut self, trouble: Trouble) {
        self.trouble.get_or_insert(trouble);
    }

    fn segment(&mut self, source: &Source<V::File>, current: &Current) -> Result<(), SalvageError> {
        let segment = &source.segment;
        match &source.damaged_header {
            None => self.reach(segment.header.base_offset, current.trouble(0, Cause::Chain)),
            Some(problem) => self.note(current.trouble(0, problem.clone())),
        }
        let walk = Walk::new(&segment.file, &segment.header);
        self.walk(walk.while_doing("look at", &segment.path).map_err(Failure::from)?, current)
    }

    /// Takes all that a walk comes by.
    fn walk<F: VfsFile>(
        &mut self,
        mut walk: Walk<'_, F>,
        current: &Current,
    ) -> Result<(), SalvageError> {
        let mut ended = false;
        while !ended {
            let before = walk.at().link;
            let piece = walk.next_piece();
            if let Some((piece, why)) = piece.as_ref().and_then(|p| Some((p, p.read_error()?))) {
                refuse_unreadable(self.options, current.sequence, piece.position(), why)?;
            }
            match piece {
                None => break,
                Some(Piece::Block(found)) => ended = self.block(&found, current)?,
                Some(Piece::Stretch(stretch)) => {
                    ended = self.stretch(&mut walk, &stretch, before, current)?;
                }
            }
            (self.progress)(self.done + walk.at().position);
        }
        self.done += walk.length();
        if !ended && current.uncommitted_from.is_none() {
            self.note(current.trouble(walk.length(), Cause::NotSealed));
        }
        Ok(())
    }

    /// Goes on at an offset of the old stream: what lies between is lost.
    fn reach(&mut self, offset: u64, unless_noted: Trouble) {
        let trouble = self.trouble.take();
        let next_offset = *self.next_offset.get_or_insert(offset);
        if offset > next_offset {
            let trouble = trouble.unwrap_or(unless_noted);
            self.gap(next_offset, offset, offset - next_offset, trouble);
        } else {
            self.report.without_loss.extend(trouble);
        }
        self.next_offset = Some(next_offset.max(offset));
    }

    fn gap(&mut self, from: u64, to: u64, lost: u64, trouble: Trouble) {
        self.report.gaps.push(Gap { from, to: Some(to), lost: Some(lost), trouble });
    }

    /// Takes the records of a block; tells whether it ends the segment.
    fn block(&mut self, found: &FoundBlock<'_>, current: &Current) -> Result<bool, SalvageError> {
        let (start, position) = (&found.start, found.position);
        if !current.committed(position, found.signal) {
            self.leave_out(position, found.bytes.len() as u64, current);
            return Ok(false);
        }
        if self.next_offset.is_some_and(|next| start.first_offset < next) {
            // Older than what was saved already: not the history of this stream.
            self.report.without_loss.push(current.trouble(position, Cause::Chain));
            return Ok(false);
        }
        if found.chained() == Some(true) {
            // A jump that the chain vouches for: a compaction removed what was there.
            self.next_offset = Some(start.first_offset);
        }
        self.reach(start.first_offset, current.trouble(position, Cause::Chain));
        let checked = found.block.and_then(|block| block.check_records().map(|()| block));
        match checked {
            Ok(block) => self.save_block(&block)?,
            Err(cause) => {
                let problem = problem(&found.read_error, cause);
                self.save_damaged(found, current.trouble(position, problem))?;
            }
        }
        if let Err(cause @ (Cause::Signal(_) | Cause::Low)) = found.committed() {
            self.report.without_loss.push(current.trouble(position, cause));
        }
        Ok(start.kind == BlockKind::SegmentEnd)
    }

    fn leave_out(&mut self, position: u64, bytes: u64, current: &Current) {
        let segment = current.sequence;
        let first = Uncommitted { segment, position, bytes: 0 };
        self.report.uncommitted.get_or_insert(first).bytes += bytes;
    }

    fn save_block(&mut self, block: &Block<'_>) -> Result<(), SalvageError> {
        self.next_offset = Some(block.link(true).next_offset);
        if block.start.record_count == 0 {
            return Ok(());
        }
        self.last_time_ms = block.start.timestamp_ms;
        self.batch.clear();
        let mut cursor = block.records();
        while let Some(record) = cursor.next(block.body) {
            self.batch.push(&record.to_new()).map_err(AppendError::Record)?;
        }
        self.append()
    }

    fn save_fields(&mut self, fields: &[Fields<'_>]) -> Result<(), SalvageError> {
        self.batch.clear();
        for fields in fields.iter().filter(|fields| !fields.control) {
            self.batch.push(&fields.to_new()).map_err(AppendError::Record)?;
        }
        self.append()
    }

    fn append(&mut self) -> Result<(), SalvageError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.producer.transaction(&mut self.batch).timestamp_ms(self.last_time_ms).commit()?;
        self.report.records += self.batch.len() as u64;
        Ok(())
    }

    /// Takes the good records of a block whose start alone is right.
    fn save_damaged(
        &mut self,
        found: &FoundBlock<'_>,
        trouble: Trouble,
    ) -> Result<(), SalvageError> {
        let start = &found.start;
        if start.kind != BlockKind::Records {
            self.report.without_loss.push(trouble);
            return Ok(());
        }
        self.last_time_ms = start.timestamp_ms;
        let count = u64::from(start.record_count);
        self.save_body(found.body(), start.first_offset, count, start.has_control, trouble)
    }

    fn save_body(
        &mut self,
        body: &[u8],
        first_offset: u64,
        count: u64,
        has_control: bool,
        trouble: Trouble,
    ) -> Result<(), SalvageError> {
        let rescued = rescue(body, count, has_control);
        self.save_fields(&rescued.good)?;
        let doubtful = self.note_doubtful(&rescued, &trouble);
        let end = first_offset.saturating_add(count);
        self.next_offset = Some(end);
        match count.saturating_sub(rescued.spanned) {
            0 if doubtful => {} // whether the damaged record was one of a user is not known
            0 => self.report.without_loss.push(trouble),
            lost => {
                let (before, after) = (rescued.before, rescued.after);
                self.gap(
                    first_offset.saturating_add(before),
                    end.saturating_sub(after),
                    lost,
                    trouble,
                );
            }
        }
        Ok(())
    }

    /// Notes which of the records just saved a search found; tells whether there are any.
    fn note_doubtful(&mut self, rescued: &Rescue<'_>, trouble: &Trouble) -> bool {
        let found = rescued.good.iter().rev().take(rescued.searched);
        let records = found.filter(|fields| !fields.control).count() as u64;
        if records > 0 {
            let (first_offset, trouble) = (self.report.records - records, trouble.clone());
            self.report.doubtful.push(Doubtful { first_offset, records, trouble });
        }
        records > 0
    }

    /// Bytes that do not begin like a block: perhaps one whose start is damaged. Tells whether
    /// it ends the segment.
    fn stretch<F: VfsFile>(
        &mut self,
        walk: &mut Walk<'_, F>,
        stretch: &Stretch,
        before: Option<Link>,
        current: &Current,
    ) -> Result<bool, SalvageError> {
        let position = stretch.position;
        let signal = walk.bytes(position, 1).first().copied().unwrap_or(SIGNAL_LOW);
        if !current.committed(position, signal) {
            // Zeros up to the end of the file are nothing that was left out (F-56).
            if !(stretch.zeros && position + stretch.length >= walk.length()) {
                self.leave_out(position, stretch.length, current);
            }
            return Ok(false);
        }
        let trouble = current.trouble(position, problem(&stretch.read_error, stretch.cause));
        let before = before.filter(|before| Some(before.next_offset) == self.next_offset);
        let length = usize::try_from(stretch.length.min(MAX_BLOCK_BYTES + 1)).unwrap_or(0);
        let bytes = walk.bytes(position, length).to_vec();
        let (Some(before), Some(block)) = (before, Headless::recognize(&bytes)) else {
            self.note(trouble);
            return Ok(false);
        };
        let restored = block.restore(walk.place(position), &before);
        if let Some((bytes, start)) = &restored
            && let Ok(block) = Block::verify(bytes, *start)
        {
            walk.assume(block.link(before.may_jump));
            self.save_block(&block)?;
            self.report.without_loss.push(trouble);
            return Ok(start.kind == BlockKind::SegmentEnd);
        }
        self.save_headless(walk, &block, before, trouble)?;
        Ok(false)
    }

    /// Takes the records of a block of which nothing but the body is known. They get the time
    /// of the block before.
    fn save_headless<F: VfsFile>(
        &mut self,
        walk: &mut Walk<'_, F>,
        block: &Headless<'_>,
        before: Link,
        trouble: Trouble,
    ) -> Result<(), SalvageError> {
        let first_offset = before.next_offset;
        let all = rescue(block.body(), 0, true);
        let up_to_next = walk.peek().and_then(|next| next.first_offset.checked_sub(first_offset));
        let count = if all.whole { Some(all.spanned) } else { up_to_next };
        let Some(count) = count.filter(|count| *count > 0) else {
            self.note(trouble);
            return Ok(());
        };
        walk.assume(Link {
            prev_crc: block.stored_crc(),
            next_offset: first_offset.saturating_add(count),
            ..before
        });
        self.save_body(block.body(), first_offset, count, true, trouble)
    }
}

/// What is wrong with bytes: they cannot be read, or they are not what they must be.
fn problem(read_error: &Option<String>, cause: Cause) -> Problem {
    read_error.as_ref().map_or(cause.into(), |error| Problem::Unreadable(error.clone()))
}
