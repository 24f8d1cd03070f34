//! The contestants. Each is used as its documentation recommends for the workload.

use std::path::Path;

use anyhow::Result;

use crate::load::{Rec, Tally};

mod lmdb;
mod plain;
mod puro;
mod sqlite;

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
    /// Makes it in an empty directory.
    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>>;
    /// Reads all records in their order, after whoever wrote them has closed.
    fn read(&self, dir: &Path, tally: &mut Tally) -> Result<()>;
}

/// Whoever appends.
pub trait Appender {
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

/// The bare file: what all others are held against.
pub fn limit() -> Box<dyn Store> {
    Box::new(plain::Plain)
}

/// All contestants that write and read back a sequence of records, the limit first.
pub fn all() -> Vec<Box<dyn Store>> {
    vec![
        limit(),
        Box::new(plain::PlainLookedAt),
        Box::new(puro::Puro),
        Box::new(sqlite::Sqlite::Off),
        Box::new(sqlite::Sqlite::Normal),
        Box::new(sqlite::Sqlite::Full),
        Box::new(lmdb::Lmdb::NoSync),
        Box::new(lmdb::Lmdb::Sync),
    ]
}
