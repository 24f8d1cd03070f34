//! Puro, with default settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use puro::internals::vfs::Vfs;
use puro::{
    Batch, BufferOptions, BufferedProducer, Consumer, HeldProducer, NewRecord, Producer,
    ProducerOptions,
};

use super::{Ack, Appender, Reader, Store};
use crate::load::{Rec, TOPIC, Tally};

/// The stream's directory.
pub const STREAM: &str = "stream";

#[derive(Clone, Copy)]
pub enum Puro {
    /// As it comes.
    Default,
    /// A producer that holds the lock.
    Held,
    /// Read by blocks: what a consumer gives when records are borrowed a block at a time.
    Blocks,
    /// A producer that collects.
    Buffered,
    /// Each append on the disk, a producer for each thread.
    Durable,
    /// The same, threads sharing a producer that collects.
    Grouped,
}

impl Puro {
    fn producer(self, dir: &Path) -> Result<Producer> {
        let durable = matches!(self, Self::Durable | Self::Grouped);
        Ok(ProducerOptions::new().durable(durable).open(dir.join(STREAM))?)
    }
}

impl Store for Puro {
    fn name(&self) -> &'static str {
        match self {
            Self::Default => "Puro",
            Self::Held => "Puro held",
            Self::Blocks => "Puro by blocks",
            Self::Buffered => "Puro buffered",
            Self::Durable => "Puro durable",
            Self::Grouped => "Puro grouped",
        }
    }

    fn ack(&self) -> Ack {
        match self {
            Self::Default | Self::Held | Self::Blocks => Ack::PageCache,
            Self::Buffered => Ack::Memory,
            Self::Durable | Self::Grouped => Ack::Disk,
        }
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        self.create_shared(dir, 1)?.pop().context("no appender")
    }

    fn with_appender(
        &self,
        dir: &Path,
        body: &mut dyn FnMut(&mut dyn Appender) -> Result<()>,
    ) -> Result<()> {
        if !matches!(self, Self::Held) {
            return body(&mut *self.create(dir)?);
        }
        let mut producer = self.producer(dir)?;
        let held = producer.hold()?;
        body(&mut HeldAppender { held, batch: Batch::new() })
    }

    fn create_shared(&self, dir: &Path, threads: usize) -> Result<Vec<Box<dyn Appender>>> {
        let mut appenders: Vec<Box<dyn Appender>> = Vec::new();
        if matches!(self, Self::Buffered | Self::Grouped) {
            let options = BufferOptions::new().linger(None);
            let shared = Arc::new(BufferedProducer::new(self.producer(dir)?, options));
            let wait = matches!(self, Self::Grouped);
            for _ in 0..threads {
                appenders.push(Box::new(BufferedAppender { shared: Arc::clone(&shared), wait }));
            }
            return Ok(appenders);
        }
        ensure!(!matches!(self, Self::Held), "who holds the lock shares it with nobody");
        for _ in 0..threads {
            let (producer, batch) = (self.producer(dir)?, Batch::new());
            appenders.push(Box::new(PuroAppender { producer, batch }));
        }
        Ok(appenders)
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        let dir = dir.join(STREAM);
        Ok(match self {
            Self::Blocks => Box::new(BlockReader { dir }),
            _ => Box::new(PuroReader { dir }),
        })
    }

    fn writes(&self) -> bool {
        !matches!(self, Self::Blocks)
    }

    fn reads(&self) -> bool {
        matches!(self, Self::Default | Self::Blocks)
    }
}

struct PuroReader {
    dir: PathBuf,
}

impl Reader for PuroReader {
    fn read(&mut self, tally: &mut Tally) -> Result<()> {
        tally_all(Consumer::open(&self.dir)?, tally)
    }
}

struct BlockReader {
    dir: PathBuf,
}

impl Reader for BlockReader {
    fn read(&mut self, tally: &mut Tally) -> Result<()> {
        let mut consumer = Consumer::open(&self.dir)?;
        while let Some(block) = consumer.next_block(Duration::ZERO)? {
            for record in block {
                let record = record?;
                tally.record(record.key.context("no key")?, record.value.context("no value")?);
            }
        }
        Ok(())
    }
}

/// Reads up to the end.
pub fn tally_all<V: Vfs>(mut consumer: Consumer<V>, tally: &mut Tally) -> Result<()> {
    while let Some(record) = consumer.try_next()? {
        tally.record(record.key.context("no key")?, record.value.context("no value")?);
    }
    Ok(())
}

/// The record as Puro takes it.
fn new_record<'a>(record: &'a Rec<'a>) -> NewRecord<'a> {
    NewRecord::new(TOPIC, record.value).key(&record.key)
}

fn collect(batch: &mut Batch, records: &[Rec<'_>]) -> Result<()> {
    batch.clear();
    Ok(records.iter().try_for_each(|record| batch.push(&new_record(record)))?)
}

struct PuroAppender {
    producer: Producer,
    batch: Batch,
}

impl Appender for PuroAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        if let [record] = records {
            self.producer.append(&new_record(record))?;
        } else {
            collect(&mut self.batch, records)?;
            self.producer.append_batch(&mut self.batch)?;
        }
        Ok(())
    }
}

struct HeldAppender<'p> {
    held: HeldProducer<'p>,
    batch: Batch,
}

impl Appender for HeldAppender<'_> {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        if let [record] = records {
            self.held.append(&new_record(record))?;
        } else {
            collect(&mut self.batch, records)?;
            self.held.append_batch(&mut self.batch)?;
        }
        Ok(())
    }
}

struct BufferedAppender {
    shared: Arc<BufferedProducer>,
    /// Whether each append is waited for.
    wait: bool,
}

impl Appender for BufferedAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        for record in records {
            let ticket = self.shared.push(&new_record(record))?;
            if self.wait {
                self.shared.wait(ticket)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(self.shared.flush()?)
    }
}
