//! logdb: appends go to a ring in memory, which a thread of its own writes out.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use logdb::{Config, DurabilityMode, LogDb};

use super::{Ack, Appender, Joined, Reader, Store, tally_joined};
use crate::load::{Rec, Tally};

pub enum Logdb {
    /// Synced only by its `flush`: what compares to the page cache of the others.
    Async,
    /// Each append waits for `flush`.
    Sync,
}

fn open(dir: &Path, durability_mode: DurabilityMode) -> Result<LogDb> {
    let config = Config { data_dir: dir.to_owned(), durability_mode, ..Config::default() };
    Ok(LogDb::open(config)?)
}

impl Store for Logdb {
    fn name(&self) -> &'static str {
        match self {
            Self::Async => "logdb",
            Self::Sync => "logdb Sync",
        }
    }

    fn ack(&self) -> Ack {
        match self {
            Self::Async => Ack::Memory,
            Self::Sync => Ack::Disk,
        }
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        self.create_shared(dir, 1)?.pop().context("no appender")
    }

    fn create_shared(&self, dir: &Path, threads: usize) -> Result<Vec<Box<dyn Appender>>> {
        let (mode, sync) = match self {
            Self::Async => (DurabilityMode::Async, false),
            Self::Sync => (DurabilityMode::Sync, true),
        };
        let log = Arc::new(open(dir, mode)?);
        let appenders = (0..threads).map(|_| {
            let (log, joined) = (Arc::clone(&log), Joined::default());
            Box::new(LogdbAppender { log, joined, sync }) as Box<dyn Appender>
        });
        Ok(appenders.collect())
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(LogdbReader { log: open(dir, DurabilityMode::Async)? }))
    }
}

struct LogdbReader {
    log: LogDb,
}

impl Reader for LogdbReader {
    fn read(&mut self, tally: &mut Tally) -> Result<()> {
        for record in self.log.scan(0, u64::MAX)? {
            tally_joined(tally, &record?.content)?;
        }
        Ok(())
    }
}

struct LogdbAppender {
    log: Arc<LogDb>,
    joined: Joined,
    sync: bool,
}

impl Appender for LogdbAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        self.joined.set(records);
        if records.len() == 1 {
            self.log.append(&self.joined.bytes)?;
        } else {
            let contents: Vec<&[u8]> = self.joined.iter().collect();
            self.log.append_batch(&contents)?;
        }
        if self.sync {
            self.log.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        while self.log.committed_cursor() < self.log.producer_cursor() {
            std::thread::sleep(Duration::from_micros(100));
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        let drained = self.log.drain(Duration::from_secs(60));
        drained.map(drop).map_err(|error| anyhow!("{error:?}"))
    }
}
