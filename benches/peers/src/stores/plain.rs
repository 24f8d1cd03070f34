//! The limit: the same keys and values in a bare file, one `pwrite` for each append.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::{Ack, Appender, Reader, Store};
use crate::load::{KEY_LEN, Rec, Tally};

/// Bytes of one `pread`: much more gains nothing and falls out of the core's cache.
const READ_LEN: usize = 256 << 10;

/// The limit.
pub struct Plain;

/// The same, but its reader looks at the bytes, as those of all others do.
pub struct PlainLookedAt;

/// Where the records stand, and how long each is: the file itself says nothing of it.
const DATA: &str = "data";
const RECORD_LEN: &str = "record-len";

impl Store for Plain {
    fn name(&self) -> &'static str {
        "plain file"
    }

    fn ack(&self) -> Ack {
        Ack::PageCache
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        let file = File::create_new(dir.join(DATA))?;
        let (buffer, note) = (Vec::new(), File::create_new(dir.join(RECORD_LEN))?);
        Ok(Box::new(PlainAppender { file, note, buffer, end: 0 }))
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(PlainReader { dir: dir.to_owned(), look: false }))
    }
}

impl Store for PlainLookedAt {
    fn name(&self) -> &'static str {
        "plain, bytes added up"
    }

    fn ack(&self) -> Ack {
        Ack::PageCache
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        Plain.create(dir)
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(PlainReader { dir: dir.to_owned(), look: true }))
    }

    fn writes(&self) -> bool {
        false
    }
}

/// A file in append mode, as several processes can share it; its records are whole
/// because each is one small write.
pub struct AppendMode;

impl Store for AppendMode {
    fn name(&self) -> &'static str {
        "O_APPEND write"
    }

    fn ack(&self) -> Ack {
        Ack::PageCache
    }

    fn create(&self, dir: &Path) -> Result<Box<dyn Appender>> {
        let file = File::options().append(true).create(true).open(dir.join(DATA))?;
        Ok(Box::new(AppendModeAppender { file, dir: dir.to_owned(), buffer: Vec::new() }))
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(PlainReader { dir: dir.to_owned(), look: true }))
    }
}

struct AppendModeAppender {
    file: File,
    dir: PathBuf,
    buffer: Vec<u8>,
}

impl Appender for AppendModeAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        let first = self.buffer.is_empty();
        join(&mut self.buffer, records);
        if first {
            let record_len = self.buffer.len() / records.len();
            std::fs::write(self.dir.join(RECORD_LEN), record_len.to_string())?;
        }
        Ok(self.file.write_all(&self.buffer)?)
    }
}

fn join(buffer: &mut Vec<u8>, records: &[Rec<'_>]) {
    buffer.clear();
    for record in records {
        buffer.extend_from_slice(&record.key);
        buffer.extend_from_slice(record.value);
    }
}

struct PlainReader {
    dir: PathBuf,
    look: bool,
}

impl Reader for PlainReader {
    fn read(&mut self, tally: &mut Tally) -> Result<()> {
        let look = self.look || tally.is_checking();
        read(&self.dir, |record_len, records| {
            if look {
                tally_all(tally, record_len, records);
            } else {
                tally.skip((records.len() / record_len) as u64);
            }
        })
    }
}

fn tally_all(tally: &mut Tally, record_len: usize, records: &[u8]) {
    for record in records.chunks_exact(record_len) {
        let (key, value) = record.split_at(KEY_LEN);
        tally.record(key, value);
    }
}

/// Hands out the length of a record, and whole records, as many as one `pread` brings.
fn read(dir: &Path, mut each: impl FnMut(usize, &[u8])) -> Result<()> {
    let record_len: usize = std::fs::read_to_string(dir.join(RECORD_LEN))?.parse()?;
    let file = File::open(dir.join(DATA))?;
    let mut buffer = vec![0; READ_LEN / record_len * record_len];
    let mut position = 0;
    loop {
        let count = file.read_at(&mut buffer, position)?;
        ensure!(count % record_len == 0, "a torn record at the end");
        if count == 0 {
            return Ok(());
        }
        each(record_len, &buffer[..count]);
        position += count as u64;
    }
}

struct PlainAppender {
    file: File,
    note: File,
    buffer: Vec<u8>,
    end: u64,
}

impl Appender for PlainAppender {
    fn append(&mut self, records: &[Rec<'_>]) -> Result<()> {
        join(&mut self.buffer, records);
        if self.end == 0 {
            let record_len = self.buffer.len() / records.len();
            self.note.write_all_at(record_len.to_string().as_bytes(), 0)?;
        }
        self.file.write_all_at(&self.buffer, self.end)?;
        self.end += self.buffer.len() as u64;
        Ok(())
    }
}
