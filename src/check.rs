//! Verification: whether the files of a stream are as the specification says, and if not,
//! where and how. It only reads, and may run beside writers and readers.
//!
//! What one segment must be like is in `course`; this file goes from segment to segment
//! and looks at what stands at the end of the last.

mod course;
mod finding;
mod report;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

pub use self::finding::{Finding, Problem, Severity, Verdict};
pub use self::report::CheckReport;

use self::course::{Carried, Course};
use crate::engine::dir::{Directory, Listing, OpenSegment, SEEK, segment_name};
use crate::engine::os::OsVfs;
use crate::engine::segment::{
    CommittedPart, SegmentHeader, TailKind, classify, data_end, only_zeros,
};
use crate::engine::vfs::DEFAULT_LOCK_WAIT;
use crate::engine::vfs::{LockWait, OpenMode, Vfs, VfsFile};
use crate::engine::walk::Walk;
use crate::error::{Failure, IoContext};
use crate::format::block::Cause;
use crate::format::token::StreamId;

/// How thoroughly to verify.
///
/// ```
/// use std::time::Duration;
/// use puro::CheckOptions;
/// // Nobody writes: there is no need to look at the end a second time.
/// let options = CheckOptions::new().deep(true).second_look(Duration::ZERO);
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
pub struct CheckOptions {
    deep: bool,
    second_look: Duration,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { deep: false, second_look: Duration::from_millis(100) }
    }
}

impl CheckOptions {
    /// The defaults: checksums and order, not every record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether to compare every checkpoint too with the state that the blocks before it amount to.
    #[must_use]
    pub fn deep(mut self, deep: bool) -> Self {
        self.deep = deep;
        self
    }

    /// How long until bytes behind the committed end are looked at a second time: a writer
    /// may be just writing them (R-6). 100 ms if not given.
    #[must_use]
    pub fn second_look(mut self, pause: Duration) -> Self {
        self.second_look = pause;
        self
    }

