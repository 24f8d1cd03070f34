//! mrecordlog: one queue, flushed at each append, as by default. All records stay in memory
//! as well; whoever opens it loads them all.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use mrecordlog::MultiRecordLog;
use tokio::runtime::Runtime;

use super::{Ack, Appender, Joined, Reader, Store, tally_joined};
use crate::load::{Rec, TOPIC, Tally};

pub struct Mrecordlog;

impl Store for Mrecordlog {
    fn name(&self) -> &'static str {
        "mrecordlog"
    }

    fn ack(&self) -> Ack {
        Ack::PageCache
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        let runtime = Runtime::new()?;
        let mut log = runtime.block_on(MultiRecordLog::open(dir))?;
        runtime.block_on(log.create_queue(TOPIC))?;
        Ok(Box::new(MrecordlogAppender { runtime, log, joined: Joined::default() }))
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(MrecordlogReader { runtime: Runtime::new()?, dir: dir.to_owned() }))
    }
}

struct MrecordlogReader {
    runtime: Runtime,
    dir: PathBuf,
}

impl Reader for MrecordlogReader {
    fn read(&mut self, tally: &mut Tally) -> Result<()> {
        // Opening it is the reading: what follows walks through memory.
        let log = self.runtime.block_on(MultiRecordLog::open(&self.dir))?;
        for (_, record) in log.range(TOPIC, ..).map_err(|_| anyhow!("no queue"))? {
            tally_joined(tally, &record)?;
        }
        Ok(())
    }
}

struct MrecordlogAppender {
    runtime: Runtime,
    log: MultiRecordLog,
    joined: Joined,
}

impl Appender for MrecordlogAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        self.joined.set(records);
        let records = self.joined.iter();
        self.runtime.block_on(self.log.append_records(TOPIC, None, records))?;
        Ok(())
    }
}
