//! A disk under a page cache: what every process sees at once, and what would be there
//! after the power went (M-2 to M-5).
//!
//! A [`Disk`] is a value: cloning one takes a snapshot, and costs little, because files
//! are shared until they are changed.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file, whatever its names.
pub type FileNumber = u32;

/// Something done to a file that no sync has put on the disk yet.
#[derive(Clone, Debug)]
pub enum Change {
    /// Bytes were written. *Stuck* are those of a failed sync: they look clean, and no
    /// later sync writes them (M-6).
    Write { at: usize, bytes: Vec<u8>, stuck: bool },
    /// The file was cut or extended.
    Length(usize),
}

impl Change {
    /// Does it to the bytes of a file.
    pub fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Length(length) => file.resize(*length, 0),
            Self::Write { at, bytes, .. } => {
                let end = at + bytes.len();
                if file.len() < end {
                    file.resize(end, 0);
                }
                file[*at..end].copy_from_slice(bytes);
            }
        }
    }
}

/// A file.
#[derive(Clone, Debug, Default)]
pub struct FileState {
    /// What is on the disk.
    pub disk: Vec<u8>,
    /// What everyone reads: `disk` with all of `pending` done to it.
    pub cache: Vec<u8>,
    /// What is not on the disk for sure, in order.
    pub pending: Vec<Change>,
    /// How many times writing it back has failed.
    pub failures: u64,
}

impl FileState {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.cache);
        self.pending.push(change);
    }

    /// Puts on the disk what can be put there (M-5, M-6). `pick` chooses the writes.
    fn sync(&mut self, with_length: bool, pick: impl Fn(&Change) -> bool) {
        let mut left: Vec<Change> = Vec::new();
        let length = self.disk.len();
        for change in std::mem::take(&mut self.pending) {
            let stuck = matches!(change, Change::Write { stuck: true, .. });
            if stuck || !pick(&change) {
                left.push(change);
                continue;
            }
            if let Change::Write { at, bytes, .. } = &change {
                left = left.into_iter().flat_map(|old| uncovered(old, *at, bytes.len())).collect();
            }
            change.apply(&mut self.disk);
        }
        if with_length {
            self.disk.resize(self.cache.len(), 0);
        } else {
            self.disk.resize(length, 0);
            left.push(Change::Length(self.cache.len()));
        }
        self.pending = left;
    }

    /// A sync that fails: the pages look clean from now on, and nobody writes them (M-6).
    fn fail_sync(&mut self) {
        self.failures += 1;
        for change in &mut self.pending {
            if let Change::Write { stuck, .. } = change {
                *stuck = true;
            }
        }
    }
}

/// What is left of an unsynced write when `at..at + length` was written anew and synced.
fn uncovered(old: Change, at: usize, length: usize) -> Vec<Change> {
    let Change::Write { at: begin, bytes, stuck } = old else { return vec![old] };
    let (end, cut_end) = (begin + bytes.len(), at + length);
    let mut left = Vec::new();
    if begin < at {
        let kept = bytes[..at.min(end) - begin].to_vec();
        left.push(Change::Write { at: begin, bytes: kept, stuck });
    }
    if cut_end < end {
        let from = cut_end.max(begin);
        left.push(Change::Write { at: from, bytes: bytes[from - begin..].to_vec(), stuck });
    }
    left
}

/// What a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// A file.
    File(FileNumber),
    /// A directory; which one, its path tells.
    Directory,
}

/// A directory, whatever its path.
pub type DirNumber = u32;

/// The names of a directory.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Which directory it is.
    pub number: DirNumber,
    /// As everyone sees them.
    pub cache: BTreeMap<String, Node>,
    /// As they are on the disk.
    pub disk: BTreeMap<String, Node>,
    /// What each name led to since the last sync, oldest first; `None` for nothing.
    pub pending: BTreeMap<String, Vec<Option<Node>>>,
}

impl Names {
    fn set(&mut self, name: &str, node: Option<Node>) {
        match node {
            Some(node) => self.cache.insert(name.to_owned(), node),
            None => self.cache.remove(name),
        };
        self.pending.entry(name.to_owned()).or_default().push(node);
    }
}

/// A disk with its page cache.
#[derive(Clone, Debug)]
pub struct Disk {
    files: BTreeMap<FileNumber, Arc<FileState>>,
    directories: BTreeMap<PathBuf, Arc<Names>>,
    made: FileNumber,
    made_directories: DirNumber,
    /// How often the machine was started.
    pub boot: u64,
}

/// Parent and name of a path.
fn split(path: &Path) -> (&Path, &str) {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    (path.parent().unwrap_or(Path::new("/")), name)
}

impl Default for Disk {
    /// An empty root directory.
    fn default() -> Self {
        let directories = BTreeMap::from([(PathBuf::from("/"), Arc::default())]);
        Self { files: BTreeMap::new(), directories, made: 0, made_directories: 0, boot: 1 }
    }
}

