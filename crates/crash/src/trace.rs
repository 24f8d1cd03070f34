//! The trace: what a program did to a directory, call by call, as its calls were completed.
//!
//! A trace is a directory of three files: `trace.json` (what was run and what was there before),
//! `calls.jsonl` (a line for each call), and `blobs` (the bytes that calls wrote). Files are told
//! apart by a number, never by a path: a program may write to what was renamed or unlinked.

mod files;

use serde::{Deserialize, Serialize};

pub use files::TraceWriter;

/// A file or a directory of the trace. [`ROOT`] is the watched directory itself.
pub type Node = u32;

/// The watched directory.
pub const ROOT: Node = 0;

/// Bytes in the file `blobs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// Where they begin.
    pub at: u64,
    /// How many they are.
    pub len: u64,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link, and where it leads.
    Symlink(String),
    /// A FIFO or a socket: it holds no bytes, and images do not have it.
    Other,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The directory.
    pub dir: Node,
    /// The name in it.
    pub name: String,
}

/// What a call changed, or what it promised.
#[allow(missing_docs, reason = "the variants say what the fields are")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Effect {
    /// A new node. One that was opened with `O_TMPFILE` has no name yet.
    Make { node: Node, kind: Kind, mode: u32, place: Option<Place> },
    /// One more name for a node.
    Link { node: Node, place: Place },
    /// A name moved; what it replaced is gone.
    Rename { node: Node, from: Place, to: Place, replaces: Option<Node> },
    /// Two names exchanged.
    Exchange { one: (Node, Place), other: (Node, Place) },
    /// A name removed.
    Unlink { node: Node, place: Place },
    /// Bytes written. `durable`: the file was opened with `O_SYNC` or `O_DSYNC`.
    Write { node: Node, at: u64, data: Blob, durable: bool },
    /// A new length, longer or shorter.
    Length { node: Node, len: u64 },
    /// A range that reads as zeros; the length stays.
    Zero { node: Node, at: u64, len: u64 },
    /// New permissions.
    Mode { node: Node, mode: u32 },
    /// A completed `fsync`, or `fdatasync` where `data_only`.
    Sync { node: Node, data_only: bool },
    /// A sync that failed: the system may have forgotten what it could not write.
    SyncFailed { node: Node },
    /// A completed `sync` or `syncfs`.
    SyncAll,
    /// Bytes to standard output: each whole line is an acknowledgement.
    Said { text: Blob },
}

/// One call of the program that changed something, or promised something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The thread that made it.
    pub pid: i32,
    /// As a person would write it: `rename(tmp, data)`.
    pub shown: String,
    /// What it did, in order.
    pub effects: Vec<Effect>,
}

/// A node that was there before the program began, and is as durable as anything can be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseNode {
    /// Its number.
    pub node: Node,
    /// What it is.
    pub kind: Kind,
    /// Its permissions.
    pub mode: u32,
    /// Its bytes, if it is a file.
    pub data: Blob,
    /// Its names.
    pub places: Vec<Place>,
}

/// What `trace.json` holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Header {
    /// Of the format; [`VERSION`].
    pub version: u32,
    /// What was run.
    pub command: Vec<String>,
    /// How it ended: an exit status as shells count.
    pub status: i32,
    /// Who recorded: `ptrace` or `strace`.
    pub recorder: String,
    /// What the recorder could not see. Unless empty, no verdict is possible.
    pub unmeasured: Vec<String>,
    /// How long the program ran, in milliseconds.
    pub elapsed_ms: u64,
    /// What was there before.
    pub base: Vec<BaseNode>,
}

/// Of the format of traces.
pub const VERSION: u32 = 1;

/// A whole trace, in memory.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// What was run, and on what.
    pub header: Header,
    /// What it did.
    pub calls: Vec<Call>,
    blobs: Vec<u8>,
    printed: Vec<u8>,
    said: Vec<Said>,
}

/// Where standard output stood after a call.
#[derive(Clone, Copy, Debug)]
struct Said {
    call: usize,
    whole_lines: usize,
}

impl Trace {
    /// A trace from its parts. All blobs of `calls` must lie in `blobs`.
    #[must_use]
    pub fn new(header: Header, calls: Vec<Call>, blobs: Vec<u8>) -> Self {
        let mut trace = Self { header, calls, blobs, printed: Vec::new(), said: Vec::new() };
        let mut whole_lines = 0;
        for call in 0..trace.calls.len() {
            for effect in &trace.calls[call].effects {
                let Effect::Said { text } = effect else { continue };
                let from = trace.printed.len();
                let text = text.at as usize..(text.at + text.len) as usize;
                trace.printed.extend_from_slice(&trace.blobs[text]);
                if let Some(end) = trace.printed[from..].iter().rposition(|byte| *byte == b'\n') {
                    whole_lines = from + end + 1;
                }
                trace.said.push(Said { call, whole_lines });
            }
        }
        trace
    }

    /// The bytes of a blob.
    #[must_use]
    pub fn bytes(&self, blob: Blob) -> &[u8] {
        &self.blobs[blob.at as usize..(blob.at + blob.len) as usize]
    }

    /// The lines that the program had printed, whole, after its first `calls` calls.
    #[must_use]
    pub fn acknowledged(&self, calls: usize) -> &[u8] {
        let printed = self.said.partition_point(|said| said.call < calls);
        printed.checked_sub(1).map_or(&[], |last| &self.printed[..self.said[last].whole_lines])
    }
}
