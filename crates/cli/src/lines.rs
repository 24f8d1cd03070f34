//! Input line by line, as bytes, with what it takes to say where something went wrong, and
//! to know when the next line is not there yet.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use puro::Blame;

use crate::common::CliError;
use crate::streams::Waiting;

/// Bytes that are read in one go, at most.
const READ_BYTES: usize = 256 * 1024;

/// A file, or stdin, read line by line.
pub struct Lines {
    reader: BufReader<Waiting>,
    /// For messages.
    name: String,
    /// Whether it is a regular file, whose next bytes are there or will never be.
    is_file: bool,
    /// The line that was read last.
    line: Vec<u8>,
    number: u64,
    bytes_read: u64,
    /// Longest line that is accepted.
    limit: usize,
}

impl Lines {
    /// Opens a file; `-` is stdin.
    pub fn open(path: &Path, limit: usize) -> Result<Self, CliError> {
        let from_stdin = path.as_os_str() == "-";
        let name = if from_stdin { "stdin".to_owned() } else { path.display().to_string() };
        let opened = if from_stdin { Waiting::stdin() } else { File::open(path).map(Waiting::new) };
        let describe = |error: io::Error| {
            let blame = match error.kind() {
                io::ErrorKind::NotFound => Blame::Caller,
                _ => Blame::Environment,
            };
            CliError::new(blame, format_args!("cannot read {name}: {error}"))
        };
        let file = opened.map_err(describe)?;
        let is_file = file.is_file().map_err(describe)?;
        Ok(Self {
            reader: BufReader::with_capacity(READ_BYTES, file),
            name,
            is_file,
            line: Vec::new(),
            number: 0,
            bytes_read: 0,
            limit,
        })
    }

    /// How many bytes the lines until now took.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// File and line, for messages.
    pub fn place(&self) -> String {
        format!("{}, line {}", self.name, self.number)
    }

    /// Whether reading the next line may have to wait for whoever writes it.
    pub fn may_wait(&self) -> bool {
        !self.is_file && !self.reader.buffer().contains(&b'\n')
    }

    /// Reads the next line; `false` at the end. The last line need not end in a newline.
    pub fn advance(&mut self) -> Result<bool, CliError> {
        self.line.clear();
        self.number += 1;
        let with_newline = self.limit as u64 + 1;
        let mut limited = self.reader.by_ref().take(with_newline);
        let count = limited.read_until(b'\n', &mut self.line).map_err(|error| {
            CliError::new(Blame::Environment, format_args!("cannot read {}: {error}", self.name))
        })?;
        self.bytes_read += count as u64;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if self.line.len() > self.limit {
            let (place, limit) = (self.place(), self.limit);
            return Err(CliError::usage(format_args!("{place}: longer than {limit} bytes")));
        }
        Ok(count > 0)
    }

    /// Whether the line that was read last is empty, but for white space.
    pub fn is_blank(&self) -> bool {
        self.text().trim_ascii().is_empty()
    }

    /// The line that was read last as text: without the mark of UTF-8 that some programs put
    /// before the first line of a file.
    pub fn text(&self) -> &[u8] {
        const MARK: &[u8] = "\u{FEFF}".as_bytes();
        let line = self.line();
        let marked = if self.number == 1 { line.strip_prefix(MARK) } else { None };
        marked.unwrap_or(line)
    }

    /// The line that was read last, without its newline.
    pub fn line(&self) -> &[u8] {
        &self.line
    }
}
