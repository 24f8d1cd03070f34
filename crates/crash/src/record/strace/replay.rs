//! What a program did to the watched directory, from the lines of strace.
//!
//! Here nobody can ask the kernel, so paths are resolved and positions kept by hand. Whether that
//! was right is found out at the end: what was written down must be what is there.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use super::parse::{Line, annotation, bytes, number};
use super::table::{OpenFile, Table};
use crate::error::Result;
use crate::model::content::Content;
use crate::record::proc::Identity;
use crate::record::watch::{Watch, outside_message};
use crate::trace::{Effect, Kind, Node, Place, ROOT};

/// Plays the lines of strace.
pub struct Replay<'a> {
    watch: &'a mut Watch,
    dir: &'a Path,
    stdout: String,
    table: Table,
    /// Files without a name, by the path that they had.
    unlinked: HashMap<String, Node>,
    /// The bytes of all files: some calls copy what they do not tell.
    contents: HashMap<Node, Content>,
    /// Where each thread is. Who is not here is where the program began.
    cwd: HashMap<i32, PathBuf>,
    made: u64,
}

/// Calls that change files in a way that strace does not tell.
const UNTOLD: [&str; 5] = ["sendfile", "splice", "io_uring_setup", "io_submit", "pwritev2"];

impl<'a> Replay<'a> {
    /// Begins. `dir` must be free of symbolic links.
    pub fn new(watch: &'a mut Watch, dir: &'a Path, contents: HashMap<Node, Content>) -> Self {
        let stdout = format!("pipe:[{}]", watch.stdout.ino);
        let (table, unlinked, cwd) = (Table::default(), HashMap::new(), HashMap::new());
        Self { watch, dir, stdout, table, unlinked, contents, cwd, made: 0 }
    }

    /// Plays a call. What cannot be understood is not measured.
    pub fn play(&mut self, line: &Line) -> Result<()> {
        if line.returned < 0 {
            return Ok(());
        }
        let done = match line.name.as_str() {
            name if UNTOLD.contains(&name) => self.untold(line),
            "clone" | "clone3" | "fork" | "vfork" => {
                let shares = line.args.iter().any(|arg| arg.contains("CLONE_FILES"));
                let child = line.returned as i32;
                self.table.fork(line.pid, child, shares);
                if let Some(cwd) = self.cwd.get(&line.pid).cloned() {
                    self.cwd.insert(child, cwd);
                }
                Some(None)
            }
            "chdir" => self.path(line, None, 0).map(|path| {
                self.cwd.insert(line.pid, path.into());
                None
            }),
            "fchdir" => line.args.first().and_then(|arg| annotation(arg)).map(|path| {
                self.cwd.insert(line.pid, path.into());
                None
            }),
            "open" | "openat" | "openat2" | "creat" => self.open(line),
            "read" | "readv" | "lseek" | "dup" | "dup2" | "dup3" | "fcntl" => self.moved(line),
            "write" | "writev" | "pwrite64" | "pwritev" => return self.write(line),
            "copy_file_range" => return self.copied(line),
            _ => self.change(line),
        };
        match done {
            Some(Some((shown, effects))) => self.watch.record(line.pid, shown, effects),
            Some(None) => Ok(()),
            None => {
                let what = format!("{}, as strace tells it", line.name);
                self.watch.unmeasured.insert(what);
                Ok(())
            }
        }
    }

    /// Positions and descriptors.
    fn moved(&mut self, line: &Line) -> Played {
        let fd = number(line.args.first()?)?;
        match line.name.as_str() {
            "lseek" => self.table.get(line.pid, fd).position = line.returned as u64,
            "read" | "readv" => self.table.get(line.pid, fd).position += line.returned as u64,
            "fcntl" if !line.args.get(1)?.starts_with("F_DUPFD") => {}
            _ => self.table.duplicate(line.pid, fd, line.returned),
        }
        Some(None)
    }

