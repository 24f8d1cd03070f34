//! Deleting: from the lowest segment up, as long as retention says so (S-3, S-4, S-10).
//!
//! A segment that should go but is held is left alone until the pin grace is over. The grace
//! counts from the moment at which the segment could have gone, and that moment is worked out
//! from what is on the disk: so stewards that run once a day, stewards that always run, and
//! producers after a rollover all come to the same answer. For retention by age the moment is
//! the segment's age plus retention_ms; for retention by bytes it is the time at which the
//! segment was finished with which the stream became too large. A change of the
//! settings starts the grace anew. Where no timestamp can tell, because all lie in
//! the future, a steward that keeps running waits out the grace by its own clock.

use std::time::Duration;

use crate::engine::cursor::{Scan, Step};
use crate::engine::dir::{Directory, OpenSegment};
use crate::engine::trace::{Action, Operator};
use crate::engine::vfs::{LockKind, LockWait, OpenMode, Vfs, VfsFile, millis};
use crate::error::{Failure, IoContext};
use crate::format::block::{BlockKind, Cause};
use crate::format::settings::Settings;
use crate::steward::Steward;
use crate::steward::age::Ages;
use crate::steward::clock::Doubt;
use crate::steward::report::{Deleted, Kept, Report, Task, Why};
use crate::steward::survey::{SealedSegment, Survey};

/// Why a segment should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    /// Since when it could, in ms since 1970, if that can be told.
    since_ms: Option<u64>,
}

/// What came of the attempt to delete a segment.
enum Attempt {
    /// It is gone, or would be.
    Gone { forced: bool },
    /// It stays.
    Stays(Why),
}

impl<V: Vfs> Steward<V> {
    /// Whether retention lets the lowest segment go, whatever speaks against it.
    pub(super) fn has_something_to_delete(&self, survey: &Survey) -> Result<bool, Failure> {
        let ages = Ages { dir: &self.dir, survey };
        Ok(!survey.sealed.is_empty() && lowest_is_due(&ages)?.is_some())
    }

    /// Deletes what retention lets go, and takes it out of the survey.
    pub(super) fn delete(
        &mut self,
        survey: &mut Survey,
        report: &mut Report,
    ) -> Result<(), Failure> {
        while let Some(segment) = survey.sealed.first().cloned() {
            let sequence = segment.header.sequence;
            let (due, held_back) = match self.judge(survey) {
                Ok(Some(judged)) => judged,
                Ok(None) => return note_doubt(&self.dir, survey, report),
                Err(Failure::Damage(damage)) => {
                    let why = Why::Damaged { message: damage.to_string() };
                    report.kept.push(Kept { sequence, task: Task::Delete, why });
                    return Ok(());
                }
                Err(failure) => return Err(failure),
            };
            let attempt = match held_back {
                Some(why) => Attempt::Stays(why),
                None => self.try_to_delete(survey, &segment, due)?,
            };
            match attempt {
                Attempt::Stays(why) => {
                    report.kept.push(Kept { sequence, task: Task::Delete, why });
                    return Ok(());
                }
                Attempt::Gone { forced } => {
                    self.first_held.remove(&sequence);
                    report.deleted.push(Deleted { sequence, bytes: segment.bytes, forced });
                    survey.sealed.remove(0);
                }
            }
        }
        if survey.limit_spares_active() && report.sealed.is_none() {
            let sequence = survey.active.sequence;
            report.kept.push(Kept { sequence, task: Task::Delete, why: Why::Active });
        }
        Ok(())
    }

    /// Whether the lowest segment should go, and what speaks against it all the same.
    fn judge(&self, survey: &Survey) -> Result<Option<(Due, Option<Why>)>, Failure> {
        let ages = Ages { dir: &self.dir, survey };
        let Some(due) = lowest_is_due(&ages)? else { return Ok(None) };
        let Some(lowest) = survey.sealed.first() else { return Ok(None) };
        let below = survey.unusable.iter().find(|(found, _)| *found < lowest.header.sequence);
        if let Some((_, message)) = below {
            return Ok(Some((due, Some(Why::Damaged { message: message.clone() }))));
        }
        if let Some(consumer) = awaited_by(&ages)? {
            return Ok(Some((due, Some(Why::Unconsumed { consumer }))));
        }
        let kept_topic = self.topic_that_stays(&survey.settings, lowest)?;
        Ok(Some((due, kept_topic.map(|topic| Why::CompactedTopic { topic }))))
    }