impl Disk {
    fn names(&mut self, dir: &Path) -> Option<&mut Names> {
        self.directories.get_mut(dir).map(Arc::make_mut)
    }

    /// What a path leads to.
    pub fn look_up(&self, path: &Path) -> Option<Node> {
        let (dir, name) = split(path);
        self.directories.get(dir)?.cache.get(name).copied()
    }

    /// A file's state.
    pub fn file(&self, file: FileNumber) -> &FileState {
        &self.files[&file]
    }

    fn file_mut(&mut self, file: FileNumber) -> &mut FileState {
        Arc::make_mut(self.files.get_mut(&file).expect("files go only with the power"))
    }

    /// The bytes of a file by its path, as everyone sees them.
    pub fn bytes_of(&self, path: &Path) -> Option<&[u8]> {
        match self.look_up(path)? {
            Node::File(file) => Some(&self.file(file).cache),
            Node::Directory => None,
        }
    }

    /// How many names lead to the file.
    pub fn links(&self, file: FileNumber) -> u64 {
        let names = self.directories.values().flat_map(|names| names.cache.values());
        names.filter(|node| **node == Node::File(file)).count() as u64
    }

    /// Makes an empty file; `None` where there is no directory for it.
    pub fn create(&mut self, path: &Path) -> Option<FileNumber> {
        let (dir, name) = split(path);
        let file = self.made + 1;
        self.names(dir)?.set(name, Some(Node::File(file)));
        self.made = file;
        self.files.insert(file, Arc::default());
        Some(file)
    }

    /// Makes a directory, if it is missing; `false` where there is no directory for it.
    pub fn create_directory(&mut self, path: &Path) -> bool {
        if self.look_up(path).is_some() {
            return true;
        }
        let (dir, name) = split(path);
        let Some(names) = self.names(dir) else { return false };
        names.set(name, Some(Node::Directory));
        self.made_directories += 1;
        let names = Names { number: self.made_directories, ..Names::default() };
        self.directories.insert(path.to_owned(), Arc::new(names));
        true
    }

    /// Which directory stands at a path.
    pub fn directory(&self, path: &Path) -> Option<DirNumber> {
        self.directories.get(path).map(|names| names.number)
    }

    /// Where a directory is by now; `None` if it is gone.
    pub fn path_of(&self, number: DirNumber) -> Option<&Path> {
        let mut all = self.directories.iter();
        all.find(|(_, names)| names.number == number).map(|(path, _)| path.as_path())
    }

    /// The names in a directory.
    pub fn list(&self, dir: &Path) -> Option<Vec<String>> {
        Some(self.directories.get(dir)?.cache.keys().cloned().collect())
    }

    /// Gives a file a second name. Of a directory it makes another one, with second names for all
    /// files in it, as `cp -al` does.
    pub fn link(&mut self, from: &Path, to: &Path) -> bool {
        let (to_dir, to_name) = split(to);
        match self.look_up(from) {
            Some(node @ Node::File(_)) => {
                let Some(names) = self.names(to_dir) else { return false };
                names.set(to_name, Some(node));
                true
            }
            Some(Node::Directory) => {
                let inside = self.list(from).unwrap_or_default();
                self.create_directory(to)
                    && inside.iter().all(|name| self.link(&from.join(name), &to.join(name)))
            }
            None => false,
        }
    }

    /// Renames a file or a directory. On the disk, that the new name is there and that the old
    /// one is gone are two things.
    pub fn rename(&mut self, from: &Path, to: &Path) -> bool {
        let Some(node) = self.look_up(from) else { return false };
        let ((from_dir, from), (to_dir, to)) = (split(from), split(to));
        if !self.directories.contains_key(to_dir) {
            return false;
        }
        if node == Node::Directory {
            self.move_directories(&from_dir.join(from), &to_dir.join(to));
        }
        if let Some(names) = self.names(to_dir) {
            names.set(to, Some(node));
        }
        if let Some(names) = self.names(from_dir) {
            names.set(from, None);
        }
        true
    }

    fn move_directories(&mut self, from: &Path, to: &Path) {
        for (path, names) in std::mem::take(&mut self.directories) {
            let path = match path.strip_prefix(from) {
                Ok(rest) if rest.as_os_str().is_empty() => to.to_owned(),
                Ok(rest) => to.join(rest),
                Err(_) => path,
            };
            self.directories.insert(path, names);
        }
    }

    /// Removes a name.
    pub fn remove(&mut self, path: &Path) -> bool {
        let (dir, name) = split(path);
        let there = self.look_up(path).is_some();
        if let Some(names) = self.names(dir).filter(|_| there) {
            names.set(name, None);
        }
        there
    }

