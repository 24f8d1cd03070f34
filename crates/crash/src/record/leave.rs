//! Behind a call that was followed: what it did.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::deputy::Done;
use super::enter::made;
use super::intent::{Intent, Source};
use super::proc::{Identity, Thread};
use super::watch::{Watch, outside_message};
use crate::error::Result;
use crate::trace::{Effect, Kind, Node, Place};

/// Answers of a sync after which the system takes pages for clean that it could not write. One
/// that was interrupted has only not waited.
const LOSES_PAGES: [i64; 3] = [-libc::EIO as i64, -libc::ENOSPC as i64, -libc::EDQUOT as i64];

/// What is written down of a call.
type Story = (String, Vec<Effect>);

impl Watch {
    /// Writes down what a call did that returned `returned`.
    pub fn leave(&mut self, thread: Thread, intent: Intent, returned: i64) -> Result<()> {
        if let Intent::Sync { node, .. } = intent
            && LOSES_PAGES.contains(&returned)
        {
            let shown = format!("fsync({}) failed", self.tree.path(node));
            return self.record(thread.0, shown, vec![Effect::SyncFailed { node }]);
        }
        if returned < 0 {
            return Ok(());
        }
        let hidden = format!("a call whose outcome could not be read: {intent:?}");
        match self.story(thread, intent, returned)? {
            Some((_, effects)) if effects.is_empty() => Ok(()),
            Some((shown, effects)) => self.record(thread.0, shown, effects),
            None => {
                self.unmeasured.insert(hidden);
                Ok(())
            }
        }
    }

    /// `None` where what it did cannot be known, as when another thread closed the file meanwhile.
    fn story(&mut self, thread: Thread, intent: Intent, returned: i64) -> Result<Option<Story>> {
        let path = |watch: &Self, node| watch.tree.path(node);
        Ok(match intent {
            Intent::Write { .. } | Intent::Said { .. } if returned == 0 => nothing(),
            Intent::Write { fd, node, at, from, durable } => {
                self.wrote(thread, fd, node, at, from, durable, returned as usize)?
            }
            Intent::Said { from } => {
                let Some(bytes) = bytes_of(thread, from, returned as usize) else {
                    return Ok(None);
                };
                let shown = format!("print({})", quoted(self.line_of(&bytes)));
                Some((shown, vec![Effect::Said { text: self.trace.blob(&bytes)? }]))
            }
            Intent::Open { flags, existed, shown } => {
                self.opened(thread, returned as i32, flags, existed, &shown)
            }
            Intent::Truncate { node, len } => {
                let shown = format!("truncate({}, {len})", path(self, node));
                Some((shown, vec![Effect::Length { node, len }]))
            }
            Intent::Allocate { fd, node, mode, at, len } => {
                self.allocated(thread, fd, node, mode, at, len)
            }
            Intent::Rename { from, to, flags } => self.renamed(from, to, flags),
            Intent::Link { to, path } => self.linked(to, &path),
            Intent::Unlink { place } => {
                let shown = format!("unlink({})", self.tree.path_at(&place));
                let node = self.tree.unbind(&place);
                node.map(|node| (shown, vec![Effect::Unlink { node, place }]))
            }
            Intent::Make { place, path, target } => made(&path).map(|(identity, kind, mode)| {
                let name = self.tree.path_at(&place);
                let shown = match (&kind, target) {
                    (Kind::Symlink(_), Some(target)) => format!("symlink({target}, {name})"),
                    (Kind::Dir, _) => format!("mkdir({name})"),
                    _ => format!("mknod({name})"),
                };
                (shown, vec![self.new_node(identity, kind, mode, Some(place))])
            }),
            Intent::Mode { node, mode } => {
                let shown = format!("chmod({}, {mode:o})", path(self, node));
                Some((shown, vec![Effect::Mode { node, mode }]))
            }
            Intent::Sync { node, data_only } => {
                let name = if data_only { "fdatasync" } else { "fsync" };
                let shown = format!("{name}({})", path(self, node));
                Some((shown, vec![Effect::Sync { node, data_only }]))
            }
            Intent::SyncAll => Some(("sync()".to_owned(), vec![Effect::SyncAll])),
            Intent::Clone { fd, node } => self.cloned(thread, fd, node)?,
            Intent::Outside { what } => {
                self.unmeasured.insert(outside_message(&what));
                nothing()
            }
        })
    }

