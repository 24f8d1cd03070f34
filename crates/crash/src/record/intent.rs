//! Calls that are followed, as they are before they are made.

use std::path::PathBuf;

use super::watch::Watch;
use crate::trace::{Node, Place};

/// A call that is about to be made, with what only can be known before it.
#[allow(missing_docs, reason = "the variants are the calls, the fields their arguments")]
#[derive(Clone, Debug)]
pub enum Intent {
    /// Bytes to a file. `at` is unknown where the end of the file decides.
    Write {
        fd: i32,
        node: Node,
        at: Option<u64>,
        from: Source,
        durable: bool,
    },
    /// Bytes to standard output.
    Said {
        from: Source,
    },
    /// A file opened with a flag that makes or empties one.
    Open {
        flags: i32,
        existed: bool,
        shown: String,
    },
    Truncate {
        node: Node,
        len: u64,
    },
    Allocate {
        fd: i32,
        node: Node,
        mode: i32,
        at: u64,
        len: u64,
    },
    Rename {
        from: Place,
        to: Place,
        flags: u64,
    },
    Link {
        to: Place,
        path: PathBuf,
    },
    Unlink {
        place: Place,
    },
    Make {
        place: Place,
        path: PathBuf,
        target: Option<String>,
    },
    Mode {
        node: Node,
        mode: u32,
    },
    Sync {
        node: Node,
        data_only: bool,
    },
    SyncAll,
    /// A whole file replaced by a copy of another, without bytes in between.
    Clone {
        fd: i32,
        node: Node,
    },
    /// A change of something that is not watched: only worth a word if it succeeds.
    Outside {
        what: String,
    },
}

/// Where the bytes of a write are.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// In memory, at this address.
    Buffer(u64),
    /// In memory, in this many pieces.
    Vector(u64, usize),
    /// In the file itself, once the call is done: no program ever held them.
    File,
}

impl Watch {
    /// A call before it is made, as people write it.
    pub fn shown(&self, intent: &Intent) -> String {
        let (path, at) =
            (|node: &Node| self.tree.path(*node), |place: &Place| self.tree.path_at(place));
        match intent {
            Intent::Write { node, .. } => format!("write({})", path(node)),
            Intent::Said { .. } => "print".to_owned(),
            Intent::Open { shown, .. } => format!("open({shown})"),
            Intent::Truncate { node, .. } => format!("truncate({})", path(node)),
            Intent::Allocate { node, .. } => format!("fallocate({})", path(node)),
            Intent::Rename { from, to, .. } => format!("rename({}, {})", at(from), at(to)),
            Intent::Link { to, .. } => format!("link({})", at(to)),
            Intent::Unlink { place } => format!("unlink({})", at(place)),
            Intent::Make { place, .. } => format!("make({})", at(place)),
            Intent::Mode { node, .. } => format!("chmod({})", path(node)),
            Intent::Sync { node, .. } => format!("fsync({})", path(node)),
            Intent::SyncAll => "sync()".to_owned(),
            Intent::Clone { node, .. } => format!("clone({})", path(node)),
            Intent::Outside { what } => what.clone(),
        }
    }
}