    /// Writes bytes, into the cache.
    pub fn write(&mut self, file: FileNumber, at: usize, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        self.file_mut(file).change(Change::Write { at, bytes, stuck: false });
    }

    /// Cuts or extends a file, in the cache.
    pub fn set_len(&mut self, file: FileNumber, length: usize) {
        if self.file(file).cache.len() != length {
            self.file_mut(file).change(Change::Length(length));
        }
    }

    /// Puts bytes on the disk in place of all that a file holds.
    pub(super) fn put_content(&mut self, file: FileNumber, bytes: Vec<u8>) {
        *self.file_mut(file) =
            FileState { disk: bytes.clone(), cache: bytes, ..FileState::default() };
    }

    /// Syncs a file.
    pub fn sync(&mut self, file: FileNumber) {
        if !self.file(file).pending.is_empty() {
            self.file_mut(file).sync(true, |_| true);
        }
    }

    /// Syncs the bytes of a file, but not its length: against M-5, for a planted bug.
    pub fn sync_without_length(&mut self, file: FileNumber) {
        self.file_mut(file).sync(false, |change| matches!(change, Change::Write { .. }));
    }

    /// A sync of a file that fails.
    pub fn fail_sync(&mut self, file: FileNumber) {
        self.file_mut(file).fail_sync();
    }

    /// Syncs the names of a directory.
    pub fn sync_directory(&mut self, dir: &Path) -> bool {
        let Some(names) = self.names(dir) else { return false };
        names.disk = names.cache.clone();
        names.pending.clear();
        true
    }

    /// All files that can be reached, with their paths.
    pub fn paths(&self) -> impl Iterator<Item = (PathBuf, &FileState)> {
        self.directories.iter().flat_map(move |(dir, names)| {
            names.cache.iter().filter_map(move |(name, node)| match node {
                Node::File(file) => Some((dir.join(name), self.file(*file))),
                Node::Directory => None,
            })
        })
    }

    /// What tells one crash image from another: every name and every byte that is seen,
    /// and the boot.
    pub fn image_hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.boot.hash(&mut hasher);
        for (path, file) in self.paths() {
            path.hash(&mut hasher);
            file.cache.hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The same, with what a loss of power could take back.
    pub fn state_hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.image_hash().hash(&mut hasher);
        for (path, file) in self.paths() {
            path.hash(&mut hasher);
            file.disk.hash(&mut hasher);
            file.pending.len().hash(&mut hasher);
        }
        for (dir, names) in &self.directories {
            dir.hash(&mut hasher);
            names.disk.hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Whether anything would be different after a loss of power.
    pub fn is_clean(&self) -> bool {
        let files = self.paths().all(|(_, file)| file.pending.is_empty());
        files && self.directories.values().all(|names| names.pending.is_empty())
    }

    /// Directories with names that are not on the disk for sure.
    pub(super) fn pending_names(&self) -> impl Iterator<Item = (&PathBuf, &Arc<Names>)> {
        self.directories.iter().filter(|(_, names)| !names.pending.is_empty())
    }

    /// Files that have changes that are not on the disk for sure.
    pub(super) fn pending_files(&self) -> impl Iterator<Item = (FileNumber, &Arc<FileState>)> {
        let pending = self.files.iter().filter(|(_, file)| !file.pending.is_empty());
        pending.map(|(number, file)| (*number, file))
    }

    /// The disk after a start of the machine, with these files and names.
    pub(super) fn restarted(
        &self,
        contents: BTreeMap<FileNumber, Vec<u8>>,
        chosen: BTreeMap<PathBuf, BTreeMap<String, Node>>,
    ) -> Self {
        let mut disk = self.clone();
        disk.boot += 1;
        for (number, bytes) in contents {
            let file = FileState { disk: bytes.clone(), cache: bytes, ..FileState::default() };
            disk.files.insert(number, Arc::new(file));
        }
        for (dir, names) in chosen {
            let number = disk.directory(&dir).unwrap_or_default();
            let names = Names { number, cache: names.clone(), disk: names, ..Names::default() };
            disk.directories.insert(dir, Arc::new(names));
        }
        disk.drop_lost_directories();
        let reachable: BTreeSet<FileNumber> = disk.reachable().collect();
        disk.files.retain(|number, _| reachable.contains(number));
        disk
    }

    fn reachable(&self) -> impl Iterator<Item = FileNumber> {
        self.directories.values().flat_map(|names| names.cache.values()).filter_map(|node| {
            match node {
                Node::File(file) => Some(*file),
                Node::Directory => None,
            }
        })
    }

    /// A directory whose own name is lost goes with all in it.
    fn drop_lost_directories(&mut self) {
        loop {
            let lost = self.directories.keys().find(|path| {
                path.parent().is_some() && self.look_up(path) != Some(Node::Directory)
            });
            let Some(lost) = lost.cloned() else { return };
            self.directories.remove(&lost);
        }
    }
}
