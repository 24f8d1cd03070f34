//! The limits of durable appends: a file of zeros that was synced, so that a later sync has
//! data to write and nothing else.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};

use super::{Ack, Appender, Reader, Store};
use crate::load::{KEY_LEN, Rec, Tally};

/// Bytes of the file; more than any workload writes.
const FILE_LEN: usize = 64 << 20;
/// Bytes of one write of zeros: with larger ones small writes into them are slower.
const ZEROS: [u8; 8 << 10] = [0; 8 << 10];
/// Value bytes of the records of all durable workloads.
const VALUE_LEN: usize = 100;

/// `pwrite` and `fdatasync` for each record, one after the other.
pub struct Bare;

/// One leads and syncs for all who came until then; the others follow.
pub struct Leader;

fn create_file(dir: &Path) -> Result<File> {
    let file = File::create_new(dir.join("data"))?;
    for position in (0..FILE_LEN).step_by(ZEROS.len()) {
        file.write_all_at(&ZEROS, position as u64)?;
    }
    file.sync_all()?;
    Ok(file)
}

fn share<A: Appender + Clone + 'static>(appender: A, threads: usize) -> Vec<Box<dyn Appender>> {
    (0..threads).map(|_| Box::new(appender.clone()) as Box<dyn Appender>).collect()
}

impl Store for Bare {
    fn name(&self) -> &'static str {
        "pwrite + fdatasync"
    }

    fn ack(&self) -> Ack {
        Ack::Disk
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        self.create_shared(dir, 1)?.pop().context("no appender")
    }

    fn create_shared(&self, dir: &Path, threads: usize) -> Result<Vec<Box<dyn Appender>>> {
        let end = Mutex::new((create_file(dir)?, 0));
        Ok(share(BareAppender(Arc::new(end)), threads))
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(ZerosReader { path: dir.join("data") }))
    }
}

#[derive(Clone)]
struct BareAppender(Arc<Mutex<(File, u64)>>);

impl Appender for BareAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        for record in records {
            let mut locked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let (file, end) = &mut *locked;
            let bytes = [&record.key, record.value].concat();
            file.write_all_at(&bytes, *end)?;
            file.sync_data()?;
            *end += bytes.len() as u64;
        }
        Ok(())
    }
}

impl Store for Leader {
    fn name(&self) -> &'static str {
        "leader and followers"
    }

    fn ack(&self) -> Ack {
        Ack::Disk
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        self.create_shared(dir, 1)?.pop().context("no appender")
    }

    fn create_shared(&self, dir: &Path, threads: usize) -> Result<Vec<Box<dyn Appender>>> {
        let (file, group, done) = (create_file(dir)?, Mutex::default(), Condvar::new());
        Ok(share(LeaderAppender(Arc::new(Shared { file, group, done })), threads))
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(ZerosReader { path: dir.join("data") }))
    }
}

struct Shared {
    file: File,
    group: Mutex<Group>,
    done: Condvar,
}

#[derive(Default)]
struct Group {
    /// What the next leader is going to write.
    pending: Vec<u8>,
    end: u64,
    /// The number of the group that is being gathered.
    gathering: u64,
    /// How many groups are on the disk.
    synced: u64,
    has_leader: bool,
}

#[derive(Clone)]
struct LeaderAppender(Arc<Shared>);

impl LeaderAppender {
    fn lock(&self) -> MutexGuard<'_, Group> {
        self.0.group.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes and syncs the group that was gathered, without the mutex.
    fn lead(&self, mut group: MutexGuard<'_, Group>) -> Result<()> {
        group.has_leader = true;
        group.gathering += 1;
        let (bytes, position) = (std::mem::take(&mut group.pending), group.end);
        group.end += bytes.len() as u64;
        drop(group);
        let written = self.0.file.write_all_at(&bytes, position);
        let synced = written.and_then(|()| self.0.file.sync_data());
        let mut group = self.lock();
        group.has_leader = false;
        group.synced += 1;
        drop(group);
        self.0.done.notify_all();
        Ok(synced?)
    }
}

impl Appender for LeaderAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        let mut group = self.lock();
        for record in records {
            group.pending.extend_from_slice(&record.key);
            group.pending.extend_from_slice(record.value);
        }
        let mine = group.gathering;
        while group.synced <= mine {
            if !group.has_leader && group.gathering == mine {
                return self.lead(group);
            }
            group = self.0.done.wait(group).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }
}

/// Reads records up to the zeros.
struct ZerosReader {
    path: PathBuf,
}

impl Reader for ZerosReader {
    fn read(&mut self, tally: &mut Tally) -> Result<()> {
        let bytes = std::fs::read(&self.path)?;
        for record in bytes.chunks_exact(KEY_LEN + VALUE_LEN) {
            let (key, value) = record.split_at(KEY_LEN);
            if key == [0; KEY_LEN] {
                break;
            }
            tally.record(key, value);
        }
        Ok(())
    }
}
