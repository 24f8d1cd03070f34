//! Reading a segment that may be damaged: block by block, and on past whatever is not one.
//!
//! A reader of a sound stream stops at the first place that is not a committed block. Who
//! inspects, verifies or salvages goes on: after bytes that are no block the walk looks at
//! every multiple of 64 for the next start whose checksum is right. The seed of that
//! checksum (F-19) makes sure that it was written for this segment and this place. What is
//! found is handed out as it is; what it means, others decide.

use std::io;
use std::ops::Range;

use crate::engine::segment::{READ_AHEAD_BYTES, SegmentHeader};
use crate::engine::vfs::{VfsFile, read_full};
use crate::format::block::{Block, BlockKind, BlockStart, Cause, Link, Place};
use crate::format::chain::Chain;
use crate::format::codec::get_u32;
use crate::format::layout::{BLOCK_ALIGN, SIGNAL_HIGH, SIGNAL_LOW, end, header, start};
use crate::format::sure::part_mut;

/// What stands at a place of a segment.
#[derive(Debug)]
pub enum Piece<'a> {
    /// A block, or what is left of one: the checksum of its start is right.
    Block(FoundBlock<'a>),
    /// Bytes up to the next block or the end of the file.
    Stretch(Stretch),
}

impl<'a> Piece<'a> {
    /// Position in the file.
    #[must_use]
    pub fn position(&self) -> u64 {
        match self {
            Self::Block(found) => found.position,
            Self::Stretch(stretch) => stretch.position,
        }
    }

    /// The committed block (F-24), as far as its own bytes and the block before it tell.
    ///
    /// # Errors
    /// Why it is none.
    pub fn committed(&self) -> Result<Block<'a>, Cause> {
        match self {
            Self::Block(found) => found.committed(),
            Self::Stretch(stretch) => Err(stretch.cause),
        }
    }

    /// What the system said where it could not read all of it.
    #[must_use]
    pub fn read_error(&self) -> Option<&str> {
        let error = match self {
            Self::Block(found) => &found.read_error,
            Self::Stretch(stretch) => &stretch.read_error,
        };
        error.as_deref()
    }

    /// The offset behind it, if its start tells.
    #[must_use]
    pub fn next_offset(&self) -> Option<u64> {
        let Self::Block(found) = self else { return None };
        found.start.first_offset.checked_add(u64::from(found.start.record_count))
    }
}

/// A block whose start is right, whatever else is.
#[derive(Debug)]
pub struct FoundBlock<'a> {
    /// Position in the file.
    pub position: u64,
    /// The signal byte as it stands there.
    pub signal: u8,
    /// The start; `committed` says nothing where the signal is neither low nor high.
    pub start: BlockStart,
    /// The block's bytes, as many as there are.
    pub bytes: &'a [u8],
    /// The valid block, or what is wrong behind the start.
    pub block: Result<Block<'a>, Cause>,
    /// What was known of the place before it.
    before: WalkPlace,
    /// What the system said where it could not read all of the bytes.
    pub read_error: Option<String>,
}

impl<'a> FoundBlock<'a> {
    /// The body, as much as there is of it.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        let body = self.bytes.get(start::LEN..).unwrap_or_default();
        body.get(..self.start.body_len).unwrap_or(body)
    }

    /// The checksum that stands in the block's end, right or wrong.
    #[must_use]
    pub fn stored_crc(&self) -> Option<u32> {
        let length = usize::try_from(self.start.block_bytes()).ok()?;
        get_u32(self.bytes, length.checked_sub(end::CRC)?)
    }

    /// Whether it continues what stands before it (F-21); `None` where that is no block.
    #[must_use]
    pub fn chained(&self) -> Option<bool> {
        self.before.link.map(|link| link.leads_to(&self.start))
    }

    /// The first thing that keeps the block from being committed (F-24), its own bytes and
    /// the block before it taken into account.
    ///
    /// # Errors
    /// That thing.
    pub fn committed(&self) -> Result<Block<'a>, Cause> {
        let WalkPlace { position, link, ended } = self.before;
        if ended {
            return Err(Cause::BehindEnd);
        }
        if self.signal != SIGNAL_LOW && self.signal != SIGNAL_HIGH {
            return Err(Cause::Signal(self.signal));
        }
        let block = self.block?;
        match link {
            Some(link) => Chain { position, link, ended }.admit(&block.start)?,
            None if self.signal == SIGNAL_LOW => return Err(Cause::Low),
            None => {}
        }
        Ok(block)
    }
}

/// Bytes that are no block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Where they begin.
    pub position: u64,
    /// How many there are.
    pub length: u64,
    /// Why no block begins there.
    pub cause: Cause,
    /// Whether all of them are zero.
    pub zeros: bool,
    /// What the system said where it could not read all of them.
    pub read_error: Option<String>,
}