    /// A topic with records in the segment that are never deleted, only compacted.
    pub(super) fn topic_that_stays(
        &self,
        settings: &Settings,
        segment: &SealedSegment,
    ) -> Result<Option<Vec<u8>>, Failure> {
        if !settings.compacts() {
            return Ok(None);
        }
        let opened = self.dir.open_segment(segment.header.sequence, OpenMode::Read)?;
        let Some(opened) = opened else { return Ok(None) };
        let mut scan = Scan::new(&opened);
        loop {
            let at = scan.at;
            let block = match scan.next()? {
                Step::Block(_, block) => block,
                Step::Stopped(Cause::End) => return Err(opened.damage_at(&at, Cause::NotSealed)),
                Step::Stopped(cause) => return Err(opened.damage_at(&at, cause)),
            };
            match block.start.kind {
                BlockKind::SegmentEnd => return Ok(None),
                BlockKind::Checkpoint => continue,
                BlockKind::Records => {}
            }
            block.check_records().map_err(|cause| opened.damage_at(&at, cause))?;
            let mut cursor = block.records();
            while let Some(record) = cursor.next(block.body) {
                if !settings.cleanup(record.topic).deletes() {
                    return Ok(Some(record.topic.to_vec()));
                }
            }
        }
    }

    /// Deletes the lowest segment, unless somebody holds it whose grace is not over.
    fn try_to_delete(
        &mut self,
        survey: &Survey,
        segment: &SealedSegment,
        due: Due,
    ) -> Result<Attempt, Failure> {
        let sequence = segment.header.sequence;
        let Some(opened) = self.dir.open_segment(sequence, OpenMode::Write)? else {
            self.sync_what_is_gone()?;
            return Ok(Attempt::Gone { forced: false });
        };
        let locked = self.try_lock_to_delete(&opened)?;
        if !locked {
            let since_ms = due.since_ms.max(survey.active.settings_changed_ms);
            let since_ms = since_ms.filter(|_| due.since_ms.is_some());
            let until_ms = self.grace_ends(survey, sequence, since_ms);
            if until_ms > survey.believed_ms {
                let until_ms = Some(until_ms);
                return Ok(Attempt::Stays(Why::Held { file: segment.id, since_ms, until_ms }));
            }
        }
        if !self.dir.still_names(&opened)? {
            self.sync_what_is_gone()?;
            return Ok(Attempt::Gone { forced: false });
        }
        if !self.options.dry_run {
            self.unlink(&opened, if locked { Operator::Delete } else { Operator::DeleteForced })?;
        }
        Ok(Attempt::Gone { forced: !locked })
    }

    /// Tries the lock under which a segment is deleted (L-6).
    pub(super) fn try_lock_to_delete(
        &self,
        opened: &OpenSegment<V::File>,
    ) -> Result<bool, Failure> {
        let sequence = opened.header.sequence;
        let locked = opened.file.lock(LockKind::Exclusive, LockWait::Try);
        let locked = locked.while_doing("lock", &opened.path)?;
        let tried = Action::new(Operator::TryExclusive).at(sequence, 0).value(u64::from(locked));
        self.dir.vfs.trace(&tried);
        if locked {
            self.dir.vfs.trace(&Action::new(Operator::LockToDelete).at(sequence, 0));
        }
        Ok(locked)
    }

    /// When a segment that is held goes all the same, in ms since 1970.
    fn grace_ends(&mut self, survey: &Survey, sequence: u32, since_ms: Option<u64>) -> u64 {
        let grace = survey.settings.pin_grace;
        let monotonic = self.dir.vfs.monotonic();
        let first = *self.first_held.entry(sequence).or_insert(monotonic);
        match since_ms {
            Some(since_ms) => since_ms.saturating_add(millis(grace)),
            None => {
                let left = grace.saturating_sub(monotonic.saturating_sub(first));
                survey.believed_ms.saturating_add(millis(left))
            }
        }
    }

    /// Somebody trimmed without `steward.lock` (S-14), and may not have synced that yet: until it is
    /// on the disk, no segment above may go.
    pub(super) fn sync_what_is_gone(&self) -> Result<(), Failure> {
        if self.options.dry_run { Ok(()) } else { Ok(self.dir.sync()?) }
    }

