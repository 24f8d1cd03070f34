//! One segment's file: its bytes in memory, single blocks, and what is at its end (format.md,
//! chapters 4 and 5; the recovery table of protocol.md, chapter 5). No directory and no locks here.

mod recovery;
mod zeros;

pub use recovery::{CommittedPart, TailKind, classify};
pub use zeros::{data_end, is_zero, only_zeros};

use std::io;
use std::path::PathBuf;

use crate::engine::error::{Damage, Failure};
use crate::engine::vfs::{VfsFile, read_at_least, read_full};
use crate::format::block::{Block, BlockStart, Cause, Place};
use crate::format::codec::{get_u32, put};
pub use crate::format::header::{HeaderCause, SegmentHeader};
use crate::format::layout::{BLOCK_ALIGN, block_bytes, end, header, start};
use crate::format::sure::{part, part_mut, sure};

/// The first bytes of a file: a header, if it is a segment. Fewer only where the file is shorter.
///
/// # Errors
/// What the system says.
pub fn read_header<F: VfsFile>(file: &F) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; header::LEN];
    let length = read_full(file, &mut bytes, 0)?;
    bytes.truncate(length);
    Ok(bytes)
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

impl<F> OpenSegment<F> {
    /// The name in its directory by which it was opened.
    #[must_use]
    pub fn name(&self) -> &str {
        let name = self.path.file_name().and_then(|name| name.to_str());
        sure(name, "a segment is opened by its name")
    }

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

/// A stretch of a file held in memory, so that a small block does not cost a system
/// call. It can be stale: what it shows may have changed in the file since.
#[derive(Debug, Default)]
pub struct Window {
    /// Only ever grows while blocks are large, so that no byte is zeroed twice.
    buffer: Vec<u8>,
    /// How much of the buffer was read from the file.
    length: usize,
    /// Where in the file that begins.
    position: u64,
    /// How far the next read goes ahead at most.
    reach: usize,
}

/// How far ahead of a block a sequential reader reads.
pub const READ_AHEAD_BYTES: usize = 256 * 1024;
/// What is copied or written in one go, where there is much of it.
pub const PIECE_BYTES: usize = 1024 * 1024;
/// How far the first read goes ahead; each further one goes four times as far as the one before.
/// Many windows are opened for a block or two, and a large buffer takes longer to clear than such
/// a read takes.
const FIRST_AHEAD_BYTES: usize = 8 * 1024;

impl Window {
    /// Forgets all bytes, so that they are read afresh.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// The bytes held from `position` on, up to `length`, without reading.
    pub fn held(&self, position: u64, length: usize) -> &[u8] {
        let bytes = part(&self.buffer, ..self.length);
        let skip = position.checked_sub(self.position).and_then(|skip| usize::try_from(skip).ok());
        let held = skip.and_then(|skip| bytes.get(skip..)).unwrap_or_default();
        held.get(..length).unwrap_or(held)
    }

    /// The bytes of `file` from `position` on, up to `length`; fewer only where the file ends.
    /// Reads up to `ahead` in one go where it must read at all, and has read enough before.
    ///
    /// # Errors
    /// What the system says.
    pub fn fetch<F: VfsFile>(
        &mut self,
        file: &F,
        position: u64,
        length: usize,
        ahead: usize,
    ) -> io::Result<&[u8]> {
        if self.held(position, length).len() < length {
            let ahead = ahead.min(self.reach.max(FIRST_AHEAD_BYTES));
            self.refill(file, position, length, length.max(ahead))?;
            self.reach = self.next_reach();
        }
        Ok(self.held(position, length))
    }

    /// How far to read the next time: a little behind zeros, which writers put behind the end
    /// (Z-1); otherwise four times as far as now.
    fn next_reach(&self) -> usize {
        let held = part(&self.buffer, ..self.length);
        let last = part(held, held.len().saturating_sub(BLOCK_ALIGN as usize)..);
        if !last.is_empty() && is_zero(last) { 0 } else { 4 * self.buffer.len() }
    }

    /// Holds at least `length` bytes from `position` on, and up to `wanted` where one read gives
    /// them; keeps those that it holds already.
    fn refill<F: VfsFile>(
        &mut self,
        file: &F,
        position: u64,
        length: usize,
        wanted: usize,
    ) -> io::Result<()> {
        let kept = self.held(position, usize::MAX).len();
        let held = self.length - kept..self.length;
        if self.buffer.len() < wanted || self.buffer.len() > 4 * wanted.max(READ_AHEAD_BYTES) {
            // Fresh zeros cost nothing until they are touched.
            let mut buffer = vec![0; wanted.max(kept)];
            put(&mut buffer, 0, part(&self.buffer, held));
            self.buffer = buffer;
        } else {
            self.buffer.copy_within(held, 0);
        }
        (self.position, self.length) = (position, kept);
        let space = part_mut(&mut self.buffer, kept..wanted);
        self.length += read_at_least(file, space, length - kept, position + kept as u64)?;
        Ok(())
    }

    /// The valid block at `place` (F-24), committed or not, whatever came before it.
    ///
    /// # Errors
    /// Why there is none.
    pub fn valid_block<F: VfsFile>(
        &mut self,
        file: &F,
        place: Place,
        ahead: usize,
    ) -> Result<Block<'_>, NoBlock> {
        let bytes = self.fetch(file, place.position, start::LEN, ahead)?;
        let start = BlockStart::decode(bytes, place)?;
        let bytes = self.fetch(file, place.position, start.block_len(), ahead)?;
        Ok(Block::verify(bytes, start)?)
    }
}

/// Why a block was not found.
#[derive(Debug)]
pub enum NoBlock {
    /// The system did not let it be read.
    Unreadable(io::Error),
    /// What stands there is none.
    Invalid(Cause),
}

impl From<io::Error> for NoBlock {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl From<Cause> for NoBlock {
    fn from(cause: Cause) -> Self {
        Self::Invalid(cause)
    }
}

/// Position and start of the block that ends at `block_end`, by the length that its end says;
/// `None` where that says something else.
///
/// # Errors
/// What the system says.
pub fn block_ending_at<F: VfsFile>(
    file: &F,
    segment: &SegmentHeader,
    block_end: u64,
) -> io::Result<Option<(u64, BlockStart)>> {
    let Some(length_at) = block_end.checked_sub(end::LEN as u64) else { return Ok(None) };
    let mut length = [0; end::LEN];
    read_full(file, &mut length, length_at)?;
    let body_len = get_u32(&length, 0).map(|body_len| body_len as usize);
    let position = body_len.and_then(|body_len| block_end.checked_sub(block_bytes(body_len)));
    let Some(position) = position.filter(|position| *position >= header::LEN as u64) else {
        return Ok(None);
    };
    let mut bytes = [0; start::LEN];
    read_full(file, &mut bytes, position)?;
    let start = BlockStart::decode(&bytes, segment.place(position)).ok();
    Ok(start.filter(|start| Some(start.body_len) == body_len).map(|start| (position, start)))
}
