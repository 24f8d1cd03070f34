//! What repairs saved in `lost/` (F-41): the end of a segment that was cut off, in a file of its own.
//! The checksums of its blocks hang on the segment's header and on the places where they stood, so
//! it is read behind that segment's beginning, as if it had never been cut.

use std::io;
use std::path::PathBuf;

use super::report::{SalvageError, SalvageOptions, SalvageReport, Trouble};
use super::{Current, Gap, Salvager};
use crate::check::Problem;
use crate::engine::cursor::{Scan, Step};
use crate::engine::dir::{Directory, LOST};
use crate::engine::segment::{OpenSegment, SegmentHeader};
use crate::engine::vfs::{FileStatus, LockKind, LockWait, OpenMode, Vfs, VfsFile};
use crate::engine::walk::{Piece, Walk, WalkPlace};
use crate::error::{Failure, IoContext, IoError};
use crate::format::block::Link;
use crate::format::layout::SIGNAL_LOW;
use crate::format::sure::{part_mut, sure};

/// A saved tail, joined to the segment that it was cut off from.
#[derive(Debug)]
pub struct SavedTail<F> {
    /// Sequence number of that segment.
    pub sequence: u32,
    /// Where in it the tail began.
    pub position: u64,
    /// The file of the tail.
    pub path: PathBuf,
    header: SegmentHeader,
    /// What the first block must continue; `None` where the segment does not tell any more.
    link: Option<Link>,
    joined: Joined<F>,
}

/// Sequence and position in the name of a saved tail (F-41).
#[must_use]
pub fn parse_saved_tail_name(name: &str) -> Option<(u32, u64)> {
    let mut parts = name.strip_suffix(".tail")?.split('-');
    let number = |part: &str, digits: usize| {
        let plain = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        if plain { part.parse::<u64>().ok() } else { None }
    };
    let sequence = u32::try_from(number(parts.next()?, 10)?).ok()?;
    let position = number(parts.next()?, 20)?;
    let crc = parts.next()?;
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let again = parts.next().is_none_or(|again| again.parse::<u64>().is_ok_and(|again| again > 0));
    let fits = crc.len() == 8 && crc.bytes().all(hex) && again && parts.next().is_none();
    fits.then_some((sequence, position))
}

impl<F: VfsFile> SavedTail<F> {
    /// Opens the saved tail of that name in the stream's `lost/`; `None` if the name is not one.
    ///
    /// # Errors
    /// Where it, or the segment that it belongs to, cannot be read.
    pub fn open<V: Vfs<File = F>>(dir: &Directory<V>, name: &str) -> Result<Option<Self>, Failure> {
        let Some((sequence, position)) = parse_saved_tail_name(name) else { return Ok(None) };
        let path = dir.path.join(LOST).join(name);
        let tail = match dir.subdirectory(LOST)? {
            Some(lost) => lost.open_file(name, OpenMode::Read),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        let tail = tail.while_doing("open", &path)?;
        let Some(head) = dir.open_segment(sequence, OpenMode::Read)? else {
            let operation = "read what was saved without the header in";
            let source = io::ErrorKind::NotFound.into();
            let path = dir.segment_path(sequence);
            return Err(IoError::of(operation, path, source).into());
        };
        let link = link_at(&head, position)?;
        let joined = Joined { head: head.file, tail, position };
        Ok(Some(Self { sequence, position, path, header: head.header, link, joined }))
    }

    /// The header of the segment.
    #[must_use]
    pub fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// How many bytes were saved.
    ///
    /// # Errors
    /// What the system says.
    pub fn bytes(&self) -> io::Result<u64> {
        Ok(self.joined.tail.status()?.len)
    }

    /// Walks over the saved bytes, at the places where they stood.
    ///
    /// # Errors
    /// What the system says.
    pub fn walk(&self) -> io::Result<Walk<'_, Joined<F>>> {
        let at = WalkPlace { position: self.position, link: self.link, ended: false };
        Walk::resume(&self.joined, &self.header, at)
    }
}

/// What a block at a place must continue, if the committed blocks lead there.
fn link_at<F: VfsFile>(head: &OpenSegment<F>, position: u64) -> Result<Option<Link>, IoError> {
    let mut scan = Scan::new(head);
    while scan.at.position < position {
        if let Step::Stopped(_) = scan.next()? {
            return Ok(None);
        }
    }
    Ok((scan.at.position == position).then_some(scan.at.link))
}

