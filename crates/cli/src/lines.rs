//! Input line by line, or by whatever else parts it, as bytes, with what it takes to say where
//! something went wrong, and to know when the next line is not there yet.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use puro::Blame;

use crate::common::CliError;
use crate::streams::Waiting;

/// Bytes that are read in one go, at most.
const READ_BYTES: usize = 256 * 1024;

/// What an input is parted into.
#[derive(Clone, Copy)]
pub enum Parts<'a> {
    /// Lines, or what ends in these bytes; the last part need not.
    EndingIn(&'a [u8]),
    /// All of it is one part.
    Whole,
}

impl Parts<'_> {
    /// Lines of text.
    pub const LINES: Self = Self::EndingIn(b"\n");

    /// What stands behind each part.
    pub fn end(&self) -> &[u8] {
        match self {
            Self::EndingIn(end) => end,
            Self::Whole => &[],
        }
    }
}

/// A file, or stdin, read line by line.
pub struct Lines<'a> {
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
    parts: Parts<'a>,
}

impl<'a> Lines<'a> {
    /// Opens a file; `-` is stdin.
    pub fn open(path: &Path, limit: usize, parts: Parts<'a>) -> Result<Self, CliError> {
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
            parts,
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
        let end = match self.parts {
            Parts::EndingIn(end) => end,
            Parts::Whole => return !self.is_file,
        };
        !self.is_file && !self.reader.buffer().windows(end.len()).any(|part| part == end)
    }

    /// Reads the next line; `false` at the end. The last line need not end in a newline.
    pub fn advance(&mut self) -> Result<bool, CliError> {
        self.line.clear();
        self.number += 1;
        let count = self.read_part().map_err(|error| {
            CliError::new(Blame::Environment, format_args!("cannot read {}: {error}", self.name))
        })?;
        self.bytes_read += count as u64;
        let end = self.parts.end();
        if !end.is_empty() && self.line.ends_with(end) {
            self.line.truncate(self.line.len() - end.len());
        }
        if self.line.len() > self.limit {
            let (place, limit) = (self.place(), self.limit);
            return Err(CliError::usage(format_args!("{place}: longer than {limit} bytes")));
        }
        // A whole that is empty is a record, too; but there is only one.
        Ok(count > 0 || (matches!(self.parts, Parts::Whole) && self.number == 1))
    }

    /// Reads up to the end of the next part, or one byte more than it may have.
    fn read_part(&mut self) -> io::Result<usize> {
        let (end, most) = (self.parts.end(), self.limit + self.parts.end().len());
        loop {
            let left = (most + 1).saturating_sub(self.line.len()) as u64;
            let mut limited = self.reader.by_ref().take(left);
            let count = match end.last() {
                Some(last) => limited.read_until(*last, &mut self.line)?,
                None => limited.read_to_end(&mut self.line)?,
            };
            if count == 0 || end.is_empty() || self.line.ends_with(end) || self.line.len() > most {
                return Ok(self.line.len());
            }
        }
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
