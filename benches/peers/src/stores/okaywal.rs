//! okaywal: every entry is on the disk when it is committed. It reads only while recovering.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, anyhow};
use okaywal::{Configuration, Entry, EntryId, LogManager, SegmentReader, WriteAheadLog};

use super::{Ack, Appender, Reader, Store, tally_joined};
use crate::load::{Rec, Tally};

/// Written with zeros when it is made; more than any workload writes, so that no log is
/// given up to be reused.
const LOG_LEN: u32 = 64 << 20;

pub struct Okaywal;

/// Opens it; what is there goes to the tally.
pub fn open(dir: &Path, tally: Arc<Mutex<Tally>>) -> Result<WriteAheadLog> {
    let config =
        Configuration::default_for(dir).preallocate_bytes(LOG_LEN).checkpoint_after_bytes(u64::MAX);
    let log = config.open(Recovered(tally))?;
    // The zeros belong to making it, not to the first commit.
    for entry in std::fs::read_dir(dir)? {
        File::open(entry?.path())?.sync_all()?;
    }
    Ok(log)
}

impl Store for Okaywal {
    fn name(&self) -> &'static str {
        "okaywal"
    }

    fn ack(&self) -> Ack {
        Ack::Disk
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        self.create_shared(dir, 1)?.pop().context("no appender")
    }

    fn create_shared(&self, dir: &Path, threads: usize) -> Result<Vec<Box<dyn Appender>>> {
        let log = open(dir, Arc::default())?;
        let one = |_| Box::new(OkaywalAppender { log: log.clone() }) as Box<dyn Appender>;
        Ok((0..threads).map(one).collect())
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(OkaywalReader { dir: dir.to_owned() }))
    }
}

struct OkaywalReader {
    dir: PathBuf,
}

impl Reader for OkaywalReader {
    fn read(&mut self, tally: &mut Tally) -> Result<()> {
        let seen = Arc::new(Mutex::new(*tally));
        open(&self.dir, Arc::clone(&seen))?.shutdown()?;
        *tally = *seen.lock().map_err(|_| anyhow!("a panic while recovering"))?;
        Ok(())
    }
}

struct OkaywalAppender {
    log: WriteAheadLog,
}

impl Appender for OkaywalAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        let mut entry = self.log.begin_entry()?;
        for record in records {
            let mut chunk = entry.begin_chunk((record.key.len() + record.value.len()) as u32)?;
            io::Write::write_all(&mut chunk, &record.key)?;
            io::Write::write_all(&mut chunk, record.value)?;
            chunk.finish()?;
        }
        entry.commit()?;
        Ok(())
    }
}

/// Tallies what is recovered.
#[derive(Debug)]
struct Recovered(Arc<Mutex<Tally>>);

impl LogManager for Recovered {
    fn recover(&mut self, entry: &mut Entry<'_>) -> io::Result<()> {
        let chunks = entry.read_all_chunks()?.unwrap_or_default();
        let mut tally = self.0.lock().map_err(|_| io::Error::other("a panic elsewhere"))?;
        for chunk in chunks {
            tally_joined(&mut tally, &chunk).map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn checkpoint_to(
        &mut self,
        _last: EntryId,
        _entries: &mut SegmentReader,
        _log: &WriteAheadLog,
    ) -> io::Result<()> {
        Ok(())
    }
}
