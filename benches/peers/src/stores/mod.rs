//! The contestants. Each is used as its documentation recommends for the workload.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::load::{KEY_LEN, Rec, Tally};

mod commitlog;
mod fjall;
mod lmdb;
mod logdb;
mod mapped;
mod mapped_vfs;
mod mrecordlog;
mod okaywal;
mod plain;
mod puro;
mod redb;
mod sqlite;
mod synced;
mod walrus;
mod yaque;

/// What survives what, once an append has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Ack {
    /// Nothing: the death of the process loses it.
    #[serde(rename = "memory")]
    Memory,
    /// The death of the process; not the loss of power.
    #[serde(rename = "page cache")]
    PageCache,
    /// The loss of power too.
    #[serde(rename = "disk")]
    Disk,
}

impl Ack {
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::PageCache => "page cache",
            Self::Disk => "disk",
        }
    }
}

/// Something that keeps a sequence of records in a directory.
pub trait Store {
    /// As it is called in the table.
    fn name(&self) -> &'static str;
    /// What an append acknowledges.
    fn ack(&self) -> Ack;
    /// Makes it in an empty directory, or opens it where it is (if [`reopened`] has it).
    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>>;
    /// Makes it, has `body` append, and closes it: for what lives no longer than its owner.
    fn with_appender(
        &self,
        dir: &Path,
        body: &mut dyn FnMut(&mut dyn Appender) -> Result<()>,
    ) -> Result<()> {
        let mut appender = self.create(dir)?;
        body(&mut *appender)?;
        appender.close()
    }
    /// The same for several threads, each of which appends one record a call.
    fn create_shared(&self, dir: &Path, threads: usize) -> Result<Vec<Box<dyn Appender>>> {
        ensure!(threads == 1, "{} is for one thread", self.name());
        Ok(vec![self.create(dir)?])
    }
    /// Opens it for reading, after whoever wrote it has closed. Belongs to no time taken.
    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>>;
    /// Whether it is a way of its own to write.
    fn writes(&self) -> bool {
        true
    }
    /// Whether it is a way of its own to read.
    fn reads(&self) -> bool {
        true
    }
}

/// Whoever reads.
pub trait Reader {
    /// Reads all records in their order, from the first one on.
    fn read(&mut self, tally: &mut Tally) -> Result<()>;
}

/// Whoever appends.
pub trait Appender: Send {
    /// Appends all of `records` in one go, and returns once they are acknowledged.
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()>;
    /// Hands what is still in this process's memory to the system; belongs to the time taken.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
    /// Closes properly; does not belong to the time taken.
    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// Tells those who want it by environment where to work.
///
/// # Safety
/// While no other thread runs.
pub unsafe fn set_environment(base: &Path) {
    // SAFETY: as the caller says.
    unsafe { walrus::set_directory(base) };
}

/// The bare file: what all others are held against.
pub fn limit() -> Box<dyn Store> {
    Box::new(plain::Plain)
}

/// All contestants that write and read back a sequence of records, the limit first.
pub fn all() -> Vec<Box<dyn Store>> {
    vec![
        limit(),
        Box::new(plain::PlainLookedAt),
        Box::new(puro::Puro::Default),
        Box::new(puro::Puro::Blocks),
        Box::new(puro::Puro::Held),
        Box::new(puro::Puro::Buffered),
        Box::new(mapped::Mapped::Copied),
        Box::new(mapped::Mapped::InPlace),
        Box::new(sqlite::Sqlite::Off),
        Box::new(sqlite::Sqlite::Normal),
        Box::new(sqlite::Sqlite::Full),
        Box::new(lmdb::Lmdb::NoSync),
        Box::new(lmdb::Lmdb::Sync),
        Box::new(redb::Redb::None),
        Box::new(redb::Redb::Immediate),
        Box::new(fjall::Fjall::Default),
        Box::new(commitlog::Commitlog),
        Box::new(mrecordlog::Mrecordlog),
        Box::new(yaque::Yaque),
        Box::new(logdb::Logdb::Async),
        Box::new(walrus::Walrus::NoSync),
        Box::new(okaywal::Okaywal),
    ]
}

/// Puro as it comes.
pub fn puro() -> Box<dyn Store> {
    Box::new(puro::Puro::Default)
}

pub fn sqlite_off() -> Box<dyn Store> {
    Box::new(sqlite::Sqlite::Off)
}

pub fn sqlite_connection(dir: &Path) -> Result<rusqlite::Connection> {
    sqlite::Sqlite::Off.connect(dir)
}

pub fn lmdb_nosync() -> Box<dyn Store> {
    Box::new(lmdb::Lmdb::NoSync)
}

pub use lmdb::lookup as lmdb_lookup;

pub fn yaque() -> Box<dyn Store> {
    Box::new(yaque::Yaque)
}

/// All that put each append on the disk, the limits first.
pub fn durable() -> Vec<Box<dyn Store>> {
    vec![
        Box::new(synced::Bare),
        Box::new(synced::Leader),
        Box::new(puro::Puro::Durable),
        Box::new(puro::Puro::Grouped),
        Box::new(sqlite::Sqlite::Full),
        Box::new(lmdb::Lmdb::Sync),
        Box::new(redb::Redb::Immediate),
        Box::new(fjall::Fjall::Durable),
        Box::new(logdb::Logdb::Sync),
        Box::new(walrus::Walrus::SyncEach),
        Box::new(okaywal::Okaywal),
    ]
}

/// All that several processes can append to at once, the limit first.
pub fn between_processes() -> Vec<Box<dyn Store>> {
    vec![
        Box::new(plain::AppendMode),
        Box::new(puro::Puro::Default),
        Box::new(sqlite::Sqlite::Off),
        Box::new(lmdb::Lmdb::NoSync),
    ]
}

/// All that go on where they stopped when they are opened again; the limit first.
pub fn reopened() -> Vec<Box<dyn Store>> {
    vec![
        Box::new(plain::AppendMode),
        Box::new(puro::Puro::Default),
        Box::new(sqlite::Sqlite::Off),
        Box::new(lmdb::Lmdb::NoSync),
        Box::new(redb::Redb::None),
        Box::new(commitlog::Commitlog),
        Box::new(yaque::Yaque),
    ]
}

/// Records as whoever knows no keys stores them: the key, then the value.
#[derive(Default)]
struct Joined {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Joined {
    fn set(&mut self, records: &[Rec<'_>]) {
        self.bytes.clear();
        self.ends.clear();
        for record in records {
            self.bytes.extend_from_slice(&record.key);
            self.bytes.extend_from_slice(record.value);
            self.ends.push(self.bytes.len());
        }
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }
}

/// Takes apart what [`Joined`] put together.
fn tally_joined(tally: &mut Tally, joined: &[u8]) -> Result<()> {
    let (key, value) = joined.split_at_checked(KEY_LEN).context("a short record")?;
    tally.record(key, value);
    Ok(())
}
