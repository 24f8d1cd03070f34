//! Hints: who took a lock last, left in the lock file for people to read (F-40).
//!
//! A lock says that somebody holds it, not who. So whoever takes a lock file writes itself
//! into it. Nothing is decided by a hint: it may be stale, or half written.

use crate::engine::vfs::{Vfs, VfsFile, read_full, write_full};

/// What a lock file says of its last owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The process.
    pub pid: u32,
    /// When that process started, in the system's own units; 0 where unknown. Tells it
    /// from a later process of the same number.
    pub start: u64,
    /// When it took the lock, in ms since 1970.
    pub time_ms: u64,
}

/// Longer than any hint.
pub const MOST_BYTES: usize = 64;

impl Hint {
    /// Of this process, now.
    pub fn of_this_process<V: Vfs>(vfs: &V) -> Self {
        Self { pid: vfs.pid(), start: vfs.process_start(), time_ms: vfs.now_ms() }
    }

    /// The line that stands in the file.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {} {}\n", self.pid, self.start, self.time_ms)
    }

    /// Reads such a line; `None` if it is anything else.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
        let mut fields = text.split(' ');
        let hint = Self {
            pid: fields.next()?.parse().ok()?,
            start: fields.next()?.parse().ok()?,
            time_ms: fields.next()?.parse().ok()?,
        };
        (hint.line().as_bytes() == bytes).then_some(hint)
    }

    /// Leaves the hint in a lock file, whose lock the caller holds.
    pub fn leave<F: VfsFile>(&self, file: &F) {
        let line = self.line();
        // Without it nothing is lost but the answer to "who was that?".
        let written = write_full(file, line.as_bytes(), 0);
        let _ = written.and_then(|()| file.set_len(line.len() as u64));
    }

    /// Reads the hint in a lock file, if there is one.
    pub fn read<F: VfsFile>(file: &F) -> Option<Self> {
        let mut bytes = [0; MOST_BYTES];
        let length = read_full(file, &mut bytes, 0).ok()?;
        Self::parse(bytes.get(..length)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_one_exact_line() {
        // F-40
        let hint = Hint { pid: 4711, start: 98_765, time_ms: 1_760_000_000_000 };
        assert_eq!(hint.line(), "4711 98765 1760000000000\n");
        assert_eq!(Hint::parse(hint.line().as_bytes()), Some(hint));
        for other in ["", "\n", "4711\n", "4711 0\n", "4711 0 1", "4711 0 1 2\n", "04711 0 1\n"] {
            assert_eq!(Hint::parse(other.as_bytes()), None, "{other:?}");
        }
    }
}
