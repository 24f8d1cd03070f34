//! What the tests of the steward share: a clock that can be set, and streams with tiny segments.

#![allow(dead_code)] // Each test takes what it needs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use puro::internals::dir::parse_segment_name;
use puro::internals::interpose::{Answer, Call, Hook, Interpose};
use puro::internals::os::OsVfs;
use puro::internals::vfs::Vfs;
use puro::steward::Report;
use puro::{NewRecord, Producer, ProducerOptions, Steward, StewardOptions};

/// Real files, and a clock that stands where it is set.
#[derive(Clone, Default)]
pub struct Clock {
    /// The time that has really come.
    time_ms: Arc<AtomicU64>,
    /// By how much the wall clock is ahead of it.
    ahead_ms: Arc<AtomicU64>,
}

impl Hook for Clock {
    fn before(&self, _call: &Call<'_>) -> Answer {
        Answer::Proceed
    }

    fn now_ms(&self, _real: u64) -> u64 {
        self.now()
    }

    fn monotonic(&self, real: Duration) -> Duration {
        real + Duration::from_millis(self.time_ms.load(Ordering::SeqCst))
    }
}

pub const HOUR: u64 = 3_600_000;
pub const DAY: u64 = 24 * HOUR;
/// The day on which most tests begin.
pub const NOON: u64 = 20_000 * DAY + 12 * HOUR;
/// Some day in 2099.
pub const FAR: u64 = 47_300 * DAY;

impl Clock {
    pub fn at(now_ms: u64) -> Self {
        let clock = Self::default();
        clock.set(now_ms);
        clock
    }

    /// It has become so late.
    pub fn set(&self, now_ms: u64) {
        self.time_ms.store(now_ms, Ordering::SeqCst);
    }

    /// The wall clock jumps: from here on it is so far ahead of the time.
    pub fn jump(&self, ahead_ms: u64) {
        self.ahead_ms.store(ahead_ms, Ordering::SeqCst);
    }

    pub fn now(&self) -> u64 {
        self.time_ms.load(Ordering::SeqCst) + self.ahead_ms.load(Ordering::SeqCst)
    }

    pub fn vfs(&self) -> Interpose<OsVfs> {
        Interpose::new(OsVfs::new(), self.clone())
    }

    pub fn producer(&self, dir: &Path) -> Producer<Interpose<OsVfs>> {
        ProducerOptions::new().segment_bytes(4096).open_in(self.vfs(), dir).unwrap()
    }

    pub fn steward(&self, dir: &Path) -> Steward<Interpose<OsVfs>> {
        StewardOptions::new().open_in(self.vfs(), dir).unwrap()
    }

    pub fn pass(&self, dir: &Path) -> Report {
        self.steward(dir).run_once().unwrap()
    }
}

/// The numbers of the segments there are, ascending.
pub fn segments(dir: &Path) -> Vec<u32> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut found: Vec<u32> =
        names.filter_map(|name| parse_segment_name(name.to_str().unwrap())).collect();
    found.sort_unstable();
    found
}

pub fn segment_bytes(dir: &Path, sequence: u32) -> u64 {
    std::fs::metadata(dir.join(format!("{sequence:010}.puro"))).unwrap().len()
}

pub fn stream_bytes(dir: &Path) -> u64 {
    segments(dir).into_iter().map(|sequence| segment_bytes(dir, sequence)).sum()
}

/// Appends until so many segments were begun since; four records fill one.
pub fn roll<V: Vfs>(producer: &mut Producer<V>, dir: &Path, rolls: u32) {
    let wanted = segments(dir).last().unwrap() + rolls;
    while *segments(dir).last().unwrap() < wanted {
        producer.append(&NewRecord::new("t", &"x".repeat(900))).unwrap();
    }
}

/// The numbers of the segments that were deleted.
pub fn deleted(report: &Report) -> Vec<u32> {
    report.deleted.iter().map(|deleted| deleted.sequence).collect()
}
