//! The directory of a stream: names, which segments there are, opening and pinning them
//! (format.md, chapter 3; protocol.md, chapters 2 and 3).

mod names;
mod segments;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub use self::names::{
    CONSUMERS, LOST, STEWARD_LOCK, WRITER_LOCK, compaction_name, new_segment_name,
    parse_segment_name, segment_name,
};
pub(crate) use self::names::{FILE_SYSTEMS_OWN, owner_lock_name};
use crate::engine::counters::Counters;
use crate::engine::error::{Damage, Failure, IoContext, IoError};
use crate::engine::segment::HeaderCause;
pub use crate::engine::segment::OpenSegment;
use crate::engine::trace::Operator;
use crate::engine::vfs::{FileId, FileStatus, LockKind, LockWait, OpenMode, Vfs, VfsFile};

/// A stream's directory on some system, or one of those in it.
///
/// It is opened when it is first used, and held from then on: whatever is looked up is looked up
/// in it, wherever it was moved (O-8).
#[derive(Clone, Debug)]
pub struct Directory<V: Vfs> {
    /// The system.
    pub vfs: V,
    /// By what path it is opened; after that, for messages.
    pub path: PathBuf,
    /// What was done through it, and through its clones.
    pub counters: Arc<Counters>,
    held: OnceLock<V::Dir>,
}

/// What stands in a directory.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Sequence numbers of all files with a segment's name, ascending.
    pub segments: Vec<u32>,
    /// Names that have no place in a stream (F-10).
    pub strays: Vec<String>,
    /// Files that a rollover or a compaction has not named yet, or never will (V-4, S-6).
    pub temporaries: Vec<String>,
}

/// The segments of a stream at some moment.
#[derive(Clone, Debug)]
pub struct Segments {
    /// The stream (F-9).
    pub stream_id: [u8; 16],
    /// Sequence numbers of all files with a segment's name, ascending; strays too.
    pub sequences: Vec<u32>,
}

/// The names of the steps of a pin: open, lock, look whether it is still the right file.
pub type PinActions = [Operator; 3];
/// The first segment that a reader is in.
pub const SEEK: PinActions = [Operator::Seek, Operator::Pin, Operator::CheckName];
/// The next one, while the one before is held (V-8).
pub const HOP: PinActions = [Operator::HopOpen, Operator::HopPin, Operator::HopCheckName];

/// How often a look at a directory that changes meanwhile is started over.
pub(crate) const LOOKS: usize = 100;

impl<V: Vfs> Directory<V> {
    /// A directory that need not exist yet.
    pub fn new(vfs: V, path: &Path) -> Self {
        let counters = Arc::default();
        Self { vfs, path: path.to_owned(), counters, held: OnceLock::new() }
    }

    /// The open directory, for calls of the seam.
    ///
    /// # Errors
    /// `NotFound` where there is none yet, or what else the system says.
    pub fn handle(&self) -> io::Result<&V::Dir> {
        match self.held.get() {
            Some(held) => Ok(held),
            None => {
                let opened = self.vfs.open_dir(&self.path)?;
                Ok(self.held.get_or_init(|| opened))
            }
        }
    }

    /// Lets go of it, so that it is opened anew: for who waits for a stream and found none.
    pub(crate) fn let_go(&mut self) {
        self.held = OnceLock::new();
    }

    /// Whether its path still leads to it: it may have been moved, removed or replaced. The one
    /// place in which a path is looked up again (O-8).
    ///
    /// # Errors
    /// What the system says.
    pub fn is_still_there(&self) -> Result<bool, IoError> {
        let there = self.handle().and_then(|held| self.vfs.is_still_there(held));
        there.while_doing("look at", &self.path)
    }

    fn below(&self, path: PathBuf, held: V::Dir) -> Self {
        let counters = Arc::clone(&self.counters);
        Self { vfs: self.vfs.clone(), path, counters, held: held.into() }
    }

    /// A directory in this one; `None` where there is none. A symbolic link is refused (O-5).
    ///
    /// # Errors
    /// What the system says.
    pub fn subdirectory(&self, name: &str) -> Result<Option<Self>, IoError> {
        let path = self.path.join(name);
        match self.handle().and_then(|held| self.vfs.open_subdir(held, name)) {
            Ok(held) => Ok(Some(self.below(path, held))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).while_doing("open", &path),
        }
    }

