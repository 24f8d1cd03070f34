//! What a pass finds: which segments there are, how large and how old.

use crate::engine::cursor::{Scan, Step};
use crate::engine::dir::{Directory, OpenSegment};
use crate::engine::segment::SegmentHeader;
use crate::engine::trace::{Action, Operator};
use crate::engine::vfs::{FileId, OpenMode, Vfs, VfsFile, millis};
use crate::error::{Failure, IoContext};
use crate::format::block::{Block, BlockKind};
use crate::format::settings::Settings;
use crate::format::state::{Position, SETTING, State};
use crate::steward::clock::{Doubt, note_run};
use crate::steward::report::Deleted;

/// The segments of a stream when a pass began, and what its settings say.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The sealed segments, ascending; only they are touched (S-2).
    pub sealed: Vec<SealedSegment>,
    /// The time of the survey.
    pub now_ms: u64,
    /// The time as far as it is believed: the same, unless the clock is in doubt (S-12).
    pub believed_ms: u64,
    /// Why it is.
    pub doubt: Option<Doubt>,
    /// The time by which old segments are deleted: what is believed, unless somebody is cautious.
    pub trusted_ms: u64,
    /// Segments that cannot be used, with what is wrong.
    pub unusable: Vec<(u32, String)>,
    /// The active segment.
    pub active: ActiveSegment,
    /// What the stream's settings say.
    pub settings: Settings,
    /// The positions of named consumers.
    pub positions: Vec<(String, Position)>,
}

/// A sealed segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSegment {
    /// Its header.
    pub header: SegmentHeader,
    /// Its length.
    pub bytes: u64,
    /// Which file it is.
    pub id: FileId,
}

/// What is to be known of the active segment. It is read from its beginning to its committed
/// end, which is not far after a rollover.
#[derive(Clone, Debug, Default)]
pub struct ActiveSegment {
    /// Its number.
    pub sequence: u32,
    /// Its length.
    pub bytes: u64,
    /// The offset at which it began.
    pub base_offset: u64,
    /// When its file was made.
    pub created_ms: u64,
    /// The highest timestamp of the stream when it began.
    pub opening_ms: u64,
    /// The timestamps of its records blocks, as [`note_run`] keeps them.
    pub runs: Vec<[u64; 2]>,
    /// Timestamps of its blocks that hold records, each lower than the one before it. The first of
    /// them that does not lie in the future is what [`ActiveSegment::first_ms`] looks for, and a
    /// block that is not lower than those before it is never that one.
    record_times: Vec<u64>,
    /// The highest timestamp of its records blocks that does not lie in the future.
    pub highest_ms: Option<u64>,
    /// When settings last changed in it.
    pub settings_changed_ms: Option<u64>,
}

impl Survey {
    /// Lists the segments and reads the active one.
    pub fn of<V: Vfs>(dir: &Directory<V>) -> Result<Self, Failure> {
        let not_a_stream = || Failure::NotAStream { dir: dir.path.clone() };
        let active = dir.open_active(OpenMode::Read)?.ok_or_else(not_a_stream)?;
        dir.vfs.trace(&Action::new(Operator::ListSegments).at(active.header.sequence, 0));
        let segments = dir.segments()?.ok_or_else(not_a_stream)?;
        let (mut sealed, mut unusable) = (Vec::new(), Vec::new());
        for sequence in segments.sequences {
            if sequence >= active.header.sequence {
                break;
            }
            match look_at(dir, sequence) {
                Ok(Some(found)) => sealed.push(found),
                Ok(None) => {}
                Err(failure @ (Failure::Damage(_) | Failure::NotASegment { .. })) => {
                    unusable.push((sequence, failure.to_string()));
                }
                Err(failure) => return Err(failure),
            }
        }
        // Strays are left alone (F-9).
        sealed.retain(|segment| segment.header.stream_id == active.header.stream_id);
        let mut state = State::default();
        let now_ms = dir.vfs.now_ms();
        let active = ActiveSegment::read(&active, now_ms, &mut state)?;
        let (positions, settings) = (state.positions().collect(), state.settings().clone());
        Ok(Self {
            sealed,
            now_ms,
            believed_ms: now_ms,
            doubt: None,
            trusted_ms: now_ms,
            unusable,
            active,
            settings,
            positions,
        })
    }

    /// Makes the survey that of somebody who has just rolled, and whose clock may be decades
    /// ahead: by age, nothing goes that would not have gone when the segment before was
    /// begun (S-9).
    pub fn trust_own_clock_less(&mut self) {
        let begun_ms = self.sealed.last().map_or(0, |last| last.header.created_ms);
        self.trusted_ms = self.believed_ms.min(self.active.opening_ms).min(begun_ms);
    }

    /// Whether the active segment is to be sealed.
    pub fn must_seal(&self, asked: bool) -> bool {
        self.active.must_seal(&self.settings, self.now_ms, asked)
    }

    /// Whether writers are to be held up while segments are deleted, so that they do not fill
    /// the disk faster than that. Not where very much is to be deleted: a retention was set
    /// anew then, and that may take its time.
    pub fn holds_writers_up(&self) -> bool {
        const MOST_SEGMENTS: u64 = 8;
        let Some(limit) = self.settings.retention_bytes else { return false };
        let above = self.total_bytes().saturating_sub(limit);
        let segment_bytes = self.settings.segment_bytes;
        above > 0 && above / MOST_SEGMENTS <= segment_bytes
    }

