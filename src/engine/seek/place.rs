//! A reader's place in a segment, which it keeps from one look to the next.

use crate::engine::cursor::Step;
use crate::engine::dir::OpenSegment;
use crate::engine::error::{Failure, IoContext, IoError};
use crate::engine::segment::{READ_AHEAD_BYTES, Window};
use crate::engine::trace::{Action, Operator};
use crate::engine::vfs::{VfsFile, read_full};
use crate::format::block::{Block, BlockStart, Cause, Link};
use crate::format::chain::Chain;
use crate::format::layout::{end, header, start};

/// A place between two blocks of a pinned segment.
#[derive(Debug)]
pub struct ReadPlace<F> {
    /// The segment, locked shared.
    pub segment: OpenSegment<F>,
    /// Position of the next block.
    pub position: u64,
    /// What it must continue.
    pub link: Link,
    /// Epoch of the block before.
    pub epoch: u32,
    /// Highest `durable_to` of the blocks before.
    pub durable_to: u64,
    /// Whether the block before is the segment end.
    pub ended: bool,
    /// Where the last block that took offsets ends, and in which checksum: as long as it stands
    /// there, so does every record before.
    mark: Mark,
}

/// The end of a block, and the checksum that it ends in.
#[derive(Clone, Copy, Debug)]
struct Mark {
    end: u64,
    crc: u32,
}

impl Mark {
    /// Whether a file has it still.
    fn stands_in<F: VfsFile>(&self, segment: &OpenSegment<F>) -> Result<bool, Failure> {
        let mut crc = [0; end::CRC];
        let crc_at = self.end.saturating_sub(end::CRC as u64);
        let read = read_full(&segment.file, &mut crc, crc_at);
        let read = read.while_doing_at("read", &segment.path, crc_at)?;
        Ok(read == end::CRC && crc == self.crc.to_le_bytes())
    }
}

impl<F: VfsFile> ReadPlace<F> {
    /// An action at this place.
    pub fn action(&self, operator: Operator) -> Action<'static> {
        Action::new(operator).at(self.segment.header.sequence, self.position)
    }

    /// Whether other bytes than the checksum of the block that was read last stand before the
    /// position: that block was damaged, or cut off.
    pub fn was_taken_back(&self) -> Result<bool, Failure> {
        let mark = Mark { end: self.position, crc: self.link.prev_crc };
        Ok(!mark.stands_in(&self.segment)?)
    }

    /// Whether all records before this place still stand where they were read.
    pub fn has_its_records(&self) -> Result<bool, Failure> {
        self.mark.stands_in(&self.segment)
    }

    /// Before the first block of a segment.
    pub fn at_start_of(segment: OpenSegment<F>) -> Self {
        let (link, epoch) = (segment.header.first_link(), segment.header.epoch);
        let position = header::LEN as u64;
        let mark = Mark { end: position, crc: link.prev_crc };
        let (durable_to, ended) = (0, false);
        Self { segment, position, link, epoch, durable_to, ended, mark }
    }

    /// The place as one between two blocks.
    pub(super) fn chain(&self) -> Chain {
        Chain { position: self.position, link: self.link, ended: self.ended }
    }

    /// The next committed block.
    ///
    /// # Errors
    /// What the system says.
    pub fn look<'w>(&self, window: &'w mut Window) -> Result<Step<'w>, IoError> {
        self.look_ahead(window, READ_AHEAD_BYTES)
    }

    /// The same, reading `ahead` where it must read at all.
    ///
    /// # Errors
    /// As [`ReadPlace::look`].
    pub fn look_ahead<'w>(
        &self,
        window: &'w mut Window,
        ahead: usize,
    ) -> Result<Step<'w>, IoError> {
        self.segment.look(&self.chain(), window, ahead)
    }

    /// Moves behind the block that was seen here.
    pub fn pass(&mut self, block: &Block<'_>) {
        let before = self.link.next_offset;
        let behind = Chain::behind(self.position, block, self.link.may_jump);
        (self.position, self.link, self.ended) = (behind.position, behind.link, behind.ended);
        if self.link.next_offset > before {
            self.mark = Mark { end: self.position, crc: self.link.prev_crc };
        }
        self.epoch = block.start.epoch;
        self.durable_to = self.durable_to.max(block.start.durable_to);
    }

    /// Goes to a later block, which an index names, as if all before it had been read.
    ///
    /// # Errors
    /// Where it cannot be read; damage where no block begins there.
    pub fn jump(
        &mut self,
        window: &mut Window,
        position: u64,
        ahead: usize,
    ) -> Result<(), Failure> {
        let segment = &self.segment;
        let place = segment.header.place(position);
        let look = |window: &mut Window| {
            let bytes = window.fetch(&segment.file, position, start::LEN, ahead);
            let bytes = bytes.while_doing_at("read", &segment.path, position)?;
            let start = BlockStart::decode(bytes, place);
            start.map_err(|cause| segment.damage(position, self.link.next_offset, cause))
        };
        let start = match look(window) {
            Ok(start) if start.committed => start,
            Err(Failure::Io(error)) => return Err(error.into()),
            _ => {
                // What was read ahead may be older than the block; once committed it stays.
                window.clear();
                look(window)?
            }
        };
        if start.first_offset < self.link.next_offset {
            // Nobody else looks at what it continues; what was handed out must not come again.
            return Err(segment.damage(position, self.link.next_offset, Cause::Chain));
        }
        let there = Chain::before(&self.segment.header, position, &start);
        (self.position, self.link, self.ended) = (there.position, there.link, there.ended);
        self.mark = Mark { end: position, crc: start.prev_crc };
        self.epoch = start.epoch;
        Ok(())
    }

    /// Moves over blocks as long as `pass` says so; tells why there was no further one if
    /// it came to the committed end first.
    pub fn skip(
        &mut self,
        mut pass: impl FnMut(&Block<'_>) -> Result<bool, Cause>,
    ) -> Result<Option<Cause>, Failure> {
        let mut window = Window::default();
        loop {
            let block = match self.look(&mut window)? {
                Step::Block(_, block) => block,
                Step::Stopped(cause) => return Ok(Some(cause)),
            };
            let passed = pass(&block);
            if !passed.map_err(|cause| self.segment.damage_at(&self.chain(), cause))? {
                return Ok(None);
            }
            self.pass(&block);
        }
    }
}
