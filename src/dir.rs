//! The directory of a stream: names, which segments there are, opening and pinning them
//! (format.md, chapter 3; protocol.md, chapters 2 and 3).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::block::Cause;
use crate::error::{Damage, Failure, IoContext, IoError};
use crate::layout::header;
use crate::segment::{HeaderCause, SegmentHeader};
use crate::trace::Action;
use crate::vfs::{LockKind, LockWait, OpenMode, Vfs, VfsFile};

/// Name of the lock of whoever appends.
pub const WRITER_LOCK: &str = "writer.lock";
/// Name of the lock of whoever maintains.
pub const STEWARD_LOCK: &str = "steward.lock";
/// Name of the directory of the locks of named consumers.
pub const CONSUMERS: &str = "consumers";
/// Name of the directory of saved tails.
pub const LOST: &str = "lost";
const SUFFIX: &str = ".puro";
const NEW_SUFFIX: &str = ".puro.new";
const COMPACT_SUFFIX: &str = ".puro.compact";

/// A stream's directory on some system.
#[derive(Clone, Debug)]
pub struct Directory<V> {
    /// The system.
    pub vfs: V,
    /// The directory.
    pub path: PathBuf,
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

/// An open segment.
#[derive(Debug)]
pub struct OpenSegment<F> {
    /// The file.
    pub file: F,
    /// Its header.
    pub header: SegmentHeader,
    /// Its name.
    pub path: PathBuf,
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
pub type PinActions = [&'static str; 3];
/// The first segment that a reader is in.
pub const SEEK: PinActions = ["Seek", "Pin", "CheckName"];
/// The next one, while the one before is held (V-8).
pub const HOP: PinActions = ["HopOpen", "HopPin", "HopCheckName"];

/// How often a look at a directory that changes meanwhile is started over.
pub(crate) const LOOKS: usize = 100;

/// The sequence number in a segment's name (F-7).
#[must_use]
pub fn parse_segment_name(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(SUFFIX)?;
    let plain = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

fn is_temporary(name: &str) -> bool {
    name.strip_suffix(NEW_SUFFIX)
        .or_else(|| name.strip_suffix(COMPACT_SUFFIX))
        .is_some_and(|digits| parse_segment_name(&format!("{digits}{SUFFIX}")).is_some())
}

fn belongs(name: &str) -> bool {
    [WRITER_LOCK, STEWARD_LOCK, CONSUMERS, LOST].contains(&name)
}

impl<V: Vfs> Directory<V> {
    /// A directory that need not exist.
    pub fn new(vfs: V, path: &Path) -> Self {
        Self { vfs, path: path.to_owned() }
    }

    /// Path of a segment.
    #[must_use]
    pub fn segment_path(&self, sequence: u32) -> PathBuf {
        self.path.join(format!("{sequence:010}{SUFFIX}"))
    }

    /// Path of a segment that has no name yet (V-4).
    #[must_use]
    pub fn new_segment_path(&self, sequence: u32) -> PathBuf {
        self.path.join(format!("{sequence:010}{NEW_SUFFIX}"))
    }

    /// Refuses network file systems (M-1).
    ///
    /// # Errors
    /// `NetworkFileSystem`, or what the system says.
    pub fn check_local(&self) -> Result<(), Failure> {
        let found = self.vfs.file_system(&self.path);
        let found = found.while_doing("find the file system of", &self.path)?;
        if found.network {
            return Err(Failure::NetworkFileSystem { dir: self.path.clone(), name: found.name });
        }
        Ok(())
    }

    /// Reads the directory; `None` where there is none.
    ///
    /// # Errors
    /// What the system says.
    pub fn list(&self) -> Result<Option<Listing>, IoError> {
        let names = match self.vfs.list(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            names => names.while_doing("list", &self.path)?,
        };
        let mut listing = Listing::default();
        for name in names {
            match parse_segment_name(&name) {
                Some(sequence) => listing.segments.push(sequence),
                None if is_temporary(&name) => listing.temporaries.push(name),
                None if belongs(&name) => {}
                None => listing.strays.push(name),
            }
        }
        listing.segments.sort_unstable();
        listing.strays.sort_unstable();
        listing.temporaries.sort_unstable();
        Ok(Some(listing))
    }

    /// The stream's segments; `None` where there is no stream yet (O-2).
    ///
    /// # Errors
    /// Where a header that must be read cannot be.
    pub fn segments(&self) -> Result<Option<Segments>, Failure> {
        for _ in 0..LOOKS {
            let Some(listing) = self.list()? else { return Ok(None) };
            if listing.segments.is_empty() {
                return Ok(None);
            }
            // A steward may delete what was listed; then the list is read again.
            if let Some(stream_id) = self.stream_id(&listing)? {
                return Ok(Some(Segments { stream_id, sequences: listing.segments }));
            }
        }
        Err(self.restless().into())
    }

    /// The stream's id (F-9); `None` if the files listed are gone. All headers are read only where
    /// the lowest and the highest are of two streams.
    fn stream_id(&self, listing: &Listing) -> Result<Option<[u8; 16]>, Failure> {
        let Some((lowest, low_id)) = self.lowest_own(listing)? else { return Ok(None) };
        let above = listing.segments.iter().rev().take_while(|sequence| **sequence > lowest);
        let high_id = above.copied().find_map(|sequence| self.own_id(sequence).ok().flatten());
        if high_id.is_none_or(|high_id| high_id == low_id) {
            return Ok(Some(low_id));
        }
        let ids = listing.segments.iter().filter_map(|sequence| self.own_id(*sequence).ok()?);
        majority(ids).map(Some).ok_or_else(|| Failure::TwoStreams { dir: self.path.clone() })
    }

    /// Number and id of the lowest segment that says which stream it is of.
    fn lowest_own(&self, listing: &Listing) -> Result<Option<(u32, [u8; 16])>, Failure> {
        let mut invalid = None;
        for &sequence in &listing.segments {
            match self.own_id(sequence) {
                Ok(Some(id)) => return Ok(Some((sequence, id))),
                Ok(None) => {}
                Err(failure @ (Failure::Damage(_) | Failure::NotASegment { .. })) => {
                    invalid = invalid.or(Some(failure));
                }
                Err(failure) => return Err(failure),
            }
        }
        invalid.map_or(Ok(None), Err)
    }

    /// The id in a segment's header; `None` if it is gone, or stands under another number than its own.
    fn own_id(&self, sequence: u32) -> Result<Option<[u8; 16]>, Failure> {
        let segment = self.open_segment(sequence, OpenMode::Read)?;
        let own = segment.filter(|segment| segment.header.sequence == sequence);
        Ok(own.map(|segment| segment.header.stream_id))
    }

    /// The active segment (O-3); `None` where there is no stream yet.
    ///
    /// # Errors
    /// Where the file that must be it cannot be used.
    pub fn open_active(&self, mode: OpenMode) -> Result<Option<OpenSegment<V::File>>, Failure> {
        for _ in 0..LOOKS {
            let Some(segments) = self.segments()? else { return Ok(None) };
            for &sequence in segments.sequences.iter().rev() {
                match self.open_segment(sequence, mode)? {
                    Some(segment) if segment.belongs_to(&segments.stream_id, sequence) => {
                        return Ok(Some(segment));
                    }
                    Some(_) => {} // stray (F-9)
                    None => break,
                }
            }
        }
        Err(self.restless().into())
    }

    pub(crate) fn restless(&self) -> IoError {
        let source = io::Error::other("its segments change faster than they can be opened");
        IoError { operation: "open", path: self.path.clone(), position: None, source }
    }

    /// Opens a segment and reads its header; `None` where there is no such file.
    ///
    /// # Errors
    /// Where it is not a segment that can be used.
    pub fn open_segment(
        &self,
        sequence: u32,
        mode: OpenMode,
    ) -> Result<Option<OpenSegment<V::File>>, Failure> {
        let path = self.segment_path(sequence);
        let file = match self.vfs.open(&path, mode) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.while_doing("open", &path)?,
        };
        let header = SegmentHeader::read(&file, mode != OpenMode::Read);
        match header.while_doing_at("read", &path, 0)? {
            Ok(header) => Ok(Some(OpenSegment { file, header, path })),
            Err(cause) => Err(header_failure(path, cause)),
        }
    }

    /// Whether the stream has that segment: a stray under its name is none (F-9).
    ///
    /// # Errors
    /// As [`Directory::open_segment`].
    pub fn has_segment(&self, stream_id: &[u8; 16], sequence: u32) -> Result<bool, Failure> {
        let segment = self.open_segment(sequence, OpenMode::Read)?;
        Ok(segment.is_some_and(|segment| segment.belongs_to(stream_id, sequence)))
    }

    /// Opens a segment with a shared lock on it, so that it stays while it is read;
    /// `None` where there is no such file.
    ///
    /// # Errors
    /// As [`Directory::open_segment`]; `LockTimeout` if a steward keeps it.
    pub fn pin_segment(
        &self,
        sequence: u32,
        wait: LockWait,
        [open, pin, check]: PinActions,
    ) -> Result<Option<OpenSegment<V::File>>, Failure> {
        let trace = |name, value| {
            self.vfs.trace(&Action::new(name).at(sequence, header::LEN as u64).value(value));
        };
        for _ in 0..LOOKS {
            let Some(segment) = self.open_segment(sequence, OpenMode::Read)? else {
                return Ok(None);
            };
            trace(open, segment.header.base_offset);
            let locked = lock(&segment.file, &segment.path, LockKind::Shared, wait);
            trace(if locked.is_ok() { pin } else { "PinTimesOut" }, 0);
            locked?;
            let named = self.still_names(&segment)?;
            trace(check, u64::from(named));
            if named {
                return Ok(Some(segment));
            }
        }
        Err(self.restless().into())
    }

    /// Whether a segment's name still leads to the file that is held.
    ///
    /// # Errors
    /// What the system says.
    pub fn still_names(&self, segment: &OpenSegment<V::File>) -> Result<bool, IoError> {
        let held = segment.file.status().while_doing("look at", &segment.path)?;
        let named = self.vfs.id_of(&segment.path).while_doing("look at", &segment.path)?;
        Ok(named == Some(held.id))
    }

    /// Puts the directory's names on the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(&self) -> Result<(), IoError> {
        self.vfs.sync_dir(&self.path).while_doing("sync", &self.path)
    }
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

/// Path of the lock of a named consumer.
pub(crate) fn owner_lock_path<V: Vfs>(dir: &Directory<V>, name: &str) -> PathBuf {
    dir.path.join(CONSUMERS).join(format!("{name}.lock"))
}

impl<F> OpenSegment<F> {
    /// Whether it is a segment of that stream under its own name (F-9).
    #[must_use]
    pub fn belongs_to(&self, stream_id: &[u8; 16], sequence: u32) -> bool {
        self.header.stream_id == *stream_id && self.header.sequence == sequence
    }

    /// Says that the segment is damaged at a place.
    #[must_use]
    pub fn damage(&self, position: u64, offset: u64, cause: Cause) -> Failure {
        Damage { path: self.path.clone(), position, offset, cause }.into()
    }
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
    let waited = match wait {
        LockWait::AtMost(waited) => waited,
        LockWait::Try | LockWait::Forever => Duration::ZERO,
    };
    Err(Failure::LockTimeout { path: path.to_owned(), waited })
}
