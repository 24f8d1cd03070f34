//! Traces to files, and from files.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{Blob, Call, Effect, Header, Trace, VERSION};
use crate::error::{At, CrashError, Result};

const HEADER: &str = "trace.json";
const CALLS: &str = "calls.jsonl";
const BLOBS: &str = "blobs";

/// Writes a trace while it happens.
pub struct TraceWriter {
    dir: PathBuf,
    calls: BufWriter<File>,
    blobs: BufWriter<File>,
    blob_end: u64,
}

impl TraceWriter {
    /// An empty trace in `dir`, which is made if it is missing.
    pub fn create(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).at("make", dir)?;
        // If this recording is never finished, an older header must not stand before its calls.
        let header = dir.join(HEADER);
        match fs::remove_file(&header) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).at("remove", &header);
            }
            _ => {}
        }
        let create = |name: &str| {
            let path = dir.join(name);
            File::create(&path).at("create", &path).map(BufWriter::new)
        };
        Ok(Self { calls: create(CALLS)?, blobs: create(BLOBS)?, dir: dir.to_owned(), blob_end: 0 })
    }

    /// Keeps bytes.
    pub fn blob(&mut self, bytes: &[u8]) -> Result<Blob> {
        self.blobs.write_all(bytes).map_err(|source| self.cannot_write(BLOBS, source))?;
        let blob = Blob { at: self.blob_end, len: bytes.len() as u64 };
        self.blob_end += blob.len;
        Ok(blob)
    }

    /// Keeps a call.
    pub fn call(&mut self, call: &Call) -> Result<()> {
        let written = serde_json::to_writer(&mut self.calls, call).map_err(std::io::Error::from);
        let whole = written.and_then(|()| self.calls.write_all(b"\n"));
        whole.map_err(|source| self.cannot_write(CALLS, source))
    }

    fn cannot_write(&self, name: &str, source: std::io::Error) -> CrashError {
        CrashError::Io { what: "write", path: self.dir.join(name), source }
    }

    /// Ends the trace: only now it can be read.
    pub fn finish(mut self, header: &Header) -> Result<()> {
        self.calls.flush().at("write", &self.dir.join(CALLS))?;
        self.blobs.flush().at("write", &self.dir.join(BLOBS))?;
        header.write(&self.dir)
    }
}

impl Header {
    /// Writes it into the directory of a trace.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(HEADER);
        let text = serde_json::to_vec_pretty(self).map_err(std::io::Error::from);
        text.and_then(|text| fs::write(&path, text)).at("write", &path)
    }
}

impl Trace {
    /// Reads a trace, and makes sure that all blobs are there.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(HEADER);
        let bad = |why: String| CrashError::Trace { path: dir.to_owned(), why };
        let text = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(bad(format!("it has no {HEADER}, as if it was not finished")));
            }
            text => text.at("read", &path)?,
        };
        let header: Header =
            serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
        if header.version != VERSION {
            return Err(bad(format!("it is of version {}, not {VERSION}", header.version)));
        }
        let path = dir.join(CALLS);
        let lines = BufReader::new(File::open(&path).at("open", &path)?).lines();
        let calls: Vec<Call> = lines
            .map(|line| {
                serde_json::from_str(&line.at("read", &path)?)
                    .map_err(|error| bad(error.to_string()))
            })
            .collect::<Result<_>>()?;
        let path = dir.join(BLOBS);
        let blobs = fs::read(&path).at("read", &path)?;
        let is_there =
            |blob: Blob| blob.at.checked_add(blob.len).is_some_and(|end| end <= blobs.len() as u64);
        let of_calls = calls.iter().flat_map(|call| &call.effects).filter_map(blob_of);
        let of_base = header.base.iter().map(|node| node.data);
        if !of_calls.chain(of_base).all(is_there) {
            return Err(bad("its file `blobs` is cut off".to_owned()));
        }
        Ok(Self::new(header, calls, blobs))
    }
}

fn blob_of(effect: &Effect) -> Option<Blob> {
    match effect {
        Effect::Write { data, .. } => Some(*data),
        Effect::Said { text } => Some(*text),
        _ => None,
    }
}