    /// The same, made where it is missing: if `alike`, as this one is (O-9).
    ///
    /// # Errors
    /// What the system says.
    pub fn make_subdirectory(&self, name: &str, alike: bool) -> Result<Self, IoError> {
        let path = self.path.join(name);
        let made = self.handle().and_then(|held| {
            self.vfs.create_subdir(held, name, alike)?;
            self.vfs.open_subdir(held, name)
        });
        let held = made.while_doing("create", &path)?;
        Ok(self.below(path, held))
    }

    /// Opens a file in it.
    ///
    /// # Errors
    /// `NotFound` where there is none, or what else the system says.
    pub fn open_file(&self, name: &str, mode: OpenMode) -> io::Result<V::File> {
        self.vfs.open(self.handle()?, name, mode)
    }

    /// Opens a file in it, which may be missing.
    ///
    /// # Errors
    /// What the system says.
    pub fn open_if_there(&self, name: &str, mode: OpenMode) -> Result<Option<V::File>, IoError> {
        match self.open_file(name, mode) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            file => file.map(Some).while_doing("open", &self.path.join(name)),
        }
    }

    /// Makes a file; `None` if its name leads to anything already. With mode and owner of `like`
    /// (O-9).
    ///
    /// # Errors
    /// What the system says.
    pub fn create_file(
        &self,
        name: &str,
        like: Option<&V::File>,
    ) -> Result<Option<V::File>, IoError> {
        match self.handle().and_then(|held| self.vfs.create(held, name, like)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            file => file.map(Some).while_doing("create", &self.path.join(name)),
        }
    }

    /// Makes a file in place of what may have its name: of that, only the name goes (F-45).
    ///
    /// # Errors
    /// What the system says.
    pub fn create_anew(&self, name: &str, like: Option<&V::File>) -> Result<V::File, IoError> {
        if let Some(file) = self.create_file(name, like)? {
            return Ok(file);
        }
        self.remove(name, "make room for")?;
        let made = self.create_file(name, like)?.ok_or(io::ErrorKind::AlreadyExists.into());
        made.while_doing("create", &self.path.join(name))
    }

    /// Opens a lock file, and makes it if it is missing, like the active segment of its stream
    /// (O-9, F-44).
    ///
    /// # Errors
    /// `HardLinked` if it is somebody else's file, too; or what the system says.
    pub(crate) fn open_lock(&self, name: &str, stream: &Self) -> Result<V::File, Failure> {
        for _ in 0..LOOKS {
            if let Some(file) = self.open_if_there(name, OpenMode::Write)? {
                let path = self.path.join(name);
                let links = file.status().while_doing("look at", &path)?.links;
                return if links > 1 { Err(Failure::HardLinked { path, links }) } else { Ok(file) };
            }
            let active = stream.open_active(OpenMode::Read).ok().flatten();
            if let Some(file) = self.create_file(name, active.map(|active| active.file).as_ref())? {
                return Ok(file);
            }
        }
        Err(self.restless().into())
    }

    /// Which regular file a name leads to; `None` where there is none.
    ///
    /// # Errors
    /// What the system says.
    pub fn id_of(&self, name: &str) -> Result<Option<FileId>, IoError> {
        Ok(self.status_of(name)?.map(|status| status.id))
    }

    /// What the regular file is like that a name leads to; `None` where there is none.
    ///
    /// # Errors
    /// What the system says.
    pub fn status_of(&self, name: &str) -> Result<Option<FileStatus>, IoError> {
        let found = self.handle().and_then(|held| self.vfs.status_of(held, name));
        found.map_err(|error| IoError::of("look at", self.path.join(name), error))
    }

    /// Gives what has a name another one, over whatever had that. `operation` is for messages.
    ///
    /// # Errors
    /// What the system says.
    pub fn rename(&self, from: &str, to: &str, operation: &'static str) -> Result<(), IoError> {
        let renamed = self.handle().and_then(|held| self.vfs.rename(held, from, to));
        renamed.while_doing(operation, &self.path.join(to))
    }

    /// Gives a file of another directory its name here, too; `false` where the system cannot.
    ///
    /// # Errors
    /// What else the system says.
    pub fn link_from(&self, other: &Self, name: &str) -> Result<bool, IoError> {
        use io::ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
        let held = self.handle().and_then(|to| Ok((other.handle()?, to)));
        let linked = held.and_then(|(from, to)| self.vfs.link(from, name, to));
        match linked {
            Ok(()) => Ok(true),
            Err(error) => match error.kind() {
                CrossesDevices | PermissionDenied | TooManyLinks | Unsupported => Ok(false),
                _ => Err(error).while_doing("link", &self.path.join(name)),
            },
        }
    }

    /// Removes the name of a file. `operation` is for messages.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self, name: &str, operation: &'static str) -> Result<(), IoError> {
        let removed = self.handle().and_then(|held| self.vfs.remove(held, name));
        removed.while_doing(operation, &self.path.join(name))
    }

    /// All names in it, in no particular order.
    ///
    /// # Errors
    /// `NotFound` where it is missing, or what else the system says.
    pub fn names(&self) -> io::Result<Vec<String>> {
        self.vfs.list(self.handle()?)
    }

    /// Bytes that may still be written on its file system.
    ///
    /// # Errors
    /// What the system says.
    pub fn free_bytes(&self) -> Result<u64, IoError> {
        let free = self.handle().and_then(|held| self.vfs.free_bytes(held));
        free.while_doing("ask for free space of", &self.path)
    }

    /// Starts to watch it. An error means: poll instead.
    ///
    /// # Errors
    /// What the system says.
    pub fn watch(&self) -> io::Result<V::Watch> {
        self.vfs.watch(self.handle()?)
    }

    /// Path of a segment.
    #[must_use]
    pub fn segment_path(&self, sequence: u32) -> PathBuf {
        self.path.join(segment_name(sequence))
    }

    /// Refuses network file systems (M-1).
    ///
    /// # Errors
    /// `NetworkFileSystem`, or what the system says.
    pub fn check_local(&self) -> Result<(), Failure> {
        let found = self.handle().and_then(|held| self.vfs.file_system(held));
        let found = found.while_doing("find the file system of", &self.path)?;
        if found.network {
            return Err(Failure::NetworkFileSystem { dir: self.path.clone(), name: found.name });
        }
        Ok(())
    }

    /// Puts the directory's names on the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(&self) -> Result<(), IoError> {
        let synced = self.handle().and_then(|held| self.vfs.sync_dir(held));
        synced.while_doing("sync", &self.path)
    }
}

