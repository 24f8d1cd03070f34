//! Compaction: of each key the latest record stays (S-5 to S-7).
//!
//! # In memory of a fixed size
//! A stream may have more keys than memory has room for. So the sealed segments are gone through
//! in *runs*. A run begins at some offset, and reads on from there, noting for each key its
//! latest offset, until the map is full or the sealed segments end. Then all
//! segments from the lowest up to the place where the run ended are rewritten without the
//! records that are superseded by what the map holds. The next run begins, with an empty map, at
//! the first record that found no room.
//!
//! *Nothing goes that must stay*: what the map holds are offsets of committed records in sealed
//! segments, and a record goes only if the map has a higher offset for its topic and key.
//! *Nothing stays that could go*: a record r that is superseded by a later record of its key is
//! superseded by the last such record s. The run that reads s has s in its map, and rewrites
//! all segments up to that of s, among them that of r.
//!
//! With k keys in the sealed part of the stream there are at least k / c runs, c being the keys
//! that fit (7.3 million in 256 MiB), and never more than one for every c records. Each run
//! reads its own part twice and all below it once more: 100 million keys take 14 runs. A
//! segment is written only if something in it goes. Beside the map there is one block in memory
//! at a time.
//!
//! # Delete markers
//! A marker must outlive what it deletes, or that would come back. When a segment is rewritten
//! all lower ones were, in the same run; so below a marker that is the latest of its key
//! no record of that key is left: unless a lower segment could not be rewritten. Then
//! all markers above it stay, until a pass in which it can.
//!
//! A consumer, too, that has read the value must not miss the marker. So all markers above a
//! segment that somebody holds stay as well. The lowest is looked at first: a consumer only
//! ever moves up, and holds the next segment before it lets go of one (V-8), so
//! it cannot slip through. Against consumers that are away there is the grace.

use std::time::Duration;

use crate::engine::cursor::Scan;
use crate::engine::vfs::millis;
use crate::engine::vfs::{OpenMode, Vfs};
use crate::error::{Failure, IoContext};
use crate::format::block::BlockKind;
use crate::format::record::Record;
use crate::format::settings::Settings;
use crate::steward::Steward;
use crate::steward::offset_map::OffsetMap;
use crate::steward::report::{Compacted, Kept, Report, Task, Why};
use crate::steward::rewrite::{Rewritten, rewrite};
use crate::steward::survey::{SealedSegment, Survey};

/// What a compaction saw that left nothing to do.
#[derive(Debug)]
pub(super) struct Memo {
    sealed: Vec<SealedSegment>,
    settings: Settings,
    /// When the grace of the next delete marker is over.
    next_marker_ms: u64,
}

impl<V: Vfs> Steward<V> {
    /// Rewrites all sealed segments in which something is superseded.
    pub(super) fn compact(
        &mut self,
        survey: &mut Survey,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let now_ms = self.dir.vfs.now_ms();
        if !survey.settings.compacts() || self.has_nothing_to_do(survey) {
            return Ok(());
        }
        self.memo = None;
        let mut from = survey.sealed.first().map_or(u64::MAX, |first| first.header.base_offset);
        let mut next_marker_ms = u64::MAX;
        while from < survey.active.base_offset {
            let (map, to) = self.collect(survey, from)?;
            let mut judge = Judge {
                settings: survey.settings.clone(),
                map: &map,
                now_ms,
                believed_ms: survey.believed_ms,
                markers_may_go: survey.unusable.is_empty(),
                next_marker_ms,
            };
            self.rewrite_below(to, &mut judge, survey, report)?;
            next_marker_ms = judge.next_marker_ms;
            from = to;
        }
        survey.forget(&report.deleted);
        if !self.options.dry_run && !report.kept.iter().any(|kept| kept.task == Task::Compact) {
            let (sealed, settings) = (survey.sealed.clone(), survey.settings.clone());
            self.memo = Some(Memo { sealed, settings, next_marker_ms });
        }
        Ok(())
    }

    /// Whether nothing has changed since a pass that left nothing to do.
    fn has_nothing_to_do(&self, survey: &Survey) -> bool {
        self.memo.as_ref().is_some_and(|memo| {
            memo.sealed.ends_with(&survey.sealed)
                && memo.settings == survey.settings
                && survey.believed_ms <= memo.next_marker_ms
        })
    }

