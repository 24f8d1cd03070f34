//! One segment's file: reading its blocks one by one, and what is at its
//! end (format.md, chapters 4 and 5; the recovery table of protocol.md, chapter 5).
//! No directory and no locks here.

mod recovery;
mod zeros;

pub use recovery::{CommittedPart, Tail, classify};
pub use zeros::{data_end, is_zero, only_zeros};

use std::io;

use crate::engine::vfs::{VfsFile, read_at_least, read_full};
use crate::format::block::{Block, BlockKind, BlockStart, Cause, Link, Place};
use crate::format::codec::{get_u32, put};
pub use crate::format::header::{HeaderCause, SegmentHeader};
use crate::format::layout::{BLOCK_ALIGN, block_bytes, end, header, start};

/// Reads the header of a file.
///
/// # Errors
/// Outside what the system says, inside what is wrong with the bytes.
pub fn read_header<F: VfsFile>(
    file: &F,
    for_writing: bool,
) -> io::Result<Result<SegmentHeader, HeaderCause>> {
    let mut bytes = [0; header::LEN];
    let length = read_full(file, &mut bytes, 0)?;
    Ok(SegmentHeader::decode(bytes.get(..length).unwrap_or_default(), for_writing))
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
    /// The most that is read in one go, where the last time came to zeros, which writers put
    /// behind the end (Z-1).
    reach: Option<usize>,
}

/// How far ahead of a block a sequential reader reads.
pub const READ_AHEAD_BYTES: usize = 256 * 1024;
/// How far it reads at first where it expects the end.
const CAREFUL_BYTES: usize = 4 * 1024;

impl Window {
    /// One that expects the end to be near: it reads little at first, and twice as far each time
    /// that it did not come to zeros.
    #[must_use]
    pub fn careful() -> Self {
        Self { reach: Some(CAREFUL_BYTES), ..Self::default() }
    }

    /// Forgets all bytes, so that they are read afresh.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// The bytes held from `position` on, up to `length`, without reading.
    pub fn held(&self, position: u64, length: usize) -> &[u8] {
        let bytes = self.buffer.get(..self.length).unwrap_or_default();
        let skip = position.checked_sub(self.position).and_then(|skip| usize::try_from(skip).ok());
        let held = skip.and_then(|skip| bytes.get(skip..)).unwrap_or_default();
        held.get(..length).unwrap_or(held)
    }

    /// The bytes of `file` from `position` on, up to `length`; fewer only where the file ends.
    /// Reads up to `ahead` in one go where it must read at all.
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
            let reach = self.reach.unwrap_or(usize::MAX);
            self.refill(file, position, length, length.max(ahead.min(reach)))?;
            self.reach = self.next_reach();
        }
        Ok(self.held(position, length))
    }

    /// How far to read the next time: little behind zeros, otherwise twice as far as now.
    fn next_reach(&self) -> Option<usize> {
        let held = self.buffer.get(..self.length).unwrap_or_default();
        let last = held.get(held.len().saturating_sub(BLOCK_ALIGN as usize)..).unwrap_or_default();
        match self.reach {
            _ if !last.is_empty() && is_zero(last) => Some(CAREFUL_BYTES),
            Some(reach) if reach < READ_AHEAD_BYTES => Some(2 * reach),
            _ => None,
        }
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
            put(&mut buffer, 0, self.buffer.get(held).unwrap_or_default());
            self.buffer = buffer;
        } else {
            self.buffer.copy_within(held, 0);
        }
        (self.position, self.length) = (position, kept);
        let space = self.buffer.get_mut(kept..wanted).unwrap_or_default();
        self.length += read_at_least(file, space, length - kept, position + kept as u64)?;
        Ok(())
    }

    /// The start at `position`, if its own checksum is right.
    ///
    /// # Errors
    /// Outside what the system says, inside what is wrong.
    pub fn start<F: VfsFile>(
        &mut self,
        file: &F,
        place: Place,
        ahead: usize,
    ) -> io::Result<Result<BlockStart, Cause>> {
        let bytes = self.fetch(file, place.position, start::LEN, ahead)?;
        Ok(BlockStart::decode(bytes, place))
    }

    /// The valid block at `place`, committed or not, whatever came before it.
    ///
    /// # Errors
    /// Outside what the system says, inside what is wrong.
    pub fn valid_block<F: VfsFile>(
        &mut self,
        file: &F,
        place: Place,
        ahead: usize,
    ) -> io::Result<Result<Block<'_>, Cause>> {
        let start = match self.start(file, place, ahead)? {
            Ok(start) => start,
            Err(cause) => return Ok(Err(cause)),
        };
        let length = usize::try_from(start.block_bytes()).unwrap_or(usize::MAX);
        let bytes = self.fetch(file, place.position, length, ahead)?;
        Ok(Block::verify(bytes, start))
    }

    /// The committed block at `place` (F-24), all before it being committed and ending in `link`.
    ///
    /// # Errors
    /// Outside what the system says, inside why there is none.
    pub fn committed_block<F: VfsFile>(
        &mut self,
        file: &F,
        place: Place,
        link: &Link,
        ahead: usize,
    ) -> io::Result<Result<Block<'_>, Cause>> {
        let block = match self.valid_block(file, place, ahead)? {
            Ok(block) => block,
            Err(cause) => return Ok(Err(cause)),
        };
        if !link.leads_to(&block.start) {
            return Ok(Err(Cause::Chain));
        }
        Ok(if block.start.committed { Ok(block) } else { Err(Cause::Low) })
    }
}