/// A place in a segment, before which damage may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkPlace {
    /// Where the next piece begins.
    pub position: u64,
    /// What it must continue; `None` behind what is no block.
    pub link: Option<Link>,
    /// Whether the segment end was passed.
    pub ended: bool,
}

impl From<Chain> for WalkPlace {
    fn from(Chain { position, link, ended }: Chain) -> Self {
        Self { position, link: Some(link), ended }
    }
}

/// Walks over a segment's file as it was when the walk began.
pub struct Walk<'f, F> {
    window: PatientWindow<'f, F>,
    header_crc: u32,
    may_jump: bool,
    at: WalkPlace,
}

impl<'f, F: VfsFile> Walk<'f, F> {
    /// Begins behind the header.
    ///
    /// # Errors
    /// Where the file's length cannot be had.
    pub fn new(file: &'f F, header: &SegmentHeader) -> io::Result<Self> {
        Self::resume(file, header, Chain::at_start_of(header).into())
    }

    /// Begins at a place between two blocks.
    ///
    /// # Errors
    /// Where the file's length cannot be had.
    pub fn resume(file: &'f F, header: &SegmentHeader, at: WalkPlace) -> io::Result<Self> {
        let length = file.status()?.len;
        let window = PatientWindow { file, length, bytes: Vec::new(), at: 0, failed: Vec::new() };
        Ok(Self { window, header_crc: header.crc, may_jump: header.may_jump(), at })
    }

    /// The place before the next piece.
    #[must_use]
    pub fn at(&self) -> WalkPlace {
        self.at
    }

    /// Length of the file when the walk began.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.window.length
    }

    /// Where a block stands there, for its checksums.
    #[must_use]
    pub fn place(&self, position: u64) -> Place {
        Place { header_crc: self.header_crc, position }
    }

    /// Tells the walk what the next block must continue, where the walk itself could not know.
    pub fn assume(&mut self, link: Link) {
        self.at.link = Some(link);
    }

    /// Bytes of the file, as many as there are.
    pub fn bytes(&mut self, position: u64, length: usize) -> &[u8] {
        self.window.fetch(position, length)
    }

    /// The start of the next piece, if that is a block.
    pub fn peek(&mut self) -> Option<BlockStart> {
        self.start_at(self.at.position).ok().map(|(_, start)| start)
    }

    /// The next piece; `None` at the end of the file.
    pub fn next_piece(&mut self) -> Option<Piece<'_>> {
        if self.at.position >= self.window.length {
            return None;
        }
        match self.start_at(self.at.position) {
            Ok((signal, start)) => Some(Piece::Block(self.block(signal, start))),
            Err(cause) => Some(Piece::Stretch(self.stretch(cause))),
        }
    }

    fn start_at(&mut self, position: u64) -> Result<(u8, BlockStart), Cause> {
        let place = Place { header_crc: self.header_crc, position };
        decode_whatever_signal(self.window.fetch(position, start::LEN), place)
    }

    fn block(&mut self, signal: u8, start: BlockStart) -> FoundBlock<'_> {
        let (before, position) = (self.at, self.at.position);
        let length = start.block_len();
        self.at.position += self.window.fetch(position, length).len() as u64;
        let next_offset = start.first_offset.checked_add(u64::from(start.record_count));
        let bytes = self.window.held(position, length);
        let read_error = self.window.read_error(position..self.at.position);
        let block = Block::verify(bytes, start);
        let found = FoundBlock { position, signal, start, bytes, block, before, read_error };
        let may_jump = self.may_jump;
        let link = |(prev_crc, next_offset)| Link { prev_crc, next_offset, may_jump };
        self.at.link = found.stored_crc().zip(next_offset).map(link);
        self.at.ended |= start.kind == BlockKind::SegmentEnd && found.committed().is_ok();
        found
    }

    /// Looks for the next start that is right, and leaves off there.
    fn stretch(&mut self, cause: Cause) -> Stretch {
        let position = self.at.position;
        let cause = if self.at.ended { Cause::BehindEnd } else { cause };
        let (mut zeros, mut no_hole_to) = (true, 0);
        loop {
            let unit = self.window.fetch(self.at.position, BLOCK_ALIGN as usize);
            let (length, empty) = (unit.len(), unit.iter().all(|byte| *byte == 0));
            zeros &= empty;
            self.at.position += length as u64;
            if empty && self.at.position >= no_hole_to {
                self.at.position = self.window.behind_hole(self.at.position);
                no_hole_to = self.at.position.saturating_add(READ_AHEAD_BYTES as u64);
            }
            let at_end = length < BLOCK_ALIGN as usize || self.at.position >= self.window.length;
            if at_end || self.start_at(self.at.position).is_ok() {
                break;
            }
        }
        self.at.link = None;
        let read_error = self.window.read_error(position..self.at.position);
        Stretch { position, length: self.at.position - position, cause, zeros, read_error }
    }
}