    /// The last line that these bytes complete, or what there is of it.
    fn line_of(&mut self, bytes: &[u8]) -> &[u8] {
        if self.printed.ends_with(b"\n") {
            self.printed.clear();
        }
        self.printed.extend_from_slice(bytes);
        let text = self.printed.strip_suffix(b"\n").unwrap_or(&self.printed);
        let from = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        &text[from..]
    }

    #[expect(clippy::too_many_arguments, reason = "they are the fields of one variant")]
    fn wrote(
        &mut self,
        thread: Thread,
        fd: i32,
        node: Node,
        at: Option<u64>,
        from: Source,
        durable: bool,
        length: usize,
    ) -> Result<Option<Story>> {
        // Where the end of the file decided, the file ends with what was written.
        let at = match at {
            Some(at) => at,
            None => match thread.stat(fd) {
                Some(meta) => meta.len().saturating_sub(length as u64),
                None => return Ok(None),
            },
        };
        let bytes = match from {
            Source::File => thread.file_bytes(fd, at, length),
            from => bytes_of(thread, from, length),
        };
        let Some(bytes) = bytes else { return Ok(None) };
        self.write_story(node, at, &bytes, durable).map(Some)
    }

    fn write_story(&mut self, node: Node, at: u64, bytes: &[u8], durable: bool) -> Result<Story> {
        let name = self.tree.path(node);
        let shown = format!("write({name}, {at}..{})", at + bytes.len() as u64);
        let data = self.trace.blob(bytes)?;
        Ok((shown, vec![Effect::Write { node, at, data, durable }]))
    }

    /// Writes down a write that was done in the program's place.
    pub fn leave_done(&mut self, thread: Thread, intent: &Intent, done: &Done) -> Result<()> {
        let Intent::Write { node, durable, .. } = intent else { return Ok(()) };
        let (shown, effects) = self.write_story(*node, done.at, &done.bytes, *durable)?;
        self.record(thread.0, shown, effects)
    }

    fn opened(
        &mut self,
        thread: Thread,
        fd: i32,
        flags: i32,
        existed: bool,
        shown: &str,
    ) -> Option<Story> {
        let meta = thread.stat(fd)?;
        if !meta.is_file() {
            return nothing();
        }
        let identity = Identity::from(&meta);
        let truncates = flags & libc::O_TRUNC != 0;
        // A number without a name is used again: this is another file.
        let known = self
            .tree
            .find(identity)
            .filter(|node| meta.nlink() == 0 || !self.tree.is_nameless(*node));
        if let Some(node) = known {
            let shown = format!("open({}, O_TRUNC)", self.tree.path(node));
            let effects = truncates.then_some(Effect::Length { node, len: 0 });
            return Some((shown, effects.into_iter().collect()));
        }
        let path = thread.path_of(fd)?;
        let mode = meta.mode() & 0o7777;
        let place = if flags & libc::O_TMPFILE == libc::O_TMPFILE {
            let dir = fs::metadata(path.parent()?).ok()?;
            self.tree.find_dir(Identity::from(&dir)).map(|_| None)
        } else {
            self.place(&path).map(Some)
        };
        let Some(place) = place else {
            // Some files are opened so that are never written.
            if (truncates || !existed) && !self.is_ignored(&path) {
                self.unmeasured.insert(outside_message(&format!("opens {shown} for writing")));
            }
            return nothing();
        };
        let name = place.as_ref().map_or("O_TMPFILE".to_owned(), |place| self.tree.path_at(place));
        let effect = self.new_node(identity, Kind::File, mode, place);
        Some((format!("create({name})"), vec![effect]))
    }

    fn new_node(
        &mut self,
        identity: Identity,
        kind: Kind,
        mode: u32,
        place: Option<Place>,
    ) -> Effect {
        let node = self.tree.make(identity, kind == Kind::Dir, place.clone());
        Effect::Make { node, kind, mode, place }
    }