/// Position and start of the block that ends at `block_end`, by the length that its end says.
///
/// # Errors
/// Outside what the system says, inside why there is none.
pub fn block_ending_at<F: VfsFile>(
    file: &F,
    segment: &SegmentHeader,
    block_end: u64,
) -> io::Result<Result<(u64, BlockStart), Cause>> {
    let Some(length_at) = block_end.checked_sub(end::LEN as u64) else {
        return Ok(Err(Cause::Cut));
    };
    let mut length = [0; end::LEN];
    read_full(file, &mut length, length_at)?;
    let body_len = get_u32(&length, 0).unwrap_or(0) as usize;
    let position = block_end.checked_sub(block_bytes(body_len));
    let Some(position) = position.filter(|position| *position >= header::LEN as u64) else {
        return Ok(Err(Cause::Pad));
    };
    let mut bytes = [0; start::LEN];
    read_full(file, &mut bytes, position)?;
    let found = BlockStart::decode(&bytes, segment.place(position));
    Ok(found.and_then(|start| match start.body_len == body_len {
        true => Ok((position, start)),
        false => Err(Cause::Pad),
    }))
}

/// Walks the committed blocks of a segment from its header on.
pub struct Scan<'f, F> {
    file: &'f F,
    header: SegmentHeader,
    window: Window,
    /// Position of the next block.
    pub position: u64,
    /// What it must continue.
    pub link: Link,
    /// Whether the segment end was passed.
    pub ended: bool,
}

impl<'f, F: VfsFile> Scan<'f, F> {
    /// Starts at the first block.
    pub fn new(file: &'f F, header: SegmentHeader) -> Self {
        Self {
            file,
            header,
            window: Window::default(),
            position: header::LEN as u64,
            link: header.first_link(),
            ended: false,
        }
    }

    /// The next committed block with its position; otherwise why there is none.
    ///
    /// # Errors
    /// What the system says.
    #[allow(clippy::should_implement_trait, reason = "an iterator's items cannot borrow from it")]
    pub fn next(&mut self) -> io::Result<Result<(u64, Block<'_>), Cause>> {
        let place = self.header.place(self.position);
        let found = self.window.committed_block(self.file, place, &self.link, READ_AHEAD_BYTES)?;
        let block = match found {
            Ok(_) if self.ended => return Ok(Err(Cause::BehindEnd)),
            Ok(block) => block,
            Err(cause) => return Ok(Err(cause)),
        };
        let checkpoint = block.start.kind == BlockKind::Checkpoint;
        if self.position == header::LEN as u64 && !checkpoint {
            return Ok(Err(Cause::NoCheckpoint));
        }
        self.ended = block.start.kind == BlockKind::SegmentEnd;
        self.position += block.start.block_bytes();
        self.link = block.link(self.header.may_jump());
        Ok(Ok((place.position, block)))
    }
}
