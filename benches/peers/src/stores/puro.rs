//! Puro, with default settings.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use puro::{Batch, Consumer, NewRecord, Producer, ProducerOptions};

use super::{Ack, Appender, Reader, Store};
use crate::load::{Rec, TOPIC, Tally};

pub enum Puro {
    /// As it comes.
    Default,
    /// Each append on the disk.
    Durable,
}

impl Puro {
    fn producer(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        let durable = matches!(self, Self::Durable);
        let producer = ProducerOptions::new().durable(durable).open(dir.join("stream"))?;
        Ok(Box::new(PuroAppender { producer, batch: Batch::new() }))
    }
}

impl Store for Puro {
    fn name(&self) -> &'static str {
        match self {
            Self::Default => "Puro",
            Self::Durable => "Puro durable",
        }
    }

    fn ack(&self) -> Ack {
        match self {
            Self::Default => Ack::PageCache,
            Self::Durable => Ack::Disk,
        }
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        self.producer(dir)
    }

    fn create_shared(&self, dir: &Path, threads: usize) -> Result<Vec<Box<dyn Appender>>> {
        (0..threads).map(|_| self.producer(dir)).collect()
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(PuroReader { dir: dir.join("stream") }))
    }
}

struct PuroReader {
    dir: PathBuf,
}

impl Reader for PuroReader {
    fn read(&mut self, tally: &mut Tally) -> Result<()> {
        let mut consumer = Consumer::open(&self.dir)?;
        while let Some(record) = consumer.try_next()? {
            tally.record(record.key.context("no key")?, record.value.context("no value")?);
        }
        Ok(())
    }
}

struct PuroAppender {
    producer: Producer,
    batch: Batch,
}

impl Appender for PuroAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        if let [record] = records {
            self.producer.append(&NewRecord::new(TOPIC, record.value).key(&record.key))?;
            return Ok(());
        }
        self.batch.clear();
        for record in records {
            self.batch.push(&NewRecord::new(TOPIC, record.value).key(&record.key))?;
        }
        self.producer.append_batch(&mut self.batch)?;
        Ok(())
    }
}