    fn open(&mut self, line: &Line) -> Played {
        let flags =
            line.args.iter().find(|arg| arg.contains("O_")).map_or("O_TRUNC", |flags| flags);
        let is = |flag: &str| flags.contains(flag) || line.name == "creat";
        let file = OpenFile {
            position: 0,
            appends: flags.contains("O_APPEND"),
            durable: flags.contains("SYNC"),
        };
        self.table.open(line.pid, line.returned, file);
        let path = line.path.as_deref()?;
        let Some(place) = self.place(Path::new(path)) else {
            if (is("O_CREAT") || is("O_TRUNC")) && !self.watch.is_ignored(Path::new(path)) {
                self.watch.unmeasured.insert(outside_message(&format!("opens {path}")));
            }
            return Some(None);
        };
        if flags.contains("O_TMPFILE") {
            return None;
        }
        let name = self.watch.tree.path_at(&place);
        if let Some(node) = self.watch.tree.at(&place) {
            if is("O_TRUNC") {
                self.contents.entry(node).or_default().set_len(0);
            }
            let effects =
                if is("O_TRUNC") { vec![Effect::Length { node, len: 0 }] } else { vec![] };
            return story(format!("open({name}, O_TRUNC)"), effects);
        }
        if !is("O_CREAT") {
            return Some(None);
        }
        story(format!("create({name})"), vec![self.make(Kind::File, 0o644, place)])
    }

    fn write(&mut self, line: &Line) -> Result<()> {
        let Some(path) = line.args.first().and_then(|arg| annotation(arg)) else { return Ok(()) };
        let mut text = line.args.get(1).map(|arg| bytes(arg)).unwrap_or_default();
        text.truncate(line.returned as usize);
        if path == self.stdout {
            let shown = format!("print({:?})", String::from_utf8_lossy(&text).trim_end());
            let said = Effect::Said { text: self.watch.trace.blob(&text)? };
            return self.watch.record(line.pid, shown, vec![said]);
        }
        let at = if line.name.starts_with('p') { line.args.get(3) } else { None };
        self.wrote(line, 0, at.and_then(|at| number(at)), &text)
    }

    /// Bytes that went from one file to another, without a program that held them.
    fn copied(&mut self, line: &Line) -> Result<()> {
        let offset = |index: usize| {
            number(line.args.get(index)?.trim_matches(['[', ']']).split(']').next()?)
        };
        let from = line.args.first().and_then(|arg| self.node(&annotation(arg)?));
        let (Some(from), Some(fd)) = (from, line.args.first().and_then(|arg| number(arg))) else {
            self.watch
                .unmeasured
                .insert("a copy of bytes of a file that is not watched".to_owned());
            return Ok(());
        };
        let file = self.table.get(line.pid, fd);
        let at = offset(1).map_or(file.position, |at| at as u64);
        if offset(1).is_none() {
            file.position += line.returned as u64;
        }
        let content = self.contents.entry(from).or_default();
        let text = content.read(at, line.returned as u64);
        self.wrote(line, 2, offset(3), &text)
    }

    /// Bytes that went to the file of an argument.
    fn wrote(&mut self, line: &Line, arg: usize, given: Option<i64>, text: &[u8]) -> Result<()> {
        let (Some(fd), Some(path)) = (
            line.args.get(arg).and_then(|arg| number(arg)),
            line.args.get(arg).and_then(|arg| annotation(arg)),
        ) else {
            return Ok(());
        };
        let Some(node) = self.node(&path) else {
            let is_file = path.starts_with('/') && !path.ends_with("(deleted)");
            if is_file && !self.watch.is_ignored(Path::new(&path)) {
                self.watch.unmeasured.insert(outside_message(&format!("writes to {path}")));
            }
            return Ok(());
        };
        let length = self.length(node);
        let file = self.table.get(line.pid, fd);
        let at = match given {
            _ if file.appends => length,
            Some(at) => at as u64,
            None => file.position,
        };
        let end = at + text.len() as u64;
        if given.is_none() {
            file.position = end;
        }
        let durable = file.durable;
        self.contents.entry(node).or_default().write(at, text);
        if text.is_empty() {
            return Ok(());
        }
        let shown = format!("write({}, {at}..{end})", self.watch.tree.path(node));
        let data = self.watch.trace.blob(text)?;
        self.watch.record(line.pid, shown, vec![Effect::Write { node, at, data, durable }])
    }

