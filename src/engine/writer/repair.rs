//! Repair: the one way back to a clean end (protocol.md, chapter 5).

use std::io;
use std::path::{Path, PathBuf};

use crate::engine::dir::{Directory, LOST};
use crate::engine::error::{Failure, IoContext};
use crate::engine::segment::{PIECE_BYTES, TailKind, classify, is_zero};
use crate::engine::trace::Operator;
use crate::engine::vfs::{FIRST_PIECE_BYTES, OpenMode, Vfs, VfsFile, read_full, write_full};
use crate::engine::writer::{Writer, WriterGuard};
use crate::format::block::Cause;
use crate::format::codec::crc_continue;
use crate::format::layout::{BLOCK_ALIGN, header};
use crate::format::sure::part;

/// What a repair found and did (X-8).
///
/// ```
/// use puro::{NewRecord, Producer, repair};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// Producer::open(dir.path())?.append(&NewRecord::new("orders", "3 apples"))?;
/// # use std::io::Write;
/// # let segment = dir.path().join("0000000000.puro");
/// // A writer that died in the middle of a block:
/// let mut file = std::fs::OpenOptions::new().append(true).open(segment)?;
/// file.write_all(b"half a block")?;
/// let reports = repair(dir.path())?;
/// assert_eq!(reports[0].cut_bytes, 12);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepairReport {
    /// The segment that was repaired.
    pub path: PathBuf,
    /// The row of the recovery table: `unseen` or `lost`.
    pub label: &'static str,
    /// The committed end, to which the file was cut.
    pub position: u64,
    /// How many bytes were cut off.
    pub cut_bytes: u64,
    /// Where they were saved, if they may have been visible.
    pub saved: Option<PathBuf>,
}

impl<V: Vfs> Writer<V> {
    /// Classifies what stands behind the committed end, and does what the table says.
    ///
    /// # Errors
    /// Rows `unreadable` and `damaged`; nothing was changed then. Or a step that failed:
    /// done again, repair goes on from there.
    pub(crate) fn repair(&mut self, guard: &WriterGuard<V>) -> Result<(), Failure> {
        let tail = &self.tail;
        if tail.end == header::LEN as u64 {
            return Err(tail.damage(Cause::NoCheckpoint));
        }
        let part = tail.committed_part(self.boot_id());
        let finding = classify(&tail.segment.file, &tail.segment.header, &part);
        let finding = finding.map_err(|error| tail.io_error("read", error))?;
        let label = match finding {
            TailKind::Damaged { cause } => {
                self.trace(tail.action(Operator::Classify).label("damaged"));
                self.trace(tail.action(Operator::StopDamaged));
                return Err(tail.damage(cause));
            }
            TailKind::Clean => return Ok(()),
            TailKind::Unseen => "unseen",
            TailKind::Lost => "lost",
        };
        self.trace(tail.action(Operator::Classify).label(label));
        let lost = finding == TailKind::Lost;
        let saved = if lost { Some(self.save()?) } else { None };
        let cut_bytes = self.cut(guard)?;
        let (path, position) = (self.tail.segment.path.clone(), self.tail.end);
        self.repairs.push(RepairReport { path, label, position, cut_bytes, saved });
        self.dir.counters.repairs.add(1);
        if lost && !self.tail.sealed {
            self.raise_epoch(guard)?;
        }
        Ok(())
    }

    /// Saves what stands behind the committed end beside the stream (X-4).
    fn save(&self) -> Result<PathBuf, Failure> {
        let tail = &self.tail;
        let lost = self.dir.make_subdirectory(LOST, true)?;
        let (mut crc, mut needed) = (0, 0);
        self.each_lost_chunk(|bytes, _| {
            crc = crc_continue(crc, bytes);
            needed += if is_zero(bytes) { 0 } else { bytes.len() as u64 };
            Ok(())
        })?;
        self.check_room(needed)?;
        let name = format!("{:010}-{:020}-{crc:08x}", tail.segment.header.sequence, tail.end);
        let (file, path) = self.open_saved_tail(&lost, &name)?;
        self.copy_lost(&file, &path)?;
        file.sync_all().while_doing("sync", &path)?;
        lost.sync()?;
        self.dir.sync()?;
        self.trace(tail.action(Operator::SaveTail));
        Ok(path)
    }

    /// Meets a full disk before a file is begun there.
    fn check_room(&self, needed: u64) -> Result<(), Failure> {
        let dir = &self.dir;
        let free = dir.free_bytes()?;
        if needed <= free {
            return Ok(());
        }
        Err(Failure::NoSpace { path: dir.path.join(LOST), needed, free })
    }

