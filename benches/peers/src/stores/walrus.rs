//! walrus: a topic in memory blocks of its own files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use walrus_rust::{FsyncSchedule, ReadConsistency, Walrus as Wal};

use super::{Ack, Appender, Joined, Reader, Store, tally_joined};
use crate::load::{Rec, TOPIC, Tally};

/// Bytes of one reading: as much as the limit's.
const READ_LEN: usize = 256 << 10;

pub enum Walrus {
    /// Left to the page cache.
    NoSync,
    /// Each append on the disk.
    SyncEach,
}

/// Says where its files go, which is the directory of all instances; once, at the start of
/// the process, since it is asked for by environment.
///
/// # Safety
/// While no other thread runs.
pub unsafe fn set_directory(base: &Path) {
    // SAFETY: as the caller says.
    unsafe {
        std::env::set_var("WALRUS_DATA_DIR", base);
        std::env::set_var("WALRUS_QUIET", "1");
    }
}

fn open(dir: &Path, schedule: FsyncSchedule) -> Result<Wal> {
    let name = dir.file_name().and_then(|name| name.to_str()).context("an odd directory")?;
    let consistency = ReadConsistency::AtLeastOnce { persist_every: u32::MAX };
    Ok(Wal::with_consistency_and_schedule_for_key(name, consistency, schedule)?)
}

impl Store for Walrus {
    fn name(&self) -> &'static str {
        match self {
            Self::NoSync => "walrus",
            Self::SyncEach => "walrus SyncEach",
        }
    }

    fn ack(&self) -> Ack {
        match self {
            Self::NoSync => Ack::PageCache,
            Self::SyncEach => Ack::Disk,
        }
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        self.create_shared(dir, 1)?.pop().context("no appender")
    }

    fn create_shared(&self, dir: &Path, threads: usize) -> Result<Vec<Box<dyn Appender>>> {
        let schedule = match self {
            Self::NoSync => FsyncSchedule::NoFsync,
            Self::SyncEach => FsyncSchedule::SyncEach,
        };
        let wal = Arc::new(open(dir, schedule)?);
        let appenders = (0..threads).map(|_| {
            let (wal, joined) = (Arc::clone(&wal), Joined::default());
            Box::new(WalrusAppender { wal, joined }) as Box<dyn Appender>
        });
        Ok(appenders.collect())
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(WalrusReader { dir: dir.to_owned() }))
    }
}

struct WalrusReader {
    dir: PathBuf,
}

impl Reader for WalrusReader {
    fn read(&mut self, tally: &mut Tally) -> Result<()> {
        // An instance reads a topic once.
        let wal = open(&self.dir, FsyncSchedule::NoFsync)?;
        loop {
            let entries = wal.batch_read_for_topic(TOPIC, READ_LEN, true)?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in &entries {
                tally_joined(tally, &entry.data)?;
            }
        }
    }
}

struct WalrusAppender {
    wal: Arc<Wal>,
    joined: Joined,
}

impl Appender for WalrusAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        self.joined.set(records);
        if records.len() == 1 {
            return Ok(self.wal.append_for_topic(TOPIC, &self.joined.bytes)?);
        }
        let batch: Vec<&[u8]> = self.joined.iter().collect();
        Ok(self.wal.batch_append_for_topic(TOPIC, &batch)?)
    }
}