    pub(super) fn unlink(
        &self,
        segment: &OpenSegment<V::File>,
        action: Operator,
    ) -> Result<(), Failure> {
        let trace = |name| self.dir.vfs.trace(&Action::new(name).at(segment.header.sequence, 0));
        self.dir.remove(segment.name(), "delete")?;
        trace(action);
        self.dir.sync()?;
        trace(Operator::SyncDelete);
        Ok(())
    }
}

/// Says why the lowest segment stays, if it would go by a clock that is not believed (S-12).
fn note_doubt<V: Vfs>(
    dir: &Directory<V>,
    survey: &Survey,
    report: &mut Report,
) -> Result<(), Failure> {
    let Some((doubt, lowest)) = survey.doubt.zip(survey.sealed.first()) else { return Ok(()) };
    let (sequence, now_ms) = (lowest.header.sequence, survey.now_ms);
    let believing = Survey { trusted_ms: now_ms, ..survey.clone() };
    if lowest_is_due(&Ages { dir, survey: &believing })?.is_some() {
        let why = match doubt {
            Doubt::Jumped { by_ms } => Why::ClockJumped { by_ms },
            Doubt::Ahead { newest_ms } => Why::ClockAhead { now_ms, newest_ms },
        };
        report.kept.push(Kept { sequence, task: Task::Delete, why });
    }
    Ok(())
}

/// Whether retention lets the lowest segment go, and since when (S-3, S-8).
fn lowest_is_due<V: Vfs>(ages: &Ages<'_, V>) -> Result<Option<Due>, Failure> {
    let settings = &ages.survey.settings;
    let by_bytes = match settings.retention_bytes {
        Some(limit) if ages.survey.total_bytes() > limit => Some(became_too_large(ages, limit)?),
        _ => None,
    };
    let by_age = match settings.retention {
        Some(retention) => outlived(ages, retention)?,
        None => None,
    };
    Ok(match (by_bytes, by_age) {
        (Some(bytes), Some(age)) => {
            // Either suffices, so the earlier moment counts.
            let both = bytes.since_ms.zip(age.since_ms).map(|(a, b)| a.min(b));
            Some(Due { since_ms: both.or(bytes.since_ms).or(age.since_ms) })
        }
        (one, other) => one.or(other),
    })
}

fn outlived<V: Vfs>(ages: &Ages<'_, V>, retention: Duration) -> Result<Option<Due>, Failure> {
    let retention_ms = millis(retention);
    let Some(settled_ms) = ages.settled_ms(0)? else { return Ok(None) };
    let since_ms = settled_ms.saturating_add(retention_ms);
    Ok((since_ms < ages.survey.trusted_ms).then_some(Due { since_ms: Some(since_ms) }))
}

/// The stream became too large for its lowest segment with the first segment up to which
/// all together exceed the limit.
fn became_too_large<V: Vfs>(ages: &Ages<'_, V>, limit: u64) -> Result<Due, Failure> {
    let mut total = 0;
    for (index, segment) in ages.survey.sealed.iter().enumerate() {
        total += segment.bytes;
        if total > limit {
            return Ok(Due { since_ms: ages.settled_ms(index)? });
        }
    }
    Ok(Due { since_ms: ages.settled_ms(ages.survey.sealed.len())? })
}

/// The named consumer that is behind most among those that have not read the lowest segment,
/// if it is to be kept for them (S-10).
pub(super) fn awaited_by<V: Vfs>(ages: &Ages<'_, V>) -> Result<Option<String>, Failure> {
    let (survey, settings) = (ages.survey, &ages.survey.settings);
    if !settings.keep_unconsumed {
        return Ok(None);
    }
    if settings.keep_unconsumed_limit_bytes.is_some_and(|limit| survey.total_bytes() > limit) {
        return Ok(None);
    }
    if let Some(limit) = settings.keep_unconsumed_limit
        && outlived(ages, limit)?.is_some()
    {
        return Ok(None);
    }
    let end_offset = survey.end_offset(0);
    let expiry_ms = settings.expiry.map(millis);
    let counts = |time_ms: u64| {
        expiry_ms
            .is_none_or(|expiry_ms| ages.survey.believed_ms.saturating_sub(time_ms) <= expiry_ms)
    };
    let behind = survey.positions.iter();
    let behind = behind.filter(|(_, at)| at.offset < end_offset && counts(at.time_ms));
    Ok(behind.min_by_key(|(_, at)| at.offset).map(|(name, _)| name.clone()))
}
