//! logdb: appends go to a ring in memory, which a thread of its own writes out.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow};
use logdb::{Config, DurabilityMode, LogDb};

use super::{Ack, Appender, Joined, Reader, Store, tally_joined};
use crate::load::{Rec, Tally};

pub struct Logdb;

fn open(dir: &Path) -> Result<LogDb> {
    // Not synced but by `flush`, which is what the page cache of the others compares to.
    let config = Config {
        data_dir: dir.to_owned(),
        durability_mode: DurabilityMode::Async,
        ..Config::default()
    };
    Ok(LogDb::open(config)?)
}

impl Store for Logdb {
    fn name(&self) -> &'static str {
        "logdb"
    }

    fn ack(&self) -> Ack {
        Ack::Memory
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        Ok(Box::new(LogdbAppender { log: open(dir)?, joined: Joined::default() }))
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(LogdbReader { log: open(dir)? }))
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
    log: LogDb,
    joined: Joined,
}

impl Appender for LogdbAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        self.joined.set(records);
        if records.len() == 1 {
            self.log.append(&self.joined.bytes)?;
            return Ok(());
        }
        let contents: Vec<&[u8]> = self.joined.iter().collect();
        self.log.append_batch(&contents)?;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        while self.log.committed_cursor() < self.log.producer_cursor() {
            std::thread::sleep(Duration::from_micros(100));
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        let closed = self.log.shutdown(Duration::from_secs(60));
        closed.map(drop).map_err(|error| anyhow!("{error:?}"))
    }
}