/// Decodes a start whatever its signal, which is in no checksum (F-19).
fn decode_whatever_signal(bytes: &[u8], place: Place) -> Result<(u8, BlockStart), Cause> {
    let &signal = bytes.first().ok_or(Cause::End)?;
    if signal == SIGNAL_LOW || signal == SIGNAL_HIGH {
        return Ok((signal, BlockStart::decode(bytes, place)?));
    }
    let mut high: [u8; start::LEN] = *bytes.first_chunk().ok_or(Cause::Cut)?;
    crate::format::codec::put(&mut high, start::SIGNAL, &[SIGNAL_HIGH]);
    Ok((signal, BlockStart::decode(&high, place)?))
}

/// A header for a file whose own is damaged. All that the blocks need of it is its crc: it
/// stands in the header, and in the first block as prev_crc. The right one is the one with
/// which the start of some block is right.
#[must_use]
pub fn restore_header<F: VfsFile>(file: &F, sequence: u32) -> Option<SegmentHeader> {
    let unknown = SegmentHeader {
        features_compatible: 0,
        features_read_compatible: 0,
        stream_id: [0; 16],
        base_offset: 0,
        created_ms: 0,
        sequence,
        // Offsets may jump in a compacted segment; whether this is one is not known.
        generation: 1,
        epoch: 0,
        crc: 0,
    };
    let mut walk = Walk::new(file, &unknown).ok()?;
    let bytes = walk.bytes(0, header::LEN + start::LEN);
    let candidates = [header::CRC, header::LEN + start::PREV_CRC];
    let candidates = candidates.map(|at| get_u32(bytes, at));
    candidates.into_iter().flatten().find_map(|crc| {
        let header = SegmentHeader { crc, ..unknown };
        let mut walk = Walk::new(file, &header).ok()?;
        loop {
            if let Piece::Block(found) = walk.next_piece()? {
                return Some(SegmentHeader { base_offset: found.start.first_offset, ..header });
            }
        }
    })
}

/// What is read again by itself where more at once could not be read.
const PAGE_BYTES: u64 = 4096;

/// A stretch of the file in memory. What the system cannot read is zeros in it.
struct PatientWindow<'f, F> {
    file: &'f F,
    length: u64,
    bytes: Vec<u8>,
    at: u64,
    /// What could not be read, and what the system said.
    failed: Vec<(Range<u64>, String)>,
}

impl<F: VfsFile> PatientWindow<'_, F> {
    /// The bytes from `position` on, up to `length`; fewer only where the file ends.
    fn fetch(&mut self, position: u64, length: usize) -> &[u8] {
        if self.held(position, length).len() < length {
            let end = position.saturating_add(length.max(READ_AHEAD_BYTES) as u64);
            self.load(position..end.min(self.length));
        }
        self.held(position, length)
    }

    /// The last unit in front of which a file has nothing but a hole from `position` on: a sparse
    /// file may be very long.
    fn behind_hole(&self, position: u64) -> u64 {
        let data = self.file.next_data(position).unwrap_or(Some(position));
        let data = data.unwrap_or(self.length).clamp(position, self.length.max(position));
        position + (data - position) / BLOCK_ALIGN * BLOCK_ALIGN
    }

    fn held(&self, position: u64, length: usize) -> &[u8] {
        let skip = position.checked_sub(self.at).and_then(|skip| usize::try_from(skip).ok());
        let held = skip.and_then(|skip| self.bytes.get(skip..)).unwrap_or_default();
        held.get(..length).unwrap_or(held)
    }

    fn load(&mut self, range: Range<u64>) {
        self.at = range.start;
        let wanted = range.end.saturating_sub(range.start);
        self.bytes.clear();
        self.bytes.resize(usize::try_from(wanted).unwrap_or(0), 0);
        match read_full(self.file, &mut self.bytes, range.start) {
            Ok(count) => self.bytes.truncate(count),
            Err(_) => self.load_by_pages(range),
        }
    }

    fn load_by_pages(&mut self, range: Range<u64>) {
        let mut position = range.start;
        while position < range.end {
            let page_end = (position / PAGE_BYTES + 1).saturating_mul(PAGE_BYTES).min(range.end);
            let place = |at: u64| (at - range.start) as usize;
            let page = part_mut(&mut self.bytes, place(position)..place(page_end));
            if let Err(error) = read_full(self.file, page, position) {
                page.fill(0);
                self.note_failure(position..page_end, error.to_string());
            }
            position = page_end;
        }
    }

    fn note_failure(&mut self, range: Range<u64>, error: String) {
        match self.failed.last_mut() {
            Some((last, _)) if last.end == range.start => last.end = range.end,
            _ => self.failed.push((range, error)),
        }
    }

    /// What the system said about bytes in this range, if it could not read some of them.
    fn read_error(&self, range: Range<u64>) -> Option<String> {
        let overlaps = |failed: &Range<u64>| failed.start < range.end && range.start < failed.end;
        let mut failed = self.failed.iter();
        failed.find(|(failed, _)| overlaps(failed)).map(|(_, error)| error.clone())
    }
}
