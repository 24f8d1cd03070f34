//! fjall: keys are offsets, big-endian; each write goes to the system at once, as by default.

use std::path::Path;

use anyhow::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Ack, Appender, Joined, Reader, Store, tally_joined};
use crate::load::{Rec, TOPIC, Tally};

pub struct Fjall;

fn open(dir: &Path) -> Result<(Database, Keyspace)> {
    let database = Database::builder(dir).open()?;
    let events = database.keyspace(TOPIC, KeyspaceCreateOptions::default)?;
    Ok((database, events))
}

impl Store for Fjall {
    fn name(&self) -> &'static str {
        "fjall"
    }

    fn ack(&self) -> Ack {
        Ack::PageCache
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        let (database, events) = open(dir)?;
        Ok(Box::new(FjallAppender { database, events, next: 0, joined: Joined::default() }))
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
    next: u64,
    joined: Joined,
}

impl Appender for FjallAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        self.joined.set(records);
        if records.len() == 1 {
            self.events.insert(self.next.to_be_bytes(), &*self.joined.bytes)?;
            self.next += 1;
            return Ok(());
        }
        let mut batch = self.database.batch();
        for record in self.joined.iter() {
            batch.insert(&self.events, self.next.to_be_bytes(), record);
            self.next += 1;
        }
        Ok(batch.commit()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}
