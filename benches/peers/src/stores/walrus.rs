//! walrus: a topic in memory blocks of its own files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use walrus_rust::{FsyncSchedule, ReadConsistency, Walrus as Wal};

use super::{Ack, Appender, Joined, Reader, Store, tally_joined};
use crate::load::{Rec, TOPIC, Tally};

/// Bytes of one reading: as much as the limit's.
const READ_LEN: usize = 256 << 10;

pub struct Walrus;

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

fn open(dir: &Path) -> Result<Wal> {
    let name = dir.file_name().and_then(|name| name.to_str()).context("an odd directory")?;
    let consistency = ReadConsistency::AtLeastOnce { persist_every: u32::MAX };
    let schedule = FsyncSchedule::NoFsync;
    Ok(Wal::with_consistency_and_schedule_for_key(name, consistency, schedule)?)
}

impl Store for Walrus {
    fn name(&self) -> &'static str {
        "walrus"
    }

    fn ack(&self) -> Ack {
        Ack::PageCache
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        Ok(Box::new(WalrusAppender { wal: open(dir)?, joined: Joined::default() }))
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
        let wal = open(&self.dir)?;
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
    wal: Wal,
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