    /// Writes what is to be saved. Where it is zero the file gets a hole: a tail may be a thousand
    /// times as long as what was ever written there.
    fn copy_lost(&self, file: &V::File, path: &Path) -> Result<(), Failure> {
        let (mut written, mut end) = (0, 0);
        self.each_lost_chunk(|bytes, at| {
            end = at + bytes.len() as u64;
            if !is_zero(bytes) {
                write_full(file, bytes, at).while_doing_at("write", path, at)?;
                written = end;
            }
            Ok(())
        })?;
        if written < end {
            file.set_len(end).while_doing("extend", path)?;
        }
        Ok(())
    }

    /// The file for a saved tail: the first under its name that holds nothing else (F-41). The
    /// name alone does not tell tails apart: two blocks of one length at one place have the same
    /// CRC, because each ends in its own.
    fn open_saved_tail(
        &self,
        lost: &Directory<V>,
        stem: &str,
    ) -> Result<(V::File, PathBuf), Failure> {
        let mut name = format!("{stem}.tail");
        let mut number = 0u64;
        loop {
            if let Some(file) = lost.create_file(&name, Some(&self.tail.segment.file))? {
                return Ok((file, lost.path.join(name)));
            }
            let path = lost.path.join(&name);
            match self.open_begun_tail(lost, &name)? {
                Some(file) if self.begins_with(&file, &path)? => return Ok((file, path)),
                _ => number += 1,
            }
            name = format!("{stem}-{number}.tail");
        }
    }

    /// A saved tail that is there; `None` where it cannot be one: what is no file, what has other
    /// names, what is not for this process to read.
    fn open_begun_tail(&self, lost: &Directory<V>, name: &str) -> Result<Option<V::File>, Failure> {
        use io::ErrorKind::{InvalidInput, NotFound, PermissionDenied};
        let path = lost.path.join(name);
        let file = match lost.open_file(name, OpenMode::Write) {
            Ok(file) => file,
            Err(error) if [InvalidInput, NotFound, PermissionDenied].contains(&error.kind()) => {
                return Ok(None);
            }
            Err(error) => return Err(error).while_doing("open", &path)?,
        };
        let alone = file.status().while_doing("look at", &path)?.links == 1;
        Ok(alone.then_some(file))
    }

    /// Whether what is to be saved begins with all that a file holds.
    fn begins_with(&self, saved: &V::File, path: &Path) -> Result<bool, Failure> {
        let mut left = saved.status().while_doing("look at", path)?.len;
        let mut same = true;
        self.each_lost_chunk(|bytes, at| {
            let mut held = vec![0; bytes.len()];
            let count = read_full(saved, &mut held, at).while_doing_at("read", path, at)?;
            same &= held.get(..count) == bytes.get(..count);
            left = left.saturating_sub(count as u64);
            Ok(())
        })?;
        Ok(same && left == 0)
    }

    /// Hands out the bytes behind the committed end, each chunk with its place among them.
    fn each_lost_chunk(
        &self,
        mut take: impl FnMut(&[u8], u64) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let tail = &self.tail;
        let mut chunk = vec![0; FIRST_PIECE_BYTES];
        let mut at = 0;
        loop {
            let count = read_full(&tail.segment.file, &mut chunk, tail.end + at);
            let count = count.map_err(|error| tail.io_error("read", error))?;
            take(part(&chunk, ..count), at)?;
            at += count as u64;
            if count < chunk.len() {
                return Ok(());
            }
            chunk.resize(PIECE_BYTES, 0);
        }
    }

    /// Cuts the segment to its committed end, on disk too (X-5).
    fn cut(&mut self, guard: &WriterGuard<V>) -> Result<u64, Failure> {
        let tail = &mut self.tail;
        let whole = tail.end > header::LEN as u64 && tail.end.is_multiple_of(BLOCK_ALIGN);
        assert!(whole, "a segment is cut between two blocks");
        tail.reserved_to = tail.end;
        let file = &tail.segment.file;
        let before = file.status().map_err(|error| tail.io_error("look at", error))?.len;
        file.set_len(tail.end).map_err(|error| tail.io_error("cut", error))?;
        tail.zeros_to = u64::MAX;
        tail.length = tail.end;
        self.dir.vfs.trace(&tail.action(Operator::Truncate));
        let cut_bytes = before.saturating_sub(tail.end);
        let known = tail.durable_to;
        if self.try_sync(Operator::SyncCut).is_ok() {
            // The blocks that follow must not show who cut (X-7).
            self.tail.durable_to = known;
        } else {
            self.rewrite_and_sync(guard)?;
        }
        Ok(cut_bytes)
    }
}