/// The lock file of a named consumer, if there is one, and its path.
pub(crate) fn open_owner_lock<V: Vfs>(
    dir: &Directory<V>,
    name: &str,
) -> Result<Option<(V::File, PathBuf)>, IoError> {
    let Some(locks) = dir.subdirectory(CONSUMERS)? else { return Ok(None) };
    let name = owner_lock_name(name);
    let file = locks.open_if_there(&name, OpenMode::Read)?;
    Ok(file.map(|file| (file, locks.path.join(name))))
}

/// Opens a file by its path: for tools that are given a file and not a stream.
///
/// # Errors
/// What the system says.
#[cfg_attr(not(feature = "internals"), allow(dead_code))]
pub fn open_path<V: Vfs>(vfs: &V, path: &Path, mode: OpenMode) -> io::Result<V::File> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or(io::ErrorKind::InvalidFilename)?;
    vfs.open(&vfs.open_dir(parent_of(path))?, name, mode)
}

/// The directory in which a path's last component stands.
pub(crate) fn parent_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// The id that more segments have than any other (F-9); `None` if there is no such id.
pub(crate) fn majority(ids: impl Iterator<Item = [u8; 16]>) -> Option<[u8; 16]> {
    let mut counts = BTreeMap::new();
    for id in ids {
        *counts.entry(id).or_insert(0usize) += 1;
    }
    let most = counts.values().copied().max()?;
    let mut first = counts.into_iter().filter(|(_, count)| *count == most);
    let (id, _) = first.next()?;
    first.next().is_none().then_some(id)
}

fn header_failure(path: PathBuf, cause: HeaderCause) -> Failure {
    match cause {
        HeaderCause::Foreign => Failure::NotASegment { path },
        HeaderCause::Newer(what) => Failure::Newer { path, what },
        HeaderCause::Damaged(cause) => Damage { path, position: 0, offset: 0, cause }.into(),
    }
}

/// Takes a lock, or says that it could not be had.
pub(crate) fn lock<F: VfsFile>(
    file: &F,
    path: &Path,
    kind: LockKind,
    wait: LockWait,
) -> Result<(), Failure> {
    if file.lock(kind, wait).while_doing("lock", path)? {
        return Ok(());
    }
    Err(Failure::lock_timeout(path.to_owned(), wait))
}
