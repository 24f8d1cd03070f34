//! What the recorder knows while a program runs, and what it writes down.

use std::collections::BTreeSet;
use std::path::Path;

#[cfg(target_arch = "x86_64")]
use super::deputy::Deputy;
#[cfg(target_arch = "x86_64")]
use super::descriptors::Descriptors;
use super::proc::Identity;
use super::tree::Tree;
use crate::error::Result;
use crate::trace::{Call, Effect, TraceWriter};

/// The state of a recording.
pub struct Watch {
    /// The watched directory as it is now.
    pub tree: Tree,
    /// The pipe that is the program's standard output.
    pub stdout: Identity,
    /// Files that were open before: our own messages go there, and so may the program's.
    pub inherited: Vec<Identity>,
    /// The open files of those who are stopped.
    #[cfg(target_arch = "x86_64")]
    pub descriptors: Descriptors,
    /// Who writes in their place.
    #[cfg(target_arch = "x86_64")]
    pub deputy: Deputy,
    /// Whether anybody ever had a shared map of a watched file.
    pub maps_shared: bool,
    /// What could not be seen.
    pub unmeasured: BTreeSet<String>,
    /// Where it is written down.
    pub trace: TraceWriter,
    /// What was printed since the last whole line, and that line.
    pub printed: Vec<u8>,
    /// How many calls were written down.
    pub calls: usize,
    ignored: Vec<String>,
}

/// Files there hold nothing that could survive a crash.
const NEVER_DURABLE: [&str; 3] = ["/dev/*", "/proc/*", "/sys/*"];

impl Watch {
    /// Begins a recording.
    pub fn new(tree: Tree, stdout: Identity, ignored: &[String], trace: TraceWriter) -> Self {
        let never = NEVER_DURABLE.iter().map(|pattern| (*pattern).to_owned());
        let inherited = [0, 1, 2].into_iter().filter_map(|fd| {
            std::fs::metadata(format!("/proc/self/fd/{fd}")).ok().map(|meta| (&meta).into())
        });
        Self {
            tree,
            stdout,
            inherited: inherited.collect(),
            #[cfg(target_arch = "x86_64")]
            descriptors: Descriptors::default(),
            #[cfg(target_arch = "x86_64")]
            deputy: Deputy::new(),
            maps_shared: false,
            unmeasured: BTreeSet::new(),
            trace,
            printed: Vec::new(),
            calls: 0,
            ignored: never.chain(ignored.iter().cloned()).collect(),
        }
    }

    /// Whether the user said that this path does not matter.
    pub fn is_ignored(&self, path: &Path) -> bool {
        let path = path.to_string_lossy();
        self.ignored.iter().any(|pattern| {
            let below = format!("{}/*", pattern.trim_end_matches('/'));
            matches(pattern, &path) || matches(&below, &path)
        })
    }

    /// Writes a call down.
    pub fn record(&mut self, pid: i32, shown: String, effects: Vec<Effect>) -> Result<()> {
        self.calls += 1;
        self.trace.call(&Call { pid, shown, effects })
    }
}

/// What to say of a change of what is not watched.
pub fn outside_message(what: &str) -> String {
    format!("{what}, outside the watched directory (--ignore it if it need not survive a crash)")
}

/// Whether a text is what a pattern means, in which `*` is any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    let mut starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    starts.any(|at| matches(tail, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_is_any_text() {
        assert!(matches("*-shm", "data.db-shm"));
        assert!(matches("/tmp/*", "/tmp/a/b"));
        assert!(matches("a*b*c", "a-b-b-c"));
        assert!(!matches("*-shm", "data.db-shm2"));
        assert!(!matches("data", "data.db"));
    }
}
