//! What each process says of what it did and saw, line by line, in a file of its own that outlives
//! it. A line that was cut by a death does not end as lines do, and counts as never written.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// One thing that a process says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// This value was appended at that offset: so the library told.
    Acknowledged { offset: u64, value: String },
    /// This value was not appended: so the library told.
    Refused { value: String },
    /// This record was seen.
    Saw { offset: u64, topic: String, value: String },
    /// All before this token was seen.
    At { token: String },
    /// What the library told as an error.
    Error { text: String },
}

const LAST: &str = " .";

impl Entry {
    fn line(&self) -> String {
        match self {
            Self::Acknowledged { offset, value } => format!("ack {offset} {value}{LAST}\n"),
            Self::Refused { value } => format!("no {value}{LAST}\n"),
            Self::Saw { offset, topic, value } => format!("saw {offset} {topic} {value}{LAST}\n"),
            Self::At { token } => format!("at {token}{LAST}\n"),
            Self::Error { text } => format!("error {}{LAST}\n", text.replace('\n', " ")),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let (kind, rest) = line.strip_suffix(LAST)?.split_once(' ')?;
        let text = |text: &str| text.to_owned();
        Some(match kind {
            "ack" => {
                let (offset, value) = rest.split_once(' ')?;
                Self::Acknowledged { offset: offset.parse().ok()?, value: text(value) }
            }
            "no" => Self::Refused { value: text(rest) },
            "saw" => {
                let (offset, rest) = rest.split_once(' ')?;
                let (topic, value) = rest.split_once(' ')?;
                Self::Saw { offset: offset.parse().ok()?, topic: text(topic), value: text(value) }
            }
            "at" => Self::At { token: text(rest) },
            "error" => Self::Error { text: text(rest) },
            _ => return None,
        })
    }
}

/// The ledger of a process, over all its lives.
pub struct Ledger {
    file: File,
    path: PathBuf,
}

impl Ledger {
    pub fn open(root: &Path, name: &str) -> Self {
        let path = root.join("ledgers").join(name);
        let mut file = File::options().create(true).append(true).open(&path).unwrap();
        // What a death cut is ended here.
        file.write_all(b"\n").unwrap();
        Self { file, path }
    }

    /// Says all of it in one write.
    pub fn say(&mut self, entries: &[Entry]) {
        let lines: String = entries.iter().map(Entry::line).collect();
        self.file.write_all(lines.as_bytes()).unwrap();
    }

    pub fn error(&mut self, error: &dyn std::fmt::Display) {
        self.say(&[Entry::Error { text: error.to_string() }]);
    }

    /// What was said in earlier lives.
    pub fn read(&self) -> Vec<Entry> {
        read(&self.path)
    }
}

pub fn read(path: &Path) -> Vec<Entry> {
    let bytes = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().filter_map(Entry::parse).collect()
}
