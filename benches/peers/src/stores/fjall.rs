//! fjall: keys are offsets, big-endian; each write goes to the system at once, as by default.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Ack, Appender, Joined, Reader, Store, tally_joined};
use crate::load::{Rec, TOPIC, Tally};

pub enum Fjall {
    /// As it comes.
    Default,
    /// Each write on the disk.
    Durable,
}

fn open(dir: &Path) -> Result<(Database, Keyspace)> {
    let database = Database::builder(dir).open()?;
    let events = database.keyspace(TOPIC, KeyspaceCreateOptions::default)?;
    Ok((database, events))
}

impl Store for Fjall {
    fn name(&self) -> &'static str {
        match self {
            Self::Default => "fjall",
            Self::Durable => "fjall SyncData",
        }
    }

    fn ack(&self) -> Ack {
        match self {
            Self::Default => Ack::PageCache,
            Self::Durable => Ack::Disk,
        }
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        self.create_shared(dir, 1)?.pop().context("no appender")
    }

    fn create_shared(&self, dir: &Path, threads: usize) -> Result<Vec<Box<dyn Appender>>> {
        let (database, events) = open(dir)?;
        let next = Arc::new(AtomicU64::new(0));
        let sync = matches!(self, Self::Durable).then_some(PersistMode::SyncData);
        let appenders = (0..threads).map(|_| {
            let (database, events, next) = (database.clone(), events.clone(), Arc::clone(&next));
            let joined = Joined::default();
            Box::new(FjallAppender { database, events, next, joined, sync }) as Box<dyn Appender>
        });
        Ok(appenders.collect())
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        let (_database, events) = open(dir)?;
        Ok(Box::new(FjallReader { _database, events }))
    }
}

struct FjallReader {
    _database: Database,
    events: Keyspace,
}

impl Reader for FjallReader {
    fn read(&mut self, tally: &mut Tally) -> Result<()> {
        for entry in self.events.iter() {
            tally_joined(tally, &entry.value()?)?;
        }
        Ok(())
    }
}

struct FjallAppender {
    database: Database,
    events: Keyspace,
    next: Arc<AtomicU64>,
    joined: Joined,
    sync: Option<PersistMode>,
}

impl FjallAppender {
    fn next(&self) -> [u8; 8] {
        self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes()
    }
}

impl Appender for FjallAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        self.joined.set(records);
        if records.len() == 1 {
            self.events.insert(self.next(), &*self.joined.bytes)?;
            return Ok(self.sync.map_or(Ok(()), |mode| self.database.persist(mode))?);
        }
        let mut batch = self.database.batch().durability(self.sync);
        for record in self.joined.iter() {
            batch.insert(&self.events, self.next(), record);
        }
        Ok(batch.commit()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}
