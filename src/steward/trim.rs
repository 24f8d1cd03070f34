//! Trimming: deleting whole sealed segments by hand, from the lowest up (S-14).
//!
//! It is for a disk that is full. So it appends nothing, and it writes nothing but names that go:
//! `steward.lock` is taken where it is or can be made. Where there is no room to make it, nobody
//! holds it, and the lock of the segment is enough for one deletion.
//!
//! Retention has no say here, and there is no pin grace: a segment that somebody holds stays.

use std::io::ErrorKind;

use crate::engine::seek::{self, Start, Topics};
use crate::engine::trace::Operator;
use crate::engine::vfs::{LockWait, OpenMode, Vfs};
use crate::error::{Failure, IoError, ReadError};
use crate::steward::age::Ages;
use crate::steward::report::{Deleted, Kept, Report, Task, Why};
use crate::steward::retention::awaited_by;
use crate::steward::survey::{SealedSegment, Survey};
use crate::steward::{Steward, StewardError, StewardGuard, take_steward_lock};

/// What may go in a trim (S-14).
///
/// ```
/// use puro::{NewRecord, Start, Stream, Trim};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// stream.producer()?.append(&NewRecord::new("orders", "3 apples"))?;
/// stream.steward_with(|options| options.roll(true))?.run_once()?; // seals the segment
/// let report = stream.trim(&Trim::before(Start::End))?;
/// assert_eq!(report.deleted.len(), 1);
/// assert_eq!(stream.bounds()?, 1..1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Trim {
    until: Until,
    unconsumed: bool,
}

#[derive(Clone, Debug)]
enum Until {
    Place(Start),
    Consumed(Vec<String>),
    Bytes(u64),
    Free(u64),
}

impl Trim {
    /// Segments all of whose records stand before a place.
    #[must_use]
    pub fn before(place: Start) -> Self {
        Self { until: Until::Place(place), unconsumed: false }
    }

    /// Segments that all named consumers have read that have a position; there must be one.
    #[must_use]
    pub fn consumed() -> Self {
        Self { until: Until::Consumed(Vec::new()), unconsumed: false }
    }

    /// Segments that these named consumers have read; without a name, as [`Trim::consumed`].
    pub fn consumed_by<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        Self { until: Until::Consumed(names), unconsumed: false }
    }

    /// The lowest segments while all together take more than so many bytes.
    #[must_use]
    pub fn keep_bytes(bytes: u64) -> Self {
        Self { until: Until::Bytes(bytes), unconsumed: false }
    }

    /// The lowest segments until so many bytes of the file system are free.
    ///
    /// No more goes than was lacking when it began, counted by the lengths of the files and rounded up
    /// to a whole segment: a file system may give room back late, and that must not cost another record.
    ///
    /// ```
    /// use puro::{Stream, Trim};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scratch = tempfile::tempdir()?;
    /// # let dir = scratch.path().join("events");
    /// let stream = Stream::open_or_create(&dir)?;
    /// assert!(stream.trim(&Trim::until_free(1))?.deleted.is_empty()); // There is a byte.
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn until_free(bytes: u64) -> Self {
        Self { until: Until::Free(bytes), unconsumed: false }
    }

    /// Whether what the setting `keep_unconsumed` keeps for named consumers (S-10) may go, too.
    #[must_use]
    pub fn unconsumed(mut self, unconsumed: bool) -> Self {
        self.unconsumed = unconsumed;
        self
    }
}

/// How far a trim goes: a segment that ends at or below this offset may go, while the stream is
/// larger than this, and fewer bytes than these are free.
#[derive(Clone, Copy, Debug)]
struct Limit {
    offset: u64,
    bytes: u64,
    free: Option<u64>,
}

/// What a lock file takes of a disk.
const LOCK_FILE_BYTES: u64 = 4096;

/// What came of the attempt to delete a segment.
enum Attempt {
    /// Its name is gone, or would be.
    Gone,
    /// It stays.
    Stays(Why),
}