    /// Calls that change names and lengths, and barriers.
    fn change(&mut self, line: &Line) -> Played {
        let arg = |index: usize| line.args.get(index).map(String::as_str);
        let fd = || arg(0).and_then(annotation);
        match line.name.as_str() {
            "fsync" | "fdatasync" => {
                let Some(node) = self.node(&fd()?) else { return Some(None) };
                let shown = format!("{}({})", line.name, self.watch.tree.path(node));
                story(shown, vec![Effect::Sync { node, data_only: line.name == "fdatasync" }])
            }
            "sync" | "syncfs" => story("sync()".to_owned(), vec![Effect::SyncAll]),
            "ftruncate" | "truncate" => {
                let path = fd().or_else(|| self.path(line, None, 0))?;
                let Some(node) = self.node(&path) else { return Some(None) };
                let len = number(arg(1)?)? as u64;
                self.contents.entry(node).or_default().set_len(len);
                let shown = format!("truncate({}, {len})", self.watch.tree.path(node));
                story(shown, vec![Effect::Length { node, len }])
            }
            "fallocate" => {
                let Some(node) = self.node(&fd()?) else { return Some(None) };
                match arg(1)? {
                    "0" => {
                        let end = (number(arg(2)?)? + number(arg(3)?)?) as u64;
                        let len = self.length(node).max(end);
                        self.contents.entry(node).or_default().set_len(len);
                        let shown = format!("fallocate({}, ..{end})", self.watch.tree.path(node));
                        story(shown, vec![Effect::Length { node, len }])
                    }
                    "FALLOC_FL_KEEP_SIZE" => Some(None),
                    _ => None,
                }
            }
            "mmap" => {
                let stores = arg(3)?.contains("MAP_SHARED") && arg(2)?.contains("PROT_WRITE");
                let path = arg(4).and_then(annotation);
                match path.filter(|path| stores && self.node(path).is_some()) {
                    Some(path) if !self.watch.is_ignored(Path::new(&path)) => None,
                    _ => Some(None),
                }
            }
            _ => self.names(line),
        }
    }

    fn names(&mut self, line: &Line) -> Played {
        let name = line.name.as_str();
        let (dirs, at) = if name.ends_with("at") || name.ends_with("at2") {
            ((Some(0), Some(2)), (1, 3))
        } else {
            ((None, None), (0, 1))
        };
        let place = |replay: &Self, dir, path| {
            replay.path(line, dir, path).map(|path| replay.place(Path::new(&path)))
        };
        match name {
            "rename" | "renameat" | "renameat2" => {
                let (from, to) = (place(self, dirs.0, at.0)?, place(self, dirs.1, at.1)?);
                let (Some(from), Some(to)) = (from, to) else { return None };
                let shown = format!(
                    "rename({}, {})",
                    self.watch.tree.path_at(&from),
                    self.watch.tree.path_at(&to)
                );
                let node = self.watch.tree.at(&from)?;
                if line.args.get(4).is_some_and(|flags| flags.contains("EXCHANGE")) {
                    return None;
                }
                self.watch.tree.unbind(&from);
                let replaces = self.watch.tree.bind(node, to.clone());
                story(shown, vec![Effect::Rename { node, from, to, replaces }])
            }
            "link" | "linkat" => {
                let (from, to) = (place(self, dirs.0, at.0)?, place(self, dirs.1, at.1)?);
                let (node, place) = (self.watch.tree.at(&from?)?, to?);
                let shown = format!("link({})", self.watch.tree.path_at(&place));
                self.watch.tree.bind(node, place.clone());
                story(shown, vec![Effect::Link { node, place }])
            }
            "unlink" | "unlinkat" | "rmdir" => {
                let place = place(self, dirs.0, at.0)??;
                let path = self.watch.tree.path_at(&place);
                let node = self.watch.tree.unbind(&place)?;
                self.unlinked.insert(self.dir.join(&path).display().to_string(), node);
                story(format!("unlink({path})"), vec![Effect::Unlink { node, place }])
            }
            "mkdir" | "mkdirat" => {
                let place = place(self, dirs.0, at.0)??;
                let shown = format!("mkdir({})", self.watch.tree.path_at(&place));
                story(shown, vec![self.make(Kind::Dir, 0o755, place)])
            }
            "symlink" | "symlinkat" => {
                let (dir, path) = if name == "symlink" { (None, 1) } else { (Some(1), 2) };
                let place = place(self, dir, path)??;
                let target = String::from_utf8(bytes(line.args.first()?)).ok()?;
                let shown = format!("symlink({})", self.watch.tree.path_at(&place));
                story(shown, vec![self.make(Kind::Symlink(target), 0o777, place)])
            }
            _ => Some(None),
        }
    }

