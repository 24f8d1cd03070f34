//! commitlog: messages in segments with a mapped index; the key is a message's metadata.

use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use commitlog::message::{MessageBuf, MessageSet};
use commitlog::{CommitLog, LogOptions, ReadLimit};

use super::{Ack, Appender, Reader, Store};
use crate::load::{Rec, Tally};

/// Bytes of one reading: as much as the limit's.
const READ_LEN: usize = 256 << 10;

pub struct Commitlog;

impl Store for Commitlog {
    fn name(&self) -> &'static str {
        "commitlog"
    }

    fn ack(&self) -> Ack {
        Ack::PageCache
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        let log = CommitLog::new(LogOptions::new(dir))?;
        Ok(Box::new(CommitlogAppender { log, messages: MessageBuf::default() }))
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(CommitlogReader { log: CommitLog::new(LogOptions::new(dir))? }))
    }
}

struct CommitlogReader {
    log: CommitLog,
}

impl Reader for CommitlogReader {
    fn read(&mut self, tally: &mut Tally) -> Result<()> {
        let mut next = 0;
        loop {
            // Its reader verifies the checksums.
            let messages = self.log.read(next, ReadLimit::max_bytes(READ_LEN))?;
            if messages.is_empty() {
                return Ok(());
            }
            for message in messages.iter() {
                ensure!(message.offset() == next, "offset {} at {next}", message.offset());
                next += 1;
                tally.record(message.metadata(), message.payload());
            }
        }
    }
}

struct CommitlogAppender {
    log: CommitLog,
    messages: MessageBuf,
}

impl Appender for CommitlogAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        self.messages.clear();
        for record in records {
            let pushed = self.messages.push_with_metadata(record.key, record.value);
            pushed.map_err(|_| anyhow!("a record that is too long"))?;
        }
        self.log.append(&mut self.messages).map(drop).context("append")
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        Ok(self.log.flush()?)
    }
}