/// A segment as it was before its tail was cut off. It is only read.
#[derive(Debug)]
pub struct Joined<F> {
    head: F,
    tail: F,
    position: u64,
}

fn only_read<T>() -> io::Result<T> {
    Err(io::ErrorKind::PermissionDenied.into())
}

impl<F: VfsFile> VfsFile for Joined<F> {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let Some(left) = self.position.checked_sub(position).filter(|left| *left > 0) else {
            return self.tail.read_at(buf, position - self.position);
        };
        let length = left.min(buf.len() as u64) as usize;
        self.head.read_at(part_mut(buf, ..length), position)
    }
    fn write_at(&self, _buf: &[u8], _position: u64) -> io::Result<usize> {
        only_read()
    }
    fn status(&self) -> io::Result<FileStatus> {
        let status = self.tail.status()?;
        Ok(FileStatus { len: self.position.saturating_add(status.len), ..status })
    }
    fn set_len(&self, _len: u64) -> io::Result<()> {
        only_read()
    }
    fn reserve(&self, _begin: u64, _end: u64) -> io::Result<()> {
        only_read()
    }
    fn sync_data(&self) -> io::Result<()> {
        only_read()
    }
    fn sync_all(&self) -> io::Result<()> {
        only_read()
    }
    fn lock(&self, _kind: LockKind, _wait: LockWait) -> io::Result<bool> {
        only_read()
    }
    fn unlock(&self) -> io::Result<()> {
        only_read()
    }
}

/// Opens all saved tails, in the order of their names.
pub(super) fn tails<V: Vfs>(
    dir: &Directory<V>,
    options: &SalvageOptions,
    report: &mut SalvageReport,
) -> Result<Vec<SavedTail<V::File>>, SalvageError> {
    let lost = dir.path.join(LOST);
    let mut names = match dir.subdirectory(LOST).map_err(Failure::from)? {
        Some(held) => held.names().while_doing("list", &lost).map_err(Failure::from)?,
        None => Vec::new(),
    };
    names.sort_unstable();
    let mut tails = Vec::new();
    for name in names {
        match SavedTail::open(dir, &name) {
            Ok(Some(tail)) => tails.push(tail),
            Ok(None) => report.strays.push(lost.join(name)),
            Err(failure) => leave_out(options, &name, &failure, report)?,
        }
    }
    if tails.is_empty() && report.gaps.is_empty() {
        return Err(SalvageError::NothingLost { path: lost });
    }
    Ok(tails)
}

/// Notes that a saved tail cannot be read, if that is to be left out.
fn leave_out(
    options: &SalvageOptions,
    name: &str,
    failure: &Failure,
    report: &mut SalvageReport,
) -> Result<(), SalvageError> {
    let parsed = parse_saved_tail_name(name);
    let (segment, position) = sure(parsed, "only a saved tail is opened");
    let why = failure.to_string();
    if !options.leave_out_unreadable {
        return Err(SalvageError::Unreadable { file: format!("{LOST}/{name}"), position, why });
    }
    let trouble = Trouble { segment, position, problem: Problem::Unreadable(why) };
    report.gaps.push(Gap { from: 0, to: None, lost: None, trouble });
    Ok(())
}

impl<V: Vfs> Salvager<'_, V> {
    /// Takes the good records of saved tails, one behind the other.
    pub(super) fn run_lost(&mut self, tails: Vec<SavedTail<V::File>>) -> Result<(), SalvageError> {
        for tail in tails {
            let io = |source| IoError::of("look at", tail.path.clone(), source);
            let mut seen = tail.walk().map_err(io).map_err(Failure::from)?;
            let walk = tail.walk().map_err(io).map_err(Failure::from)?;
            let current = Current {
                sequence: tail.sequence,
                uncommitted_from: Some(last_committed(&mut seen)),
            };
            self.next_offset = tail.link.map(|link| link.next_offset);
            self.walk(walk, &current)?;
            self.end();
        }
        self.sync()
    }
}

/// Where the last block stands that was committed.
fn last_committed<F: VfsFile>(walk: &mut Walk<'_, F>) -> u64 {
    let mut last = 0;
    while let Some(piece) = walk.next_piece() {
        if let Piece::Block(found) = piece
            && found.block.is_ok()
            && found.signal != SIGNAL_LOW
        {
            last = found.position;
        }
    }
    last
}