    /// A call that strace does not tell enough of, if it concerns a watched file.
    fn untold(&self, line: &Line) -> Played {
        let concerns = line.name.starts_with("io_")
            || line
                .args
                .iter()
                .filter_map(|arg| annotation(arg))
                .any(|path| self.node(&path).is_some());
        if concerns { None } else { Some(None) }
    }

    fn length(&self, node: Node) -> u64 {
        self.contents.get(&node).map_or(0, Content::len)
    }

    fn make(&mut self, kind: Kind, mode: u32, place: Place) -> Effect {
        // Nobody asks for an identity here: any that is new will do.
        self.made += 1;
        let identity = Identity { dev: u64::MAX, ino: self.made };
        let node = self.watch.tree.make(identity, kind == Kind::Dir, Some(place.clone()));
        Effect::Make { node, kind, mode, place: Some(place) }
    }

    /// The whole path of an argument; none where only the program's own descriptors lead to it, for
    /// strace does not tell where.
    fn path(&self, line: &Line, dir: Option<usize>, path: usize) -> Option<String> {
        let text = String::from_utf8(bytes(line.args.get(path)?)).ok()?;
        let base = match dir {
            Some(dir) => annotation(line.args.get(dir)?)?,
            None => {
                self.cwd.get(&line.pid).map_or(self.dir, PathBuf::as_path).display().to_string()
            }
        };
        let whole = Path::new(&base).join(text);
        let by_descriptor = whole.starts_with("/dev/fd")
            || whole.starts_with("/proc")
                && whole.components().any(|part| part.as_os_str() == "fd");
        (!by_descriptor).then(|| whole.display().to_string())
    }

    /// The name in the watched directory that a path means.
    fn place(&self, path: &Path) -> Option<Place> {
        let mut plain = PathBuf::new();
        for part in path.components() {
            match part {
                Component::ParentDir => {
                    plain.pop();
                }
                Component::CurDir => {}
                other => plain.push(other),
            }
        }
        let within = plain.strip_prefix(self.dir).ok()?;
        let mut dir = ROOT;
        for part in within.parent()?.components() {
            let name = part.as_os_str().to_string_lossy().into_owned();
            dir = self.watch.tree.at(&Place { dir, name })?;
        }
        Some(Place { dir, name: within.file_name()?.to_string_lossy().into_owned() })
    }

    /// The file that a path means, or meant before it was unlinked.
    fn node(&self, path: &str) -> Option<Node> {
        if let Some(path) = path.strip_suffix(" (deleted)") {
            return self.unlinked.get(path).copied();
        }
        if Path::new(path) == self.dir {
            return Some(ROOT);
        }
        self.place(Path::new(path)).and_then(|place| self.watch.tree.at(&place))
    }
}

/// What a call did, nothing, or something that cannot be understood.
type Played = Option<Option<(String, Vec<Effect>)>>;

fn story(shown: String, effects: Vec<Effect>) -> Played {
    Some(if effects.is_empty() { None } else { Some((shown, effects)) })
}