impl<V: Vfs> Steward<V> {
    /// Deletes whole sealed segments by hand, from the lowest up, and tells what was freed (S-14).
    /// Nothing is appended: this works on a disk without a free byte.
    ///
    /// It stops at the first segment that must stay, and tells why: somebody holds it, it holds
    /// records of a topic that is only compacted, or a named consumer has not read it and the
    /// setting `keep_unconsumed` keeps it.
    ///
    /// # Errors
    /// `Busy` while another steward works; `NoPosition` where a named consumer was asked for that
    /// has none; or where a step failed. What was done before it stays done.
    pub fn trim(&mut self, trim: &Trim) -> Result<Report, StewardError> {
        let mut report = Report { dry_run: self.options.dry_run, ..Report::default() };
        let mut lock = self.lock_if_there_is_room()?;
        let kept = self.trim_into(trim, &mut lock, &mut report)?;
        report.kept.extend(kept);
        Ok(report)
    }

    /// What a pass does first that was told how much is to be free (S-15), so that there is room for
    /// what else it does; tells what it had to stop at, and gives the lock back if it has it.
    pub(super) fn free_up(
        &self,
        bytes: u64,
        report: &mut Report,
    ) -> Result<(Option<Kept>, Option<StewardGuard<V>>), StewardError> {
        let mut lock = self.lock_if_there_is_room()?;
        let kept = self.trim_into(&Trim::until_free(bytes), &mut lock, report)?;
        Ok((kept, lock))
    }

    fn trim_into(
        &self,
        trim: &Trim,
        lock: &mut Option<StewardGuard<V>>,
        report: &mut Report,
    ) -> Result<Option<Kept>, StewardError> {
        let mut survey = Survey::of(&self.dir)?;
        let mut limit = self.limit(trim, &survey)?;
        if lock.is_none() && limit.free.is_some() && !self.options.dry_run {
            // Once there is room, the lock file takes some of it.
            limit.bytes = limit.bytes.saturating_sub(LOCK_FILE_BYTES);
        }
        if !self.options.dry_run {
            self.begin_pass(&survey)?;
        }
        let mut kept = None;
        while let Some(segment) = survey.sealed.first().cloned() {
            let low_enough = survey.end_offset(0) <= limit.offset;
            if survey.total_bytes() <= limit.bytes || !low_enough || self.is_free(limit.free)? {
                break;
            }
            if lock.is_none() {
                *lock = self.lock_if_there_is_room()?;
            }
            let sequence = segment.header.sequence;
            match self.try_to_trim(trim, &survey, &segment)? {
                Attempt::Gone => {
                    let bytes = segment.bytes;
                    report.deleted.push(Deleted { sequence, bytes, forced: false });
                    survey.sealed.remove(0);
                }
                Attempt::Stays(why) => {
                    kept = Some(Kept { sequence, task: Task::Delete, why });
                    break;
                }
            }
        }
        report.bytes = survey.total_bytes();
        Ok(kept)
    }

    /// Whether so many bytes are free by now. Where nothing is asked for, nothing is enough.
    fn is_free(&self, wanted: Option<u64>) -> Result<bool, Failure> {
        match wanted {
            Some(wanted) => Ok(self.dir.free_bytes()? >= wanted),
            None => Ok(false),
        }
    }

