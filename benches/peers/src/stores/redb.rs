//! redb: keys are offsets.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

use super::{Ack, Appender, Joined, Reader, Store, tally_joined};
use crate::load::{Rec, TOPIC, Tally};

const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new(TOPIC);

/// The durability of a commit.
#[derive(Clone, Copy)]
pub enum Redb {
    None,
    Immediate,
}

impl Store for Redb {
    fn name(&self) -> &'static str {
        match self {
            Self::None => "redb None",
            Self::Immediate => "redb",
        }
    }

    fn ack(&self) -> Ack {
        match self {
            Self::None => Ack::Memory,
            Self::Immediate => Ack::Disk,
        }
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        self.create_shared(dir, 1)?.pop().context("no appender")
    }

    fn create_shared(&self, dir: &Path, threads: usize) -> Result<Vec<Box<dyn Appender>>> {
        let database = Arc::new(Database::create(dir.join("events.redb"))?);
        let txn = database.begin_write()?;
        txn.open_table(EVENTS)?;
        txn.commit()?;
        let appenders = (0..threads).map(|_| {
            let (database, joined) = (Arc::clone(&database), Joined::default());
            Box::new(RedbAppender { database, durability: *self, joined }) as Box<dyn Appender>
        });
        Ok(appenders.collect())
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(RedbReader { database: Database::open(dir.join("events.redb"))? }))
    }

    fn reads(&self) -> bool {
        matches!(self, Self::None)
    }
}

struct RedbReader {
    database: Database,
}

impl Reader for RedbReader {
    fn read(&mut self, tally: &mut Tally) -> Result<()> {
        let events = self.database.begin_read()?.open_table(EVENTS)?;
        for entry in events.iter()? {
            tally_joined(tally, entry?.1.value())?;
        }
        Ok(())
    }
}

struct RedbAppender {
    database: Arc<Database>,
    durability: Redb,
    joined: Joined,
}

impl Appender for RedbAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        self.joined.set(records);
        let mut txn = self.database.begin_write()?;
        txn.set_durability(match self.durability {
            Redb::None => Durability::None,
            Redb::Immediate => Durability::Immediate,
        })?;
        {
            let mut events = txn.open_table(EVENTS)?;
            let next = events.last()?.map_or(0, |(last, _)| last.value() + 1);
            for (offset, record) in (next..).zip(self.joined.iter()) {
                events.insert(offset, record)?;
            }
        }
        Ok(txn.commit()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.begin_write()?.commit()?)
    }
}
