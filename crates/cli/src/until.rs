//! `--to`: where reading ends.

use std::path::Path;

use puro::{ConsumerOptions, Record, Start, Stream};

use crate::common::CliError;
use crate::time::now_ms;

/// Where reading ends: before a place that was found when it began, or, for a time that nothing was
/// written at yet, before what is written then or later.
pub struct Until {
    offset: u64,
    /// From `offset` on, the end is where a record has this time, or the clock has it.
    time_ms: Option<u64>,
}

impl Until {
    /// Finds the end, by the topics that are asked for.
    pub fn find(options: &ConsumerOptions, dir: &Path, place: Start) -> Result<Self, CliError> {
        let mut until = Self { offset: 0, time_ms: None };
        if let Start::Offset(offset) = place {
            // It may be yet to come.
            until.offset = offset;
            return Ok(until);
        }
        let time_ms = match place {
            Start::Time(time_ms) => Some(time_ms),
            _ => None,
        };
        let found = options.clone().start(place).open(dir)?.token();
        let Some(found) = found else {
            until.time_ms = time_ms; // nothing is there yet
            return Ok(until);
        };
        until.offset = found.offset;
        if found.offset >= Stream::open(dir)?.bounds()?.end {
            until.time_ms = time_ms;
        }
        Ok(until)
    }

    /// Whether a record stands at the end or behind it.
    pub fn ends_before(&self, record: &Record<'_>) -> bool {
        let behind = record.offset >= self.offset;
        behind && self.time_ms.is_none_or(|time_ms| record.timestamp_ms >= time_ms)
    }

    /// Whether nothing before the end can come any more, where the next record has this offset and
    /// is not there yet.
    pub fn is_reached(&self, next_offset: u64) -> bool {
        next_offset >= self.offset && self.time_ms.is_none_or(|time_ms| now_ms() >= time_ms)
    }

    /// Whether no record from this offset on is wanted.
    pub fn is_at(&self, next_offset: u64) -> bool {
        self.time_ms.is_none() && next_offset >= self.offset
    }
}