    /// Notes the latest offset of each key from an offset on; tells how far it came.
    fn collect(&self, survey: &Survey, from: u64) -> Result<(OffsetMap, u64), Failure> {
        let seed = self.dir.vfs.random();
        let seed = seed.while_doing("get random bytes for", &self.dir.path)?;
        let end = survey.active.base_offset;
        let mut map = OffsetMap::new(seed, self.options.map_bytes, end - from);
        for (index, segment) in survey.sealed.iter().enumerate() {
            if survey.end_offset(index) <= from {
                continue;
            }
            let noted = self.collect_from(segment, &survey.settings, from, &mut map);
            match noted {
                Ok(Some(full_at)) => return Ok((map, full_at)),
                // Told when it is to be rewritten. What could be read of it counts.
                Ok(None) | Err(Failure::Damage(_)) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok((map, end))
    }

    /// The same for one segment; tells the first offset for which there was no room.
    fn collect_from(
        &self,
        segment: &SealedSegment,
        settings: &Settings,
        from: u64,
        map: &mut OffsetMap,
    ) -> Result<Option<u64>, Failure> {
        let opened = self.dir.open_segment(segment.header.sequence, OpenMode::Read)?;
        let Some(opened) = opened else { return Ok(None) };
        let mut scan = Scan::new(&opened);
        loop {
            let (before, block) = scan.expect_block()?;
            let damage = |cause| opened.damage_at(&before, cause);
            match block.start.kind {
                BlockKind::SegmentEnd => return Ok(None),
                BlockKind::Checkpoint => continue,
                BlockKind::Records => block.check_records().map_err(damage)?,
            }
            let mut cursor = block.records();
            while let Some(record) = cursor.next(block.body) {
                let Some(key) = record.key.filter(|_| settings.cleanup(record.topic).compacts())
                else {
                    continue;
                };
                if record.offset >= from && !map.note(record.topic, key, record.offset) {
                    return Ok(Some(record.offset));
                }
            }
        }
    }

    /// Rewrites all segments that begin below an offset, the lowest first.
    fn rewrite_below(
        &mut self,
        to: u64,
        judge: &mut Judge<'_>,
        survey: &mut Survey,
        report: &mut Report,
    ) -> Result<(), Failure> {
        for segment in &mut survey.sealed {
            if segment.header.base_offset >= to {
                break;
            }
            // Who read what is deleted may have moved up past what was tried before (S-7).
            judge.markers_may_go &= !self.delete_meanwhile(report)?;
            let sequence = segment.header.sequence;
            let rewritten = rewrite(&self.dir, segment, self.options.dry_run, judge);
            let why = match rewritten {
                Ok(Rewritten::Not { held }) => {
                    judge.markers_may_go &= !held;
                    continue;
                }
                Ok(Rewritten::Done(compacted)) => {
                    note_compacted(report, compacted);
                    continue;
                }
                Ok(Rewritten::Stays(why)) => why,
                Err(Failure::Damage(damage)) => Why::Damaged { message: damage.to_string() },
                Err(failure) => return Err(failure),
            };
            judge.markers_may_go = false;
            let kept = Kept { sequence, task: Task::Compact, why };
            if !report.kept.contains(&kept) {
                report.kept.push(kept);
            }
        }
        Ok(())
    }
}

/// How often a compaction looks whether something is to be deleted.
const DELETE_INTERVAL: Duration = Duration::from_secs(1);

impl<V: Vfs> Steward<V> {
    /// A compaction may take long, and while it runs nobody else deletes (S-1): so what
    /// retention lets go meanwhile goes between two segments. Tells whether anything was to go.
    fn delete_meanwhile(&mut self, report: &mut Report) -> Result<bool, Failure> {
        let now = self.dir.vfs.monotonic();
        if self.options.dry_run || now.saturating_sub(self.looked_at) < DELETE_INTERVAL {
            return Ok(false);
        }
        self.looked_at = now;
        let mut survey = self.survey()?;
        let deletes = self.has_something_to_delete(&survey)?;
        if deletes {
            self.begin_pass(&survey)?;
            report.kept.retain(|kept| kept.task != Task::Delete);
            self.delete(&mut survey, report)?;
        }
        Ok(deletes)
    }
}

/// Adds to the report; several runs may rewrite the same segment.
fn note_compacted(report: &mut Report, done: Compacted) {
    match report.compacted.iter_mut().find(|before| before.sequence == done.sequence) {
        Some(before) => {
            before.records_removed += done.records_removed;
            before.bytes_after = done.bytes_after;
        }
        None => report.compacted.push(done),
    }
}

/// Decides which records stay.
pub(super) struct Judge<'m> {
    settings: Settings,
    map: &'m OffsetMap,
    now_ms: u64,
    /// The same as far as it is believed (S-12).
    believed_ms: u64,
    /// Whether all lower segments were rewritten as far as anything in them had to go, and
    /// nobody holds one (S-7).
    markers_may_go: bool,
    /// When the grace of the next delete marker is over, or was.
    next_marker_ms: u64,
}

impl Judge<'_> {
    /// Now, by this steward's clock.
    pub(super) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Whether a record stays.
    pub(super) fn stays(&mut self, record: &Record<'_>) -> bool {
        let Some(key) = record.key.filter(|_| self.settings.cleanup(record.topic).compacts())
        else {
            return true;
        };
        match self.map.latest(record.topic, key) {
            Some(latest) if latest > record.offset => false,
            Some(latest) if latest == record.offset && record.value.is_none() => {
                !self.marker_goes(record.timestamp_ms)
            }
            _ => true,
        }
    }

    /// Whether a marker of that time, the latest of its key, goes (S-7).
    fn marker_goes(&mut self, timestamp_ms: u64) -> bool {
        let over_ms = timestamp_ms.saturating_add(millis(self.settings.marker_grace));
        let goes = self.markers_may_go && over_ms < self.believed_ms;
        if !goes {
            self.next_marker_ms = self.next_marker_ms.min(over_ms);
        }
        goes
    }
}