    /// Whether a limit would take the active segment, were it sealed; not where roll_ms will seal
    /// it in time.
    pub fn limit_spares_active(&self) -> bool {
        let by_bytes = self.settings.retention_bytes.is_some_and(|limit| self.active.bytes > limit);
        let by_age = self.settings.retention.zip(self.active.highest_ms).is_some_and(
            |(retention, newest_ms)| newest_ms.saturating_add(millis(retention)) < self.trusted_ms,
        );
        self.active.has_records() && (by_bytes || (by_age && self.settings.roll.is_none()))
    }

    /// Takes out segments that were deleted since.
    pub fn forget(&mut self, deleted: &[Deleted]) {
        let gone = |sequence| deleted.iter().any(|deleted| deleted.sequence == sequence);
        self.sealed.retain(|segment| !gone(segment.header.sequence));
    }

    /// Bytes of all segments.
    pub fn total_bytes(&self) -> u64 {
        self.active.bytes + self.sealed.iter().map(|segment| segment.bytes).sum::<u64>()
    }

    /// Where the segment behind a sealed one begins.
    pub fn end_offset(&self, index: usize) -> u64 {
        let next = self.sealed.get(index + 1);
        next.map_or(self.active.base_offset, |next| next.header.base_offset)
    }
}

/// Whether a block changes a setting.
fn sets_a_setting(block: &Block<'_>) -> bool {
    block.control_records().flatten().any(|fields| fields.topic == SETTING)
}

/// Header, length and identity of a segment; `None` if it is gone or stray.
fn look_at<V: Vfs>(dir: &Directory<V>, sequence: u32) -> Result<Option<SealedSegment>, Failure> {
    let Some(segment) = dir.open_segment(sequence, OpenMode::Read)? else { return Ok(None) };
    let status = segment.file.status().while_doing("look at", &segment.path)?;
    let found = SealedSegment { header: segment.header, bytes: status.len, id: status.id };
    Ok((segment.header.sequence == sequence).then_some(found))
}

impl ActiveSegment {
    fn read<F: VfsFile>(
        segment: &OpenSegment<F>,
        now_ms: u64,
        state: &mut State,
    ) -> Result<Self, Failure> {
        let mut found = Self {
            sequence: segment.header.sequence,
            base_offset: segment.header.base_offset,
            created_ms: segment.header.created_ms,
            ..Self::default()
        };
        let mut scan = Scan::new(segment);
        let mut opening = true;
        loop {
            // What stands behind the committed end does not count (Z-4).
            found.bytes = scan.at.position;
            let Step::Block(before_it, block) = scan.next()? else { return Ok(found) };
            opening &= block.start.kind == BlockKind::Checkpoint;
            if opening {
                found.opening_ms = block.start.timestamp_ms;
            }
            if !opening && block.start.kind == BlockKind::Checkpoint {
                continue;
            }
            let before = (!opening && sets_a_setting(&block)).then(|| state.settings().clone());
            let applied = state.apply(&block);
            applied.map_err(|cause| segment.damage_at(&before_it, cause))?;
            if before.is_some_and(|before| before != *state.settings()) {
                found.settings_changed_ms = Some(block.start.timestamp_ms);
            }
            if block.start.kind == BlockKind::Records {
                found.pass(block.start.timestamp_ms, block.start.record_count > 0, now_ms);
            }
        }
    }

    fn pass(&mut self, timestamp_ms: u64, has_records: bool, now_ms: u64) {
        let past = Some(timestamp_ms).filter(|timestamp_ms| *timestamp_ms <= now_ms);
        self.highest_ms = self.highest_ms.max(past);
        note_run(&mut self.runs, timestamp_ms);
        let lowest = self.record_times.last().is_none_or(|lowest| timestamp_ms < *lowest);
        if has_records && lowest {
            self.record_times.push(timestamp_ms);
        }
    }

    fn has_records(&self) -> bool {
        !self.record_times.is_empty()
    }

    /// The time of the first record that does not lie in the future.
    fn first_ms(&self, now_ms: u64) -> Option<u64> {
        self.record_times.iter().copied().find(|time_ms| *time_ms <= now_ms)
    }

    /// Whether the segment is to be sealed: it must hold a record, and be old enough or be
    /// asked for.
    fn must_seal(&self, settings: &Settings, now_ms: u64, asked: bool) -> bool {
        let old = settings
            .roll
            .zip(self.first_ms(now_ms))
            .is_some_and(|(roll, first_ms)| now_ms - first_ms > millis(roll));
        self.has_records() && (asked || old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active(times: &[u64]) -> ActiveSegment {
        let mut active = ActiveSegment::default();
        for time_ms in times {
            active.pass(*time_ms, true, u64::MAX);
        }
        active
    }

    #[test]
    fn the_first_record_that_is_not_in_the_future_counts() {
        assert_eq!(active(&[]).first_ms(100), None);
        assert_eq!(active(&[10, 20, 5]).first_ms(100), Some(10));
        assert_eq!(active(&[4000, 4001, 50, 60, 40]).first_ms(100), Some(50));
        assert_eq!(active(&[4000, 4001]).first_ms(100), None);
    }
}