    /// Takes `steward.lock`; `None` where it is missing and there is no room to make it, so that
    /// nobody can hold it. Who only wants to know what would be done needs none.
    fn lock_if_there_is_room(&self) -> Result<Option<StewardGuard<V>>, StewardError> {
        if self.options.dry_run {
            return Ok(None);
        }
        match take_steward_lock(&self.dir, LockWait::Try, Operator::LockSteward) {
            Ok(Some(guard)) => Ok(Some(guard)),
            Ok(None) => Err(self.busy()),
            Err(Failure::Io(error)) if is_full(&error) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    fn limit(&self, trim: &Trim, survey: &Survey) -> Result<Limit, StewardError> {
        let any = Limit { offset: u64::MAX, bytes: 0, free: None };
        Ok(match &trim.until {
            Until::Free(free) => {
                let lacking = free.saturating_sub(self.dir.free_bytes().map_err(Failure::from)?);
                let bytes = survey.total_bytes().saturating_sub(lacking);
                Limit { bytes, free: Some(*free), ..any }
            }
            Until::Bytes(bytes) => Limit { bytes: *bytes, ..any },
            Until::Place(place) => Limit { offset: self.offset_of(*place)?, ..any },
            Until::Consumed(names) => Limit { offset: self.consumed(names, survey)?, ..any },
        })
    }

    /// The offset of a place. One that is in the stream no more is before all that is.
    fn offset_of(&self, place: Start) -> Result<u64, StewardError> {
        match seek::find(&self.dir, &place, &Topics::default(), self.options.common.lock_wait) {
            Ok(found) => Ok(found.map_or(0, |found| found.first_offset)),
            Err(ReadError::OffsetOutOfRange { offset, low, .. }) if offset < low => Ok(offset),
            Err(error) => Err(error.into()),
        }
    }

    /// Up to which offset all of these consumers have read.
    fn consumed(&self, names: &[String], survey: &Survey) -> Result<u64, StewardError> {
        let no_position = |name| StewardError::NoPosition { dir: self.dir.path.clone(), name };
        for name in names {
            if !survey.positions.iter().any(|(known, _)| known == name) {
                return Err(no_position(Some(name.clone())));
            }
        }
        let asked = |name: &String| names.is_empty() || names.contains(name);
        let positions = survey.positions.iter().filter(|(name, _)| asked(name));
        let read = positions.map(|(_, position)| position.offset);
        read.min().ok_or_else(|| no_position(None))
    }

    fn try_to_trim(
        &self,
        trim: &Trim,
        survey: &Survey,
        segment: &SealedSegment,
    ) -> Result<Attempt, Failure> {
        let sequence = segment.header.sequence;
        if let Some(why) = self.what_protects(trim, survey, segment)? {
            return Ok(Attempt::Stays(why));
        }
        while let Some(opened) = self.dir.open_segment(sequence, OpenMode::Write)? {
            if !self.try_lock_to_delete(&opened)? {
                let (since_ms, until_ms) = (None, None);
                return Ok(Attempt::Stays(Why::Held { file: segment.id, since_ms, until_ms }));
            }
            if !self.dir.still_names(&opened)? {
                continue; // replaced or deleted meanwhile, by who has the lock that is missing here
            }
            if !self.options.dry_run {
                self.unlink(&opened, Operator::Delete)?;
            }
            return Ok(Attempt::Gone);
        }
        self.sync_what_is_gone()?;
        Ok(Attempt::Gone)
    }

    /// Why a segment that is low enough must stay all the same.
    fn what_protects(
        &self,
        trim: &Trim,
        survey: &Survey,
        segment: &SealedSegment,
    ) -> Result<Option<Why>, Failure> {
        let below = survey.unusable.iter().find(|(found, _)| *found < segment.header.sequence);
        if let Some((_, message)) = below {
            return Ok(Some(Why::Damaged { message: message.clone() }));
        }
        let ages = Ages { dir: &self.dir, survey };
        let awaited = if trim.unconsumed { None } else { awaited_by(&ages)? };
        if let Some(consumer) = awaited {
            return Ok(Some(Why::Unconsumed { consumer }));
        }
        match self.topic_that_stays(&survey.settings, segment) {
            Ok(topic) => Ok(topic.map(|topic| Why::CompactedTopic { topic })),
            Err(Failure::Damage(damage)) => Ok(Some(Why::Damaged { message: damage.to_string() })),
            Err(failure) => Err(failure),
        }
    }
}

/// Whether the system has no room for one more name or byte.
fn is_full(error: &IoError) -> bool {
    matches!(error.source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}