    fn allocated(
        &mut self,
        thread: Thread,
        fd: i32,
        node: Node,
        mode: i32,
        at: u64,
        len: u64,
    ) -> Option<Story> {
        const KEEPS: i32 = libc::FALLOC_FL_KEEP_SIZE;
        let name = self.tree.path(node);
        let shown = format!("fallocate({name}, {at}..{})", at + len);
        let zero = Effect::Zero { node, at, len };
        let length = Effect::Length { node, len: thread.stat(fd)?.len() };
        let effects = match mode & !KEEPS {
            0 if mode & KEEPS != 0 => Vec::new(),
            0 => vec![length],
            libc::FALLOC_FL_PUNCH_HOLE => vec![zero],
            libc::FALLOC_FL_ZERO_RANGE if mode & KEEPS != 0 => vec![zero],
            libc::FALLOC_FL_ZERO_RANGE => vec![zero, length],
            _ => {
                self.unmeasured.insert(format!("fallocate of {name} with mode {mode:#x}"));
                Vec::new()
            }
        };
        Some((shown, effects))
    }

    fn renamed(&mut self, from: Place, to: Place, flags: u64) -> Option<Story> {
        let shown = format!("rename({}, {})", self.tree.path_at(&from), self.tree.path_at(&to));
        let node = self.tree.at(&from)?;
        if flags & u64::from(libc::RENAME_WHITEOUT) != 0 {
            self.unmeasured.insert(format!("{shown} that leaves a whiteout"));
            return nothing();
        }
        if flags & u64::from(libc::RENAME_EXCHANGE) != 0 {
            let other = self.tree.at(&to)?;
            self.tree.bind(node, to.clone());
            self.tree.bind(other, from.clone());
            let effect = Effect::Exchange { one: (node, from), other: (other, to) };
            return Some((shown, vec![effect]));
        }
        // Two names of one file: rename does nothing.
        if self.tree.at(&to) == Some(node) {
            return nothing();
        }
        self.tree.unbind(&from);
        let replaces = self.tree.bind(node, to.clone());
        Some((shown, vec![Effect::Rename { node, from, to, replaces }]))
    }

    fn linked(&mut self, place: Place, path: &std::path::Path) -> Option<Story> {
        let (identity, _, _) = made(path)?;
        let name = self.tree.path_at(&place);
        let Some(node) = self.tree.find(identity) else {
            self.unmeasured.insert(outside_message(&format!("link of a file as {name}")));
            return nothing();
        };
        let shown = format!("link({}, {name})", self.tree.path(node));
        self.tree.bind(node, place.clone());
        Some((shown, vec![Effect::Link { node, place }]))
    }

    fn cloned(&mut self, thread: Thread, fd: i32, node: Node) -> Result<Option<Story>> {
        let Some(len) = thread.stat(fd).map(|meta| meta.len()) else { return Ok(None) };
        let Some(bytes) = thread.file_bytes(fd, 0, len as usize) else { return Ok(None) };
        let shown = format!("clone({})", self.tree.path(node));
        let data = self.trace.blob(&bytes)?;
        let write = Effect::Write { node, at: 0, data, durable: false };
        Ok(Some((shown, vec![write, Effect::Length { node, len }])))
    }
}

fn nothing() -> Option<Story> {
    Some((String::new(), Vec::new()))
}

fn bytes_of(thread: Thread, from: Source, length: usize) -> Option<Vec<u8>> {
    match from {
        Source::Buffer(at) => thread.memory(at, length),
        Source::Vector(at, count) => thread.vector(at, count, length),
        Source::File => None,
    }
}

/// A line that was printed, cut where it is long.
fn quoted(bytes: &[u8]) -> String {
    const SHOWN: usize = 40;
    let text = String::from_utf8_lossy(bytes);
    let mut cut: String = text.trim_end().chars().take(SHOWN).collect();
    if cut.len() < text.trim_end().len() {
        cut.push('…');
    }
    format!("{cut:?}")
}
