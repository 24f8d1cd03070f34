//! LMDB through heed: keys are offsets, appended in their order.

use std::path::Path;

use anyhow::{Context, Result};
use heed::byteorder::BigEndian;
use heed::types::{Bytes, U64};
use heed::{Database, Env, EnvFlags, EnvOpenOptions, PutFlags};

use super::{Ack, Appender, Joined, Reader, Store, tally_joined};
use crate::load::{Rec, Tally};

#[derive(Clone, Copy)]
pub enum Lmdb {
    /// `MDB_NOSYNC`: commits stay in the page cache. (With `MDB_WRITEMAP` it is no faster.)
    NoSync,
    /// The default: each commit is on the disk.
    Sync,
}

type Events = Database<U64<BigEndian>, Bytes>;

impl Lmdb {
    fn map(self, dir: &Path) -> Result<Env> {
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
        self.create_shared(dir, 1)?.pop().context("no appender")
    }

    fn create_shared(&self, dir: &Path, threads: usize) -> Result<Vec<Box<dyn Appender>>> {
        let env = self.map(dir)?;
        let mut txn = env.write_txn()?;
        let events = env.create_database(&mut txn, None)?;
        txn.commit()?;
        let one = || LmdbAppender { env: env.clone(), events, joined: Joined::default() };
        Ok((0..threads).map(|_| Box::new(one()) as Box<dyn Appender>).collect())
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(LmdbReader { env: self.map(dir)? }))
    }

    fn reads(&self) -> bool {
        matches!(self, Self::NoSync)
    }
}

/// Looks for the record at an offset, in a snapshot of its own each time.
pub fn lookup(dir: &Path) -> Result<impl FnMut(u64) -> Result<Option<Vec<u8>>> + use<>> {
    let env = Lmdb::NoSync.map(dir)?;
    let txn = env.read_txn()?;
    let events: Events = env.open_database(&txn, None)?.context("no database")?;
    drop(txn);
    Ok(move |offset| {
        let txn = env.read_txn()?;
        Ok(events.get(&txn, &offset)?.map(<[u8]>::to_vec))
    })
}

struct LmdbReader {
    env: Env,
}

impl Reader for LmdbReader {
    fn read(&mut self, tally: &mut Tally) -> Result<()> {
        let txn = self.env.read_txn()?;
        let events: Events = self.env.open_database(&txn, None)?.context("no database")?;
        for entry in events.iter(&txn)? {
            tally_joined(tally, entry?.1)?;
        }
        Ok(())
    }
}

struct LmdbAppender {
    env: Env,
    events: Events,
    joined: Joined,
}

impl Appender for LmdbAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        let mut txn = self.env.write_txn()?;
        // Others may have appended as well.
        let next = self.events.last(&txn)?.map_or(0, |(last, _)| last + 1);
        self.joined.set(records);
        for (offset, record) in (next..).zip(self.joined.iter()) {
            self.events.put_with_flags(&mut txn, PutFlags::APPEND, &offset, record)?;
        }
        Ok(txn.commit()?)
    }
}
