//! LMDB through heed: keys are offsets, appended in their order.

use std::path::Path;

use anyhow::{Context, Result};
use heed::byteorder::BigEndian;
use heed::types::{Bytes, U64};
use heed::{Database, Env, EnvFlags, EnvOpenOptions, PutFlags};

use super::{Ack, Appender, Store};
use crate::load::{KEY_LEN, Rec, Tally};

#[derive(Clone, Copy)]
pub enum Lmdb {
    /// `MDB_NOSYNC`: commits stay in the page cache. (With `MDB_WRITEMAP` it is no faster.)
    NoSync,
    /// The default: each commit is on the disk.
    Sync,
}

type Events = Database<U64<BigEndian>, Bytes>;

impl Lmdb {
    fn open(self, dir: &Path) -> Result<Env> {
        let mut options = EnvOpenOptions::new();
        options.map_size(8 << 30);
        if matches!(self, Self::NoSync) {
            // SAFETY: without MDB_WRITEMAP a power cut is all that can harm the file then.
            unsafe { options.flags(EnvFlags::NO_SYNC) };
        }
        // SAFETY: nobody else touches the file while it is mapped.
        Ok(unsafe { options.open(dir) }?)
    }
}

impl Store for Lmdb {
    fn name(&self) -> &'static str {
        match self {
            Self::NoSync => "LMDB NOSYNC",
            Self::Sync => "LMDB",
        }
    }

    fn ack(&self) -> Ack {
        match self {
            Self::NoSync => Ack::PageCache,
            Self::Sync => Ack::Disk,
        }
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        let env = self.open(dir)?;
        let mut txn = env.write_txn()?;
        let events = env.create_database(&mut txn, None)?;
        txn.commit()?;
        Ok(Box::new(LmdbAppender { env, events, next: 0, buffer: Vec::new() }))
    }

    fn read(&self, dir: &Path, tally: &mut Tally) -> Result<()> {
        let env = self.open(dir)?;
        let txn = env.read_txn()?;
        let events: Events = env.open_database(&txn, None)?.context("no database")?;
        for entry in events.iter(&txn)? {
            let (key, value) = entry?.1.split_at_checked(KEY_LEN).context("a short record")?;
            tally.record(key, value);
        }
        Ok(())
    }
}

struct LmdbAppender {
    env: Env,
    events: Events,
    next: u64,
    buffer: Vec<u8>,
}

impl Appender for LmdbAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        let mut txn = self.env.write_txn()?;
        for record in records {
            self.buffer.clear();
            self.buffer.extend_from_slice(&record.key);
            self.buffer.extend_from_slice(record.value);
            self.events.put_with_flags(&mut txn, PutFlags::APPEND, &self.next, &self.buffer)?;
            self.next += 1;
        }
        Ok(txn.commit()?)
    }
}
