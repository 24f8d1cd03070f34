//! redb: keys are offsets.

use std::path::Path;

use anyhow::Result;
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
        let database = Database::create(dir.join("events.redb"))?;
        let txn = database.begin_write()?;
        txn.open_table(EVENTS)?;
        txn.commit()?;
        let joined = Joined::default();
        Ok(Box::new(RedbAppender { database, durability: *self, next: 0, joined }))
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
    database: Database,
    durability: Redb,
    next: u64,
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
            for record in self.joined.iter() {
                events.insert(self.next, record)?;
                self.next += 1;
            }
        }
        Ok(txn.commit()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.begin_write()?.commit()?)
    }
}