    /// Verifies the stream in a directory, be it so damaged that it cannot be opened. Tells
    /// `progress` now and then how many bytes of how many are done.
    ///
    /// # Errors
    /// Where there is no stream, or one of a newer version; where the directory cannot be read.
    /// Whatever is wrong with the files themselves is a finding.
    pub fn check(
        &self,
        dir: impl AsRef<Path>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<CheckReport, Failure> {
        check(OsVfs::new(), dir.as_ref(), self, progress)
    }
}

/// The same in any world.
///
/// # Errors
/// As [`CheckOptions::check`].
pub fn check<V: Vfs>(
    vfs: V,
    dir: &Path,
    options: &CheckOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<CheckReport, Failure> {
    check_at(Directory::new(vfs, dir), options, progress)
}

/// The same in a directory that may be open already.
pub(crate) fn check_at<V: Vfs>(
    dir: Directory<V>,
    options: &CheckOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<CheckReport, Failure> {
    let report = CheckReport::default();
    let strays = BTreeSet::new();
    let mut checker =
        Checker { dir, options, report, expected: None, strays, at_end: false, progress, total: 0 };
    checker.run()?;
    Ok(checker.report)
}

struct Checker<'o, V: Vfs> {
    dir: Directory<V>,
    options: &'o CheckOptions,
    report: CheckReport,
    /// What the segment with this number is to continue; inside `None` where that is damaged.
    expected: Option<(u32, Option<Carried>)>,
    /// Segments of other streams.
    strays: BTreeSet<u32>,
    /// Whether a segment without a successor was passed: verification ends with the end that
    /// the stream had then, whatever is appended meanwhile.
    at_end: bool,
    progress: &'o mut dyn FnMut(u64, u64),
    total: u64,
}

/// Where a walk ended before the end of the file: why, and what the system said if it could
/// not read there.
struct Stop {
    cause: Cause,
    read_error: Option<String>,
}

/// How often an end that moves on is looked at, until its writers are taken to be alive.
const END_LOOKS: usize = 10;

impl<V: Vfs> Checker<'_, V> {
    fn run(&mut self) -> Result<(), Failure> {
        let mut todo = self.check_names()?;
        self.total = self.measure(&todo);
        // Segments may be added while those listed are verified.
        while let Some(&last) = todo.last() {
            for &sequence in &todo {
                self.check_segment(sequence, sequence < last)?;
            }
            if self.at_end {
                break;
            }
            let later = self.list()?.segments.into_iter();
            let later = later.filter(|found| *found > last && !self.strays.contains(found));
            todo = self.without_strays(later.collect())?;
        }
        Ok(())
    }

    /// Reads the directory; again, if a number is left out: a rollover may have come between.
    fn list(&self) -> Result<Listing, Failure> {
        let mut listing = self.dir.list()?.unwrap_or_default();
        let numbers = &listing.segments;
        if numbers.iter().zip(numbers.iter().skip(1)).any(|(low, high)| high - low > 1) {
            listing = self.dir.list()?.unwrap_or_default();
        }
        Ok(listing)
    }

    /// Checks which names there are, and tells the sequence numbers among them.
    fn check_names(&mut self) -> Result<Vec<u32>, Failure> {
        let listing = self.list()?;
        if listing.segments.is_empty() {
            return Err(Failure::NotAStream { dir: self.dir.path.clone() });
        }
        let strays = listing.strays.iter().map(|name| (name, Problem::StrayName));
        let temporaries = listing.temporaries.iter().map(|name| (name, Problem::Temporary));
        let findings = strays
            .chain(temporaries)
            .map(|(name, problem)| Finding::of_file(self.dir.path.join(name), None, problem));
        self.report.findings.extend(findings);
        let own = self.without_strays(listing.segments)?;
        if own.is_empty() {
            self.find(Finding::of_file(self.dir.path.clone(), None, Problem::OnlyStrays));
        }
        Ok(own)
    }

    /// Sets aside the segments of other streams (F-9), so that what is left is in order.
    fn without_strays(&mut self, sequences: Vec<u32>) -> Result<Vec<u32>, Failure> {
        let mut own = Vec::new();
        if self.report.stream_id.is_none() {
            self.report.stream_id = self.dir.id_that_is_said(&sequences)?.map(StreamId::from);
        }
        for sequence in sequences {
            let header = match self.dir.open_segment(sequence, OpenMode::Read) {
                Ok(Some(segment)) => segment.header,
                Err(failure @ Failure::Newer { .. }) => return Err(failure),
                Ok(None) | Err(_) => {
                    own.push(sequence); // told when its turn comes
                    continue;
                }
            };
            if header.sequence == sequence && self.report.stream_id == Some(header.stream_id.into())
            {
                own.push(sequence);
            } else {
                let path = self.dir.segment_path(sequence);
                self.find(Finding::of_file(path, Some(sequence), Problem::StraySegment));
                self.strays.insert(sequence);
            }
        }
        Ok(own)
    }

    /// Bytes to be read, for progress only.
    fn measure(&self, sequences: &[u32]) -> u64 {
        let length = |sequence: &u32| {
            let file = self.dir.open_file(&segment_name(*sequence), OpenMode::Read).ok()?;
            data_end(&file, file.status().ok()?.len).ok()
        };
        sequences.iter().filter_map(length).sum()
    }

    fn find(&mut self, finding: Finding) {
        self.report.findings.push(finding);
    }

    fn check_segment(&mut self, sequence: u32, sealed: bool) -> Result<(), Failure> {
        let wait = LockWait::AtMost(DEFAULT_LOCK_WAIT);
        let segment = match self.dir.pin_segment(sequence, wait, SEEK) {
            Ok(Some(segment)) => segment,
            Ok(None) => return self.note_deleted(sequence),
            Err(failure) => return self.note_unusable(sequence, failure),
        };
        let before = self.check_order(sequence);
        if let Some(before) = &before {
            self.check_header(&segment, before);
        }
        let mut course = Course::new(segment.header, before, self.options.deep);
        self.check_blocks(&segment, &mut course, sealed)?;
        self.report.segments += 1;
        self.report.bytes += course.at.position;
        self.report.blocks += course.blocks;
        self.report.records += course.records;
        self.expect_next(sequence, course.into_carried());
        Ok(())
    }

    fn expect_next(&mut self, sequence: u32, carried: Option<Carried>) {
        self.expected = sequence.checked_add(1).map(|next| (next, carried));
    }

    /// A segment that was listed and is gone: deleted by retention if all before it are gone
    /// too. If not, the gap is told with the next one.
    fn note_deleted(&mut self, sequence: u32) -> Result<(), Failure> {
        if self.list()?.segments.first().is_none_or(|lowest| *lowest > sequence) {
            self.expected = None;
        }
        Ok(())
    }

    /// A file under a segment's name that cannot be opened, or has no valid header (F-8, F-9).
    fn note_unusable(&mut self, sequence: u32, failure: Failure) -> Result<(), Failure> {
        let problem = match failure {
            Failure::Damage(damage) => Problem::Bytes(damage.cause),
            Failure::NotASegment { .. } => Problem::NotASegment,
            Failure::Io(error) => Problem::Unreadable(error.source.to_string()),
            other => return Err(other),
        };
        let offset = self.check_order(sequence).map(|before| before.next_offset);
        let path = self.dir.segment_path(sequence);
        self.find(Finding::of_place(&path, sequence, 0, offset, problem));
        self.report.segments += 1;
        self.expect_next(sequence, None);
        Ok(())
    }

    /// No number may be left out (V-9). Tells what the segment must continue.
    fn check_order(&mut self, sequence: u32) -> Option<Carried> {
        let (expected, carried) = self.expected.take()?;
        if expected == sequence {
            return carried;
        }
        let path = self.dir.segment_path(expected);
        let offset = carried.map(|carried| carried.next_offset);
        let problem = Problem::MissingSegments { to: sequence.saturating_sub(1) };
        self.find(Finding { offset, ..Finding::of_file(path, Some(expected), problem) });
        None
    }

    /// Whether a header continues the segment before.
    fn check_header(&mut self, segment: &OpenSegment<V::File>, before: &Carried) {
        let header = segment.header;
        let fields = [
            ("base offset", header.base_offset, before.next_offset),
            ("epoch", u64::from(header.epoch), u64::from(before.epoch)),
        ];
        for (field, found, expected) in fields {
            if found != expected {
                let problem = Cause::HeaderField(field).into();
                let offset = Some(before.next_offset);
                self.find(Finding::of_place(&segment.path, header.sequence, 0, offset, problem));
            }
        }
    }

    fn check_blocks(
        &mut self,
        segment: &OpenSegment<V::File>,
        course: &mut Course,
        sealed: bool,
    ) -> Result<(), Failure> {
        let mut sealed = sealed && self.is_followed(segment)?;
        loop {
            if sealed {
                self.walk(segment, course, true)?;
                break;
            }
            let tail = self.check_active(segment, course)?;
            // Only now: if it is still the last one, what was found at its end stands.
            sealed = self.is_followed(segment)?;
            if !sealed {
                self.report.findings.extend(tail);
                self.at_end = true;
                break;
            }
        }
        for problem in course.finish(sealed) {
            let (sequence, offset) = (segment.header.sequence, Some(course.next_offset));
            self.find(Finding::of_place(
                &segment.path,
                sequence,
                course.at.position,
                offset,
                problem,
            ));
        }
        Ok(())
    }

    /// Whether a later segment is there. What the system does not let be read under its name may be
    /// anything: it is told as that, and proves nothing of this one (K-5).
    fn is_followed(&self, segment: &OpenSegment<V::File>) -> Result<bool, Failure> {
        let SegmentHeader { sequence: own, stream_id, .. } = segment.header;
        let is_there = |found: u32| match self.dir.open_segment(found, OpenMode::Read) {
            Ok(Some(next)) => next.belongs_to(&stream_id, found),
            Ok(None) | Err(Failure::Io(_)) => false,
            Err(_) => true,
        };
        if own.checked_add(1).is_some_and(is_there) {
            return Ok(true);
        }
        let mut later = self.list()?.segments.into_iter().filter(|found| *found > own);
        Ok(later.any(is_there))
    }

    /// Passes the committed blocks of the active segment, and tells what is behind them if
    /// it is still there on a second look (R-6).
    fn check_active(
        &mut self,
        segment: &OpenSegment<V::File>,
        course: &mut Course,
    ) -> Result<Option<Finding>, Failure> {
        let mut seen_at = None;
        for _ in 0..END_LOOKS {
            let stop = match self.walk(segment, course, false)? {
                // A segment is never seen without its opening checkpoint (V-4).
                None if course.blocks == 0 => {
                    Some(Stop { cause: Cause::NoCheckpoint, read_error: None })
                }
                None if !course.at.ended => return Ok(None),
                stop => stop,
            };
            // Zeros behind the end are nothing to look at twice.
            if !course.at.ended && course.blocks > 0 && ends_in_zeros(segment, course.at.position) {
                return Ok(self.judge_tail(segment, course, stop));
            }
            if seen_at == Some(course.at.position) {
                return Ok(self.judge_tail(segment, course, stop));
            }
            seen_at = Some(course.at.position);
            self.dir.vfs.sleep(self.options.second_look);
        }
        Ok(None)
    }

    /// Walks on over blocks. In a sealed segment everything that is not one is damage; in the
    /// active one the walk ends there, and tells why.
    fn walk(
        &mut self,
        segment: &OpenSegment<V::File>,
        course: &mut Course,
        sealed: bool,
    ) -> Result<Option<Stop>, Failure> {
        let (sequence, path) = (segment.header.sequence, &segment.path);
        let walk = Walk::resume(&segment.file, &segment.header, course.at);
        let mut walk = walk.while_doing("look at", path)?;
        let done_before = self.report.bytes;
        while let Some(piece) = walk.next_piece() {
            let (position, offset) = (piece.position(), Some(course.next_offset));
            let problems = match piece.committed() {
                Ok(block) => course.pass(&block),
                // Zeros behind a segment end are nothing (F-25).
                Err(_) if sealed && course.at.ended && ends_in_zeros(segment, position) => {
                    return Ok(None);
                }
                Err(cause) => {
                    let read_error = piece.read_error().map(str::to_owned);
                    if !sealed {
                        return Ok(Some(Stop { cause, read_error }));
                    }
                    let next_offset = piece.next_offset();
                    course.interrupt(walk.at(), next_offset);
                    vec![read_error.map_or(cause.into(), Problem::Unreadable)]
                }
            };
            for problem in problems {
                self.find(Finding::of_place(path, sequence, position, offset, problem));
            }
            (self.progress)(done_before + walk.at().position, self.total);
        }
        Ok(None)
    }

    /// What the recovery table says of what stands behind the committed end.
    fn judge_tail(
        &self,
        segment: &OpenSegment<V::File>,
        course: &Course,
        stop: Option<Stop>,
    ) -> Option<Finding> {
        let problem = match stop {
            None => self.unfinished(segment),
            Some(Stop { read_error: Some(error), .. }) => Problem::Unreadable(error),
            Some(stop) if course.blocks == 0 => stop.cause.into(),
            // Whatever is cut off behind it, nobody can go on (K-13).
            Some(_) if course.at.ended && self.next_name_is_taken(segment) => {
                Problem::NextNameTaken
            }
            Some(stop) => match self.classify(segment, course, stop.cause) {
                None if course.at.ended => self.unfinished(segment), // only zeros are behind it
                problem => problem?,
            },
        };
        let (sequence, offset) = (segment.header.sequence, Some(course.next_offset));
        Some(Finding::of_place(&segment.path, sequence, course.at.position, offset, problem))
    }

    /// What is wrong with a segment that is sealed and has no successor (K-13).
    fn unfinished(&self, segment: &OpenSegment<V::File>) -> Problem {
        match segment.header.sequence {
            u32::MAX => Problem::Full,
            _ if self.next_name_is_taken(segment) => Problem::NextNameTaken,
            _ => Problem::RolloverUnfinished,
        }
    }

    /// Whether a stray stands under the name that the successor is to have (K-13).
    fn next_name_is_taken(&self, segment: &OpenSegment<V::File>) -> bool {
        let SegmentHeader { sequence, stream_id, .. } = segment.header;
        sequence.checked_add(1).is_some_and(|next| {
            let there = self.dir.open_segment(next, OpenMode::Read);
            there.is_ok_and(|there| there.is_some_and(|there| !there.belongs_to(&stream_id, next)))
        })
    }

    fn classify(
        &self,
        segment: &OpenSegment<V::File>,
        course: &Course,
        cause: Cause,
    ) -> Option<Problem> {
        let current_boot = course.state.is_of_boot(self.dir.vfs.boot_id());
        let (end, durable_to) = (course.at.position, course.durable_to);
        let part = CommittedPart { end, durable_to, current_boot };
        let tail = classify(&segment.file, &segment.header, &part)
            .and_then(|tail| Ok((tail, segment.file.status()?.len)));
        let (tail, length) = match tail {
            Ok(found) => found,
            Err(error) => return Some(Problem::Unreadable(error.to_string())),
        };
        let label = match tail {
            TailKind::Damaged { cause } => return Some(cause.into()),
            TailKind::Clean => return None,
            TailKind::Unseen => "unseen",
            TailKind::Lost => "lost",
        };
        Some(Problem::Tail { label, bytes: length.saturating_sub(end), cause })
    }
}

/// Whether nothing but zeros stands behind a place. Where that cannot be read, another look tells so.
fn ends_in_zeros<F: VfsFile>(segment: &OpenSegment<F>, position: u64) -> bool {
    only_zeros(&segment.file, position, u64::MAX).unwrap_or(false)
}
